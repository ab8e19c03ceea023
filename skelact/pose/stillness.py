"""Whether anything has changed in a picture beside the people who are followed in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_CELLS = 48  # along the longer side of the picture that is compared
_LEVELS = 14  # of grey by which a cell has changed; noise of cameras is below
_SHARE = 0.01  # of the cells that must have changed
_MARGIN = 0.25  # around people, in shares of their box: they move, and have shadows


class Stillness:
    """Compares pictures with the last one that was kept, coarsely."""

    def __init__(self) -> None:
        self._kept: np.ndarray | None = None

    def keep(self, image: np.ndarray) -> None:
        """Take the picture ``[H, W, 3]`` uint8 RGB that all later ones are compared with."""
        self._kept = _coarse(image)

    def changed(self, image: np.ndarray, boxes: Sequence[np.ndarray]) -> bool:
        """Whether a picture is another outside of people's boxes ``[x0, y0, x1, y1]`` (pixels)."""
        now, kept = _coarse(image), self._kept
        if kept is None or kept.shape != now.shape:
            return True
        other = np.abs(now - kept) > _LEVELS
        scale = np.array([now.shape[1] / image.shape[1], now.shape[0] / image.shape[0]])
        for box in boxes:
            margin = _MARGIN * (box[2:] - box[:2])
            x0, y0 = np.maximum(np.floor((box[:2] - margin) * scale), 0).astype(int)
            x1, y1 = np.maximum(np.ceil((box[2:] + margin) * scale), 0).astype(int)
            other[y0:y1, x0:x1] = False
        return float(other.mean()) > _SHARE


def _coarse(image: np.ndarray) -> np.ndarray:
    """Grey means of a coarse grid, ``[h, w]``."""
    step = max(1, max(image.shape[:2]) // _CELLS)
    height, width = (side // step * step for side in image.shape[:2])
    cells = image[:height, :width, 1].reshape(height // step, step, width // step, step)
    return cells.mean((1, 3), dtype=np.float32)
