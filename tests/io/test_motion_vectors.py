"""The codec's motion vectors against motion that is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from motion_pictures import encode, pan

from skelact.errors import ConfigError, DataError
from skelact.io.motion_vectors import MotionReader, read_motion
from skelact.io.video import write_video

STEP = (3, -2)

CODINGS = {
    "plain.mp4": ("libx264", {"options": {"preset": "veryfast", "bf": "0"}}),
    "usual.mp4": ("libx264", {"options": {"preset": "veryfast", "crf": "20"}}),
    "pyramid.mkv": ("libx264", {"options": {"preset": "medium", "x264-params": "ref=1:b-adapt=0:bframes=3"}}),
    "stream.ts": ("libx264", {"options": {"preset": "veryfast", "bf": "2"}}),
    "mpeg4.avi": ("mpeg4", {"options": {"qscale": "2"}}),
    "b_mpeg4.mp4": ("mpeg4", {"options": {"qscale": "2"}, "b_frames": 2}),
    "mpeg2.mpg": ("mpeg2video", {"options": {"qscale": "2"}, "b_frames": 2}),
}


@pytest.mark.parametrize("cell", [8, 16])
@pytest.mark.parametrize("name", CODINGS)
def test_a_pan_is_found_in_every_frame(tmp_path: Path, name: str, cell: int) -> None:
    codec, rest = CODINGS[name]
    path = encode(tmp_path / name, pan(24, STEP), codec, **rest)
    fields, known = read_motion(path, indices=list(range(24)), cell=cell)
    assert fields.shape == (24, 2, 96 // cell, 128 // cell) and fields.dtype == np.float32
    assert not known[0].any() and not fields[0].any()  # a key frame
    assert (fields[~known[:, None].repeat(2, 1)] == 0).all()
    seen = 0
    for field, there in zip(fields, known, strict=True):
        if there.mean() > 0.5:
            seen += 1
            assert np.median(field[:, there], axis=1) == pytest.approx(STEP, abs=0.25)
    assert seen >= (6 if name.startswith("b_mpeg4") else 20)


def test_the_writers_own_files(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, pan(20, (4, 0)), 25)
    fields, known = read_motion(path, indices=[5, 6, 9])
    for field, there in zip(fields, known, strict=True):
        assert np.median(field[:, there], axis=1) == pytest.approx((4, 0), abs=0.25)


def test_reading_later_frames_and_all_frames_agree(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", pan(60, STEP, 64, 64), options={"preset": "veryfast", "g": "16"})
    with MotionReader(path) as reader:
        every = list(reader)
    fields, known = read_motion(path, indices=[50, 7, 51])
    for k, n in enumerate((50, 7, 51)):
        np.testing.assert_array_equal(fields[k], every[n][1])
        np.testing.assert_array_equal(known[k], every[n][2])


def test_turned_video(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", pan(12, STEP), options={"bf": "0", "refs": "1"}, rotation=90)
    fields, known = read_motion(path, indices=[4, 5])
    assert fields.shape[2:] == (8, 6)
    # turned anticlockwise by 90 degrees, what moved (right 3, up 2) moves (left 2, up 3)
    assert np.median(fields[0][:, known[0]], axis=1) == pytest.approx((-2, -3), abs=0.25)


def test_part_of_the_picture_moves(tmp_path: Path) -> None:
    still, moving = pan(8, (0, 0), seed=1), pan(8, (4, 0), seed=2)
    pictures = [np.concatenate([a[:, :64], b[:, 64:]], 1) for a, b in zip(still, moving, strict=True)]
    fields, known = read_motion(
        encode(tmp_path / "a.mp4", pictures, options={"bf": "0", "refs": "1"}), indices=[5]
    )
    left, right = fields[0][0, :, :3], fields[0][0, :, 5:]
    assert np.median(left[known[0][:, :3]]) == pytest.approx(0, abs=0.25)
    assert np.median(right[known[0][:, 5:]]) == pytest.approx(4, abs=0.25)


@pytest.mark.parametrize(("name", "codec"), [("a.avi", "mjpeg"), ("b.webm", "libvpx-vp9")])
def test_codecs_without_vectors_are_named(tmp_path: Path, name: str, codec: str) -> None:
    options = {} if codec == "mjpeg" else {"deadline": "realtime", "cpu-used": "8"}
    path = encode(tmp_path / name, pan(4, STEP), codec, options=options)
    with pytest.raises(DataError, match=rf"{name}.*(mjpeg|vp9).*h264"):
        read_motion(path, [0.0])


def test_cells(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", pan(4, STEP))
    with pytest.raises(ConfigError, match="8, 16"):
        read_motion(path, [0.0], cell=5)
