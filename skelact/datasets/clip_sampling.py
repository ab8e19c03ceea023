"""Which moments of a clip a network sees, and which part of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from skelact.errors import ConfigError, choices

REGIONS = ("whole", "person", "main_person", "left_hand", "right_hand", "hands")


@dataclass
class ClipSampling:
    """Which moments of a clip a network sees.

    Args:
        kind: ``dense``: ``n_frames`` in a row (C3D, SlowFast); ``segments``: the clip in ``segments`` equal parts, and
            ``n_frames`` in a row from each (Wang et al., Temporal Segment Networks, ECCV 2016).
        n_frames: frames in a row.
        stride: seconds between them.
        segments: parts of the clip.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    kind: Literal["dense", "segments"] = "dense"
    n_frames: int = 16
    stride: float = 0.04
    segments: int = 3

    def __post_init__(self) -> None:
        if self.kind not in ("dense", "segments"):
            raise ConfigError(choices(self.kind, ("dense", "segments"), "kind of sampling"))
        if min(self.n_frames, self.segments) < 1 or not self.stride > 0:
            raise ConfigError("n_frames and segments must be at least 1, and stride above 0 seconds")

    @property
    def n_parts(self) -> int:
        """In how many parts a clip is sampled."""
        return self.segments if self.kind == "segments" else 1

    @property
    def length(self) -> int:
        """T: frames of one sample."""
        return self.n_parts * self.n_frames


@dataclass
class Framing:
    """Which part of the picture a network sees, and at what size.

    Args:
        size: (height, width) of the result.
        region: ``whole``; ``person``: a square that follows the people, all of a clip together, so that who acts on
            whom stays in the picture; ``main_person``: a square that follows one of them alone, who is seen in most
            frames (the first of equals); ``left_hand``, ``right_hand``, ``hands``: a square that follows that hand
            of the main person, or both together, in layouts that have hands. While a hand is out of sight its square
            moves from where it was seen last to where it is seen next.
        aspect: of the whole picture: ``stretch`` it to the size (as C3D and TSN do), or ``cut`` its middle out in
            the size's shape.
        margin: added around a person's box on each side, as a share of its longer side.
        smooth: seconds over which the boxes are averaged (standard deviation of a Gaussian).
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    size: tuple[int, int] = (128, 171)
    region: Literal["whole", "person", "main_person", "left_hand", "right_hand", "hands"] = "whole"
    aspect: Literal["stretch", "cut"] = "stretch"
    margin: float = 0.15
    smooth: float = 0.2

    def __post_init__(self) -> None:
        self.size = (int(self.size[0]), int(self.size[1]))
        for name, allowed in (("region", REGIONS), ("aspect", ("stretch", "cut"))):
            if getattr(self, name) not in allowed:
                raise ConfigError(choices(getattr(self, name), allowed, name))
        if min(self.size) < 1 or self.margin < 0 or not self.smooth > 0:
            raise ConfigError("size must be positive, margin not negative, and smooth above 0 seconds")

    @property
    def follows(self) -> bool:
        """Whether the part of the picture moves with people."""
        return self.region != "whole"


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


def middle_box(height: int, width: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The largest box of the shape of ``size`` in the middle of a picture: left, top, right, bottom."""
    scale = min(height / size[0], width / size[1])
    h, w = round(size[0] * scale), round(size[1] * scale)
    top, left = (height - h) // 2, (width - w) // 2
    return left, top, left + w, top + h
