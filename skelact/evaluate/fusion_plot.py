"""What fused networks say alone and together, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.evaluate.figures import draw_figure, shorten


def plot_members(
    names: Sequence[str], accuracy: Sequence[float], certainty: Sequence[float], path: str | Path
) -> Path:
    """Two bars for each network: the share of clips named rightly, and the mean probability of the true action.

    Args:
        names: of the networks, the fused one last.
        accuracy, certainty: shares 0..1, one for each name.
        path: the PNG to write.

    Returns:
        The path.

    Raises:
        DataError: if there is no network, or figures are missing.
    """
    if not names or not len(names) == len(accuracy) == len(certainty):
        raise DataError(f"{len(names)} networks need as many figures, got {len(accuracy)}, {len(certainty)}")
    at = np.arange(len(names))[::-1]
    with draw_figure(path, (6.4, 0.75 * len(names) + 1.1)) as (_, axes):
        ax = axes[0, 0]
        rows = (
            (accuracy, 0.19, "#0072B2", "named rightly"),
            (certainty, -0.19, "#9BC8E3", "mean probability of the truth"),
        )
        for values, shift, colour, label in rows:
            bars = ax.barh(at + shift, [100 * v for v in values], 0.36, color=colour, label=label)
            ax.bar_label(bars, [f"{100 * v:.1f} %" for v in values], padding=4, fontsize=9)
        ax.set_yticks(at, [shorten(name) for name in names])
        ax.set(xlim=(0, 116), xticks=[0, 25, 50, 75, 100], xlabel="%")
        ax.grid(axis="y", visible=False)
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, frameon=False)
    return Path(path)
