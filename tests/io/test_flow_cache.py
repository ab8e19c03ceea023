"""Flow in files: close to what it was found as, small, and read at any place."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from motion_pictures import encode, pan

from skelact.errors import DataError
from skelact.io.flow import all_flow, from_bytes
from skelact.io.flow_cache import (
    SHARE,
    _enlarge,
    _read_tag,
    _shrunk,
    flow_info,
    read_cached_flow,
    write_flow,
)  # fmt: skip
from skelact.io.video_frames import frame_times


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cache") / "a.mp4"
    return encode(path, pan(40, (3, -2), 96, 130), options={"preset": "veryfast", "crf": "16"})


@pytest.mark.parametrize("size", [128, 51])
def test_there_and_back(video: Path, tmp_path: Path, size: int) -> None:
    out = tmp_path / "a.mp4.flow"
    info = write_flow(video, out, size=size, kind="dis")
    side = min(size, 96)
    assert (info.height, info.width) == (side, round(130 * side / 96)) and flow_info(out) == info
    assert (info.video_height, info.video_width, info.kind, info.bound) == (96, 130, "dis", 20.0)
    assert out.stat().st_size <= SHARE * video.stat().st_size
    assert list(tmp_path.iterdir()) == [out]
    fields = np.stack([field for _, field in all_flow(video, "dis", side)])
    back, _ = read_cached_flow(out, indices=list(range(40)))
    assert back.shape == fields.shape and back.dtype == np.uint8
    error = np.abs(from_bytes(back) - fields)
    assert np.median(error) < 0.1 and error.mean() < 0.25
    late, _ = read_cached_flow(out, [1.4, 0.12])
    np.testing.assert_array_equal(late, back[[35, 3]])


def test_dis_is_kept_at_the_size_it_is_found_at(video: Path, tmp_path: Path) -> None:
    kept = {kind: write_flow(video, tmp_path / kind, kind=kind) for kind in ("dis", "farneback")}
    assert kept["dis"].kept == (24, 33) and kept["farneback"].kept == (96, 130)
    exact = np.stack([field for _, field in all_flow(video, "dis", 96)])
    back, _ = read_cached_flow(tmp_path / "dis", indices=list(range(40)))
    assert np.abs(from_bytes(back) - exact).mean() < 0.1
    # nothing moves by a part of a cell: what lies on a slope comes back
    slope = np.stack(np.meshgrid(np.arange(130.0), np.arange(96.0))).astype(np.float32)
    small, out = _shrunk(slope, kept["dis"]), np.empty_like(slope)
    _enlarge(small, out)
    assert small.shape == (2, 24, 33) and np.abs(out - slope)[:, 4:-4, 4:-4].max() < 0.4


def test_files_of_the_first_version_are_read(video: Path, tmp_path: Path) -> None:
    info = asdict(write_flow(video, tmp_path / "a.flow", kind="farneback")) | {"version": 1}
    del info["shrink"]
    assert _read_tag({"SKELACT_FLOW": json.dumps(info)}, "a").kept == (96, 130)
    with pytest.raises(DataError, match="flow of version 9"):
        _read_tag({"SKELACT_FLOW": json.dumps(info | {"version": 9})}, "a")


def test_times_are_the_videos(tmp_path: Path) -> None:
    stamps = [0, 33, 70, 100, 350, 380, 900]
    video = encode(tmp_path / "a.mp4", pan(7, (1, 0)), stamps=stamps)
    write_flow(video, tmp_path / "a.flow", kind="motion")
    back, info = read_cached_flow(tmp_path / "a.flow", [0.36, 0.1])
    np.testing.assert_array_equal(back, read_cached_flow(tmp_path / "a.flow", indices=[4, 3])[0])
    assert info.kind == "motion"
    np.testing.assert_allclose(frame_times(tmp_path / "a.flow"), np.array(stamps) / 1000, atol=1e-3)


def test_a_video_of_few_bytes_gets_coarser_flow(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = [np.repeat(rng.integers(0, 255, (96, 128, 1), np.uint8), 3, 2) for _ in range(12)]
    video = encode(tmp_path / "a.mp4", noise, options={"crf": "51", "preset": "veryfast"})
    info = write_flow(video, tmp_path / "a.flow", kind="farneback")
    assert info.quality > 20
    assert (tmp_path / "a.flow").stat().st_size <= SHARE * video.stat().st_size or info.quality == 44
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.flow", "a.mp4"]


def test_boxes_and_sizes(video: Path, tmp_path: Path) -> None:
    write_flow(video, tmp_path / "a.flow", size=48)
    whole, _ = read_cached_flow(tmp_path / "a.flow", indices=[5])
    cut, _ = read_cached_flow(tmp_path / "a.flow", indices=[5], size=(20, 25), box=(10, 20, 60, 60))
    np.testing.assert_array_equal(cut, whole[:, :, 10:30, 5:30])
    small, _ = read_cached_flow(tmp_path / "a.flow", indices=[5], size=(24, 32))
    assert small.shape == (1, 2, 24, 32) and abs(float(small.mean()) - float(whole.mean())) < 2
    with pytest.raises(DataError, match="needs the size"):
        read_cached_flow(tmp_path / "a.flow", indices=[5], box=(10, 20, 60, 60))


def test_what_is_no_flow(video: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.mp4 is no file of flow.*--flow"):
        read_cached_flow(video, [0.0])
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(DataError, match=r"bad\.mp4"):
        write_flow(tmp_path / "bad.mp4", tmp_path / "bad.flow")
    assert [p.name for p in tmp_path.iterdir()] == ["bad.mp4"]


def test_real_videos_stay_within_their_share(shared_data: Path, tmp_path: Path) -> None:
    for name in ("fight-surv/nofi005.mp4", "weizmann/run/ido_run.avi"):
        out = tmp_path / "a.flow"
        assert write_flow(shared_data / name, out).quality == 20
        assert out.stat().st_size <= SHARE * (shared_data / name).stat().st_size
