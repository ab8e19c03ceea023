"""Options that the documentation names and no other test runs, on small inputs."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from cli_helpers import skelact

from skelact.datasets.synthetic.render import render_clip, render_frames
from skelact.io.store import read_store, write_store
from skelact.io.video import write_video
from skelact.recognition.checkpoint import load_checkpoint


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three short videos in one folder: two people who wave, and an empty room."""
    folder = tmp_path_factory.mktemp("videos")
    for subject in (3, 4):
        clip = render_clip(folder / f"person{subject}_wave.mp4", "wave", subject=subject, fps=8)
    picture = next(render_frames(clip.with_(score=0 * clip.score), seed=0))
    write_video(folder / "person5_nobody.mp4", [picture] * 8, 8.0)
    return folder


@pytest.mark.slow
def test_extract_names_from_paths_and_empty_videos(videos: Path, tmp_path: Path) -> None:
    words = ["extract", videos, "--subject", r"person(\d+)", "--label", r"_(\w+)\.mp4", "--people", "one"]
    words += ["--workers", 1, "--estimator", "mediapipe"]
    done = skelact(*words, "--out", tmp_path / "a.h5", "--keep-empty")
    clips = {clip.label: clip for clip in read_store(tmp_path / "a.h5")}
    assert done.code == 0 and set(clips) == {"wave", "nobody"}
    assert not (clips["nobody"].score > 0).any() and (clips["wave"].score > 0).any()
    assert {str(clip.info["subject"]) for clip in read_store(tmp_path / "a.h5")} == {"3", "4", "5"}
    done = skelact(*words, "--out", tmp_path / "b.h5")
    assert {clip.label for clip in read_store(tmp_path / "b.h5")} == {"wave"}


@pytest.mark.slow
def test_evaluate_in_other_arithmetic(trained: Path, dataset: Path, tmp_path: Path) -> None:
    done = skelact("evaluate", trained, dataset, "--dtype", "bfloat16", "--out", tmp_path / "r", "--json")
    assert done.code == 0 and 0 <= done.json["top1"] <= 1
    assert "bfloat16" in (tmp_path / "r" / "report.html").read_text()


def test_train_folds_precision_and_frozen_layers(
    trained: Path, dataset: Path, config: Path, tmp_path: Path
) -> None:
    words = ["train", config, "--data", dataset, "--out", tmp_path, "--train.epochs", 1, "--json"]
    fold = ["--data.fold", "1/2", "--data.val-by", "subject", "--train.precision", "bf16-mixed"]
    done = skelact(*words, "--name", "fold", *fold)
    settings = yaml.safe_load((tmp_path / "fold" / "config.yaml").read_text())
    assert done.code == 0 and settings["train"]["precision"] == "bf16-mixed"
    assert settings["data"]["fold"] == "1/2"
    before = load_checkpoint(tmp_path / "fold")[0]
    done = skelact(*words, "--name", "off", *fold, "--pipeline.normalise.centre", "none")
    assert done.code == 0 and load_checkpoint(tmp_path / "off")[1].pipeline["normalise"]["centre"] == "none"
    after = load_checkpoint(tmp_path / "off")[0]
    assert any(not torch.equal(before[name], after[name]) for name in before)  # it saw other positions
    start = ["--train.init-from", trained, "--train.freeze", 1, "--train.layer-decay", 0.7]
    done = skelact(*words, "--name", "frozen", *start)
    assert done.code == 0 and "freeze: 1" in (tmp_path / "frozen" / "config.yaml").read_text()


@pytest.mark.slow
def test_train_a_classifier_in_closed_form_on_the_network_that_ships(
    dataset: Path, config: Path, tmp_path: Path
) -> None:
    start = ["train", "--data", dataset, "--out", tmp_path, "--init-from", "everyday"]
    done = skelact(*start, "--name", "ridge", "--train.optimiser", "ridge", "--epochs", 1)
    assert done.code == 0 and "nan" not in done.out + done.err, done.err
    tested = skelact("evaluate", tmp_path / "ridge", dataset, "--out", tmp_path / "report", "--json")
    assert tested.code == 0 and tested.json["top1"] > 0.5
    refused = skelact(*start, "--name", "more", "--train.optimiser", "ridge", "--epochs", 2)
    assert refused.code == 2 and "set train.epochs to 1 (now 2)" in refused.err


@pytest.mark.slow
def test_monitor_with_what_was_learned(videos: Path, tmp_path: Path) -> None:
    from skelact.datasets.synthetic.everyday.days import make_day

    days = tmp_path / "days.h5"
    write_store(days, [make_day(resident, 0, minutes=0.7) for resident in range(2)])
    learned = skelact("learn-thresholds", days, "--out", tmp_path / "thresholds.json")
    normal = skelact("learn-normal", days, "--out", tmp_path / "normal.safetensors")
    assert learned.code == normal.code == 0, learned.err + normal.err
    done = skelact(
        "monitor", videos / "person3_wave.mp4", "--thresholds", tmp_path / "thresholds.json", "--normal",
        tmp_path / "normal.safetensors", "--people", "one", "--estimator", "mediapipe", "--seconds", 1, "--json",
    )  # fmt: skip
    assert done.code == 0 and done.json["frames"] >= 7


def test_benchmarks_of_files(raw: Path, videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.benchmark import data, extraction

    asked = []  # measuring takes minutes by its nature
    monkeypatch.setattr(data, "measure_conversion", lambda path: asked.append(str(path)) or [{"files": 12}])
    done = skelact("benchmark", "convert", "--files", raw, "--json")
    assert done.code == 0 and done.json["convert"] == [{"files": 12}]
    monkeypatch.setattr(
        extraction, "measure_extraction", lambda path: asked.append(path) or {"ms a frame": 1.0}
    )
    done = skelact("benchmark", "extract", "--video", videos / "person3_wave.mp4", "--json")
    assert done.code == 0 and done.json["extract"] == [{"what": "extraction", "ms a frame": 1.0}]
    assert asked == [str(raw), str(videos / "person3_wave.mp4")]
