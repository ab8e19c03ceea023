"""``skelact segment``: train, evaluate, detect, moments on a tiny set, and what it refuses."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import refused, skelact
from untrimmed import write_set

from skelact.evaluate.frames import score_frames
from skelact.evaluate.metrics import average_precision

FAST = (
    "--train.epochs", "25", "--train.batch-size", "4", "--train.lr", "0.01", "--input.fps", "10", "--input.window", "6",
    "--model", "gru", "--model.hidden", "24", "--model.dropout", "0", "--device", "cpu", "--input.augment.turn", "0",
    "--train.ema", "0.8",
)  # fmt: skip


@pytest.fixture(scope="module")
def phases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phases")
    write_set(folder / "set.h5")
    done = skelact(
        "segment", "train", "--data", folder / "set.h5", "--out", folder / "runs", "--name", "gru", *FAST
    )
    assert done.code == 0, done.err
    assert "4 recordings of 'user/train'" in done.out
    return folder


@pytest.fixture(scope="module")
def gestures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gestures")
    write_set(folder / "set.h5", moments=True)
    words = (
        "--target.background",
        "none",
        "--target.before",
        "0.15",
        "--target.after",
        "0.15",
        "--target.delay",
        "0.1",
    )
    done = skelact(
        "segment", "train", "--data", folder / "set.h5", "--out", folder / "runs", "--name", "gru", *FAST, *words,
        "--data.val", "a3",
    )  # fmt: skip
    assert done.code == 0, done.err
    return folder


def test_evaluate_writes_numbers_events_and_pictures(phases: Path) -> None:
    found = skelact("segment", "evaluate", phases / "runs" / "gru", "--json").json
    assert found["split"] == "user/test" and found["accuracy"] > 0.9 and found["f1@50"] > 0.7
    folder = Path(found["folder"])
    assert json.loads((folder / "metrics.json").read_text()) == found
    assert (folder / "timeline-b0.png").stat().st_size > 5000 and (folder / "timeline-b1.png").is_file()
    rows = {name: list(csv.DictReader((folder / f"frames-{name}.csv").open())) for name in ("b0", "b1")}
    assert all(len(r) == 240 for r in rows.values())
    again = score_frames(
        *([[row[key] for row in rows[n]] for n in ("b0", "b1")] for key in ("truth", "predicted")),
        [[float(row["time"]) for row in rows[n]] for n in ("b0", "b1")],  # type: ignore[list-item]
    )
    assert again.accuracy == found["accuracy"] and again.edit == found["edit"]
    everything = rows["b0"] + rows["b1"]
    for name, precision in found["average_precision"].items():
        p, real = (np.array([row[key] for row in everything]) for key in (name, "truth"))
        # the table holds rounded probabilities
        assert precision == pytest.approx(
            average_precision(p[real != ""].astype(float), real[real != ""] == name), abs=0.01
        )
    assert found["frame_map"] == pytest.approx(np.mean(list(found["average_precision"].values())))
    assert found["frame_map"] > 0.9 and found["calibrated_map"] != found["frame_map"]
    one = rows["b0"][50]
    assert sum(float(one[k]) for k in ("down", "left", "right")) == pytest.approx(1, abs=2e-4)
    compared = skelact("evaluate-events", folder / "predicted.json", folder / "truth.json", "--json")
    assert compared.code == 0 and compared.json["map"]["0.5"] > 0.5
    truth = json.loads((folder / "truth.json").read_text())["database"]["b0"]
    assert truth["duration"] == pytest.approx(12, abs=0.2) and truth["annotations"][0]["label"] == "down"


def test_options_of_evaluate(phases: Path, tmp_path: Path) -> None:
    out = tmp_path / "here"
    words = ("--split", "user/train", "--out", out, "--pictures", 1, "--json", "--device", "cpu")
    found = skelact("segment", "evaluate", phases / "runs" / "gru", phases / "set.h5", *words).json
    assert found["recordings"] == 4 and found["folder"] == str(out)
    assert len(list(out.glob("timeline-*.png"))) == 1 and len(list(out.glob("frames-*.csv"))) == 4


def test_detect(phases: Path, tmp_path: Path) -> None:
    run = phases / "runs" / "gru"
    found = skelact("segment", "detect", run, "--json").json
    assert found["map"]["0.5"] > 0.5 and (Path(found["folder"]) / "truth.json").is_file()
    results = json.loads((Path(found["folder"]) / "detections.json").read_text())["results"]
    assert set(results) == {"b0", "b1"} and sum(map(len, results.values())) == found["events"]
    for words in (("--most", 1), ("--least", 1.5), ("--least-score", 0.5), ("--sigma", 0.05)):
        other = skelact("segment", "detect", run, "--json", "--out", tmp_path / "d", *words).json
        assert other["events"] != found["events"] or other["map"] != found["map"], words


def test_moments(gestures: Path, tmp_path: Path) -> None:
    run = gestures / "runs" / "gru"
    done = skelact("segment", "moments", run, "--json", "--out", tmp_path / "m.json")
    found = done.json
    assert found["f1"] > 0.7 and found["largest_wait"] <= 0.333 and found["look_ahead"] == 0.1, done.err
    assert set(found["rules"][str(run)]) == {"left", "right"}
    kept = json.loads((tmp_path / "m.json").read_text())
    assert set(kept["moments"]) == {"b0", "b1"} and kept["f1"] == found["f1"]
    changes = (
        ("--threshold", 0.999), ("--refractory", 6), ("--wait", 0.5), ("--within", 0.01), ("--split", "all"),
        ("--false-per-hour", 0, "--split", "user/train"),
    )  # fmt: skip
    for words in changes:
        other = skelact("segment", "moments", run, "--json", *words).json
        assert (other["hits"], other["false"], other["median_delay"], other["rules"]) != (
            found["hits"], found["false"], found["median_delay"], found["rules"],
        ), words  # fmt: skip


def test_thresholds_of_another_training(gestures: Path, tmp_path: Path) -> None:
    run = gestures / "runs" / "gru"
    words = (
        "--target.background",
        "none",
        "--target.before",
        "0.15",
        "--target.after",
        "0.15",
        "--target.delay",
        "0.1",
    )
    whole = (
        "--data.val",
        "0",
        "--train.epochs",
        "1",
        "--train.warmup-epochs",
        "0",
        "--out",
        tmp_path,
        "--name",
        "all",
    )
    assert skelact("segment", "train", "--data", gestures / "set.h5", *FAST, *words, *whole).code == 0
    assert "held out no recordings" in refused(2, "segment", "moments", tmp_path / "all")
    found = skelact("segment", "moments", tmp_path / "all", "--fit-with", run, "--json").json
    own = skelact("segment", "moments", run, "--json").json
    assert list(found["rules"].values()) == list(own["rules"].values()) and found["f1"] != own["f1"]
    assert "a run for each of the 1 runs" in refused(2, "segment", "moments", run, "--fit-with", run, run)
    other = ("--data.train", "all", "--out", tmp_path, "--name", "other", "--train.epochs", "1")
    assert (
        skelact(
            "segment", "train", "--data", gestures / "set.h5", *FAST, *words, *other, "--data.val", "0.2"
        ).code
        == 0
    )
    assert "was trained on 'all'" in refused(2, "segment", "moments", run, "--fit-with", tmp_path / "other")


def test_several_networks_are_averaged(phases: Path, gestures: Path, tmp_path: Path) -> None:
    run, more = (
        phases / "runs" / "gru",
        ("--train.seed", "1", "--out", tmp_path, "--name", "other", "--train.epochs", "6"),
    )
    assert skelact("segment", "train", "--data", phases / "set.h5", *FAST, *more).code == 0
    each = [
        skelact("segment", "evaluate", r, "--out", tmp_path / f"{i}").code
        for i, r in enumerate((run, tmp_path / "other"))
    ]
    assert each == [0, 0]
    assert skelact("segment", "evaluate", f"{run},{tmp_path / 'other'}", "--out", tmp_path / "both").code == 0
    first = [list(csv.DictReader((tmp_path / n / "frames-b0.csv").open()))[60] for n in ("0", "1", "both")]
    for label in ("down", "left", "right"):
        a, b, mean = (float(row[label]) for row in first)
        assert mean == pytest.approx((a + b) / 2, abs=2e-4)
    refused(3, "segment", "evaluate", f"{run},{gestures / 'runs' / 'gru'}", phases / "set.h5")


def test_what_cannot_be_done_is_refused(phases: Path, gestures: Path, tmp_path: Path) -> None:
    run = phases / "runs" / "gru"
    assert "train, evaluate, detect, moments" in refused(2, "segment", "learn")
    assert "name the data" in refused(2, "segment", "train")
    assert "no file" in refused(3, "segment", "train", "--data", tmp_path / "no.h5")
    assert "unknown segmentation network 'lstm'" in refused(
        2, "segment", "train", "--data", phases / "set.h5", "--model", "lstm"
    )
    assert "background's label 'rest'" in refused(
        3, "segment", "train", "--data", phases / "set.h5", "--target.background", "rest"
    )
    assert "not trained for moments" in refused(2, "segment", "moments", run)
    assert "in the test parts of two runs" in refused(
        2, "segment", "moments", gestures / "runs" / "gru", gestures / "runs" / "gru", "--threshold", 0.5
    )
    assert "unknown split 'x'" in refused(3, "segment", "evaluate", run, "--split", "x")
    assert "labels that the checkpoint does not know" in refused(
        3, "segment", "evaluate", run, gestures / "set.h5", "--split", "all"
    )
    assert "--pictures" in refused(2, "segment", "evaluate", run, "--pictures", "-1")
    assert "there is no checkpoint" in refused(3, "segment", "detect", tmp_path)
    assert skelact("segment", "--help").code == 0 and skelact("segment").code == 2


def test_checkpoints_of_clips_are_told_apart(trained: Path, phases: Path) -> None:
    assert "for clips" in refused(3, "segment", "evaluate", trained, phases / "set.h5")
    assert "use skelact segment" in refused(3, "evaluate", phases / "runs" / "gru", phases / "set.h5")
    assert "skelact segment train" in refused(3, "train", "--data", phases / "set.h5")
