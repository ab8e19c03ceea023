"""Words on pictures, in any script that the font has."""

from __future__ import annotations

import warnings
from functools import lru_cache

import numpy as np

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels


@lru_cache(maxsize=1)
def _font():
    from matplotlib.font_manager import FontProperties, findfont
    from matplotlib.ft2font import FT2Font

    return FT2Font(findfont(FontProperties("DejaVu Sans", weight="bold")))


@lru_cache(maxsize=256)
def _letters(text: str, size: int) -> tuple[np.ndarray, int]:
    """How much ink ``[h, w]`` (0..1) a line of this size in pixels has, and how much of it is below the base line."""
    font = _font()
    font.set_size(size, 72)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # what the font lacks is drawn as a box
        font.set_text(text)
        font.draw_glyphs_to_bitmap(antialiased=True)
    ink = np.asarray(font.get_image(), np.float32) / 255
    return ink, round(font.get_descent() / 64)


def text_size(height: int, width: int) -> int:
    """Size of letters in pixels that is read on a picture of this size."""
    return max(11, round(min(height, width) / 27))


def draw_text(
    image: np.ndarray,
    text: str,
    at: tuple[float, float],
    color: Colour = (255, 255, 255),
    taken: list[Box] | None = None,
) -> None:
    """Write ``text`` with its lower left corner at ``at`` (pixels) on a dark ground, kept inside the picture.

    The picture (``[H, W, 3]`` uint8) is changed in place. Signs that the font lacks are shown as boxes; letters get
    smaller where the line would not fit.

    Args:
        image: ``[H, W, 3]`` uint8 RGB.
        text: one line.
        at: x and y of its lower left corner.
        color: of the letters, RGB.
        taken: where other lines are; this one goes to the nearest height that is free, and is added.
    """
    height, width = image.shape[:2]
    text = "".join(c if c.isprintable() else " " for c in text)
    size = text_size(height, width)
    ink, below = _letters(text, size)
    while (ink.shape[1] + size > width or ink.shape[0] + size > height) and size > 5:
        size = max(5, min(size - 1, int(size * width / (ink.shape[1] + size))))
        ink, below = _letters(text, size)
    pad = max(2, size // 3)
    ink = ink[: max(height - 2 * pad, 1), : max(width - 2 * pad, 1)]
    h, w = ink.shape
    x = int(np.clip(at[0], pad, max(pad, width - w - pad)))
    y = int(np.clip(at[1] + below - h, pad, max(pad, height - h - pad)))
    if taken is not None:
        y = _free_height(x - pad, y - pad, w + 2 * pad, h + 2 * pad, taken, height) + pad
        taken.append((x - pad, y - pad, x + w + pad, y + h + pad))
    ground = image[max(0, y - pad) : y + h + pad, max(0, x - pad) : x + w + pad]
    ground[:] = (ground * 0.25).astype(np.uint8)
    place = image[y : y + h, x : x + w]
    ink = ink[: place.shape[0], : place.shape[1], None]
    place[:] = np.round(place * (1 - ink) + np.array(color) * ink).astype(np.uint8)


def _free_height(x: int, y: int, w: int, h: int, taken: list[Box], height: int) -> int:
    """The top nearest to ``y`` at which a box covers none of the others; ``y`` if there is none."""
    tops = [y, *(top - h for _, top, _, _ in taken), *(bottom for _, _, _, bottom in taken)]
    free = [
        top
        for top in tops
        if 0 <= top <= height - h
        and not any(
            x < right and left < x + w and top < below and above < top + h
            for left, above, right, below in taken
        )
    ]
    return min(free, key=lambda top: abs(top - y), default=y)
