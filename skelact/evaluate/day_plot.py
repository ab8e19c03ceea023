"""A day as a picture: a row for each activity of each person, readable without its colours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.evaluate.figures import draw_figure, shorten
from skelact.evaluate.palette import INK, MIDDLE, SOFT, action_colours

Bars = Sequence[tuple[float, float]]
_MOST_PEOPLE, _MOST_ROWS = 8, 14
_LEVEL = 12.0  # points between lines of words above the rows
_LETTER = 0.0098  # width of a letter of them, as a share of the picture's time


def plot_day(
    people: Mapping[str, Mapping[str, Bars]],
    bounds: tuple[float, float],
    path: str | Path,
    *,
    title: str,
    clock: Callable[[float], str],
    words: Callable[[float], str],
    gaps: Mapping[str, Bars] | None = None,
    alarms: Sequence[tuple[float, str]] = (),
) -> Path:
    """Who did what when.

    Args:
        people: by name, the spans (start, end) of each activity, the row on top first.
        bounds: begin and end of what is drawn; the same seconds.
        path: the PNG to write; about 1,200 pixels wide.
        title: above it.
        clock: a moment in words, for the axis.
        words: a length of time in words, written beside each row.
        gaps: by name, spans in which somebody was not seen; drawn hatched in a row of their own.
        alarms: (moment, what), drawn as lines through all rows.

    Returns:
        The path.

    Raises:
        DataError: without people or time.
    """
    begin, end = bounds
    if not people or not end > begin:
        raise DataError("there is nobody to draw, or no time")
    shown = dict(list(people.items())[:_MOST_PEOPLE])
    colours = action_colours(sorted({label for rows in people.values() for label in rows}))
    rows = [_rows(one, (gaps or {}).get(name, ())) for name, one in shown.items()]
    heights = [len(r) for r in rows]
    told = _places_of_alarms(alarms, begin, end)
    levels = max((level for *_, level in told), default=0)
    size = (9.6, 0.235 * sum(heights) + 0.42 * len(rows) + 0.8 + _LEVEL / 72 * levels)
    with draw_figure(
        path, size, len(rows), 1, sharex=True, gridspec_kw={"height_ratios": [h + 0.6 for h in heights]}
    ) as (figure, axes):
        least = 0.0012 * (end - begin)  # what is shorter could not be seen
        for ax, (name, lines) in zip(axes[:, 0], zip(shown, rows, strict=True), strict=True):
            for y, (label, bars, seen) in enumerate(lines):
                spans = [(a, max(b - a, least)) for a, b in bars]
                look = (
                    {"facecolor": colours.get(label, SOFT)}
                    if seen
                    else {"facecolor": "#F2F2F2", "hatch": "////", "edgecolor": "#9A9A9A", "linewidth": 0}
                )
                ax.broken_barh(spans, (y - 0.36, 0.72), **look)
                total = words(sum(b - a for a, b in bars))
                ax.text(
                    1.01,
                    y,
                    total,
                    transform=ax.get_yaxis_transform(),
                    va="center",
                    fontsize=9.5,
                    color=MIDDLE,
                )
            for moment, _ in alarms:
                ax.axvline(moment, color=INK, linewidth=1.2, linestyle=(0, (3, 2)))
            ax.set(ylim=(len(lines) - 0.4, -0.6), xlim=(begin, end))
            ax.set_yticks(range(len(lines)), [shorten(label, 22) for label, _, _ in lines], fontsize=9.5)
            ax.grid(axis="y", visible=False)
            above = 16 + _LEVEL * max((level for *_, level in told), default=0)
            ax.set_title(shorten(name, 60), fontsize=10.5, pad=above if alarms and ax is axes[0, 0] else 6)
        ticks = _ticks(begin, end)
        axes[-1, 0].set_xticks(ticks, [clock(t)[: 5 if end - begin > 7200 else 8] for t in ticks])
        for (moment, _), (words_of, early, level) in zip(alarms, told, strict=True):
            axes[0, 0].annotate(
                words_of, (moment, 1.0), (-4.5 if early else 4.5, 1.5 + _LEVEL * level),
                xycoords=("data", "axes fraction"), textcoords="offset points", ha="left" if early else "right",
                va="bottom", fontsize=9, color=INK,
            )  # fmt: skip
        more = len(people) - len(shown)
        figure.suptitle(
            title + (f" (and {more} more people)" if more else ""),
            x=0.01,
            ha="left",
            fontsize=11.5,
            weight="bold",
        )
    return Path(path)


def _places_of_alarms(
    alarms: Sequence[tuple[float, str]], begin: float, end: float
) -> list[tuple[str, bool, int]]:
    """(words, whether they stand right of their moment, level above the rows): no words cover others."""
    out, taken = [], []
    for moment, what in alarms:
        text = shorten(what.replace("_", " "), 20)
        early = moment - begin < 0.8 * (end - begin)
        width = _LETTER * (len(text) + 3) * (end - begin)
        left = moment - 0.006 * (end - begin) if early else moment - width
        span = (left, left + width)
        level = 0
        while any(k == level and span[0] < b and a < span[1] for a, b, k in taken):
            level += 1
        taken.append((*span, level))
        out.append((f"▼ {text}" if early else f"{text} ▼", early, level))
    return out


def _rows(activities: Mapping[str, Bars], gaps: Bars) -> list[tuple[str, Bars, bool]]:
    """(label, spans, whether somebody is seen), rare ones in one row."""
    lines: list[tuple[str, Bars, bool]] = [(label, bars, True) for label, bars in activities.items()]
    if len(lines) > _MOST_ROWS:
        rest = [bar for _, bars, _ in lines[_MOST_ROWS - 1 :] for bar in bars]
        lines = [*lines[: _MOST_ROWS - 1], (f"{len(activities) - _MOST_ROWS + 1} others", sorted(rest), True)]
    return [*lines, ("not seen", gaps, False)] if gaps else lines


def _ticks(begin: float, end: float) -> np.ndarray:
    """Round moments, counted from the beginning (a local midnight, if it is a day)."""
    for step in (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 10800):
        if (end - begin) / step <= 12.5:
            break
    return np.arange(begin, end + 1e-6, step)
