"""Optical flow kept in files: 8 bits, bounded, as a video of grey pictures that is smaller than the video it is of."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec import codecs_available
from av.error import FFmpegError

from skelact.errors import DataError
from skelact.io.files import atomic_path
from skelact.io.flow import BOUND, all_flow, get_flow, to_bytes
from skelact.io.reading import checksum
from skelact.io.video import Video
from skelact.io.video_frames import Moments, Source, cut_box, find_moments, nearest_frames, scaled_size
from skelact.io.video_open import open_container

SUFFIX = ".flow"
SIZE = 128  # shorter side in pixels
SHARE = 1.2  # of the video's own bytes that a cache may take
_TAG = "SKELACT_FLOW"
_VERSION = 2  # 1: without ``shrink``
_QUALITIES = (20, 26, 32, 38, 44)  # of H.264, from the best on
_KEY_EVERY = "12"  # frames; a later window is reached after half of them on average


@dataclass(frozen=True)
class FlowInfo:
    """What a file of flow says of itself.

    Args:
        kind: of `skelact.io.flow.FLOWS`.
        bound: pixels per frame that 1 and 255 stand for; 128 is 0.
        height, width: of the fields; flow is in pixels of this size.
        video_height, video_width: of the upright video.
        source: checksum of the video file.
        quality: of the coding; 20 is the best.
        size: shorter side that was asked for.
        shrink: fields are kept at this share of their size, and enlarged when they are read.
        version: of the format.
    """

    kind: str
    bound: float
    height: int
    width: int
    video_height: int
    video_width: int
    source: str
    quality: int
    size: int
    shrink: int = 1
    version: int = _VERSION

    @property
    def kept(self) -> tuple[int, int]:
        """(height, width) of the fields in the file."""
        return -(-self.height // self.shrink), -(-self.width // self.shrink)


def flow_path(folder: str | Path, video: str | Path) -> Path:
    """Where in a folder the flow of a video lies, by the video's path relative to its set."""
    return Path(folder) / f"{video}{SUFFIX}"


def write_flow(
    video: Source,
    out: Source,
    *,
    kind: str = "dis",
    size: int = SIZE,
    bound: float = BOUND,
    progress: Callable[[int, int, str], None] | None = None,
) -> FlowInfo:
    """Find the flow of a whole video and write it into a file, which gets its name when it is complete.

    It is coded as H.264, so coarsely that it takes at most 1.2 times the video's own bytes.

    Args:
        video: the video file.
        out: the file to write, usually with the suffix ``.flow``.
        kind: a name of `skelact.io.flow.FLOWS`.
        size: shorter side of the fields in pixels; never more than the video's.
        bound: pixels per frame, at that size, beyond which flow is cut off.
        progress: called with (done, total, name) for every frame.

    Raises:
        DataError: if the video cannot be read, or the file not written.
        ConfigError, DependencyError: as `skelact.io.flow.get_flow`.
    """
    source = checksum(Path(video))
    with Video(video, threads=1) as opened:
        full = (opened.height, opened.width)
        total = opened.n_frames_estimate or 0
    side = min(size, *full)
    out = Path(out)
    height, width = scaled_size(*full, side)
    info = FlowInfo(kind, bound, height, width, *full, source, _QUALITIES[0], size, get_flow(kind).grain)
    with atomic_path(out) as part:
        fields = _counted(all_flow(video, kind, side), total, Path(video).name, progress)
        _encode(((time, to_bytes(_shrunk(field, info), bound)) for time, field in fields), part, info)
        allowed = SHARE * Path(video).stat().st_size
        for quality in _QUALITIES[1:]:
            if part.stat().st_size <= allowed:
                break
            info = replace(info, quality=quality)
            coarser = part.with_name(part.name + "2")
            try:
                _encode(_decode(part), coarser, info)  # coded again from the better one
                os.replace(coarser, part)  # noqa: PTH105
            finally:
                coarser.unlink(missing_ok=True)
    return info


def flow_info(path: Source) -> FlowInfo:
    """What a file of flow says of itself.

    Raises:
        DataError: if it is no such file, or of a later version.
    """
    container = open_container(path)
    try:
        return _read_tag(container.metadata, str(path))
    finally:
        container.close()


def read_cached_flow(
    path: Source,
    times: Moments | None = None,
    *,
    indices: Sequence[int] | np.ndarray | None = None,
    size: tuple[int, int] | None = None,
    box: Sequence[float] | np.ndarray | None = None,
) -> tuple[np.ndarray, FlowInfo]:
    """Read fields from a file of flow, nearest to given moments; late ones are sought, as in `read_frames`.

    Args:
        path: the file.
        times: ``[T]`` seconds from the video's start.
        indices: ``[T]`` numbers of frames instead of times.
        size: (height, width) to resize to; the unit of the flow stays pixels of the file's size.
        box: part to cut out before, ``(x1, y1, x2, y2)`` in pixels of the video, one or ``[T, 4]``.

    Returns:
        ``[T, 2, H, W]`` uint8 (see `skelact.io.flow.from_bytes`), and what the file says of itself.

    Raises:
        DataError: as `read_frames` and `flow_info`, and for boxes without a size.
    """
    if box is not None and size is None:
        raise DataError(f"{path}: cutting boxes out of flow needs the size (height, width) of the result")
    with Video(path, threads=1) as video:
        info = _read_tag(video.tags, str(path))
        shape = size or (info.height, info.width)
        wanted = find_moments(video, path, times, indices)
        out = np.empty((len(wanted), 2, *shape), np.uint8)
        boxes = None if box is None else np.broadcast_to(np.asarray(box, np.float64), (len(wanted), 4))
        for k, frame in nearest_frames(video, wanted, iter):
            field = _field(frame, info)
            if boxes is not None:
                whole = np.empty((2, info.height, info.width), np.uint8)
                _enlarge(field, whole)
                field = _cut(whole, info, boxes[k])
            _enlarge(field, out[k])
    return out, info


