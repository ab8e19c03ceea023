"""From a row of a clip table to pictures: which moments, which part of the picture. Done in worker processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from skelact.datasets.clip_table import Clip
from skelact.errors import ConfigError, DataError, SkelactError, choices
from skelact.io.flow_cache import read_cached_flow
from skelact.io.video import Video
from skelact.io.video_frames import frame_times, read_frames


@dataclass
class ClipSampling:
    """Which moments of a clip a network sees.

    Args:
        kind: ``dense``: ``n_frames`` in a row (C3D, SlowFast); ``segments``: the clip in ``segments`` equal parts, and
            ``n_frames`` in a row from each (Wang et al., Temporal Segment Networks, ECCV 2016).
        n_frames: frames in a row.
        stride: seconds between them.
        segments: parts of the clip.
        views: samples of each clip when a network is tested, evenly spread over it.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    kind: Literal["dense", "segments"] = "dense"
    n_frames: int = 16
    stride: float = 0.04
    segments: int = 3
    views: int = 1

    def __post_init__(self) -> None:
        if self.kind not in ("dense", "segments"):
            raise ConfigError(choices(self.kind, ("dense", "segments"), "kind of sampling"))
        if min(self.n_frames, self.segments, self.views) < 1 or not self.stride > 0:
            raise ConfigError("n_frames, segments and views must be at least 1, and stride above 0 seconds")

    @property
    def n_parts(self) -> int:
        """In how many parts a clip is sampled."""
        return self.segments if self.kind == "segments" else 1

    @property
    def length(self) -> int:
        """T: frames of one sample."""
        return self.n_parts * self.n_frames

    def test_shares(self) -> np.ndarray:
        """``[views, n_parts]`` for `moments`: evenly spread, from the first moment to the last."""
        if self.kind == "segments" or self.views == 1:
            spread = (np.arange(self.views) + 0.5) / self.views
        else:
            spread = np.arange(self.views) / (self.views - 1)
        return np.repeat(spread[:, None], self.n_parts, 1)

    def moments(self, start: float, end: float, shares: np.ndarray) -> np.ndarray:
        """Seconds of the frames.

        Args:
            start, end: of the clip; a sample that is longer than its part goes on, and holds at ``end``.
            shares: ``[..., n_parts]`` in 0..1, where in its part each row of frames begins.

        Returns:
            ``[..., T]`` seconds.
        """
        part = (end - start) / self.n_parts
        room = max(0.0, part - (self.n_frames - 1) * self.stride)
        begin = start + part * np.arange(self.n_parts) + room * shares
        times = begin[..., None] + self.stride * np.arange(self.n_frames)
        return np.minimum(times, end).reshape(*shares.shape[:-1], self.length)


