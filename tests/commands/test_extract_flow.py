"""``skelact extract --flow``: files of flow, resumed, with what cannot be used listed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_helpers import refused, skelact, tree
from motion_pictures import encode, pan

from skelact.io.flow import from_bytes
from skelact.io.flow_cache import flow_info, read_cached_flow


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for label, step in (("left", (-2, 0)), ("right", (2, 0))):
        (tmp_path / "clips" / label).mkdir(parents=True)
        encode(tmp_path / "clips" / label / "a.mp4", pan(12, step, 64, 80), options={"preset": "veryfast"})
    return tmp_path / "clips"


def test_a_folder_with_a_broken_video(videos: Path) -> None:
    (videos / "left" / "broken.mp4").write_bytes(b"no video")
    done = skelact("extract", "clips", "--flow", "dis", "--workers", 1, "--json")
    assert done.code == 4 and "broken.mp4" in done.err
    assert [Path(p).name for p in done.json["failed"]] == ["broken.mp4"] and len(done.json["stored"]) == 2
    assert tree(Path("clips_flow")) == {"left", "left/a.mp4.flow", "right", "right/a.mp4.flow"}
    before = Path("clips_flow/left/a.mp4.flow").stat().st_mtime_ns
    (videos / "left" / "broken.mp4").unlink()
    encode(
        videos / "right" / "a.mp4", pan(12, (3, 0), 64, 80), options={"preset": "veryfast"}
    )  # another video
    again = skelact("extract", "clips", "--flow", "dis", "--workers", 1, "--json")
    assert again.code == 0 and len(again.json["already_there"]) == 1
    assert [Path(p).parent.name for p in again.json["stored"]] == ["right"]
    assert Path("clips_flow/left/a.mp4.flow").stat().st_mtime_ns == before
    field = from_bytes(read_cached_flow("clips_flow/right/a.mp4.flow", indices=[5])[0])[0]
    assert np.median(field[:, 12:-12, 12:-12], axis=(1, 2)) == pytest.approx((3, 0), abs=0.3)
    other = skelact("extract", "clips", "--flow", "motion", "--flow-size", 32, "--out", "m", "--json")
    assert other.code == 0 and flow_info("m/left/a.mp4.flow").height == 32


def test_what_is_refused(videos: Path) -> None:
    assert "dis, farneback, tvl1, raft, motion" in refused(2, "extract", "clips", "--flow", "fast")
    assert "--out FOLDER" in refused(2, "extract", "clips/left/a.mp4", "--flow", "dis")
    assert "no file or folder" in refused(3, "extract", "nowhere", "--flow", "dis", "--out", "f")
    Path("f").write_text("a file")
    assert "not a folder" in refused(2, "extract", "clips", "--flow", "dis", "--out", "f")
    assert "16 pixels" in refused(2, "extract", "clips", "--flow", "dis", "--flow-size", 4)
    for video in videos.rglob("*.mp4"):
        video.write_bytes(b"no video")
    assert "a.mp4 cannot be read" in refused(3, "extract", "clips", "--flow", "dis", "--out", "g")
    assert not Path("g").exists() and not Path("clips_flow").exists()
