"""Video in and out through PyAV: files, cameras and network streams, with real timestamps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from os import PathLike

import av
import numpy as np
from av.error import EOFError as AVEOFError
from av.error import FFmpegError

from skelact.errors import DataError
from skelact.io.addresses import is_address, public_name
from skelact.io.video_open import VIDEO_SUFFIXES, pick_stream
from skelact.io.video_open import open_container as _open_container
from skelact.io.video_write import VideoWriter, write_video

__all__ = ["VIDEO_SUFFIXES", "Frame", "Video", "VideoWriter", "is_live", "open_video", "write_video"]

logger = logging.getLogger(__name__)

_MAX_WARNINGS = 20
_MAX_FPS = 1000.0
_JUMP = 10.0  # seconds between frames of a file from which on its timestamps are not believed without a word
# Containers with the time of every frame. Others (MPEG program streams, bare codec streams) are decoded from the
# beginning, as the times of their frames are only known by those before.
_SEEKABLE = ("mov", "mp4", "matroska", "webm", "avi", "mpegts", "flv")
_SEEK_FROM = 0.25  # seconds; nearer frames are reached sooner by decoding on
_SEEK_BLINDLY = 2.0  # seconds; a usual distance of key frames


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

    Args:
        source, start, end, fps, threads, timeout: as for `open_video`.
        options: options of the decoder.
        each_packet: called with every packet before it is decoded.

    Attributes:
        name: what was opened, for messages.
        codec: FFmpeg's name of the decoder.
        fps: average frames per second.
        width: of the upright pictures, in pixels.
        height: of the upright pictures, in pixels.
        rotation: degrees by which the stored pictures are turned anticlockwise to be upright.
        n_frames_estimate: number of frames that the file announces, or None.
        duration: seconds that the file announces, or None.
        live: whether this is a camera or a network address.
        tags: the container's own, by name.
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
        options: Mapping[str, str] | None = None,
        each_packet: Callable[[av.Packet], None] | None = None,
    ) -> None:
        self.name = public_name(source)
        self._source = str(source)
        self.live = is_live(source)
        self.warnings: list[str] = []
        self._start, self._end, self._given_fps = start, end, fps
        self._timeout, self._threads, self._options = timeout, threads, options
        self._each_packet = each_packet
        self._n_moved, self._jumped = 0, False
        self._container = _open_container(source, self.live, timeout)
        self.tags: dict[str, str] = dict(self._container.metadata)
        try:
            self._prepare()
        except BaseException:
            self.close()
            raise

    def _prepare(self) -> None:
        self._set_up()
        stream, container = self._stream, self._container
        # AVI stores no presentation times: those of reordered frames are muddled, the decoding times are not.
        formats = container.format.name.split(",")
        self._by_decoding = "avi" in formats
        # Some writers stamp all frames with the same time, so that the whole video lasts as long as one of them.
        rates = (stream.codec_context.framerate, stream.guessed_rate)  # the codec's own, where it tells one
        self._own_rate = next((rate for rate in rates if rate and 5 <= rate <= 240), stream.guessed_rate)
        length = float((stream.duration or 0) * (stream.time_base or 0) * (self._own_rate or 0))
        self._stands_still = not self.live and stream.frames > 2 and 0 < length < 1.5
        self._origin = float((stream.start_time or 0) * (stream.time_base or 0))
        self._seekable = not self.live and any(name in _SEEKABLE for name in formats)
        if self._stands_still:
            self._seekable = False
            self._warn("its timestamps stand still; its frames are taken to be evenly spaced")
        if self._by_decoding and stream.codec_context.has_b_frames:
            self._seekable = False  # these times lag by a delay that only the first frame tells
        if self.live or (self._by_decoding and not (self._start and self._seekable)):
            self._origin = None  # a camera's clock starts anywhere: the first frame becomes 0
        self._decoder, self._ahead = self._decode(), []
        if self._start:
            self.seek(self._start)
            stream, container = self._stream, self._container  # which it may have opened anew
        if not self._ahead:
            self._ahead = [frame for frame in [next(self._decoder, None)] if frame is not None]
        if not self._ahead:
            self._complain_no_frames()
        first = self._ahead[0]
        self.codec: str = stream.codec_context.name
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

    def _set_up(self) -> None:
        """Choose the stream and set its decoder up, before anything is decoded."""
        stream = self._stream = pick_stream(self._container, self.name)
        with suppress(ValueError, RuntimeError):
            stream.codec_context.thread_count = self._threads
            stream.codec_context.thread_type = "AUTO" if self._threads != 1 else "NONE"
        if self._options:
            stream.codec_context.options = dict(self._options)

    def seek(self, time: float) -> None:
        """Let `frames` go on at the last key frame at or before a time, or at the beginning.

        Every frame from the time on then decodes as it does from the beginning.

        Args:
            time: seconds from the start of the video.

        Raises:
            DataError: for a live source.
        """
        if self.live:
            raise DataError(f"{self.name} is live and cannot start at {time} s; leave the start out")
        if self._origin is None and self._ahead:
            self._origin = self._stamp(self._ahead[0])
        back = 0.0
        while self._seekable and self._origin is not None and time - back > 0:
            target = int((self._origin + time - back) / self._stream.time_base)
            try:
                self._container.seek(target, stream=self._stream, backward=True)
            except FFmpegError:
                logger.debug("%s: seeking failed, frames are skipped one by one", self.name)
                break
            self._decoder = self._decode()
            first = next((frame for frame in self._decoder if frame.key_frame), None)
            stamp = None if first is None else self._stamp(first)
            if first is not None and stamp is None:
                break  # without timestamps only counting from the beginning tells the time
            if first is not None and stamp is not None and stamp - self._origin <= time + 1e-6:
                self._ahead = [first]
                return
            back = max(1.0, 2 * back)  # containers search by decoding time, or only roughly
        self._container.close()
        self._container = _open_container(self._source, timeout=self._timeout)
        self._set_up()
        self._decoder, self._ahead = self._decode(), []

    def seek_helps(self, now: float, time: float) -> bool:
        """Whether a key frame lies between ``now`` and ``time`` (seconds), so that seeking saves decoding."""
        if not self._seekable or self._origin is None or time - now < _SEEK_FROM:
            return False
        blindly = time - now > _SEEK_BLINDLY
        entries = getattr(self._stream, "index_entries", None)
        if not entries:  # the container has no index, or this PyAV does not show it
            return blindly
        found = entries.search_timestamp(int((self._origin + time) / self._stream.time_base), backward=True)
        if found < 0 or found == len(entries) - 1:  # Matroska's index grows as it is read
            return blindly
        return entries[found].timestamp * self._stream.time_base - self._origin > now

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
            if self._each_packet is not None:
                self._each_packet(packet)
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
        rates = (self._stream.average_rate, self._stream.guessed_rate)
        for rate in (self._own_rate,) if self._stands_still else rates:
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

    def frames(self) -> Iterator[tuple[float, av.VideoFrame]]:
        """(seconds, decoded frame) from where the video is, before any conversion; see `seek`."""
        last = -np.inf
        shift = 0.0
        for frame in self._frames():
            stamp = self._stamp(frame)
            if stamp is not None:
                if self._origin is None:
                    self._origin = stamp
                time = stamp - self._origin + shift
            else:  # raw streams have no timestamps
                time = last + 1 / self.fps if np.isfinite(last) else 0.0
            if np.isfinite(last) and time - last > _JUMP and not self.live and not self._jumped:
                self._jumped = True
                self._warn(f"its timestamps jump by {time - last:.0f} s, {last:.1f} s after the beginning")
            if time <= last:
                self._n_moved += 1
                if last - time > 1:  # the clock started anew (a stream that reconnected, files joined)
                    shift += last + 1 / self.fps - time
                    time = last + 1 / self.fps
                else:
                    time = last + min(1e-3, 0.5 / self.fps)
            last = time
            yield time, frame

    def __iter__(self) -> Iterator[Frame]:
        index = n_seen = n_corrupt = 0
        for time, frame in self.frames():
            n_seen += 1
            n_corrupt += bool(frame.is_corrupt)
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
        if self._n_moved and not self.live:
            self._warn(
                f"{self._n_moved} of {index} timestamps do not increase; each was set after the one before"
            )
        for text in self.warnings:
            logger.warning("%s: %s", self.name, text)

    def _frames(self) -> Iterator[av.VideoFrame]:
        while self._ahead:
            yield self._ahead.pop(0)
        yield from self._decoder

    def _stamp(self, frame: av.VideoFrame) -> float | None:
        """Seconds by the video's own clock, or None."""
        if self._stands_still:
            return None
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
