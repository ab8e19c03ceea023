"""MediaPipe Holistic arrays: their order, what is missing, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.io.convert import convert
from skelact.io.formats import detect_format
from skelact.io.holistic import find_arrays, iter_holistic
from skelact.layouts import get_layout


def make(n_frames: int = 3) -> np.ndarray:
    """x counts the points in the order of the files."""
    x = np.zeros((n_frames, 543, 3), np.float32)
    x[..., 0] = np.arange(1, 544) / 1000
    x[..., 1] = 0.5
    return x


def read(path: Path, layout: str | None = None, **options):
    (clip,) = iter_holistic(path, layout, **options)
    return clip


def test_order_is_face_left_pose_right(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", make())
    clip = read(tmp_path / "a.npy", "holistic543")
    at = {joint: round(float(clip.xyz[0, 0, v, 0]) * 1000) - 1 for v, joint in enumerate(clip.layout.joints)}
    assert at["face_000"] == 0 and at["face_467"] == 467 and at["left_hand_wrist"] == 468
    assert at["nose"] == 489 and at["left_shoulder"] == 500 and at["right_hand_wrist"] == 522
    assert at["right_pinky_tip"] == 542
    assert clip.unit == "image" and clip.fps == 30 and clip.id == "a" and (clip.score == 1).all()
    assert read(tmp_path / "a.npy").layout.name == "pose_hands75"
    assert read(tmp_path / "a.npy", "sign118", fps=25).fps == 25


def test_nan_is_missing_and_zero_is_not(tmp_path: Path) -> None:
    x = make()
    x[1, 468:489] = np.nan  # the left hand in one frame
    x[2, 489, 2] = np.nan  # a nose without depth
    x[0, 490] = 0
    np.save(tmp_path / "a.npy", x.astype(np.float64))
    notes: list[str] = []
    clip = read(tmp_path / "a.npy", notes=notes)
    index = get_layout("pose_hands75").index
    assert not clip.score[0, 1, 33:54].any() and clip.score[0, [0, 2], 33:54].all()
    assert clip.score[0, 2, index["nose"]] == 0 and clip.score[0, 0, 1] == 1
    assert notes == ["1 points with NaN in some coordinates are marked missing"]


def test_npz_with_several_recordings(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "s.npz", one=make(), two=make(5), other=np.zeros(3))
    assert find_arrays(tmp_path / "s.npz") == ["one", "two"]
    assert detect_format(tmp_path / "s.npz") == "holistic"
    clips = list(iter_holistic(tmp_path / "s.npz"))
    assert [(c.id, c.n_frames) for c in clips] == [("s_one", 3), ("s_two", 5)]


def test_convert_keeps_the_face_with_layout(tmp_path: Path) -> None:
    for label in ("a", "b"):
        (tmp_path / "in" / label).mkdir(parents=True)
        np.save(tmp_path / "in" / label / "1.npy", make()[:, :, :2])
    report = convert(tmp_path / "in", tmp_path / "x.h5", layout="sign130", workers=0)
    assert report.labels == {"a": 1, "b": 1} and not report.failed
    from skelact.io.store import Store

    with Store(tmp_path / "x.h5") as store:
        assert store.layout.name == "sign130" and len(store) == 2


def test_wrong_arrays_are_refused(tmp_path: Path) -> None:
    for x, word in (
        (np.zeros((3, 75, 3)), r"\[3, 75, 3\]"),
        (np.zeros((0, 543, 3)), r"\[0, 543, 3\]"),
        (np.full((2, 543, 3), np.nan), "nobody"),
        (np.full((2, 543, 3), np.inf), "infinite"),
        (np.zeros((2, 543, 3), np.int64), "int64"),
        (np.array([{}], object), "plain numbers"),
    ):
        np.save(tmp_path / "a.npy", x, allow_pickle=True)
        with pytest.raises(DataError, match=word):
            read(tmp_path / "a.npy")


def test_claims_are_held_against_the_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", make())
    content = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "a.npy").write_bytes(content.replace(b"(3, 543, 3), ", b"(9999999,543,3),")[: len(content)])
    with pytest.raises(DataError, match=r"a\.npy"):
        read(tmp_path / "a.npy")
    (tmp_path / "a.npy").write_bytes(content[:-100])
    with pytest.raises(DataError, match="cut off"):
        read(tmp_path / "a.npy")
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 broken")
    assert find_arrays(tmp_path / "a.npz") == []
    with pytest.raises(DataError, match=r"a\.npz"):
        read(tmp_path / "a.npz")