@dataclass
class Framing:
    """Which part of the picture a network sees, and at what size.

    Args:
        size: (height, width) of the result.
        region: ``whole``; ``person``: a square that follows the clip's boxes.
        aspect: of the whole picture: ``stretch`` it to the size (as C3D and TSN do), or ``cut`` its middle out in
            the size's shape.
        margin: added around a person's box on each side, as a share of its longer side.
        smooth: seconds over which the boxes are averaged (standard deviation of a Gaussian).
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    size: tuple[int, int] = (128, 171)
    region: Literal["whole", "person"] = "whole"
    aspect: Literal["stretch", "cut"] = "stretch"
    margin: float = 0.15
    smooth: float = 0.2

    def __post_init__(self) -> None:
        self.size = (int(self.size[0]), int(self.size[1]))
        for name, allowed in (("region", ("whole", "person")), ("aspect", ("stretch", "cut"))):
            if getattr(self, name) not in allowed:
                raise ConfigError(choices(getattr(self, name), allowed, name))
        if min(self.size) < 1 or self.margin < 0 or not self.smooth > 0:
            raise ConfigError("size must be positive, margin not negative, and smooth above 0 seconds")


def follow_boxes(boxes: np.ndarray, times: np.ndarray, margin: float, smooth: float) -> np.ndarray:
    """Squares that follow a person smoothly.

    Args:
        boxes: ``[n, 5]`` (seconds, x1, y1, x2, y2), rising in time.
        times: ``[T]`` seconds; before the first box and after the last these hold.
        margin: share of the longer side, added on each side.
        smooth: standard deviation of the Gaussian in time, in seconds.

    Returns:
        ``[T, 4]`` (x1, y1, x2, y2), possibly beyond the picture.
    """
    offsets = np.linspace(-3, 3, 25) * smooth
    weights = np.exp(-((offsets / smooth) ** 2) / 2)
    weights /= weights.sum()
    at = times[:, None] + offsets

    def smoothed(values: np.ndarray) -> np.ndarray:
        return np.interp(at, boxes[:, 0], values) @ weights

    x, y = smoothed((boxes[:, 1] + boxes[:, 3]) / 2), smoothed((boxes[:, 2] + boxes[:, 4]) / 2)
    half = smoothed((boxes[:, 3:] - boxes[:, 1:3]).max(1)) * (0.5 + margin)
    return np.stack([x - half, y - half, x + half, y + half], 1)


@dataclass(frozen=True)
class ClipTask:
    """One clip to read.

    Args:
        row: of the clip in its table.
        path: the video file.
        clip: start, end, boxes.
        shares: ``[views, n_parts]`` for `ClipSampling.moments`.
        sampling, framing: what to read.
        flow: file of the video's flow, to read instead of its pictures.
    """

    row: int
    path: str
    clip: Clip
    shares: np.ndarray
    sampling: ClipSampling
    framing: Framing
    flow: str | None = None


@dataclass(frozen=True)
class ClipResult:
    """What became of a task: ``frames [views, T, H, W, C]`` uint8, or the reason why there are none."""

    row: int
    frames: np.ndarray | None = field(default=None, repr=False)
    error: str | None = None


def read_clip(task: ClipTask) -> ClipResult:
    """Read one clip; whatever is wrong with its file becomes part of the result.

    Raises:
        ConfigError: what would go wrong with every other clip too.
    """
    try:
        return ClipResult(task.row, _read(task))
    except ConfigError:
        raise
    except SkelactError as error:
        return ClipResult(task.row, error=str(error))
    except (OSError, ValueError, RuntimeError) as error:  # one bad file never stops the rest
        return ClipResult(task.row, error=f"{task.path}: {type(error).__name__}: {error}")


def _read(task: ClipTask) -> np.ndarray:
    clip, framing = task.clip, task.framing
    if clip.end is not None:  # the frame at its end is the next clip's
        end = max(clip.start, clip.end - task.sampling.stride / 2)
    else:
        end = float(frame_times(task.path)[-1])
        if end < clip.start:
            raise DataError(f"{task.path} ends at {end:.3f} s, before its clip begins at {clip.start:.3f} s")
    times = task.sampling.moments(clip.start, end, task.shares).ravel()
    box = None
    if framing.region == "person":
        if clip.boxes is None:
            raise DataError(f"{task.path}: the clip has no boxes, and framing.region is 'person'")
        box = follow_boxes(clip.boxes, times, framing.margin, framing.smooth)
    elif framing.aspect == "cut":
        box = _middle(task.path, framing.size)
    if task.flow is None:
        frames = read_frames(task.path, times, size=framing.size, box=box)
    else:
        fields, _ = read_cached_flow(task.flow, times, size=framing.size, box=box)
        frames = np.ascontiguousarray(fields.transpose(0, 2, 3, 1))
    return frames.reshape(*task.shares.shape[:-1], task.sampling.length, *frames.shape[1:])


def _middle(path: str, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest box of the shape of ``size`` in the middle of a video's picture."""
    with Video(path, threads=1) as video:
        height, width = video.height, video.width
    scale = min(height / size[0], width / size[1])
    h, w = round(size[0] * scale), round(size[1] * scale)
    top, left = (height - h) // 2, (width - w) // 2
    return left, top, left + w, top + h
