"""The script that trains region networks, on rendered people: its checkpoint is what ``skelact detect`` takes."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from skelact.commands import detect
from skelact.commands.ui import UI
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic.generate import make_set
from skelact.datasets.synthetic.render import View, render_frames
from skelact.errors import DataError
from skelact.io.ava import write_ava
from skelact.io.store import write_store
from skelact.io.video import write_video
from skelact.recognition.region_detector import RegionCard, load_region_checkpoint
from skelact.training.regions import boxes_of_set, read_regions

ROOT = Path(__file__).parents[1]
VIEW = View(64, 48)
SMALL = [
    "--width",
    "0.0625",
    "--frames",
    "4",
    "--fps",
    "5",
    "--size",
    "32",
    "32",
    "--stride",
    "1",
    "--device",
    "cpu",
]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train_regions", ROOT / "tools" / "train_regions.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def rendered(folder: Path, actions: tuple[str, ...], subjects: int, view: View = VIEW) -> Path:
    """A set of rendered people whose joints' places are known, in turn 'train', 'train', 'test'; every other video
    begins before its clip."""
    clips, splits = [], {"train": [], "test": []}
    many = make_set(
        actions=actions, subjects=range(1, subjects + 1), repetitions=(1,), cameras=(2,), noise=None
    )
    for k, clip in enumerate(many):
        pictures = list(render_frames(clip, view=view, seed=k))
        before = 15 * (k % 2)
        write_video(folder / f"{clip.id}.mp4", pictures[:1] * before + pictures, clip.fps)
        place = view.project(clip.xyz) / [view.width, view.height]
        info = {**clip.info, "video_start": before / clip.fps, "width": view.width, "height": view.height}
        clips.append(clip.with_(picture=place, info=info))
        splits["test" if clip.info["subject"] % 3 == 0 else "train"].append(clip.id)
    write_store(folder / "set.h5", clips, splits=splits)
    return folder / "set.h5"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rendered(tmp_path_factory.mktemp("rendered"), ("wave", "kick"), 3)


@pytest.mark.slow
def test_a_set_is_trained_on_and_its_checkpoint_detects(
    script: ModuleType, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(small), "--videos", str(small.parent), "--out", str(tmp_path), "--epochs", "1", *SMALL]
    script.main(words)
    said = capsys.readouterr().out
    assert "epoch 1 of 1: loss" in said
    shown = dict(re.findall(r"(\S+-mAP, boxes \w+): ([\d.]+) %", said))
    assert {"frame-mAP, boxes given", "video-mAP, boxes given"} <= set(shown)
    path = tmp_path / "regions.safetensors"
    model, card = load_region_checkpoint(path)
    assert sorted(card.label_names) == ["kick", "wave"] and (card.n_frames, card.size) == (4, (32, 32))
    assert model.proposal is not None
    video = next(small.parent.glob("*.mp4"))
    table = tmp_path / "people.csv"
    table.write_text(f"{video.stem},0,0.2,0.1,0.8,0.9,1,7\n{video.stem},1,0.2,0.1,0.8,0.9,1,7\n")
    words = [str(video), "--checkpoint", str(path), "--boxes", str(table), "--threshold", "0.01"]
    assert detect.main([*words, "--out", str(tmp_path / "out"), "--device", "cpu"], UI(quiet=True)) == 0
    assert list((tmp_path / "out").glob("*.detections.json"))


def test_boxes_of_a_table(
    script: ModuleType, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = SkeletonSet.open(small)
    table, _ = boxes_of_set(data, range(len(data)), 1.0, str(small.parent))
    write_ava(tmp_path / "boxes.csv", table.take(table.action == 0))
    words = ["--boxes", str(tmp_path / "boxes.csv"), "--videos", str(small.parent), "--out", str(tmp_path)]
    words += ["--epochs", "1", *SMALL, "--no-proposals"]
    with pytest.raises(SystemExit):  # three videos: none is left for the test
        script.main(words)
    script.main([*words, "--test-boxes", str(tmp_path / "boxes.csv")])
    model, card = load_region_checkpoint(tmp_path / "regions.safetensors")
    assert card.label_names == ["action 0"] and model.proposal is None
    whole = capsys.readouterr().out
    frames = sorted(set(table.take(table.action == 0).frames()))
    left_out = tmp_path / "excluded.csv"
    left_out.write_text("".join(f"{video},{ms / 1000}\n" for video, ms in frames[1:]))
    script.main([*words, "--test-boxes", str(tmp_path / "boxes.csv"), "--excluded", str(left_out)])
    held_out = [re.findall(r"held out: (\d+)", text) for text in (whole, capsys.readouterr().out)]
    assert held_out == [[str(len(frames))], ["1"]]
    left_out.write_text("".join(f"{video},{ms / 1000}\n" for video, ms in frames))
    with pytest.raises(SystemExit):  # nothing is left for the test
        script.main([*words, "--test-boxes", str(tmp_path / "boxes.csv"), "--excluded", str(left_out)])


def test_the_box_and_the_clip_are_of_the_same_moment(small: Path) -> None:
    """Of a video that begins half a second before its clip."""
    data = SkeletonSet.open(small)
    late = next(k for k in range(len(data)) if data.infos[k]["video_start"] > 0)
    table, files = boxes_of_set(data, [late], 1.0, str(small.parent))
    assert table.time[0] == pytest.approx(1.0) and set(table.action) == {int(data.labels[late])}
    card = RegionCard(["a", "b"], {}, 4, 5, (48, 64), (0.0,) * 3, (1.0,) * 3)
    read = read_regions(table, files, [0, 1], card)
    assert read.batch.labels[:, int(data.labels[late])].eq(1).all() and read.batch.labels.sum(1).eq(1).all()
    x1, y1, x2, y2 = (read.batch.boxes[0, 1:] * torch.tensor([64, 48, 64, 48])).int().tolist()
    picture = read.batch.clips[0, :, 2].float()
    empty = read.batch.clips[:, :, 2].float().median(0).values  # what is there in most clips
    assert picture.shape == (3, 48, 64) and x2 - x1 > 4 and y2 - y1 > 10 and torch.isfinite(empty).all()
    assert picture[:, y1:y2, x1:x2].std() > picture[:, :8, :8].std()  # a person, not a wall
    with pytest.raises(DataError, match="there is no file of video"):
        read_regions(table, {}, [0, 1], card)


def test_what_cannot_be_trained(
    script: ModuleType, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*words: str) -> str:
        with pytest.raises(SystemExit) as stopped:
            script.main([*words, "--out", str(tmp_path / "out")])
        assert stopped.value.code == 2
        return capsys.readouterr().err

    assert "one of them" in refused()
    assert "--videos FOLDER" in refused("--boxes", "a.csv")
    assert "--epochs and --batch-size must be at least 1" in refused(str(small), "--epochs", "0")
    assert "split 'other'" in refused(str(small), "--test", "other")
    assert "gives no map" in refused(str(small), "--videos", str(small.parent), "--backbone", "lrcn")
    flat = [clip.with_(picture=None) for clip in make_set(1, noise=None)]
    write_video(tmp_path / f"{flat[0].id}.mp4", iter(np.zeros((40, 48, 64, 3), np.uint8)), 10)
    write_store(tmp_path / "flat.h5", flat, splits={"train": [flat[0].id], "test": [flat[0].id]})
    said = refused(str(tmp_path / "flat.h5"), "--videos", str(tmp_path))
    assert "does not say where its joints are in a picture" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_it_learns(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bodies that were not in training; chance is a third."""
    path = rendered(tmp_path, ("walk", "kick", "lie_down"), 12, View(96, 72))
    words = [str(path), "--videos", str(tmp_path), "--out", str(tmp_path / "run"), "--epochs", "15"]
    words += ["--width", "0.125", "--frames", "8", "--fps", "8", "--size", "64", "64", "--stride", "1"]
    script.main([*words, "--device", "cpu"])
    said = capsys.readouterr().out
    losses = [float(v) for v in re.findall(r"loss ([\d.]+)", said)]
    assert losses[-1] < 0.7 * losses[0]
    assert float(re.findall(r"frame-mAP, boxes given: ([\d.]+)", said)[0]) > 55, said
