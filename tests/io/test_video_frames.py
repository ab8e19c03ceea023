"""Chosen frames equal those of decoding everything, and late ones do not cost the whole file."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from motion_pictures import encode, pan

from skelact.errors import DataError
from skelact.io.video import Video, open_video
from skelact.io.video_frames import frame_times, read_frames

PICTURES = pan(80, (2, 1), 48, 64)
X264 = {"preset": "veryfast", "g": "20", "keyint_min": "20"}

CASES = {
    "b_frames.mp4": ("libx264", {"options": X264, "b_frames": 3}),
    "b_frames.mkv": ("libx264", {"options": X264, "b_frames": 3}),
    "open_gop.mp4": ("libx264", {"options": {**X264, "x264-params": "open-gop=1:scenecut=0"}, "b_frames": 3}),
    "refresh.mkv": ("libx264", {"options": {**X264, "intra-refresh": "1"}}),
    "transport.ts": ("libx264", {"options": X264, "b_frames": 2}),
    "flash.flv": ("libx264", {"options": X264, "b_frames": 2}),
    "program.mpg": ("mpeg2video", {"options": {"g": "12"}, "b_frames": 2}),
    "raw.h264": ("libx264", {"options": X264, "b_frames": 2}),
    "plain.avi": ("mpeg4", {"options": {"g": "15"}}),
    "reordered.avi": ("libx264", {"options": X264, "b_frames": 3}),
    "jpeg.avi": ("mjpeg", {}),
    "vp9.webm": ("libvpx-vp9", {"options": {"g": "20", "deadline": "realtime", "cpu-used": "8"}}),
    "vp8.webm": ("libvpx", {"options": {"g": "20", "deadline": "realtime", "auto-alt-ref": "1"}}),
    "turned.mp4": ("libx264", {"options": X264, "rotation": 90}),
    "variable.mp4": ("libx264", {"options": X264, "b_frames": 3, "stamps": True}),
}
UNEVEN = np.cumsum(np.random.default_rng(1).integers(5, 130, len(PICTURES))).tolist()


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("videos")


def make(folder: Path, name: str) -> Path:
    codec, rest = CASES[name]
    path = folder / name
    if not path.exists():
        if codec not in av.codecs_available:
            pytest.skip(f"this PyAV has no encoder {codec}")
        rest = dict(rest)
        stamps = UNEVEN if rest.pop("stamps", False) else None
        encode(path, PICTURES, codec, stamps=stamps, **rest)
    return path


def everything(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with open_video(path, threads=1) as video:
        frames = list(video)
    return np.array([f.time for f in frames]), np.stack([f.image for f in frames])


@pytest.mark.parametrize("name", CASES)
def test_the_same_frames_as_decoding_everything(videos: Path, name: str) -> None:
    path = make(videos, name)
    times, pictures = everything(path)
    assert len(times) == len(PICTURES)
    np.testing.assert_allclose(frame_times(path), times, atol=1e-9)
    for chosen in ([70], [41, 42, 43], [79, 3, 61, 3, -1, 0], list(range(19, 24)), [18, 58]):
        np.testing.assert_array_equal(
            read_frames(path, indices=chosen), pictures[chosen], err_msg=str(chosen)
        )
    between = times[45] + 0.4 * (times[46] - times[45])
    np.testing.assert_array_equal(read_frames(path, [between, times[46] - 1e-4]), pictures[[45, 46]])


@pytest.mark.parametrize("name", ["b_frames.mp4", "plain.avi", "transport.ts", "turned.mp4", "variable.mp4"])
def test_seek_starts_at_or_before_the_time(videos: Path, name: str) -> None:
    path = make(videos, name)
    times, _ = everything(path)
    for k in (1, 19, 20, 21, 41, 79):
        with Video(path, threads=1) as video:
            video.seek(times[k])
            seen = [time for time, _ in video.frames()]
        assert seen[0] <= times[k] + 1e-9
        np.testing.assert_allclose(seen, times[len(times) - len(seen) :], atol=1e-6)
        with open_video(path, start=float(times[k])) as video:
            assert [f.time for f in video] == pytest.approx(times[k:], abs=1e-6)


@pytest.mark.parametrize("name", ["b_frames.mp4", "b_frames.mkv", "plain.avi", "vp9.webm"])
def test_late_frames_cost_a_group_of_pictures(
    videos: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(videos, name)
    decoded = 0
    plain = Video.frames

    def counted(self: Video):
        nonlocal decoded
        for item in plain(self):
            decoded += 1
            yield item

    monkeypatch.setattr(Video, "frames", counted)
    times = frame_times(path)
    decoded = 0
    read_frames(path, times[[72, 74]])
    assert decoded <= 1 + 20 + 2
    decoded = 0
    read_frames(path, times[[2, 72]])
    assert decoded <= 4 + 20 + 2


def test_times_are_known_without_decoding(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.io import video_frames

    monkeypatch.setattr(video_frames, "Video", None)
    for name in ("b_frames.mp4", "b_frames.mkv", "transport.ts"):
        times = video_frames._find_times(str(make(videos, name)))
        np.testing.assert_allclose(times, np.arange(len(PICTURES)) / 25, atol=1e-3)


def test_resizing_and_cutting(videos: Path) -> None:
    path = make(videos, "b_frames.mp4")
    whole = read_frames(path, indices=[30, 31])
    small = read_frames(path, indices=[30, 31], size=(24, 40))
    assert small.shape == (2, 24, 40, 3)
    assert abs(small.mean() - whole.mean()) < 1
    assert read_frames(path, indices=[3], size=24).shape == (1, 24, 32, 3)
    assert read_frames(make(videos, "turned.mp4"), indices=[3], size=24).shape == (1, 32, 24, 3)
    cut = read_frames(path, indices=[30, 31], box=(8, 4, 40, 30))
    np.testing.assert_array_equal(cut, whole[:, 4:30, 8:40])
    moving = read_frames(path, indices=[30, 30], box=[(8, 4, 40, 30), (-5, -3, 27, 23)])
    np.testing.assert_array_equal(moving[0], cut[0])
    np.testing.assert_array_equal(moving[1, 3:, 5:], whole[0, :23, :27])
    np.testing.assert_array_equal(moving[1, :3, 5:], np.broadcast_to(whole[0, :1, :27], (3, 27, 3)))
    scaled = read_frames(path, indices=[30], box=(0, 0, 64, 48), size=(24, 32))
    assert np.abs(scaled.astype(int) - read_frames(path, indices=[30], size=(24, 32))).mean() < 12


def test_turned_frames_are_resized_upright(videos: Path) -> None:
    path = make(videos, "turned.mp4")
    _, pictures = everything(path)
    assert pictures.shape[1:3] == (64, 48)
    halves = pictures[7].reshape(32, 2, 24, 2, 3).mean((1, 3))
    assert np.abs(read_frames(path, indices=[7], size=(32, 24))[0] - halves).mean() < 12


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"times": [0.1], "indices": [1]}, "one of them"),
        ({}, "one of them"),
        ({"times": []}, "list of seconds"),
        ({"times": [np.nan]}, "list of seconds"),
        ({"indices": [0.5]}, "whole numbers"),
        ({"indices": [80]}, "80 frames, and frame 80"),
        ({"times": [9.0]}, "ends at 3.160 s, and a frame at 9.000 s"),
        ({"times": [-2.0]}, "count from 0"),
        ({"indices": [1], "size": 0}, "must be positive"),
        ({"indices": [1], "box": (4, 4, 4, 9)}, r"box \[4, 4, 4, 9\] is empty"),
        ({"indices": [1, 2], "box": [(0, 0, 4, 4)]}, "one for each of 2 frames"),
        ({"indices": [1, 2], "box": [(0, 0, 4, 4), (0, 0, 5, 5)]}, "differ in size"),
    ],
)
def test_what_cannot_be_read(videos: Path, given: dict, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_frames(make(videos, "b_frames.mp4"), **given)


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    for function in (frame_times, lambda path: read_frames(path, [0.0])):
        with pytest.raises(DataError, match=r"a\.mp4"):
            function(tmp_path / "a.mp4")
        with pytest.raises(DataError, match=r"none\.mp4"):
            function(tmp_path / "none.mp4")


def test_stamps_that_stand_still(tmp_path: Path) -> None:
    path = encode(tmp_path / "still.mp4", PICTURES[:30], options={**X264, "bf": "0"})
    content = bytearray(path.read_bytes())
    at = content.index(b"stts")
    assert content[at + 8 : at + 16] == (1).to_bytes(4, "big") + (30).to_bytes(4, "big")
    # 29 frames that last no time and one that does, instead of 30 that do
    content[at + 8 : at + 16] = b"".join(n.to_bytes(4, "big") for n in (2, 29, 0, 1))
    for box in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"):
        size = content.rindex(box, 0, at + 4) - 4
        content[size : size + 4] = (int.from_bytes(content[size : size + 4], "big") + 8).to_bytes(4, "big")
    at = content.index(b"mdhd") + 20
    content[at : at + 4] = (512).to_bytes(4, "big")  # the duration of one frame
    path.write_bytes(content)
    times, pictures = everything(path)
    np.testing.assert_allclose(times, np.arange(30) / 25)
    np.testing.assert_allclose(frame_times(path), times)
    np.testing.assert_array_equal(read_frames(path, [0.44, 1.12]), pictures[[11, 28]])
    with open_video(path) as video:
        assert video.fps == 25 and any("stand still" in w for w in video.warnings)


@pytest.mark.slow
def test_real_videos(shared_data: Path) -> None:
    names = ("videos/exercise_three_people.avi", "videos/sign_book.mkv", "videos/clean_and_jerk.mp4")
    more = ("ntu/S001C001P001R001A001_rgb.avi", "weizmann/bend/daria_bend.avi", "fight-surv/fi001.mp4")
    for name in names + more:
        path = shared_data / name
        times, pictures = [], {}
        with open_video(path, threads=1) as video:
            for frame in video:
                times.append(frame.time)
                if frame.index in (0, 20, 31, 38):
                    pictures[frame.index] = frame.image
        np.testing.assert_allclose(frame_times(path), times, atol=1e-6)
        np.testing.assert_array_equal(
            read_frames(path, indices=[38, 20, 31]), [pictures[k] for k in (38, 20, 31)]
        )
