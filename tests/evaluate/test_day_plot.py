"""The picture of a day: as wide as a page, and where things are."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from skelact.errors import DataError
from skelact.evaluate import day_plot
from skelact.evaluate.day_plot import plot_day
from skelact.evaluate.palette import action_colours

DAY = (0.0, 86400.0)
WORDS = {"clock": lambda t: f"{int(t) // 3600:02d}:00:00", "words": lambda s: f"{s:.0f} s"}


def coloured(path: Path, colour: str) -> np.ndarray:
    """Where the picture has a colour: columns as shares of its width."""
    image = imread(path)[..., :3]
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.flatnonzero((np.abs(image - wanted).max(-1) < 0.02).any(0)) / image.shape[1]


def test_spans_lie_where_they_happened(tmp_path: Path) -> None:
    people = {"home": {"sitting": [(0.0, 43200.0)], "walk": [(64800.0, 64801.0)]}}
    path = plot_day(
        people, DAY, tmp_path / "day.png", title="a day", gaps={"home": [(50000.0, 60000.0)]},
        alarms=[(64000.0, "fall")], **WORDS,
    )  # fmt: skip
    width = imread(path).shape[1]
    assert 1100 <= width <= 1400
    colours = action_colours(["sitting", "walk"])
    sitting, walk = (coloured(path, colours[name]) for name in ("sitting", "walk"))
    assert len(walk), "a second of the day is seen"
    left = sitting[0]
    right = sitting[-1]
    assert walk.min() == pytest.approx(left + (right - left) * 1.5, abs=0.01)


@pytest.mark.slow
def test_many_people_and_activities_are_bounded(tmp_path: Path) -> None:
    rows = {f"activity {i}": [(i * 100.0, i * 100.0 + 50)] for i in range(30)}
    path = plot_day(
        {f"person {i}": rows for i in range(12)}, DAY, tmp_path / "day.png", title="many", **WORDS
    )
    assert imread(path).shape[0] < 5000


def test_nobody_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nobody"):
        plot_day({}, DAY, tmp_path / "day.png", title="", **WORDS)
    assert not (tmp_path / "day.png").exists()


def test_words_of_alarms_do_not_cover_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    real = day_plot.draw_figure

    @contextmanager
    def spy(*values, **named):
        with real(*values, **named) as (figure, axes):
            yield figure, axes
            figure.canvas.draw()
            texts = [*axes[0, 0].texts, axes[0, 0]._left_title]
            drawn.extend(t.get_window_extent() for t in texts if t.get_text().strip("▼ "))

    monkeypatch.setattr(day_plot, "draw_figure", spy)
    alarms = [(40000.0 + 300 * k, "long_on_floor" if k % 2 else "fall") for k in range(4)]
    alarms += [(80000.0, "fall"), (80600.0, "no_movement"), (86000.0, "a_very_long_name_of_an_alarm")]
    people = {"home": {"sitting": [(0.0, 43200.0)]}}
    plot_day(people, DAY, tmp_path / "day.png", title="a day", alarms=alarms, **WORDS)
    assert len(drawn) == len(alarms) + 2  # the row's time and the name, too
    for k, one in enumerate(drawn):
        assert not any(one.overlaps(other) for other in drawn[:k]), k
