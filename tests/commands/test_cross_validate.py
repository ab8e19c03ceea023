"""``skelact cross-validate``: every clip is tested once, by networks that saw nothing of its group."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from cli_helpers import refused, skelact

from skelact.datasets.synthetic import make_set
from skelact.io.store import StoreWriter
from skelact.recognition.checkpoint import load_checkpoint

SMALL = {
    "pipeline": {"sampling": {"kind": "resize", "n_frames": 16}},
    "model": {"name": "tcn", "channels": [16, 16]},
    "train": {"epochs": 2, "batch_size": 8, "warmup_epochs": 0, "ema": 0, "device": "cpu", "keep": "best"},
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("set") / "set.h5"
    clips = list(make_set(actions=("wave", "kick"), subjects=(1, 2, 3)))
    with StoreWriter(path, layout=clips[0].layout) as writer:
        for clip in clips:
            writer.append(clip)
    return path


def recipe(folder: Path, name: str, stream: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(
        yaml.safe_dump({**SMALL, "name": name, "pipeline": {**SMALL["pipeline"], "streams": [stream]}})
    )
    return path


def test_every_clip_once_and_nothing_twice(data: Path, tmp_path: Path) -> None:
    recipes = recipe(tmp_path, "joint", "joint"), recipe(tmp_path, "bone", "bone")
    words = (
        "cross-validate",
        *recipes,
        "--data",
        data,
        "--folds",
        "each",
        "--out",
        tmp_path / "cv",
        "--json",
    )
    done = skelact(*words, "--", "--train.lr", 0.02)
    assert done.code == 0, done.err
    found = done.json
    assert found["folds"] == found["groups"] == 3 and found["by"] == "subject"
    assert [row["networks"] for row in found["rows"]] == [["joint"], ["bone"], ["joint", "bone"]]
    left_out: list[int] = []
    for k in (1, 2, 3):
        for name in ("joint", "bone"):
            card = load_checkpoint(tmp_path / "cv" / f"{name}_fold{k}")[1]
            assert card.config["data"]["fold"] == f"{k}/3" and card.config["data"]["train"] == "all"
            assert card.config["train"]["keep"] == "last"  # not the epoch that was best on the fold
            assert card.config["train"]["lr"] == 0.02
        with np.load(tmp_path / "cv" / f"joint_fold{k}" / "left_out_views1.npz") as file:
            left_out += file["clips"].tolist()
            assert file["logits"].shape == (len(file["clips"]), 2)
    assert sorted(left_out) == list(range(len(left_out))) and len(left_out) == found["clips"]
    row = found["rows"][0]
    assert row["interval"][0] <= row["top1"] <= row["interval"][1] and len(row["by_fold"]) == 3
    made = json.loads((tmp_path / "cv" / "cross_validation.json").read_text())
    assert made["rows"] == found["rows"]
    assert "| joint + bone |" in (tmp_path / "cv" / "cross_validation.md").read_text()
    assert (tmp_path / "cv" / "confusion.png").stat().st_size > 1000
    weights = tmp_path / "cv" / "bone_fold2" / "best.safetensors"
    before = weights.stat().st_mtime_ns
    again = skelact(*words, "--", "--train.lr", 0.02)
    assert again.code == 0 and again.json == found and weights.stat().st_mtime_ns == before


@pytest.mark.slow
def test_samples_per_clip_are_not_those_of_before(data: Path, tmp_path: Path) -> None:
    one = recipe(tmp_path, "joint", "joint")
    words = ("cross-validate", one, "--data", data, "--folds", "3", "--out", tmp_path / "cv")
    found = {}
    for views in (1, 3):
        done = skelact(*words, "--views", views)
        assert done.code == 0, done.err
        with np.load(tmp_path / "cv" / "joint_fold1" / f"left_out_views{views}.npz") as file:
            found[views] = file["logits"]
    assert found[1].shape == found[3].shape and not np.allclose(found[1], found[3])


def test_wrong_words(data: Path, tmp_path: Path) -> None:
    one = recipe(tmp_path, "joint", "joint")
    assert "name recipes and a set" in refused(2, "cross-validate", one)
    assert "2 on, or each" in refused(2, "cross-validate", one, "--data", data, "--folds", "1")
    assert "different names" in refused(2, "cross-validate", one, one, "--data", data)
    said = refused(2, "cross-validate", one, "--data", data, "--by", "room")
    assert "room" in said
