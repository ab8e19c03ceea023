"""Chosen frames of a video file: only what is needed is decoded, and only what is wanted is converted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from os import PathLike
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

from skelact.errors import DataError
from skelact.io.video import Video
from skelact.io.video_open import open_container, pick_stream

# One packet of these is one frame, so that their times are known without decoding.
_PACKET_IS_FRAME = ("h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "mjpeg", "vp9", "rawvideo", "ffv1")
_PAST_THE_END = 1.0  # seconds

Source = str | PathLike[str]
Moments = Sequence[float] | np.ndarray
Frames = Iterator[tuple[float, av.VideoFrame]]
F = TypeVar("F")


def read_frames(
    path: Source,
    times: Moments | None = None,
    *,
    indices: Sequence[int] | np.ndarray | None = None,
    size: int | tuple[int, int] | None = None,
    box: Sequence[float] | np.ndarray | None = None,
    threads: int = 1,
) -> np.ndarray:
    """Read the frames nearest to given moments, the same as decoding the whole file gives.

    Decoding begins at the last key frame before the first moment (and anew where that is nearer), and only
    wanted frames are converted to RGB and resized, in one step.

    Args:
        path: the video file.
        times: ``[T]`` seconds from its start, in any order, repeated or not.
        indices: ``[T]`` numbers of frames instead of times; negative ones count from the end.
        size: ``(height, width)`` of the result; one number: of its shorter side; None: as the video is.
        box: part of the upright picture to cut out before resizing, ``(x1, y1, x2, y2)`` in pixels, one for all
            frames or ``[T, 4]``; beyond the picture its edge is repeated.
        threads: decoder threads; 0: as many as help.

    Returns:
        ``[T, H, W, 3]`` uint8 RGB, upright.

    Raises:
        DataError: if the file cannot be read, a moment is before it or more than a second after its last frame, a
            box is empty, or boxes differ in size and there is no ``size``.
    """
    with Video(path, threads=threads) as video:
        wanted = find_moments(video, path, times, indices)
        boxes = None if box is None else _check_boxes(box, len(wanted), video.name)
        shape = _target(video, size, boxes)
        out = np.empty((len(wanted), *shape, 3), np.uint8)
        convert = Converter(video)
        last: tuple[int, av.VideoFrame] | None = None
        for k, frame in nearest_frames(video, wanted, iter):
            same = last is not None and last[1] is frame
            if same and last is not None and (boxes is None or (boxes[k] == boxes[last[0]]).all()):
                out[k] = out[last[0]]
            else:
                out[k] = convert(frame, shape, None if boxes is None else boxes[k])
            last = (k, frame)
    return out


def frame_times(path: Source) -> np.ndarray:
    """Seconds of every frame of a video file, as `skelact.io.video.Video` gives them, without decoding if possible.

    Returns:
        ``[F]`` float64, increasing.

    Raises:
        DataError: as `skelact.io.video.open_video`.
    """
    place = Path(path)
    try:
        state = place.stat()
    except OSError:
        return _find_times(str(path))  # which says what is wrong
    return _known_times(str(path), state.st_mtime_ns, state.st_size).copy()


def stated_end(path: Source) -> float:
    """Seconds of a video's last frame without decoding it: by its packets' stamps, or as the file announces it.

    Raises:
        DataError: as `skelact.io.video.open_video`.
    """
    times = _times_of_packets(str(path))
    if times is not None:
        return float(times[-1])
    with Video(path, threads=1) as video:
        if video.n_frames_estimate:
            return (video.n_frames_estimate - 1) / video.fps
    return float(frame_times(path)[-1])


@lru_cache(maxsize=512)
def _known_times(path: str, changed: int, size: int) -> np.ndarray:
    return _find_times(path)


def _find_times(path: str) -> np.ndarray:
    times = _times_of_packets(path)
    if times is None:
        with Video(path, threads=1) as video:
            times = np.array([time for time, _ in video.frames()])
    return times


def _times_of_packets(path: str) -> np.ndarray | None:
    """Times by the packets' stamps, None if these are not surely the frames'."""
    container = open_container(path)
    try:
        stream = pick_stream(container, path)
        codec = stream.codec_context
        if codec.name not in _PACKET_IS_FRAME or "avi" in container.format.name.split(","):
            return None
        packets = [(p.pts, p.is_keyframe) for p in container.demux(stream) if p.size and not p.is_discard]
        stamps = np.array([np.nan if pts is None else pts for pts, _ in packets], np.float64)
        if not len(packets) or not packets[0][1] or np.isnan(stamps).any():
            return None
        times = np.sort(stamps) * float(stream.time_base) - float((stream.start_time or 0) * stream.time_base)
        # Frames that come before the first key frame do not decode, and a clock may start anew.
        usual = (np.diff(times) > 0).all() and stamps[0] == stamps.min()
        return times if usual else None
    except FFmpegError:
        return None
    finally:
        container.close()


def find_moments(video: Video, path: Source, times: Moments | None, indices: object | None) -> np.ndarray:
    """Seconds ``[T]`` of the moments that a caller named by ``times`` or by ``indices``.

    Raises:
        DataError: if it is not exactly one of them, or they are not such numbers.
    """
    if (times is None) == (indices is None):
        raise DataError(f"{video.name}: name the frames by times or by indices, one of them")
    if times is not None:
        wanted = np.asarray(times, np.float64)
        if wanted.ndim != 1 or not len(wanted) or not np.isfinite(wanted).all():
            raise DataError(f"{video.name}: times must be a list of seconds, got {times!r}")
        return wanted
    numbers = np.asarray(indices)
    known = frame_times(path)
    if numbers.ndim != 1 or not len(numbers) or numbers.dtype.kind not in "iu":
        raise DataError(f"{video.name}: indices must be a list of whole numbers, got {indices!r}")
    if numbers.min() < -len(known) or numbers.max() >= len(known):
        wrong = int(numbers[(numbers < -len(known)) | (numbers >= len(known))][0])
        raise DataError(f"{video.name} has {len(known)} frames, and frame {wrong} was asked for")
    return known[numbers]


def nearest_frames(
    video: Video, times: np.ndarray, prepare: Callable[[Frames], Iterator[tuple[float, F]]]
) -> Iterator[tuple[int, F]]:
    """(position in ``times``, frame) of the frame nearest to each time, in the order of time.

    Args:
        video: an open video, not read yet.
        times: ``[T]`` seconds in any order.
        prepare: what is made of `Video.frames` from a key frame on; ``iter`` leaves them as they are.

    Raises:
        DataError: for a time before the video, or more than a second after its last frame.
    """
    if times.min() < -_PAST_THE_END:
        raise DataError(f"{video.name}: a frame at {times.min():g} s was asked for; times count from 0")
    source = prepare(video.frames())
    before: tuple[float, F] | None = None
    after = next(source, None)
    for k in np.argsort(times, kind="stable"):
        time = float(times[k])
        if after is not None and video.seek_helps(after[0], time):
            video.seek(time)
            source = prepare(video.frames())
            before, after = None, next(source, None)
        while after is not None and after[0] < time:
            before, after = after, next(source, None)
        found = before if after is None else after
        if found is None:
            raise DataError(f"{video.name} has no frame that decodes near {time:g} s; it is damaged")
        if after is None and time - found[0] > _PAST_THE_END:
            raise DataError(
                f"{video.name} ends at {found[0]:.3f} s, and a frame at {time:.3f} s was asked for"
            )
        if before is not None and time - before[0] <= found[0] - time + 1e-6:
            found = before
        yield int(k), found[1]


class Converter:
    """Decoded frames of one video → upright RGB pictures; scaling tables are kept from frame to frame."""

    def __init__(self, video: Video) -> None:
        self._rotation = video.rotation
        self._full = (video.height, video.width)
        self._scale, self._scale_cut = VideoReformatter(), VideoReformatter()

    def __call__(
        self, frame: av.VideoFrame, shape: tuple[int, int], box: np.ndarray | None = None
    ) -> np.ndarray:
        """``[H, W, 3]`` uint8 of this (height, width), of the whole frame or a box of whole pixels."""
        if box is None:
            return self._upright(frame, shape)
        picture = self._upright(frame, self._full)
        cut = cut_box(picture, box)
        if cut.shape[:2] == shape:
            return cut
        whole = av.VideoFrame.from_ndarray(np.ascontiguousarray(cut), format="rgb24")
        return self._scale_cut.reformat(whole, shape[1], shape[0]).to_ndarray()

    def _upright(self, frame: av.VideoFrame, shape: tuple[int, int]) -> np.ndarray:
        height, width = shape[::-1] if self._rotation in (90, 270) else shape
        image = self._scale.reformat(frame, width, height, "rgb24").to_ndarray()
        return np.rot90(image, self._rotation // 90) if self._rotation else image


def cut_box(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The part of a picture ``[H, W, C]`` in a box of whole pixels (x1, y1, x2, y2); beyond it its edge is repeated."""
    x1, y1, x2, y2 = (int(v) for v in box)
    height, width = picture.shape[:2]
    if min(x1, y1) >= 0 and x2 <= width and y2 <= height:
        return picture[y1:y2, x1:x2]
    rows, columns = np.arange(y1, y2).clip(0, height - 1), np.arange(x1, x2).clip(0, width - 1)
    return picture[rows[:, None], columns]