def _field(frame: av.VideoFrame, info: FlowInfo) -> np.ndarray:
    """The field ``[2, h, w]`` that a frame holds, as large as it is kept."""
    height, width = info.kept
    return _grey(frame)[: 2 * height, :width].reshape(2, height, width)


def _shrunk(field: np.ndarray, info: FlowInfo) -> np.ndarray:
    """A field as large as it is kept: the values in the middle of each cell."""
    import cv2

    if field.shape[1:] == info.kept:
        return field
    return np.stack([cv2.resize(part, info.kept[::-1]) for part in np.ascontiguousarray(field)])


def _enlarge(field: np.ndarray, out: np.ndarray) -> None:
    """Write a field ``[2, h, w]`` into ``out [2, H, W]``, resized."""
    import cv2

    if field.shape == out.shape:
        out[:] = field
    else:
        for part, result in zip(field, out, strict=True):
            cv2.resize(part, result.shape[::-1], dst=result)


def _cut(field: np.ndarray, info: FlowInfo, box: np.ndarray) -> np.ndarray:
    """The part of a field ``[2, H, W]`` in a box in pixels of the video."""
    across, down = info.width / info.video_width, info.height / info.video_height
    scaled = np.rint(box * [across, down, across, down]).astype(np.int64)
    scaled[2:] = np.maximum(scaled[2:], scaled[:2] + 1)
    return np.ascontiguousarray(cut_box(field.transpose(1, 2, 0), scaled).transpose(2, 0, 1))


def _counted(
    fields: Iterable[tuple[float, np.ndarray]],
    total: int,
    name: str,
    progress: Callable[[int, int, str], None] | None,
) -> Iterator[tuple[float, np.ndarray]]:
    for n, item in enumerate(fields, 1):
        if progress is not None:
            progress(n, max(n, total), name)
        yield item


def _encode(fields: Iterable[tuple[float, np.ndarray]], path: Path, info: FlowInfo) -> None:
    """Write 8-bit fields ``[2, h, w]`` as luma, u above v, with times in milliseconds."""
    height, width = info.kept
    last = -1
    try:
        with av.open(str(path), "w", format="matroska") as container:
            container.metadata[_TAG] = json.dumps(asdict(info))
            stream = _add_stream(container, 2 * height, width + width % 2, info.quality)
            for time, field in fields:
                luma = np.pad(field.reshape(2 * height, width), ((0, 0), (0, width % 2)), mode="edge")
                chroma = np.full((height, luma.shape[1]), 128, np.uint8)
                frame = av.VideoFrame.from_ndarray(np.concatenate([luma, chroma]), format="yuv420p")
                last = max(last + 1, round(1000 * time))
                frame.pts, frame.time_base = last, Fraction(1, 1000)
                container.mux(stream.encode(frame))
            if last < 0:
                raise DataError("the video has no frame that flow could be found of")
            container.mux(stream.encode())
    except FFmpegError as error:
        raise DataError(f"cannot write {path}: {error}") from error


def _add_stream(container: Any, height: int, width: int, quality: int) -> Any:
    h264 = "libx264" in codecs_available
    stream = container.add_stream("libx264" if h264 else "mpeg4", rate=25)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.time_base = Fraction(1, 1000)
    if h264:
        stream.options = {
            "crf": str(quality), "preset": "medium", "tune": "fastdecode", "g": _KEY_EVERY, "threads": "1",
        }  # fmt: skip
    else:
        stream.options = {"qscale": str(max(2, quality - 16)), "g": _KEY_EVERY}
    return stream


def _decode(path: Path) -> Iterator[tuple[float, np.ndarray]]:
    info = flow_info(path)
    with Video(path, threads=1) as video:
        for time, frame in video.frames():
            yield time, _field(frame, info).copy()


def _grey(frame: av.VideoFrame) -> np.ndarray:
    """The luma of a frame as it is stored, ``[H, W]`` with what pads its rows; no range is converted."""
    plane = frame.planes[0]
    return np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)


def _read_tag(tags: dict[str, str], name: str) -> FlowInfo:
    try:
        values = json.loads(tags[_TAG])
        version = values["version"]
        if version > _VERSION:
            raise DataError(
                f"{name} is flow of version {version}, and this skelact reads {_VERSION}; update it"
            )
        return FlowInfo(**values)
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{name} is no file of flow; make one: skelact extract VIDEO --flow dis") from None
