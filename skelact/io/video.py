"""Video in and out through PyAV: files, cameras and network streams, with real timestamps."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import EOFError as AVEOFError
from av.error import FFmpegError
from av.stream import Disposition

from skelact.errors import DataError
from skelact.io.addresses import is_address, public_name
from skelact.io.video_write import VideoWriter, write_video

__all__ = ["VIDEO_SUFFIXES", "Frame", "Video", "VideoWriter", "is_live", "open_video", "write_video"]

logger = logging.getLogger(__name__)

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ts", ".mts",
    ".m2ts", ".3gp", ".ogv",
)  # fmt: skip

# FFmpeg draws any text file as a picture of a terminal; such "videos" are refused.
_TEXT_CODECS = ("ansi", "bintext", "xbin", "idf")
_CAMERA_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}
_MAX_WARNINGS = 20
_MAX_FPS = 1000.0


@dataclass(frozen=True)
class Frame:
    """One picture of a video.

    Args:
        index: number of the frame among those yielded, from 0.
        time: seconds from the start of the video (its own timestamps), strictly increasing.
        image: ``[H, W, 3]`` uint8 RGB, C-contiguous, turned upright.
    """

    index: int
    time: float
    image: np.ndarray


def open_video(
    source: str | PathLike[str] | int,
    *,
    start: float | None = None,
    end: float | None = None,
    fps: float | None = None,
    threads: int = 0,
    timeout: float = 15.0,
) -> Video:
    """Open a video file, a camera or a stream address; iterate it to get `Frame`s.

    Args:
        source: a path; a camera number (``0``) or device (``/dev/video0``); an address such as
            ``rtsp://…`` or ``https://…``.
        start: seconds to begin at (frames before it are skipped); None: the beginning.
        end: seconds to stop before; None: the end.
        fps: frame rate to assume where the video names none and has no usable timestamps.
        threads: decoder threads; 0: as many as help, 1: for one worker process per core.
        timeout: seconds to wait for a stream or a camera before giving up.

    Returns:
        A `Video`, which is a context manager.

    Raises:
        DataError: if it is not there, is empty, is not a video, has no video stream or no frame that
            decodes, or no frame rate can be found.
    """
    return Video(source, start=start, end=end, fps=fps, threads=threads, timeout=timeout)


def is_live(source: str | PathLike[str] | int) -> bool:
    """Whether the source is a camera or a network address rather than a file."""
    text = str(source)
    return isinstance(source, int) or text.isdigit() or is_address(text) or text.startswith("/dev/video")


class Video:
    """An open video. Made by `open_video`; iterate it once, and close it (or use ``with``).

    Attributes:
        name: what was opened, for messages.
        fps: average frames per second.
        width: of the upright pictures, in pixels.
        height: of the upright pictures, in pixels.
        rotation: degrees by which the stored pictures are turned anticlockwise to be upright.
        n_frames_estimate: number of frames that the file announces, or None.
        duration: seconds that the file announces, or None.
        live: whether this is a camera or a network address.
        warnings: what went wrong while decoding, in words; complete after the iteration.
    """

    def __init__(
        self,
        source: str | PathLike[str] | int,
        *,
        start: float | None = None,
        end: float | None = None,
        fps: float | None = None,
        threads: int = 0,
        timeout: float = 15.0,
    ) -> None:
        self.name = public_name(source)
        self._source = str(source)
        self.live = is_live(source)
        self.warnings: list[str] = []
        self._start, self._end, self._given_fps = start, end, fps
        self._container = _open_container(source, self.live, timeout)
        try:
            self._prepare(threads)
        except BaseException:
            self.close()
            raise

    def _prepare(self, threads: int) -> None:
        container = self._container
        streams = [
            s
            for s in container.streams.video
            if s.codec_context is not None
            and s.codec_context.name not in _TEXT_CODECS
            and not s.disposition & Disposition.attached_pic
        ]
        if not streams:
            kinds = sorted({s.type for s in container.streams})
            if container.streams.video:  # a text file drawn as a terminal, or the cover of a song
                kinds = [k for k in kinds if k != "video"] or ["text"]
            has = ", ".join(kinds) or "nothing"
            raise DataError(f"{self.name} has no video stream (it has: {has}); give a video")
        stream = self._stream = streams[0]
        with suppress(ValueError, RuntimeError):
            stream.codec_context.thread_count = threads
            stream.codec_context.thread_type = "AUTO" if threads != 1 else "NONE"
        self._origin = float((stream.start_time or 0) * (stream.time_base or 0))
        # AVI stores no presentation times: those of reordered frames are muddled, the decoding times are not.
        self._by_decoding = "avi" in container.format.name.split(",")
        if self.live or (self._by_decoding and not self._start):
            self._origin = None  # a camera's clock starts anywhere: the first frame becomes 0
        if self._start:
            self._seek(self._start)
        self._decoder = self._decode()
        self._ahead = [frame for frame in [next(self._decoder, None)] if frame is not None]
        if not self._ahead:
            self._complain_no_frames()
        first = self._ahead[0]
        self.rotation = round(getattr(first, "rotation", 0) / 90) * 90 % 360
        turned = self.rotation in (90, 270)
        self._size = (first.width, first.height)
        self.width, self.height = (first.height, first.width) if turned else self._size
        self.fps = self._find_fps()
        self.n_frames_estimate: int | None = stream.frames or None
        self.duration: float | None = None
        if stream.duration and stream.time_base:
            self.duration = float(stream.duration * stream.time_base)
        elif container.duration and container.duration > 0:
            self.duration = container.duration / 1e6
        if self.n_frames_estimate is None and self.duration:
            self.n_frames_estimate = max(1, round(self.duration * self.fps))

    def _complain_no_frames(self) -> None:
        why = f" ({self.warnings[0]})" if self.warnings else ""
        if self._start:
            raise DataError(
                f"{self.name} has no frame at or after {self._start} s{why}; choose an earlier start"
            )
        raise DataError(
            f"{self.name} has a video stream, but not one frame of it decodes{why}; it is damaged"
        )

    def _seek(self, start: float) -> None:
        if self.live:
            raise DataError(f"{self.name} is live and cannot start at {start} s; leave the start out")
        try:
            assert self._origin is not None
            target = int((self._origin + start) / self._stream.time_base)
            self._container.seek(target, stream=self._stream, backward=True)
        except FFmpegError:
            logger.debug("%s: seeking failed, frames are skipped one by one", self.name)

    def _warn(self, text: str) -> None:
        if len(self.warnings) < _MAX_WARNINGS:
            self.warnings.append(text.replace(self._source, self.name))

    def _decode(self) -> Iterator[av.VideoFrame]:
        """Decoded frames; damage is recorded and stepped over."""
        packets = self._container.demux(self._stream)
        n_damaged = 0
        while True:
            try:
                packet = next(packets)
            except (StopIteration, AVEOFError):
                break
            except FFmpegError as error:
                self._warn(f"reading stops early: {error}")
                break
            try:
                yield from packet.decode()
            except AVEOFError:
                break
            except FFmpegError as error:
                n_damaged += 1
                if n_damaged == 1:
                    self._warn(f"a damaged part was skipped: {error}")
        if n_damaged > 1:
            self._warn(f"{n_damaged} damaged parts were skipped")

    def _find_fps(self) -> float:
        if self._given_fps is not None:
            if not 0 < self._given_fps <= _MAX_FPS:
                raise DataError(f"{self.name}: fps must lie in 0..{_MAX_FPS:g}, got {self._given_fps}")
            return float(self._given_fps)
        for rate in (self._stream.average_rate, self._stream.guessed_rate):
            if rate and 0 < rate <= _MAX_FPS:
                return float(rate)
        for frame in self._decoder:  # the header names no rate: measure it on the first frames
            self._ahead.append(frame)
            if len(self._ahead) == 16:
                break
        times = np.array([f.time for f in self._ahead if f.time is not None])
        steps = np.diff(times)
        if (steps > 0).any():
            rate = 1 / float(np.median(steps[steps > 0]))
            if 0 < rate <= _MAX_FPS:
                self._warn(f"the file names no frame rate; {rate:.3g} frames per second by its timestamps")
                return rate
        raise DataError(
            f"{self.name} names no frame rate and its timestamps show none; pass the frame rate (fps=…) "
            "or rewrite it, for instance: ffmpeg -r 30 -i IN OUT.mp4"
        )

    def __iter__(self) -> Iterator[Frame]:
        last = -np.inf
        shift = 0.0
        index = n_seen = n_corrupt = 0
        for frame in self._frames():
            n_seen += 1
            n_corrupt += bool(frame.is_corrupt)
            stamp = self._stamp(frame)
            if stamp is not None:
                if self._origin is None:
                    self._origin = stamp
                time = stamp - self._origin + shift
            else:  # raw streams have no timestamps
                time = last + 1 / self.fps if np.isfinite(last) else 0.0
            if time <= last:
                if last - time > 1:  # the clock started anew (a stream that reconnected, files joined)
                    shift += last + 1 / self.fps - time
                    time = last + 1 / self.fps
                else:
                    time = last + min(1e-3, 0.5 / self.fps)
            last = time
            if self._start is not None and time < self._start - 1e-6:
                continue
            if self._end is not None and time >= self._end:
                n_seen = 0
                break
            yield Frame(index, time, self._upright(frame))
            index += 1
        if n_corrupt:
            self._warn(f"{n_corrupt} of {index} frames are damaged and were decoded as far as possible")
        announced = self._stream.frames
        if n_seen and announced and not self._start and n_seen < announced - 2:
            self._warn(f"{n_seen} of {announced} announced frames decode: the tail is broken or missing")
        if index == 0:
            self._complain_no_frames()
        for text in self.warnings:
            logger.warning("%s: %s", self.name, text)

    def _frames(self) -> Iterator[av.VideoFrame]:
        while self._ahead:
            yield self._ahead.pop(0)
        yield from self._decoder

    def _stamp(self, frame: av.VideoFrame) -> float | None:
        """Seconds by the video's own clock, or None."""
        if self._by_decoding:
            return None if frame.dts is None else float(frame.dts * self._stream.time_base)
        return frame.time

    def _upright(self, frame: av.VideoFrame) -> np.ndarray:
        if (frame.width, frame.height) != self._size:  # a stream may change its size midway
            frame = frame.reformat(width=self._size[0], height=self._size[1])
        image = frame.to_ndarray(format="rgb24")
        if self.rotation:
            image = np.rot90(image, self.rotation // 90)
        # Rows are padded in memory when the width is no multiple of 32, and readers that ignore
        # strides (MediaPipe) would see a sheared picture.
        return np.ascontiguousarray(image)

    def close(self) -> None:
        """Release the decoder; harmless when called twice."""
        self._decoder = iter(())
        self._ahead = []
        self._container.close()

    def __enter__(self) -> Video:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open_container(source: str | PathLike[str] | int, live: bool, timeout: float) -> Any:
    text = str(source)
    file, format_name, options = text, None, {}
    if isinstance(source, int) or text.isdigit() or text.startswith("/dev/video"):
        format_name = _CAMERA_FORMATS.get(sys.platform, "v4l2")
        if text.isdigit():
            file = f"/dev/video{text}" if format_name == "v4l2" else text
        if format_name == "v4l2" and not Path(file).exists():
            raise DataError(f"there is no camera {file}; list the cameras with: ls /dev/video*")
    elif live:
        if text.startswith("rtsp://"):
            options = {"rtsp_transport": "tcp"}  # UDP loses packets and smears the picture
    else:
        path = Path(text)
        if not path.exists():
            raise DataError(f"there is no file {path}")
        if path.is_dir():
            raise DataError(f"{path} is a folder; give a video file")
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty (0 bytes)")
    try:
        return av.open(file, format=format_name, options=options, timeout=timeout if live else None)
    except FFmpegError as error:
        if live:
            # the error's own text repeats the address, with its password
            why = error.strerror or type(error).__name__
            raise DataError(
                f"cannot open {public_name(text)}: {why}; check the address and that the device is on"
            ) from None
        raise DataError(
            f"{text} cannot be read as a video: {error.strerror or error}; "
            "it is not a video, or is cut off before its index"
        ) from error
    except ValueError as error:
        raise DataError(
            f"cannot open {public_name(text)}: {str(error).replace(file, public_name(file))}"
        ) from None
