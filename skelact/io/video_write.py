"""Writing video files through PyAV, atomically."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import av
import numpy as np
from av.codec import codecs_available
from av.error import FFmpegError

from skelact.errors import DataError
from skelact.io.files import replace_durably

_MAX_FPS = 1000.0


class TimedImage(Protocol):
    """A picture with its time, such as `skelact.io.video.Frame`."""

    @property
    def image(self) -> np.ndarray:
        """``[H, W, 3]`` uint8 RGB."""
        ...

    @property
    def time(self) -> float:
        """Seconds."""
        ...


class VideoWriter:
    """Write pictures into a video file, atomically: it gets its name only when it is complete.

    H.264 where the encoder is there, else MPEG-4. Odd sizes are padded by one row or column.

    Args:
        path: the file; its suffix names the container (``.mp4``, ``.mkv``, ``.avi``, …).
        fps: frames per second.
        crf: quality of H.264, 0 (lossless) to 51; 20 looks like the original.

    Raises:
        DataError: for a suffix that is no container, a folder that cannot be made, a frame rate that is not
            positive, pictures of different sizes, or when nothing was written.
    """

    def __init__(self, path: str | PathLike[str], fps: float, *, crf: int = 20) -> None:
        self.path = Path(path)
        if not (np.isfinite(fps) and 0 < fps <= _MAX_FPS):
            raise DataError(f"{self.path}: fps must lie in 0..{_MAX_FPS:g}, got {fps}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"the folder {self.path.parent} cannot be made: {error.strerror}") from error
        self._partial = self.path.with_name(f".{self.path.stem}.partial{self.path.suffix}")
        self._rate = Fraction(fps).limit_denominator(1001)
        self._crf = crf
        self._stream: Any = None
        self._time_base = 1 / self._rate
        self._shape: tuple[int, ...] = ()
        self._last_pts = -1
        try:
            self._container = av.open(str(self._partial), "w")
        except (FFmpegError, ValueError) as error:
            self._partial.unlink(missing_ok=True)
            raise DataError(f"cannot write {self.path}: {error}; use a name such as OUT.mp4") from error

    def _start(self, image: np.ndarray, timed: bool) -> None:
        height, width = image.shape[:2]
        names = [n for n in ("libx264", "mpeg4") if n in codecs_available]
        self._stream = self._container.add_stream(names[0], rate=self._rate)
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        if names[0] == "libx264":
            self._stream.options = {"crf": str(self._crf), "preset": "veryfast"}
        else:
            self._stream.options = {"qscale": "4"}
        # Real times need a fine clock; MPEG-4 allows at most 65535 ticks a second, AVI needs even steps.
        fine = timed and self.path.suffix.lower() != ".avi"
        self._time_base = Fraction(1, 60000) if fine else 1 / self._rate
        self._stream.codec_context.time_base = self._time_base
        self._shape = image.shape

    def write(self, image: np.ndarray, time: float | None = None) -> None:
        """Append one picture ``[H, W, 3]`` uint8 RGB, at ``time`` seconds or one step after the last."""
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise DataError(
                f"{self.path}: a picture must be [H, W, 3] uint8, got {list(image.shape)} {image.dtype}"
            )
        if self._stream is None:
            self._start(image, time is not None)
        if image.shape != self._shape:
            raise DataError(f"{self.path}: pictures change size from {self._shape} to {image.shape}")
        pad = (self._stream.height - image.shape[0], self._stream.width - image.shape[1])
        if any(pad):
            image = np.pad(image, ((0, pad[0]), (0, pad[1]), (0, 0)), mode="edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        step = max(1, round(1 / (self._rate * self._time_base)))
        pts = self._last_pts + step if self._last_pts >= 0 else 0
        if time is not None:
            pts = max(round(time / float(self._time_base)), self._last_pts + 1)
        frame.pts, frame.time_base = pts, self._time_base
        self._last_pts = pts
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file and give it its name."""
        try:
            if self._stream is None:
                raise DataError(f"{self.path}: there was no picture to write")
            for packet in self._stream.encode():
                self._container.mux(packet)
            self._container.close()
            replace_durably(self._partial, self.path)
        except BaseException as error:
            self.abort()
            if isinstance(error, (FFmpegError, OSError)):
                raise DataError(f"cannot write {self.path}: {error}") from error
            raise

    def abort(self) -> None:
        """Give up; nothing stays on the disk."""
        with suppress(Exception):
            self._container.close()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ):
        if kind is None:
            self.close()
            return
        self.abort()
        if isinstance(error, (FFmpegError, OSError)):
            raise DataError(f"cannot write {self.path}: {error}") from error


def write_video(
    path: str | PathLike[str], frames: Iterable[np.ndarray | TimedImage], fps: float, *, crf: int = 20
) -> int:
    """Write pictures into a video file, atomically.

    Args:
        path: the file; its suffix names the container.
        frames: ``[H, W, 3]`` uint8 RGB pictures, evenly spaced, or `skelact.io.video.Frame`s, whose
            times are kept.
        fps: frames per second.
        crf: quality of H.264, 0 (lossless) to 51.

    Returns:
        The number of frames written.

    Raises:
        DataError: as `VideoWriter`.
    """
    n = 0
    with VideoWriter(path, fps, crf=crf) as writer:
        for frame in frames:
            if isinstance(frame, np.ndarray):
                writer.write(frame)
            else:
                writer.write(frame.image, frame.time)
            n += 1
    return n
