"""The look of all pictures: style, and a figure that is written whole or not at all."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skelact.io.files import atomic_path

_STYLE: Any = {
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white",
    "axes.edgecolor": "#8A8A8A", "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": "#E4E4E4", "grid.linewidth": 0.8, "axes.axisbelow": True,
    "axes.titlesize": 12, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.labelsize": 10.5,
    "axes.labelcolor": "#3B3B3B", "xtick.color": "#5A5A5A", "ytick.color": "#5A5A5A",
    "xtick.labelsize": 9.5, "ytick.labelsize": 9.5, "legend.fontsize": 9.5, "legend.frameon": False,
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "lines.linewidth": 1.8,
    "text.parse_math": False, "savefig.dpi": 130,
}  # fmt: skip


@contextmanager
def draw_figure(path: str | Path, size: tuple[float, float], rows: int = 1, columns: int = 1, **options: Any):
    """A figure in the house style that is written to ``path`` when the block ends well."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, figure.subplots(rows, columns, squeeze=False, **options)
        with atomic_path(path) as part, warnings.catch_warnings():
            # A name in a script that the font lacks is drawn as boxes; the report and tables have it as text.
            warnings.filterwarnings("ignore", message="Glyph")
            figure.savefig(part, format="png", bbox_inches="tight", pad_inches=0.08)


def shorten(name: object, n: int = 26) -> str:
    text = "".join(c if c.isprintable() else " " for c in str(name))
    return text if len(text) <= n else text[: n - 1] + "…"
