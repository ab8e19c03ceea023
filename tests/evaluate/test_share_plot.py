"""The picture of accuracy against the share of the training clips shows the numbers that it was given."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes

from skelact.errors import DataError
from skelact.evaluate import share_plot


def test_means_and_runs_of_each_network_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Axes] = []
    real = share_plot.draw_figure

    @contextmanager
    def spy(*values, **named):
        with real(*values, **named) as (figure, axes):
            yield figure, axes
            seen.extend(axes.flat)

    monkeypatch.setattr(share_plot, "draw_figure", spy)
    runs = {"one": {0.1: [(99.0, 20.0), (97.0, 30.0)], 1.0: [(95.0, 80.0)]}, "two": {1.0: [(90.0, 85.0)]}}
    path = share_plot.plot_shares(runs, tmp_path / "a.png")
    assert path.stat().st_size > 5000
    (ax,) = seen
    lines = [(tuple(line.get_xdata()), tuple(line.get_ydata()), line.get_linestyle()) for line in ax.lines]
    assert ((0.1, 1.0), (98.0, 95.0), "--") in lines and ((0.1, 1.0), (25.0, 80.0), "-") in lines
    assert ((1.0,), (90.0,), "--") in lines and ((1.0,), (85.0,), "-") in lines
    assert any(np.array_equal(y, (20.0, 30.0)) for _, y, _ in lines)  # each run
    assert [t.get_text() for t in ax.get_xticklabels()] == ["10 %", "100 %"]
    colours = {line.get_label(): line.get_color() for line in ax.lines if line.get_label() in runs}
    assert len(set(colours.values())) == 2
    for nothing in ({}, {"one": {}}, {"one": {0.5: []}}):
        with pytest.raises(DataError, match="no run to draw"):
            share_plot.plot_shares(nothing, tmp_path / "b.png")
