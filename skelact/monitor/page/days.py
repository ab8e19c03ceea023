"""The log of a day for the page: what everybody did, alarms, and how that was on the days before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

from skelact.errors import ConfigError, DataError
from skelact.monitor.attention import Attention
from skelact.monitor.lifelog import TOLD, LifelogSettings, day_bounds, local_zone, make_day
from skelact.monitor.log import Event

BEFORE = 7  # days that trends are over
_MOST = 200_000  # events that are looked at


def day_of(attention: Attention, day: str = "", alone: bool = False) -> dict[str, Any]:
    """The log of a day as plain values.

    Args:
        attention: knows the events.
        day: a date such as 2026-11-27; empty: the newest day of which something is known.
        alone: one person lives here: all cameras and tracks are theirs.

    Returns:
        ``day`` (its name), ``own_time`` (of a file, without dates), ``begin`` and ``end`` in seconds, ``people`` (with
        ``spans`` and ``totals``), ``alarms``, ``trends``, ``days_before``; ``day`` alone where nothing is known.

    Raises:
        ConfigError: for what is no date.
    """
    kinds = ("action", *TOLD)
    settings = LifelogSettings(alone=alone)
    chosen: date | int
    if day:
        try:
            chosen = date.fromisoformat(day)
        except ValueError:
            raise ConfigError(f"a day is written 2026-11-27, got '{day[:40]}'") from None
    else:
        newest = attention.events(1, kinds=kinds)
        if not newest:
            return {"day": None}
        chosen = _day_with(newest[0])
    events: Sequence[Event]
    if isinstance(chosen, date):
        try:
            first, last = (chosen - timedelta(days=BEFORE), chosen)
            since, until = day_bounds(first, local_zone())[0], day_bounds(last, local_zone())[1]
        except (OverflowError, ValueError):
            raise ConfigError(f"there is no day {day}") from None
        events = attention.events(_MOST, kinds=kinds, since=since - 86_400, until=until)
    else:
        events = attention.events(_MOST, kinds=kinds)
    try:
        made = make_day(events[::-1], chosen, settings, BEFORE)
    except DataError:
        return {"day": chosen.isoformat() if isinstance(chosen, date) else None}
    people = [
        {
            "person": one.person,
            "spans": [[s.label, s.start, s.end, round(s.score, 3)] for s in one.spans],
            "totals": one.totals,
        }
        for one in made.people
    ]
    alarms = [{"kind": e.kind, "start": e.start, "source": e.source, "person": e.person} for e in made.alarms]
    return {
        "day": made.name, "own_time": made.own_time, "begin": made.begin, "end": made.end, "people": people,
        "alarms": alarms, "trends": [asdict(trend) for trend in made.trends], "days_before": made.days_before,
    }  # fmt: skip


def _day_with(event: Event) -> date | int:
    """The day on which an event began."""
    if event.wall is None:
        return int(event.start // 86_400)
    return datetime.fromtimestamp(event.wall, local_zone()).date()
