"""What a pose estimator is: pictures in, people out. Another estimator is one file that has these members."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from skelact.layouts import SkeletonLayout


@dataclass(frozen=True)
class Detection:
    """One person found in one picture.

    Args:
        xyz: ``[V, 3]`` joints in the estimator's unit.
        score: ``[V]`` in 0..1, 0 where a joint was not found.
        xy: ``[V, 2]`` joints as fractions of the picture's width and height, whatever the unit; tracking,
            boxes and overlays need them.
        track_id: identity through the video, or None if the estimator keeps none.
        sure: whether it is somebody even where nobody was before; else it only continues who is known.
    """

    xyz: np.ndarray
    score: np.ndarray
    xy: np.ndarray
    track_id: int | None = None
    sure: bool = True

    @property
    def box(self) -> np.ndarray:
        """``[x0, y0, x1, y1]`` around the joints that were found, as fractions of the picture."""
        there = self.score > 0
        points = self.xy[there] if there.any() else self.xy
        return np.concatenate([points.min(0), points.max(0)])


@runtime_checkable
class PoseEstimator(Protocol):
    """Finds people in the frames of one video, which are given in order.

    Members:
        layout: the joints that it gives.
        unit: ``image`` (fractions of width and height) or ``m``.
        origin: optional, of metres: ``hips`` (each person about their own hips; assumed without it) or
            ``camera``.
        follows: whether its detections carry track ids.
    """

    layout: SkeletonLayout
    unit: str
    follows: bool

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        """Find people in ``image [H, W, 3]`` uint8 RGB, taken at ``time`` seconds (increasing)."""
        ...

    def close(self) -> None:
        """Release models and threads; harmless when called twice."""
        ...


@runtime_checkable
class LooksAside(Protocol):
    """An estimator that uses further threads if it may, so that live people are followed without a halt."""

    background: bool


def follow_live(estimator: PoseEstimator) -> None:
    """Tell an estimator that its frames come from a live source; without effect for one with one thread."""
    if isinstance(estimator, LooksAside):
        estimator.background = True
