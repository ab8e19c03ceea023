"""Reading and writing video: real timestamps, turned pictures, and files that are not what they seem."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from skelact.errors import DataError
from skelact.io.video import Frame, VideoWriter, is_live, open_video, write_video


def picture(i: int = 0, height: int = 96, width: int = 130) -> np.ndarray:
    """Red above, blue below, with a white bar that moves."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2] = (220, 20, 20)
    image[height // 2 :] = (20, 20, 220)
    image[:, 5 * i % width : 5 * i % width + 8] = 255
    return image


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A plain video of 30 frames."""
    path = tmp_path / "clip.mp4"
    assert write_video(path, [picture(i) for i in range(30)], 25) == 30
    return path


def test_round_trip(clip: Path) -> None:
    with open_video(clip) as video:
        frames = list(video)
        assert (video.width, video.height, video.fps, video.rotation) == (130, 96, 25.0, 0)
        assert video.n_frames_estimate == 30
        assert video.duration == pytest.approx(1.2, abs=0.05)
        assert not video.live and video.warnings == []
    assert [f.index for f in frames] == list(range(30))
    assert [f.time for f in frames] == pytest.approx(np.arange(30) / 25)
    assert frames[3].image.shape == (96, 130, 3)
    assert np.abs(frames[3].image.astype(int) - picture(3)).mean() < 6
    assert all(f.image.flags.c_contiguous and f.image.dtype == np.uint8 for f in frames)


def test_odd_sizes_are_padded_and_the_name_comes_last(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    with VideoWriter(path, 10) as writer:
        writer.write(np.zeros((33, 47, 3), np.uint8))
        assert not path.exists()
    with open_video(path) as video:
        assert (video.width, video.height) == (48, 34)
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), VideoWriter(tmp_path / "a.mp4", 10) as writer:
        writer.write(picture())
        raise RuntimeError
    with pytest.raises(DataError, match="no picture"):
        write_video(tmp_path / "b.mp4", [], 10)
    with pytest.raises(DataError, match="change size"):
        write_video(tmp_path / "c.mp4", [picture(), picture(0, 50, 50)], 10)
    with pytest.raises(DataError, match=r"OUT\.mp4"):
        write_video(tmp_path / "d.nonsense", [picture()], 10)
    with pytest.raises(DataError, match="fps"):
        write_video(tmp_path / "e.mp4", [picture()], 0)
    assert list(tmp_path.iterdir()) == []
    write_video(tmp_path / "new" / "folder" / "f.mp4", [picture()], 10)
    assert [p.name for p in (tmp_path / "new" / "folder").iterdir()] == ["f.mp4"]


def test_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    path = tmp_path / "variable.mp4"
    times = [0.0, 0.02, 0.1, 0.15, 0.5, 0.51]
    write_video(path, [Frame(i, t, picture(i)) for i, t in enumerate(times)], 20)
    with open_video(path) as video:
        assert [f.time for f in video] == pytest.approx(times, abs=1e-4)


def test_rotated_video_is_turned_upright(tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        if not hasattr(stream, "set_display_rotation"):
            pytest.skip("this PyAV cannot write a rotation")
        stream.set_display_rotation(90)
        for i in range(5):
            image = np.zeros((96, 128, 3), np.uint8)
            image[:, :64] = (220, 20, 20)  # the left half is red
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = i
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    with open_video(path) as video:
        frames = list(video)
        assert (video.width, video.height) == (96, 128)
        assert video.rotation in (90, 270)
    image = frames[0].image
    assert image.shape == (128, 96, 3) and image.flags.c_contiguous
    top_is_red = image[20, 48, 0] > 150 and image[110, 48, 0] < 90
    bottom_is_red = image[110, 48, 0] > 150 and image[20, 48, 0] < 90
    # FFmpeg's matrix turns anticlockwise by the angle: what was left comes down for +90.
    assert bottom_is_red if video.rotation == 90 else top_is_red


def test_start_and_end(clip: Path) -> None:
    with open_video(clip, start=0.4, end=0.8) as video:
        times = [f.time for f in video]
    assert times == pytest.approx(np.arange(10, 20) / 25)
    with pytest.raises(DataError, match="start"), open_video(clip, start=99) as video:
        list(video)


def test_broken_tail_gives_what_decodes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    path = tmp_path / "whole.mkv"
    write_video(path, [noise.integers(0, 255, (96, 128, 3), dtype=np.uint8) for _ in range(40)], 25)
    broken = tmp_path / "broken.mkv"
    content = path.read_bytes()
    broken.write_bytes(content[: len(content) * 6 // 10])
    with open_video(broken) as video:
        n = len(list(video))
    assert 10 < n < 40
    damaged = tmp_path / "damaged.avi"
    write_video(damaged, [noise.integers(0, 255, (96, 128, 3), dtype=np.uint8) for _ in range(40)], 25)
    content = bytearray(damaged.read_bytes())
    content[len(content) * 6 // 10 :] = bytes(len(content) - len(content) * 6 // 10)
    damaged.write_bytes(content)
    with open_video(damaged) as video:
        n = len(list(video))
        assert 10 < n < 40
        assert any("tail" in w or "damaged" in w for w in video.warnings)


def test_mp4_cut_before_its_index(clip: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(clip.read_bytes()[:-600])
    with pytest.raises(DataError, match=r"cut\.mp4"):
        open_video(cut)


@pytest.mark.parametrize("name", ["empty.mp4", "text.mp4", "text.txt", "missing.mp4", "random.avi", "."])
def test_what_is_not_a_video_is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "empty.mp4":
        path.touch()
    elif name.startswith("text"):
        path.write_text("just words\n" * 200)
    elif name.startswith("random"):
        path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(DataError) as caught:
        open_video(path)
    assert str(path) in str(caught.value)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    with pytest.raises(DataError, match=r"sound\.wav has no video stream \(it has: audio\)"):
        open_video(path)


def test_a_header_without_frames(tmp_path: Path) -> None:
    path = tmp_path / "none.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    with pytest.raises(DataError, match=r"none\.avi"):
        open_video(path)


def test_no_frame_rate_is_measured_or_refused(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.io import video as module

    original = module._open_container

    class NoRate:
        """A stream whose header names no rate."""

        def __init__(self, stream, stamps: bool) -> None:
            self._stream, self.average_rate, self.guessed_rate = stream, Fraction(0), None
            self._stamps = stamps

        def __getattr__(self, name: str):
            return getattr(self._stream, name)

    def hide_rate(video, stamps: bool = True):
        video._stream = NoRate(video._stream, stamps)

    with open_video(clip) as video:
        hide_rate(video)
        assert video._find_fps() == pytest.approx(25)
        assert any("no frame rate" in w for w in video.warnings)
        assert len(list(video)) == 30  # the frames looked at are not lost
    with open_video(clip) as video:
        hide_rate(video)
        video._decoder = iter(())
        with pytest.raises(DataError, match="fps="):
            video._find_fps()
    with open_video(clip, fps=12.5) as video:
        assert video.fps == 12.5
    with pytest.raises(DataError, match="fps"):
        open_video(clip, fps=0)
    assert original is module._open_container


def test_times_always_increase(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.io.video import Video

    stamps = iter([0.0, 0.04, 0.04, 0.03, 0.2, 100.0, 0.0, 0.04] + [None] * 22)
    monkeypatch.setattr(Video, "_stamp", lambda self, frame: next(stamps))
    with open_video(clip) as video:
        times = np.array([f.time for f in video])
    assert len(times) == 30
    assert (np.diff(times) > 0).all()
    assert times[7] - times[6] == pytest.approx(0.04)  # a clock that starts anew goes on from there
    assert times[-1] - times[-2] == pytest.approx(0.04)
    assert any("3 of 30 timestamps do not increase" in text for text in video.warnings)
    assert any("jump by 100 s, 0.2 s after the beginning" in text for text in video.warnings)


def test_timestamps_that_stand_still_are_recognised(clip: Path, tmp_path: Path) -> None:
    """Some writers stamp all frames within the time of one."""
    with av.open(str(clip)) as given, av.open(str(tmp_path / "still.mp4"), "w") as made:
        stream = made.add_stream_from_template(given.streams.video[0])
        stream.time_base = Fraction(1, 90000)
        packets = [packet for packet in given.demux(video=0) if packet.pts is not None]
        ranks = sorted(packet.pts for packet in packets)
        for i, packet in enumerate(packets):
            at = ranks.index(packet.pts)
            packet.stream, packet.time_base = stream, stream.time_base
            packet.pts, packet.dts, packet.duration = 100 * (at + 3), 100 * i, 100
            made.mux(packet)
    with open_video(tmp_path / "still.mp4") as video:
        times = [frame.time for frame in video]
    assert video.fps == 25 and times == pytest.approx(np.arange(30) / 25)
    assert any("timestamps stand still" in text for text in video.warnings)
    with open_video(tmp_path / "still.mp4", start=0.6) as video:
        assert next(iter(video)).time == pytest.approx(0.6)


def test_missing_camera() -> None:
    assert is_live(0) and is_live("0") and is_live("rtsp://10.0.0.1/a") and not is_live("clip.mp4")
    with pytest.raises(DataError, match="camera"):
        open_video(97)


@pytest.mark.slow
def test_real_videos(shared_data: Path) -> None:
    for path in sorted((shared_data / "videos").iterdir()):
        with open_video(path) as video:
            times = []
            for frame in video:
                times.append(frame.time)
                if frame.index == 40:
                    break
            assert frame.image.shape == (video.height, video.width, 3)
        assert len(times) > 30 and (np.diff(times) > 0.02).all()


def test_reordered_avi_has_even_times(shared_data: Path) -> None:
    with open_video(shared_data / "ntu" / "S001C001P001R001A001_rgb.avi") as video:
        times = np.array([f.time for f in video])
    assert len(times) == 103
    assert np.diff(times) == pytest.approx(1 / 30, abs=1e-3)
