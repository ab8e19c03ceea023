"""``skelact evaluate``: what it says of every clip, the mistakes it shows, and the threshold of ``unknown``."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import refused, skelact, tree

from skelact.evaluate.predictions import read_predictions
from skelact.io.store import Store


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run, which may be changed."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_every_clip_is_listed(trained: Path, dataset: Path, tmp_path: Path) -> None:
    words = ("evaluate", trained, dataset, "--split", "all", "--out", tmp_path / "e")
    done = skelact(*words, "--json", "--mistakes", 2)
    assert done.code == 0 and done.json["predictions"] == str(tmp_path / "e" / "predictions.csv")
    found = read_predictions(tmp_path / "e" / "predictions.csv")
    with Store(dataset) as store:
        assert found.clips == store.clips["id"].tolist()
        assert found.labels == [store.label_names[k] for k in store.clips["label"]]
        assert found.subjects == [str(info["subject"]) for info in store.infos]
    assert found.correct.mean() == pytest.approx(done.json["top1"])
    wrong = int((~found.correct).sum())
    assert wrong > 2, "the network is too good for this test"
    page = (tmp_path / "e" / "report.html").read_text()
    assert f"{wrong} of 12 answers are wrong; shown: the 2 given most surely" in page
    worst = found.clips[found.worst(1)[0]]
    assert f"{worst}: is " in page
    assert {"figures/mistake_1.png", "figures/mistake_2.png"} <= tree(tmp_path / "e")
    assert skelact(*words, "--mistakes", 0).code == 0
    assert "Worst mistakes" not in (tmp_path / "e" / "report.html").read_text()
    assert not [name for name in tree(tmp_path / "e") if "mistake" in name]
    assert "--mistakes" in refused(2, *words, "--mistakes", -1)


def test_a_clip_without_people_is_shown_by_its_video(tmp_path: Path) -> None:
    from motion_pictures import encode, pan

    from skelact.commands.evaluate_clips import looker

    (tmp_path / "videos").mkdir()
    encode(tmp_path / "videos" / "a.mp4", pan(16, (2, 0), 64, 96, seed=1))
    encode(tmp_path / "videos" / "b.mp4", pan(16, (2, 0), 64, 96, seed=2))
    out = tmp_path / "set.h5"
    assert skelact("extract", tmp_path / "videos", "--out", out, "--people", "none").code == 0
    (tmp_path / "videos" / "b.mp4").unlink()
    with Store(out) as store:
        # in the order of the names; several processes may have listed them in another
        look = looker(store, sorted([0, 1], key=lambda i: store.clips["id"][i]), "")
        frames = look(0)
        assert frames.shape == (6, 160, 240, 3) and (frames[0] != frames[5]).any()
        assert "shows nobody" in look(1) and "b.mp4" in look(1)


def labels_of(done, name: str = "segments") -> set[str]:
    return {s["label"] for s in done.json[name]}


def test_a_threshold_is_fitted_and_used(run: Path, raw: Path, tmp_path: Path) -> None:
    before = hashlib.sha256((run / "best.safetensors").read_bytes()).hexdigest()
    none = skelact("evaluate", run, "--json")
    assert none.json["unknown"] is None
    done = skelact("evaluate", run, "--fit-unknown", 0.5, "--json")
    assert done.code == 0 and "fitted on 3 clips of subjects/val" in done.err
    kept = json.loads((run / "best.unknown.json").read_text())
    assert kept["rate"] == 0.5 and kept["clips"] == 3 and kept["checkpoint"] == before
    assert hashlib.sha256((run / "best.safetensors").read_bytes()).hexdigest() == before
    assert done.json["unknown"]["threshold"] == kept["threshold"]
    # the second smallest confidence of the three clips: one of them is refused
    val = skelact("evaluate", run, "--split", "subjects/val", "--json")
    assert val.json["unknown"]["refused"] == pytest.approx(1 / 3) and "it was fitted on" in val.err
    assert "When it does not know" in Path(val.json["report"]).read_text()

    words = ("predict", run, raw, "--out", tmp_path / "p", "--json")
    said = skelact(*words)
    assert (
        said.json["threshold"] == kept["threshold"] and f"'unknown' below {kept['threshold']:.3f}" in said.err
    )
    for recording in json.loads(Path(said.json["predictions"]).read_text())["recordings"]:
        highest = np.array(recording["windows"][0]["probabilities"]).max(1)
        if len(highest) == 1 and abs(highest[0] - kept["threshold"]) > 1e-4:  # it is written rounded
            label = recording["segments"][0]["label"]
            assert (label == "unknown") == (highest[0] < kept["threshold"])
            assert recording["segments"][0]["score"] == pytest.approx(highest[0], abs=1e-3)
    assert "unknown" in labels_of(said)
    assert "unknown" not in labels_of(skelact(*words, "--no-unknown"))
    assert labels_of(skelact(*words, "--threshold", 1)) == {"unknown"}
    assert "unknown" not in labels_of(skelact(*words, "--threshold", 0))
    rows = list(csv.DictReader((tmp_path / "p" / f"{raw.name}.segments.csv").open()))
    assert {r["label"] for r in rows} == labels_of(skelact(*words, "--threshold", 0))


@pytest.mark.slow
def test_a_threshold_of_other_weights_is_not_used(run: Path, raw: Path, tmp_path: Path) -> None:
    assert skelact("evaluate", run, "--fit-unknown", 0.5).code == 0
    path = run / "best.unknown.json"
    kept = json.loads(path.read_text())
    words = ("predict", run, sorted(raw.iterdir())[0], "--out", tmp_path / "p")
    for text, why in (
        (json.dumps({**kept, "checkpoint": "0" * 64}), "fitted for other weights"),
        (json.dumps({**kept, "threshold": 7}), "its threshold is 7"),
        ("{}", "damaged"),
    ):
        path.write_text(text)
        said = refused(3, *words)
        assert why in said and "--fit-unknown" in said and "--no-unknown" in said
        assert not (tmp_path / "p").exists()
        assert skelact(*words, "--no-unknown", "--json").code == 0
        shutil.rmtree(tmp_path / "p")
        assert why in skelact("evaluate", run).out  # which goes on without it
    assert skelact("evaluate", run, "--fit-unknown", 0.5).code == 0
    assert skelact(*words).code == 0


@pytest.mark.slow
def test_what_cannot_be_fitted(run: Path, dataset: Path) -> None:
    for words, code, why in (
        (("--fit-unknown", 2), 2, "above 0 and below 1"),
        (("--fit-unknown", 0.05), 3, "at least 19 are needed"),
        (("--fit-unknown", 0.5, "--fit-on", "subjects/train"), 2, "trained on"),
        (("--fit-unknown", 0.5, "--fit-on", "all"), 2, "trained on"),
        (("--fit-unknown", 0.5, "--fit-on", "nothing"), 3, "unknown split"),
    ):
        assert why in refused(code, "evaluate", run, *words)
        assert not (run / "best.unknown.json").exists()
    assert skelact("evaluate", run, "--fit-unknown", 0.5, "--fit-on", "subjects/test").code == 0


def test_options_of_predict_that_do_not_go_together(trained: Path, raw: Path) -> None:
    assert "--threshold" in refused(2, "predict", trained, raw, "--threshold", 1.5)
    assert "leave one out" in refused(2, "predict", trained, raw, "--threshold", 0.5, "--no-unknown")


def test_examples_are_of_different_actions(dataset: Path) -> None:
    from types import SimpleNamespace

    from skelact.commands.evaluate_clips import examples_of

    labels = ["a", "a", "b", "a", "c", "b"]
    found = SimpleNamespace(
        correct=np.array([True, True, True, True, False, True]), labels=labels, predicted=labels,
        confidence=np.linspace(0.5, 0.9, 6),
    )  # fmt: skip
    with Store(dataset) as store:
        shown = examples_of(store, list(range(6)), found, 4)
        assert [example.true for example in shown] == ["a", "b", "a", "b"]
        assert shown[1].skeleton.id == store.clips["id"][2] and shown[1].probability == pytest.approx(0.66)
