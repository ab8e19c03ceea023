"""Optical flow between the frames of a video, by one table of kinds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from skelact.errors import ConfigError, DataError, choices
from skelact.io.motion_vectors import MotionReader, read_motion
from skelact.io.video import Video
from skelact.io.video_frames import (
    Converter,
    Moments,
    Source,
    find_moments,
    frame_times,
    read_frames,
    scaled_size,
)

logger = logging.getLogger(__name__)

Between = Callable[[np.ndarray, np.ndarray], np.ndarray]
BOUND = 20.0  # pixels per frame; what moves faster is cut to it in 8 bits


@dataclass(frozen=True)
class FlowKind:
    """One way to find optical flow.

    Args:
        description: what it is and what it costs.
        make: makes the function of two RGB pictures ``[H, W, 3]`` that gives the motion from the first to the
            second, ``[2, H, W]``; None: the video's own motion vectors.
        warning: what to say before it is used.
        grain: pixels between the places where flow is found; what lies between is interpolated.
    """

    description: str
    make: Callable[[], Between] | None
    warning: str = ""
    grain: int = 1


def _grey(picture: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def _of_grey(between: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Between:
    """A function as OpenCV's (two grey pictures to ``[H, W, 2]``) made one of RGB that gives ``[2, H, W]``."""
    last: list[np.ndarray] = [np.empty(0), np.empty(0)]  # a picture and its grey

    def flow(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        before = last[1] if last[0] is first else _grey(first)
        after = _grey(second)
        last[:] = second, after
        return between(before, after).transpose(2, 0, 1)

    return flow


def _make_dis() -> Between:
    import cv2

    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    return _of_grey(lambda a, b: dis.calc(a, b, np.zeros((*a.shape, 2), np.float32)))


def _make_farneback() -> Between:
    import cv2

    def between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        start = np.zeros((*a.shape, 2), np.float32)
        return cv2.calcOpticalFlowFarneback(a, b, start, 0.5, 3, 15, 3, 5, 1.2, 0)

    return _of_grey(between)


def _make_tvl1() -> Between:
    import cv2

    tvl1 = cv2.optflow.createOptFlow_DualTVL1()
    return _of_grey(lambda a, b: tvl1.calc(a, b, np.zeros((*a.shape, 2), np.float32)))


def _make_raft() -> Between:
    from skelact.io.raft import make_raft

    return make_raft()


FLOWS: Mapping[str, FlowKind] = {
    "dis": FlowKind("dense inverse search (Kroeger et al., ECCV 2016): milliseconds a pair", _make_dis, grain=4),
    "farneback": FlowKind("polynomial expansion (Farnebäck, SCIA 2003): tens of milliseconds", _make_farneback),
    "tvl1": FlowKind(
        "TV-L1 (Zach et al., DAGM 2007), as in I3D and TSN", _make_tvl1,
        "TV-L1 takes seconds for each pair of frames; dis takes milliseconds",
    ),
    "raft": FlowKind("RAFT (Teed and Deng, ECCV 2020), small, by torchvision: for a GPU", _make_raft),
    "motion": FlowKind("the codec's motion vectors: hardly more than decoding, in blocks of 16 pixels", None),
}  # fmt: skip


def get_flow(kind: str) -> FlowKind:
    """The kind of flow of this name; a warning is logged if it is slow.

    Raises:
        ConfigError: for an unknown name.
    """
    if kind not in FLOWS:
        raise ConfigError(choices(kind, FLOWS, "kind of flow"))
    if FLOWS[kind].warning:
        logger.warning("%s", FLOWS[kind].warning)
    return FLOWS[kind]


def flow_between(frames: np.ndarray, kind: str = "dis") -> np.ndarray:
    """Optical flow from each picture to the next.

    Args:
        frames: ``[T, H, W, 3]`` uint8 RGB, T at least 2.
        kind: a name of `FLOWS`, except ``motion``, which is not seen in pictures.

    Returns:
        ``[T - 1, 2, H, W]`` float32, (right, down) in pixels.

    Raises:
        ConfigError: for an unknown kind.
        DataError: for other arrays.
        DependencyError: if what the kind needs is not installed.
    """
    make = get_flow(kind).make
    if make is None:
        raise ConfigError(
            f"flow '{kind}' is read from the video file, not found between pictures: use read_flow"
        )
    if frames.ndim != 4 or frames.shape[3] != 3 or frames.dtype != np.uint8 or len(frames) < 2:
        raise DataError(
            f"flow needs two pictures or more, [T, H, W, 3] uint8; got {list(frames.shape)} {frames.dtype}"
        )
    between = make()
    pictures = list(frames)
    return np.stack([between(a, b) for a, b in pairwise(pictures)]).astype(np.float32)


def read_flow(
    path: Source,
    times: Moments | None = None,
    *,
    indices: Sequence[int] | np.ndarray | None = None,
    kind: str = "dis",
    size: int | tuple[int, int] | None = None,
    backward: bool = False,
) -> np.ndarray:
    """Optical flow at the frames of a video nearest to given moments, each to the frame after it.

    Args:
        path: the video file.
        times: ``[T]`` seconds from its start.
        indices: ``[T]`` numbers of frames instead of times.
        kind: a name of `FLOWS`.
        size: as of `read_frames`; the field's unit is then pixels of that size.
        backward: from each frame to the frame before it.

    Returns:
        ``[T, 2, H, W]`` float32, (right, down) in pixels per frame. The last frame (the first, if backward) has its
        neighbour's field. Motion vectors are 0 where the codec gives none.

    Raises:
        DataError, ConfigError, DependencyError: as `read_frames`, `flow_between` and `read_motion`.
    """
    make = get_flow(kind).make
    with Video(path, threads=1) as video:
        wanted = find_moments(video, path, times, indices)
        shape = scaled_size(video.height, video.width, size)
        full = (video.height, video.width)
    known = frame_times(path)
    if len(known) < 2:
        raise DataError(f"{path} has one frame, and flow needs two")
    after = np.searchsorted(known, wanted).clip(1, len(known) - 1)
    nearest = after - (wanted - known[after - 1] <= known[after] - wanted + 1e-6)
    first = (nearest - 1 if backward else nearest).clip(0, len(known) - 2)  # of each pair
    if make is None:
        fields, _ = read_motion(path, indices=first + 1)
        out = np.stack([_resized(field, full, shape, 16) for field in fields])
        return -out if backward else out
    between = make()
    numbers = np.unique(np.concatenate([first, first + 1]))
    pictures = dict(zip(numbers.tolist(), read_frames(path, indices=numbers, size=shape), strict=True))
    found = {}
    for k in np.unique(first).tolist():
        pair = (pictures[k + 1], pictures[k]) if backward else (pictures[k], pictures[k + 1])
        found[k] = between(*pair)
    return np.stack([found[k] for k in first.tolist()]).astype(np.float32)


def all_flow(
    path: Source, kind: str = "dis", size: int | tuple[int, int] | None = None
) -> Iterator[tuple[float, np.ndarray]]:
    """(seconds, field ``[2, H, W]``) from each frame of a video to the next, the last repeated; see `read_flow`."""
    make = get_flow(kind).make
    if make is None:
        with MotionReader(path) as reader:
            full = (reader.video.height, reader.video.width)
            shape = scaled_size(*full, size)
            last = None
            for time, field, _ in reader:
                field = _resized(field, full, shape, 16)
                if last is not None:
                    yield last, field
                last = time
            if last is not None:
                yield last, field
        return
    between = make()
    with Video(path, threads=1) as video:
        shape = scaled_size(video.height, video.width, size)
        convert = Converter(video)
        before: tuple[float, np.ndarray] | None = None
        field = np.zeros((2, *shape), np.float32)
        for time, frame in video.frames():
            picture = convert(frame, shape)
            if before is not None:
                field = between(before[1], picture)
                yield before[0], field
            before = (time, picture)
        if before is not None:
            yield before[0], field


def _resized(field: np.ndarray, full: tuple[int, int], shape: tuple[int, int], cell: int) -> np.ndarray:
    """A field of cells ``[2, h, w]`` as one of pixels of this (height, width), with vectors to scale."""
    import cv2

    h, w = (n * cell for n in field.shape[1:])
    pixels = cv2.resize(field.transpose(1, 2, 0), (w, h), interpolation=cv2.INTER_LINEAR)[
        : full[0], : full[1]
    ]
    pixels = cv2.resize(pixels, shape[::-1], interpolation=cv2.INTER_AREA)
    scale = np.array([shape[1] / full[1], shape[0] / full[0]], np.float32)
    return (pixels * scale).transpose(2, 0, 1)


def to_bytes(field: np.ndarray, bound: float = BOUND) -> np.ndarray:
    """Flow in 8 bits: 128 is 0, and 1 and 255 are ``bound`` pixels per frame to either side."""
    return np.rint(field.clip(-bound, bound) * (127 / bound) + 128).astype(np.uint8)


def from_bytes(values: np.ndarray, bound: float = BOUND) -> np.ndarray:
    """The inverse of `to_bytes`, float32."""
    return (values.astype(np.float32) - 128) * np.float32(bound / 127)
