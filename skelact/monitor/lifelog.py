"""The log of a day: what each person did from when to when, how long in all, and how that was on the days before."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo

from skelact.errors import DataError
from skelact.monitor.log import ALARMS, Event
from skelact.monitor.spans import Span, begins, calm, one_at_a_time

TOLD = (*ALARMS, "unusual_motion", "unusual_inactivity")  # events that are shown beside the activities
SECONDS_A_DAY = 86400.0


@dataclass(frozen=True)
class LifelogSettings:
    """How events become a day.

    Args:
        least: seconds; what is shorter and touches something else becomes part of it.
        gap: seconds; a shorter time between two activities of somebody is no gap.
        alone: one person lives here: all cameras and tracks are theirs.
        zone: of the local time; None: this machine's.
    """

    least: float = 2.0
    gap: float = 5.0
    alone: bool = False
    zone: tzinfo | None = None


@dataclass(frozen=True)
class PersonDay:
    """The day of one person.

    Args:
        person: name: the camera and the track, or ``home`` if somebody lives alone.
        spans: what they did, one after the other.
        gaps: between these, when they were not seen; label ``not seen``.
    """

    person: str
    spans: list[Span]
    gaps: list[Span]

    @property
    def totals(self) -> dict[str, float]:
        """Seconds of each activity, the longest first."""
        out: dict[str, float] = {}
        for span in self.spans:
            out[span.label] = out.get(span.label, 0.0) + span.seconds
        return dict(sorted(out.items(), key=lambda item: -item[1]))


@dataclass(frozen=True)
class Trend:
    """An activity of the day beside the days before.

    Args:
        label: the activity.
        seconds, times: of this day.
        usual: mean seconds of the days before on which somebody was seen; None: there is none.
        lowest, highest: of these days.
    """

    label: str
    seconds: float
    times: int
    usual: float | None
    lowest: float | None
    highest: float | None


@dataclass(frozen=True)
class Day:
    """A day.

    Args:
        name: the date, or ``day N`` of a file's own time.
        begin, end: seconds; local midnights, so that a day may have 23 or 25 hours.
        people: by name.
        alarms: and unusual things of that day.
        trends: over all people.
        days_before: how many days the trends are over.
        zone: of the local time; None for a file's own time.
    """

    name: str
    begin: float
    end: float
    people: list[PersonDay]
    alarms: list[Event]
    trends: list[Trend]
    days_before: int
    zone: tzinfo | None
    own_time: bool

    def clock(self, time: float) -> str:
        """A moment of this day in words, hours, minutes and seconds."""
        if not self.own_time:
            return datetime.fromtimestamp(time, self.zone).strftime("%H:%M:%S")
        s = round(time - self.begin)
        return f"{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}"


def local_zone() -> tzinfo:
    """The local time of this machine, with its changes over the year where they are known."""
    return _Local()


class _Local(tzinfo):
    """The system's local time, summer time and all."""

    def utcoffset(self, dt: datetime | None) -> timedelta:
        assert dt is not None
        return dt.replace(tzinfo=None).astimezone().utcoffset() or timedelta(0)

    def dst(self, dt: datetime | None) -> timedelta | None:
        return None

    def tzname(self, dt: datetime | None) -> str:
        return "local time"

    def fromutc(self, dt: datetime) -> datetime:
        stamp = (dt.replace(tzinfo=None) - datetime(1970, 1, 1)).total_seconds()
        return datetime.fromtimestamp(stamp).replace(tzinfo=self)


def day_bounds(day: date, zone: tzinfo) -> tuple[float, float]:
    """Seconds since 1970 of the local midnights before and after a day."""
    midnights = (datetime(d.year, d.month, d.day, tzinfo=zone) for d in (day, day + timedelta(days=1)))
    first, last = (m.timestamp() for m in midnights)
    return first, last


def days_of(events: Iterable[Event], settings: LifelogSettings) -> list[date]:
    """Dates on which somebody was seen to do something, in order; of events with wall-clock times."""
    zone, found = settings.zone or local_zone(), set()
    for event in events:
        if event.kind == "action" and event.wall is not None:
            for time in (event.wall, event.wall + event.end - event.start):
                found.add(datetime.fromtimestamp(time, zone).date())
    return sorted(found)


