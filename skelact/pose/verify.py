"""Is it a person at all? A pose that is there is found again in the mirrored picture.

MediaPipe's landmark network places joints with high visibility on hoses, chairs and legs alone. Looked at
again, cut out and mirrored, a real body gives the mirrored pose to a few percent of the trunk; an imagined
one gives another pose, or none.
"""

from __future__ import annotations

import numpy as np

from skelact.layouts import get_layout
from skelact.pose.estimator import Detection, PoseEstimator

_MIRROR = np.array(get_layout("pose33").mirror)
_CORE = np.array(get_layout("pose33").positions(
    "nose", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_hip", "right_hip",
))  # fmt: skip
_SHOULDERS, _HIPS = [11, 12], [23, 24]
MIRROR_LIMIT = 0.25  # largest distance, in body sizes, of a pose that is found again
DOUBTED = 0.25  # what is left of the scores of a pose that is not found again in the mirror


def square_around(box: np.ndarray, size: tuple[int, int], margin: float) -> tuple[int, int, int, int]:
    """Pixel rows and columns of a square around a box, cut at the picture's border.

    Args:
        box: ``[x0, y0, x1, y1]`` in pixels.
        size: width and height of the picture.
        margin: side of the square in longer sides of the box.

    Returns:
        ``x0, y0, x1, y1``, at least 16 pixels wide and high where the picture is.
    """
    middle = (box[:2] + box[2:]) / 2
    half = max(float((box[2:] - box[:2]).max()) * margin / 2, 8.0)
    limit = np.array(size)
    middle = np.clip(middle, 0, limit)
    low = np.clip(np.floor(middle - half), 0, np.maximum(limit - 16, 0)).astype(int)
    high = np.minimum(np.maximum(np.ceil(middle + half).astype(int), low + 16), limit)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def body_size(points: np.ndarray) -> float:
    """Longer of trunk and shoulder width, in the unit of ``points [33, 2]``."""
    shoulders, hips = points[_SHOULDERS], points[_HIPS]
    trunk = np.linalg.norm(shoulders.mean(0) - hips.mean(0))
    return float(max(trunk, np.linalg.norm(shoulders[0] - shoulders[1]), 1e-6))


def mirrored_distance(
    image: np.ndarray, points: np.ndarray, estimator: PoseEstimator, enough: float = MIRROR_LIMIT
) -> float:
    """How far the pose moves when it is looked at in the mirror, in body sizes; infinite if it is gone.

    MediaPipe's detector may miss a person in a crop of one size and find them in the next, so up to three
    sizes are tried until one gives ``enough``.

    Args:
        image: ``[H, W, 3]`` uint8 RGB.
        points: ``[33 or more, 2]`` the pose, in pixels.
        estimator: looks at single pictures (not following from frame to frame).
        enough: a distance at which to stop.
    """
    points = points[:33]
    box = np.concatenate([points.min(0), points.max(0)])
    best = np.inf
    for margin in (1.3, 1.6, 2.0):
        x0, y0, x1, y1 = square_around(box, (image.shape[1], image.shape[0]), margin)
        for detection in estimator.estimate(image[y0:y1, x0:x1][:, ::-1], 0.0):
            xy = detection.xy[:33].copy()
            xy[:, 0] = 1 - xy[:, 0]
            again = xy[_MIRROR] * [x1 - x0, y1 - y0] + [x0, y0]
            distance = np.linalg.norm(again - points, axis=1)[_CORE].mean() / body_size(points)
            best = min(best, float(distance))
        if best < enough:
            break
    return best


class Trust:
    """Whether one followed person is believed, by mirror checks that become rarer as they succeed.

    A person who passed more than one check may fail two in a row (a blurred frame, somebody in front)
    before they are doubted.

    Args:
        limit: largest mirrored distance, in body sizes.
        first: seconds between the first checks; the pause doubles up to ``longest``.
        longest: longest pause in seconds.
        patience: frames between checks while not believed.
    """

    def __init__(
        self, limit: float = MIRROR_LIMIT, first: float = 0.25, longest: float = 4.0, patience: int = 4
    ) -> None:
        self.limit, self.first, self.longest, self.patience = limit, first, longest, patience
        self.reset()

    def reset(self) -> None:
        """Begin anew, with somebody who is not known yet."""
        self.believed = False
        self._due = -np.inf
        self._wait = 0
        self._n_passed = self._n_failed = 0

    def check(self, image: np.ndarray, points: np.ndarray, time: float, estimator: PoseEstimator) -> bool:
        """Look in the mirror if it is time to; return whether the person is believed now."""
        if self.believed and time < self._due:
            return True
        if not self.believed and self._wait > 0:
            self._wait -= 1
            return False
        if mirrored_distance(image, points, estimator, self.limit) < self.limit:
            self.believed, self._n_failed = True, 0
            self._due = time + min(self.first * 2**self._n_passed, self.longest)
            self._n_passed = min(self._n_passed + 1, 16)
        else:
            self._n_failed += 1
            self._wait = self.patience
            self._due = time + 0.1
            if self._n_failed > (2 if self._n_passed > 1 else 0):
                self.believed, self._n_passed = False, 0
        return self.believed


def as_pixels(detection: Detection, image: np.ndarray) -> np.ndarray:
    """Joints of a detection in pixels, ``[V, 2]``."""
    return detection.xy * [image.shape[1], image.shape[0]]
