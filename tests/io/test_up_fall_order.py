"""Rows of UP-Fall that stand in the order of the frames' names as text are seen, others are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.io.falls import read_up_fall, sorted_as_text


def walk(n_frames: int) -> np.ndarray:
    """Joints ``[T, 33, 2]`` that wander over the picture."""
    rng = np.random.default_rng(0)
    path = np.cumsum(rng.normal(0, 0.004, (n_frames, 1, 2)), 0) + rng.random((1, 33, 2)) * 0.3
    return path + rng.normal(0, 0.001, (n_frames, 33, 2))


@pytest.mark.parametrize("n_frames", [172, 185, 240])
def test_the_frames_are_found(n_frames: int) -> None:
    names = np.array(sorted(range(1, n_frames + 1), key=str))
    for n_rows in (n_frames, 100):
        found = sorted_as_text(walk(n_frames)[names[:n_rows] - 1])
        assert found is not None and np.array_equal(found, names[:n_rows])


def test_rows_in_order_are_left() -> None:
    assert sorted_as_text(walk(180)) is None
    assert sorted_as_text(walk(12)) is None


def write(path: Path, xy: np.ndarray) -> Path:
    rows = np.concatenate([xy, np.zeros((len(xy), 33, 1))], 2).reshape(len(xy), -1)
    head = [f"Joint{j}_{c}" for j in range(1, 34) for c in "XYZ"]
    lines = [",".join([*head, "LABEL"]), *(",".join(map(str, [*row, "0.0"])) for row in rows)]
    path.write_text("\n".join(lines))
    return path


def test_the_reader_says_so_and_keeps_the_rows(tmp_path: Path) -> None:
    names = np.array(sorted(range(1, 181), key=str))[:100]
    for xy, words in ((walk(180)[names - 1], ["not in the order of time"]), (walk(100), [])):
        notes: list[str] = []
        clip = read_up_fall(write(tmp_path / "SUBJECT1__C1S1A1T1.csv", xy), notes)
        assert clip.xyz[0, ..., :2] == pytest.approx(xy, abs=1e-6)
        assert len(notes) == len(words) and all(w in n for w, n in zip(words, notes, strict=True))
        assert all("19 of frames 1 to 99, and 100 to 180" in n for n in notes)
