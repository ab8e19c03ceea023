"""Metres of people whose estimator has no depth: from the sizes that bodies have."""

from __future__ import annotations

from collections import deque

import numpy as np

from skelact.layouts import SkeletonLayout

# Metres of an adult of 1.7 m; what a body appears shorter than that is turned towards the camera.
LENGTHS: dict[tuple[str, str], float] = {
    **{(f"{side}_shoulder", f"{side}_hip"): 0.5 for side in ("left", "right")},
    **{(f"{side}_hip", f"{side}_knee"): 0.42 for side in ("left", "right")},
    **{(f"{side}_knee", f"{side}_ankle"): 0.41 for side in ("left", "right")},
    **{(f"{side}_shoulder", f"{side}_elbow"): 0.29 for side in ("left", "right")},
    **{(f"{side}_elbow", f"{side}_wrist"): 0.25 for side in ("left", "right")},
    ("left_shoulder", "right_shoulder"): 0.36,
}
_LEAST = 3  # parts that must be seen
_RANK = 1  # the second longest part counts: the longest may be a wrong joint
_QUANTILE = 0.25  # of the last seconds


class PictureMetres:
    """Camera coordinates of one person's joints in the picture, as if the body were flat and upright to the view.

    The longest parts of a body say how many metres a pixel is; over a few seconds that holds through a fall, in which
    all parts may be turned away. Distances from the camera follow from it. Depth within the body is not known.

    Args:
        layout: of the joints.
        size: width and height of the picture in pixels.
        fov: horizontal field of view in degrees.
        seconds: over which the scale is taken.
    """

    def __init__(
        self, layout: SkeletonLayout, size: tuple[int, int], fov: float, seconds: float = 3.0
    ) -> None:
        self.size, self.seconds = np.array(size, np.float64), seconds
        self.focal = float(size[0] / 2 / np.tan(np.radians(fov) / 2))
        known = [(a, b, m) for (a, b), m in LENGTHS.items() if a in layout.index and b in layout.index]
        self._first = np.array([layout.index[a] for a, _, _ in known], np.int64)
        self._second = np.array([layout.index[b] for _, b, _ in known], np.int64)
        self._metres = np.array([m for _, _, m in known])
        self._scales: deque[tuple[float, float]] = deque()

    def __call__(self, xy: np.ndarray, score: np.ndarray, time: float) -> np.ndarray | None:
        """``[V, 3]`` metres of joints ``xy [V, 2]`` (shares of the picture) with scores ``[V]``; None while no scale
        is known."""
        pixels = xy.astype(np.float64) * self.size
        scale = self._scale(pixels, score)
        if scale is not None:
            self._scales.append((time, scale))
        while self._scales and self._scales[0][0] < time - self.seconds:
            self._scales.popleft()
        if not self._scales:
            return None
        metres = float(np.quantile([s for _, s in self._scales], _QUANTILE))
        flat = (self.size / 2 - pixels) * metres  # x to the left, y up, as a Kinect has them
        return np.concatenate([flat, np.full((len(flat), 1), self.focal * metres)], 1)

    def _scale(self, pixels: np.ndarray, score: np.ndarray) -> float | None:
        there = (score[self._first] > 0) & (score[self._second] > 0)
        lengths = np.linalg.norm(pixels[self._first] - pixels[self._second], axis=1)
        there &= lengths > 1
        if there.sum() < _LEAST:
            return None
        return float(np.sort(self._metres[there] / lengths[there])[_RANK])