def make_day(
    events: Sequence[Event], day: date | int, settings: LifelogSettings | None = None, before: int = 7
) -> Day:
    """The log of one day.

    Args:
        events: of a log; those of kind ``action`` and alarms are used.
        day: a date, of events with wall-clock times; or the number of the day (from 0) of the file's own time, of
            events without.
        settings: see `LifelogSettings`.
        before: days before that trends are over; those on which nobody was seen do not count.

    Raises:
        DataError: if nothing is known of that day.
    """
    settings = settings or LifelogSettings()
    own = isinstance(day, int)
    zone = None if own else settings.zone or local_zone()

    def bounds(back: int) -> tuple[float, float]:
        if isinstance(day, int):
            return (day - back) * SECONDS_A_DAY, (day - back + 1) * SECONDS_A_DAY
        assert zone is not None
        return day_bounds(day - timedelta(days=back), zone)

    placed = [_placed(e) for e in events if (e.wall is None) == own]
    begin, end = bounds(0)
    people = people_of(placed, begin, end, settings)
    alarms = [e for e in placed if e.kind in TOLD and begin <= e.start < end]
    if not people and not alarms:
        what = f"day {day} of the file's own time" if own else f"{day}"
        raise DataError(f"the log knows nothing of {what}; choose another day")
    past = []
    for back in range(1, before + 1):
        seen = people_of(placed, *bounds(back), settings)
        if seen:
            past.append(_totals(seen))
    name = f"day {day + 1}" if isinstance(day, int) else day.isoformat()
    return Day(name, begin, end, people, alarms, _trends(people, past), len(past), zone, own)


def _placed(event: Event) -> Event:
    """The event with wall-clock times as its times, if it has one."""
    if event.wall is None:
        return event
    return replace(event, start=event.wall, end=event.wall + event.end - event.start)


def people_of(
    events: Sequence[Event], begin: float, end: float, settings: LifelogSettings
) -> list[PersonDay]:
    """What everybody did between two moments; spans are cut there."""
    lanes: dict[str, list[Span]] = {}
    for event in events:
        if event.kind == "action" and event.end > begin and event.start < end and event.end > event.start:
            track = "" if event.person is None else f" {event.person}"
            name = "home" if settings.alone else f"{event.source}{track}"
            lanes.setdefault(name, []).append(Span(event.label, event.start, event.end, event.score))
    out = []
    for name in sorted(lanes):
        spans = calm(one_at_a_time(lanes[name]), settings.least, settings.gap)
        spans = [replace(s, start=max(s.start, begin), end=min(s.end, end)) for s in spans]
        gaps = [Span("not seen", a.end, b.start) for a, b in itertools.pairwise(spans) if b.start > a.end]
        out.append(PersonDay(name, [s for s in spans if s.end > s.start], gaps))
    return [one for one in out if one.spans]


def _totals(people: Sequence[PersonDay]) -> dict[str, float]:
    out: dict[str, float] = {}
    for one in people:
        for label, seconds in one.totals.items():
            out[label] = out.get(label, 0.0) + seconds
    return out


def _trends(people: Sequence[PersonDay], past: Sequence[dict[str, float]]) -> list[Trend]:
    now = _totals(people)
    times: dict[str, int] = {}
    for one in people:
        for span in one.spans:
            times[span.label] = times.get(span.label, 0) + 1
    out = []
    for label in sorted({*now, *(name for day in past for name in day)}, key=lambda n: (-now.get(n, 0.0), n)):
        before = [day.get(label, 0.0) for day in past]
        known = (sum(before) / len(before), min(before), max(before)) if before else (None, None, None)
        out.append(Trend(label, now.get(label, 0.0), times.get(label, 0), *known))
    return out


def day_rows(day: Day) -> list[dict[str, object]]:
    """A row for each span and gap: person, label, start, end (local time as ISO, or seconds), seconds, score."""

    def written(time: float) -> object:
        if day.own_time:
            return round(time, 3)
        return datetime.fromtimestamp(time, day.zone).isoformat(timespec="milliseconds")

    rows = []
    for one in day.people:
        for span in sorted([*one.spans, *one.gaps], key=begins):
            score = None if span.label == "not seen" else round(span.score, 4)
            rows.append({
                "day": day.name, "person": one.person, "label": span.label, "start": written(span.start),
                "end": written(span.end), "seconds": round(span.seconds, 3), "score": score,
            })  # fmt: skip
    return rows


def day_csv(day: Day) -> str:
    """`day_rows` as a table."""
    text = io.StringIO()
    table: csv.DictWriter[str] = csv.DictWriter(
        text, ["day", "person", "label", "start", "end", "seconds", "score"], lineterminator="\n"
    )
    table.writeheader()
    table.writerows(day_rows(day))
    return text.getvalue()
