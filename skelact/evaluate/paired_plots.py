"""Pictures of two runs side by side: differences by class, and training curves over each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.evaluate.figures import draw_figure, shorten
from skelact.evaluate.paired import Comparison
from skelact.evaluate.palette import PALETTE, SOFT


def plot_differences(found: Comparison, names: tuple[str, str], path: str | Path, most: int = 40) -> Path:
    """Recall of each class by the second run less that by the first; of many classes, those that differ most.

    Args:
        found: from `compare_predictions`.
        names: of the first and of the second run.
        path: the PNG to write.
        most: classes to draw.

    Returns:
        The path.
    """
    kept = sorted(found.per_class, key=lambda c: -abs(c.difference))[:most]
    rows = sorted(kept, key=lambda c: (c.difference, c.name))
    y, values = np.arange(len(rows)), [100 * c.difference for c in rows]
    reach = max(5.0, 1.25 * max(abs(v) for v in values))
    with draw_figure(path, (6.6, max(2.0, 0.27 * len(rows) + 1.2))) as (_, axes):
        ax = axes[0, 0]
        ax.barh(y, values, 0.7, color=[PALETTE[1] if v > 0 else PALETTE[0] for v in values])
        ax.axvline(0, color=SOFT, linewidth=1)
        for i, v in enumerate(values):
            text = "same" if v == 0 else f"{v:+.1f}"
            ax.text(v + (0.015 if v >= 0 else -0.015) * 2 * reach, i, text, va="center", fontsize=7.5,
                    ha="left" if v >= 0 else "right", color=SOFT)  # fmt: skip
        ax.set_yticks(y, [f"{shorten(c.name)}  ({c.support})" for c in rows])
        ax.set(xlim=(-reach, reach), ylim=(-0.7, len(rows) - 0.3))
        ax.set_xlabel(
            f"points of recall: ← {shorten(names[0], 20)} better | {shorten(names[1], 20)} better →"
        )
        ax.grid(axis="y", visible=False)
        ax.set_title("Difference in each class (clips)")
    return Path(path)


def plot_histories(histories: Mapping[str, Sequence[Mapping[str, float]]], path: str | Path) -> Path:
    """Training curves of several runs over each other: loss, and share right; training dashed, validation solid.

    Args:
        histories: records of epochs by the run's name (``metrics.csv``).
        path: the PNG to write.

    Returns:
        The path.

    Raises:
        DataError: if no run has a record of loss or top-1.
    """
    panels = [
        (("train_loss", "val_loss"), "Loss"),
        (("train_top1", "val_top1"), "Share right"),
    ]
    shown = [
        (keys, title)
        for keys, title in panels
        if any(k in record for records in histories.values() for record in records for k in keys)
    ]
    if not shown:
        raise DataError("no run has a history of loss or top-1 to draw")
    from matplotlib.lines import Line2D

    colours = [PALETTE[i % len(PALETTE)] for i in range(len(histories))]
    with draw_figure(path, (4.4 * len(shown) + 0.6, 3.5), 1, len(shown)) as (figure, axes):
        for ax, (keys, title) in zip(axes[0], shown, strict=True):
            for records, colour in zip(histories.values(), colours, strict=True):
                for key, style in zip(keys, ("--", "-"), strict=True):
                    points = [(r.get("epoch", i + 1), r[key]) for i, r in enumerate(records) if key in r]
                    if points:
                        marker = "o" if len(points) == 1 else None
                        ax.plot(*np.array(points, float).T, style, color=colour, linewidth=1.5, marker=marker)
            ax.set_title(title)
            ax.set_xlabel("epoch")
            ax.xaxis.get_major_locator().set_params(integer=True)
            if title == "Share right":
                ax.set_ylim(-0.02, 1.02)
        handles = [Line2D([], [], color=c, label=shorten(n)) for n, c in zip(histories, colours, strict=True)]
        handles.append(Line2D([], [], color=SOFT, linestyle="--", label="training"))
        handles.append(Line2D([], [], color=SOFT, linestyle="-", label="validation"))
        figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)))
    return Path(path)
