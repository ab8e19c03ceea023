"""The look of all pictures: style, and a figure that is written whole or not at all."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from skelact.io.files import atomic_path

_STYLE: Any = {
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white",
    "axes.edgecolor": "#8A8A8A", "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": "#E4E4E4", "grid.linewidth": 0.8, "axes.axisbelow": True,
    "axes.titlesize": 12, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.labelsize": 10.5,
    "axes.labelcolor": "#3B3B3B", "xtick.color": "#5A5A5A", "ytick.color": "#5A5A5A",
    "xtick.labelsize": 9.5, "ytick.labelsize": 9.5, "legend.fontsize": 9.5, "legend.frameon": False,
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "lines.linewidth": 1.8,
    "text.parse_math": False,
}  # fmt: skip
_DPI, _MARGIN = 130, 10  # pixels an inch; pixels of white about what is drawn


@contextmanager
def draw_figure(path: str | Path, size: tuple[float, float], rows: int = 1, columns: int = 1, **options: Any):
    """A figure in the house style that is written to ``path`` when the block ends well, without its white border.

    Drawn once and cut in the picture: ``savefig`` goes through everything twice, to measure and to draw.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        yield figure, figure.subplots(rows, columns, squeeze=False, **options)
        with warnings.catch_warnings():
            # A name in a script that the font lacks is drawn as boxes; the report and tables have it as text.
            warnings.filterwarnings("ignore", message="Glyph")
            canvas.draw()
        write_picture(path, without_border(np.asarray(canvas.buffer_rgba())[..., :3]))


def without_border(picture: np.ndarray) -> np.ndarray:
    """A picture ``[H, W, 3]`` uint8 on white, cut to what is drawn and a narrow margin."""
    drawn = (picture != 255).any(2)
    spans = [np.flatnonzero(drawn.any(axis)) for axis in (1, 0)]
    if not len(spans[0]):
        return picture
    cut = picture[tuple(slice(span[0], span[-1] + 1) for span in spans)]
    return np.pad(cut, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), constant_values=255)


def write_picture(path: str | Path, picture: np.ndarray) -> None:
    """Write ``[H, W, 3]`` uint8 as PNG, whole or not at all."""
    from matplotlib.image import imsave

    with atomic_path(path) as part:
        imsave(part, picture, format="png", dpi=_DPI)


def shorten(name: object, n: int = 26) -> str:
    text = "".join(c if c.isprintable() else " " for c in str(name))
    return text if len(text) <= n else text[: n - 1] + "…"
