"""What a file claims is held against its size before room is made for it."""

from __future__ import annotations

import io
import json
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.io.ctrgcn import read_ctrgcn
from skelact.io.joints_csv import iter_csv
from skelact.io.kinetics import read_kinetics
from skelact.io.mp_signs import load_npz
from skelact.io.openpose import read_openpose
from skelact.layouts import SkeletonLayout

POSE = [0.5] * 36


def refused_cheaply(read: Callable[[], object], words: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=words):
            read()
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_frame_numbers_of_json(tmp_path: Path) -> None:
    person = {"pose": POSE, "score": [1.0] * 18}
    frames = [{"frame_index": n, "skeleton": [person] * 3} for n in (1, 199_999)]
    (tmp_path / "a.json").write_text(json.dumps({"data": frames, "label": "x", "label_index": 0}))
    refused_cheaply(lambda: read_kinetics(tmp_path / "a.json"), "claim . people × 199999 frames")
    for n in (0, 199_999):
        people = [{"pose_keypoints_2d": [1.0] * 54}] * 3
        (tmp_path / f"v_{n:012d}_keypoints.json").write_text(json.dumps({"people": people}))
    refused_cheaply(lambda: read_openpose(tmp_path), "claim . people × 200000 frames")


def test_people_and_frames_of_csv(tmp_path: Path) -> None:
    lines = [f"c,{k * 990},{k},1,2,3,4" for k in range(100)]
    (tmp_path / "a.csv").write_text("clip,frame,person,a_x,a_y,b_x,b_y\n" + "\n".join(lines))
    layout = SkeletonLayout("two", ("a", "b"), (-1, 0))
    refused_cheaply(lambda: list(iter_csv(tmp_path / "a.csv", layout)), "claim 100 people × 98011 frames")


def npz(path: Path, shape: tuple[int, ...], content: bytes, method: int = zipfile.ZIP_STORED) -> Path:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", method) as file:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            file.writestr(f"{name}.npy", head.getvalue() + content)
    return path


def test_arrays_of_npz(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", (10**10, 300, 150), bytes(1000))
    refused_cheaply(lambda: read_ctrgcn(path), "claims 1800000000000000 bytes")
    bomb = npz(tmp_path / "b.npz", (250, 100, 750), bytes(80_000_000), zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 2_000_000
    refused_cheaply(lambda: read_ctrgcn(bomb), "claim to hold")
    np.savez_compressed(tmp_path / "c.npz", X=np.zeros((100, 60, 258), np.float32))  # much padding is usual
    assert load_npz(tmp_path / "c.npz", ("X",))["X"].shape == (100, 60, 258)