def _check_boxes(box: Sequence[float] | np.ndarray, n: int, name: str) -> np.ndarray:
    boxes = np.asarray(box, np.float64)
    if boxes.shape not in ((4,), (n, 4)) or not np.isfinite(boxes).all():
        raise DataError(f"{name}: a box is (x1, y1, x2, y2), or one for each of {n} frames; got {box!r}")
    boxes = np.broadcast_to(np.rint(boxes).astype(np.int64), (n, 4))
    if (boxes[:, 2:] <= boxes[:, :2]).any():
        empty = boxes[(boxes[:, 2:] <= boxes[:, :2]).any(1)][0].tolist()
        raise DataError(
            f"{name}: the box {empty} is empty; it must be (x1, y1, x2, y2) with x1 < x2, y1 < y2"
        )
    return boxes


def _target(video: Video, size: int | tuple[int, int] | None, boxes: np.ndarray | None) -> tuple[int, int]:
    height, width = video.height, video.width
    if boxes is not None:
        sides = boxes[:, 2:] - boxes[:, :2]
        if not isinstance(size, tuple) and (sides != sides[0]).any():
            raise DataError(
                f"{video.name}: boxes differ in size; give the size (height, width) of the result"
            )
        width, height = (int(v) for v in sides[0])
    return scaled_size(height, width, size)


def scaled_size(height: int, width: int, size: int | tuple[int, int] | None) -> tuple[int, int]:
    """(height, width) that a picture gets by a ``size`` as of `read_frames`.

    Raises:
        DataError: if a side is not positive.
    """
    if size is not None and min(size if isinstance(size, tuple) else (size,)) < 1:
        raise DataError(f"the size of a picture must be positive, got {size}")
    if isinstance(size, tuple):
        return size
    if size is None:
        return height, width
    scale = size / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
