"""Places in a picture where somebody may be, and what people look like."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def tiles(image: np.ndarray, turn: int) -> list[np.ndarray]:
    """Overlapping squares; small and large ones take turns, so that a search stays cheap."""
    height, width = image.shape[:2]
    side = min(height, width) * (0.6 if turn % 2 else 1.0)
    if side >= max(height, width):
        return []

    def starts(length: int) -> np.ndarray:
        return np.linspace(0, length - side, max(1, int(np.ceil((length - side) / (0.5 * side)))) + 1)

    rows = starts(height) if side < height else np.zeros(1)
    return [np.array([x, y, x + side, y + side]) for y in rows for x in starts(width)]


class PedestrianBoxes:
    """OpenCV's people detector (Dalal & Triggs, CVPR 2005) as a source of places to look at."""

    _height = 480

    def __init__(self) -> None:
        import cv2

        self._cv2 = cv2
        self._detector = None
        if hasattr(cv2, "HOGDescriptor"):
            self._detector = cv2.HOGDescriptor()
            people = getattr(cv2, "HOGDescriptor_getDefaultPeopleDetector")  # noqa: B009 - not in cv2's types
            self._detector.setSVMDetector(people())

    def find(self, image: np.ndarray) -> list[np.ndarray]:
        """Boxes ``[x0, y0, x1, y1]`` in pixels that may hold a standing person."""
        if self._detector is None:
            return []
        scale = self._height / image.shape[0]
        grey = self._cv2.resize(self._cv2.cvtColor(image, self._cv2.COLOR_RGB2GRAY), None, fx=scale, fy=scale)
        if grey.shape[1] < 64 or grey.shape[0] < 128:
            return []
        boxes, weights = self._detector.detectMultiScale(grey, winStride=(8, 8), scale=1.08)
        return [
            np.array([x, y, x + w, y + h]) / scale
            for (x, y, w, h), weight in zip(boxes, weights, strict=True)
            if float(weight) > 0.2
        ]


def look_of(
    image: np.ndarray,
    points: np.ndarray,
    parts: Sequence[list[int]] = ([11, 12, 24, 23], [23, 24, 26, 25]),
) -> np.ndarray | None:
    """Colours of a person's trunk and thighs as a histogram ``[48]`` that sums to 1.

    Args:
        image: ``[H, W, 3]`` uint8 RGB.
        points: ``[V, 2]`` joints in pixels.
        parts: the joints at the corners of trunk and thighs; those of ``pose33`` by default.
    """
    colours = []
    for corners in parts:
        middle = points[corners].mean(0)
        inner = middle + (points[corners] - middle) * 0.7
        low = np.clip(inner.min(0), 0, [image.shape[1] - 1, image.shape[0] - 1]).astype(int)
        high = np.clip(inner.max(0) + 1, 1, [image.shape[1], image.shape[0]]).astype(int)
        patch = image[low[1] : high[1], low[0] : high[0]].reshape(-1, 3)
        if len(patch) < 4:
            return None
        colours.append(
            np.concatenate([np.histogram(patch[:, c], 8, (0, 256))[0] for c in range(3)]) / len(patch)
        )
    return np.concatenate(colours) / 6
