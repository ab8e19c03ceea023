"""The table of who is found in videos."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from skelact.benchmark import people
from skelact.commands import benchmark
from skelact.commands.ui import UI
from skelact.errors import ConfigError
from skelact.io.video import write_video
from skelact.layouts import get_layout
from skelact.pose.estimator import Detection
from skelact.skeleton import Skeleton


class Two:
    """Sees one person, who changes their name, and later another one."""

    layout, unit, follows = get_layout("coco17"), "m", True

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        xyz = np.random.default_rng(0).uniform(0.2, 0.8, (17, 3)).astype(np.float32)
        ids = [0 if time < 1 else 1] + ([2] if time >= 1.5 else [])
        return [Detection(xyz, np.ones(17, np.float32), xyz[:, :2], i) for i in ids]

    def close(self) -> None:
        """Nothing is open."""


def test_frames_people_and_switches_are_counted() -> None:
    score = np.zeros((3, 10, 17), np.float32)
    score[0, :4], score[1, 4:9], score[2, 6:8] = 1, 1, 1
    found = Skeleton(np.zeros((3, 10, 17, 3)), score, get_layout("coco17"), 10, "m")
    row = people.count_people(found)
    assert [row[f"{n} people"] for n in range(4)] == [0.1, 0.7, 0.2, 0] and row["4 or more"] == 0
    assert (row["frames"], row["each"], row["ids"], row["switches"]) == (10, "0.40 0.50 0.20", 3, 1)
    assert "ids" not in people.count_people(found, identities=False)


def test_the_table_is_written_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        write_video(tmp_path / f"{name}.mp4", [np.full((48, 64, 3), 9, np.uint8)] * 40, 20)
    n_kept = []

    def make() -> Two:
        kept = tmp_path / "out" / "benchmark.json"
        n_kept.append(len(json.loads(kept.read_text())["people"]) if kept.exists() else 0)
        return Two()

    monkeypatch.setattr(people, "CONTESTANTS", {"two": make, "again": make})
    words = ["people", "--videos", str(tmp_path), "--out", str(tmp_path / "out"), "--names", "two", "again"]
    assert benchmark.main(words, UI(silent=True)) == 0
    rows = json.loads((tmp_path / "out" / "benchmark.json").read_text())["people"]
    assert n_kept == [0, 1, 2, 3]
    assert [(row["what"], row["estimator"]) for row in rows] == [
        ("a.mp4", "two"), ("a.mp4", "again"), ("b.mp4", "two"), ("b.mp4", "again"),
    ]  # fmt: skip
    assert rows[0]["ids"] == 3 and rows[0]["switches"] == 1 and rows[0]["frames"] == 40
    assert "| a.mp4 | two | 40 |" in (tmp_path / "out" / "benchmark.md").read_text()
    with pytest.raises(ConfigError, match="unknown estimator 'three'; allowed: two, again"):
        benchmark.main([*words[:5], "--names", "three"], UI(silent=True))
    with pytest.raises(ConfigError, match="--videos FOLDER"):
        benchmark.main(["people"], UI(silent=True))
