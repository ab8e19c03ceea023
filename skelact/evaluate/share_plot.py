"""Accuracy against how much of the training part was seen: how far networks overfit (Hara et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.evaluate.figures import draw_figure, shorten
from skelact.evaluate.palette import action_colours

Runs = Mapping[float, Sequence[tuple[float, float]]]


def plot_shares(networks: Mapping[str, Runs], path: str | Path) -> Path:
    """Training (dashed) and test accuracy (solid) against the share of the training clips, and the gap between them.

    Args:
        networks: by name and share (0 excluded, to 1), the runs' (training, test) accuracy in percent; several runs of
            one share, such as seeds, are drawn as their mean, and each as a small dot.
        path: the PNG to write.

    Returns:
        The path.

    Raises:
        DataError: if there is no run.
    """
    if not networks or not all(runs and all(runs.values()) for runs in networks.values()):
        raise DataError("there is no run to draw: every network needs at least one share with a run")
    shares = sorted({share for runs in networks.values() for share in runs})
    with draw_figure(path, (6.4, 3.8)) as (figure, axes):
        ax = axes[0, 0]
        for name, colour in action_colours(list(networks), list(networks)).items():
            seen = sorted(networks[name])
            training, test = np.array([np.mean(networks[name][share], axis=0) for share in seen]).T
            ax.fill_between(seen, test, training, color=colour, alpha=0.1, linewidth=0)
            ax.plot(seen, training, "--o", color=colour, markerfacecolor="white", markersize=5)
            ax.plot(seen, test, "-o", color=colour, markersize=5, label=shorten(name))
            for share in seen:
                for ends in zip(*networks[name][share], strict=True):
                    ax.plot([share] * len(ends), ends, ".", color=colour, markersize=3, alpha=0.6)
        ax.set_xscale("log")
        ax.set_xticks(shares, [f"{100 * share:g} %" for share in shares])
        ax.set_xticks([], minor=True)
        ax.set(ylim=(0, 103), xlabel="share of the training clips", ylabel="accuracy, %")
        ax.set_title("Overfitting: training and test accuracy")
        for style, label in (("--", "training clips"), ("-", "test clips")):
            ax.plot([], [], style, color="#5A5A5A", label=label)
        figure.legend(loc="outside right upper")
    return Path(path)
