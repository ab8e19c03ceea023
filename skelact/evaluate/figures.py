"""The look of all pictures: palette, style, and a figure that is written whole or not at all."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skelact.io.files import atomic_path

# Okabe and Ito's palette: distinct for the common kinds of colour blindness.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F", "#B8A200")
LEFT, RIGHT, MIDDLE = "#0072B2", "#D55E00", "#3B3B3B"
_STYLE: Any = {
    "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white",
    "axes.edgecolor": "#8A8A8A", "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": "#E4E4E4", "grid.linewidth": 0.8, "axes.axisbelow": True,
    "axes.titlesize": 11, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.labelsize": 9.5,
    "axes.labelcolor": "#3B3B3B", "xtick.color": "#5A5A5A", "ytick.color": "#5A5A5A",
    "xtick.labelsize": 8.5, "ytick.labelsize": 8.5, "legend.fontsize": 8.5, "legend.frameon": False,
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "lines.linewidth": 1.8,
    "text.parse_math": False, "figure.dpi": 110, "savefig.dpi": 130,
}  # fmt: skip


def action_colours(names: Sequence[str]) -> dict[str, str]:
    """A colour for every name, the same for the same list; more than eight names vary in shade."""
    import colorsys

    out = {}
    for i, name in enumerate(dict.fromkeys(names)):
        base = PALETTE[i % len(PALETTE)]
        r, g, b = (int(base[k : k + 2], 16) / 255 for k in (1, 3, 5))
        h, lightness, s = colorsys.rgb_to_hls(r, g, b)
        shift = (0, 0.17, -0.13, 0.28, -0.2)[i // len(PALETTE) % 5]
        rgb = colorsys.hls_to_rgb(h, min(0.85, max(0.15, lightness + shift)), s)
        out[name] = "#" + "".join(f"{round(255 * c):02x}" for c in rgb)
    return out


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
