"""The log of a day: flicker, gaps, midnights, several cameras, trends."""

from __future__ import annotations

import itertools
import time
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.monitor.lifelog import (
    LifelogSettings,
    day_bounds,
    day_csv,
    day_rows,
    days_of,
    local_zone,
    make_day,
)
from skelact.monitor.log import Event
from skelact.monitor.spans import Span, calm, in_words, one_at_a_time

BERLIN = ZoneInfo("Europe/Berlin")
SETTINGS = LifelogSettings(zone=BERLIN)


def at(text: str) -> float:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=BERLIN).timestamp()


def did(
    label: str, start: str | float, seconds: float, person: int = 1, source: str = "hall", score: float = 0.8
) -> Event:
    """Something with the time of day, or with a file's own time."""
    if isinstance(start, str):
        return Event(source, "action", label, person, 100.0, 100.0 + seconds, at(start), score)
    return Event(source, "action", label, person, start, start + seconds, None, score)


def brief(spans: list[Span]) -> list[tuple[str, float, float]]:
    return [(s.label, s.start, s.end) for s in spans]


def test_flicker_goes_to_what_it_touches() -> None:
    spans = [
        Span("sit", 0, 10),
        Span("walk", 10, 11),
        Span("sit", 11, 20),
        Span("wave", 20, 21),
        Span("walk", 21, 30),
    ]
    assert brief(calm(spans, 2.0, 0.0)) == [("sit", 0, 21), ("walk", 21, 30)]
    assert brief(calm(spans, 0.0, 0.0)) == brief(spans)
    chatter = [Span("ab"[k % 2], k, k + 1) for k in range(9)]
    assert len(calm(chatter, 2.0, 0.0)) == 1


def test_a_day_of_chatter_is_calmed_soon() -> None:
    rng = np.random.default_rng(0)
    ends = np.cumsum(rng.exponential(3.0, 20_000))
    spans = [Span("abcd"[k % 4], float(a), float(b)) for k, (a, b) in enumerate(itertools.pairwise(ends))]
    begin = time.perf_counter()
    out = calm(spans, 2.0, 5.0)
    assert time.perf_counter() - begin < 10
    assert (
        all(s.seconds >= 2 for s in out) and out[0].start == spans[0].start and out[-1].end == spans[-1].end
    )
    assert all(a.end == b.start and a.label != b.label for a, b in itertools.pairwise(out))


def test_falls_and_lone_moments_stay() -> None:
    fell = [Span("walk", 0, 10), Span("fall", 10, 11), Span("fallen", 11, 12), Span("walk", 40, 41)]
    assert brief(calm(fell, 5.0, 1.0)) == brief(fell)


def test_short_gaps_are_closed_and_long_ones_stay() -> None:
    spans = [Span("sit", 0, 10), Span("sit", 13, 20), Span("walk", 23, 30), Span("walk", 60, 70)]
    assert brief(calm(spans, 2.0, 5.0)) == [("sit", 0, 23), ("walk", 23, 30), ("walk", 60, 70)]


def test_the_surest_wins_where_cameras_overlap() -> None:
    spans = [Span("sit", 0, 10, 0.5), Span("walk", 4, 6, 0.9), Span("sit", 9, 12, 0.4)]
    assert brief(one_at_a_time(spans)) == [("sit", 0, 4), ("walk", 4, 6), ("sit", 6, 12)]


def test_a_day_by_people_with_totals_and_gaps() -> None:
    events = [
        did("walk", "03-02T08:00", 60), did("sitting", "03-02T08:01", 600), did("walk", "03-02T09:00", 30),
        did("walk", "03-02T08:00", 40, person=2, source="kitchen"), did("walk", "03-03T08:00", 40),
    ]  # fmt: skip
    day = make_day(events, date(2026, 3, 2), SETTINGS)
    hall, kitchen = day.people
    assert (hall.person, kitchen.person) == ("hall 1", "kitchen 2")
    assert hall.totals == {"sitting": 600.0, "walk": 90.0} and kitchen.totals == {"walk": 40.0}
    assert [(g.start, g.end) for g in hall.gaps] == [(at("03-02T08:11"), at("03-02T09:00"))]
    assert day.clock(hall.spans[1].start) == "08:01:00" and day.days_before == 0
    together = make_day(events, date(2026, 3, 2), LifelogSettings(zone=BERLIN, alone=True))
    assert [p.person for p in together.people] == ["home"] and together.people[0].totals["walk"] == 90.0
    assert days_of(events, SETTINGS) == [date(2026, 3, 2), date(2026, 3, 3)]


def test_what_goes_on_at_midnight_is_cut_there() -> None:
    events = [did("lying", "03-02T23:00", 7200)]
    first, second = (make_day(events, date(2026, 3, d), SETTINGS) for d in (2, 3))
    assert first.people[0].totals == second.people[0].totals == {"lying": 3600.0}
    assert second.clock(second.people[0].spans[0].start) == "00:00:00"
    utc = make_day(events, date(2026, 3, 2), LifelogSettings(zone=ZoneInfo("UTC")))
    assert utc.people[0].totals == {"lying": 7200.0}


def test_days_are_as_long_as_the_clock_says() -> None:
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 3, 2), 24)):
        begin, end = day_bounds(day, BERLIN)
        assert end - begin == 3600 * hours
    begin, end = day_bounds(date(2026, 3, 2), local_zone())
    assert datetime.fromtimestamp(begin) == datetime(2026, 3, 2)
    assert (
        datetime.fromtimestamp(begin, local_zone()).date() == date(2026, 3, 2)
        and 82800 <= end - begin <= 90000
    )


def test_a_file_of_its_own_time_has_days_too() -> None:
    events = [did("walk", 10.0, 20), did("sitting", 86390.0, 20), did("walk", "03-02T08:00", 60)]
    first, second = make_day(events, 0, SETTINGS), make_day(events, 1, SETTINGS)
    assert first.own_time and first.people[0].totals == {"walk": 20.0, "sitting": 10.0}
    assert second.people[0].totals == {"sitting": 10.0} and second.name == "day 2"
    assert second.clock(86400.0 + 3661) == "01:01:01" and day_rows(second)[0]["start"] == 86400.0


def test_trends_are_over_the_days_before_on_which_somebody_was_seen() -> None:
    events = [did("walk", "03-09T10:00", 100), did("walk", "03-08T10:00", 50), did("walk", "03-05T10:00", 10)]
    events += [
        did("drink", "03-05T11:00", 30),
        did("walk", "02-20T10:00", 999),
        did("walk", "03-09T12:00", 20),
    ]
    day = make_day(events, date(2026, 3, 9), SETTINGS, before=7)
    walk, drink = day.trends
    assert day.days_before == 2
    assert (walk.label, walk.seconds, walk.times) == ("walk", 120.0, 2)
    assert (walk.usual, walk.lowest, walk.highest) == (30.0, 10.0, 50.0)
    assert (drink.seconds, drink.times, drink.usual) == (0.0, 0, 15.0)


def test_alarms_are_the_days_own() -> None:
    fell = Event("hall", "fall", "fall", 1, 5.0, 5.0, at("03-02T08:30"))
    odd = Event("hall", "unusual_motion", "unusual_motion", 1, 5.0, 6.0, at("03-03T08:30"))
    day = make_day([did("walk", "03-02T08:00", 60), fell, odd], date(2026, 3, 2), SETTINGS)
    assert [e.kind for e in day.alarms] == ["fall"] and day.alarms[0].start == at("03-02T08:30")
    with pytest.raises(DataError, match="knows nothing of 2026-03-04"):
        make_day([fell, odd], date(2026, 3, 4), SETTINGS)


def test_the_table_is_in_local_time() -> None:
    day = make_day(
        [did("walk", "03-02T08:00", 60), did("walk", "03-02T09:00", 60)], date(2026, 3, 2), SETTINGS
    )
    lines = day_csv(day).splitlines()
    assert lines[0] == "day,person,label,start,end,seconds,score"
    assert (
        lines[1]
        == "2026-03-02,hall 1,walk,2026-03-02T08:00:00.000+01:00,2026-03-02T08:01:00.000+01:00,60.0,0.8"
    )
    assert lines[2].split(",")[2::4] == ["not seen", ""]
    assert [in_words(s) for s in (5, 65, 3725)] == ["5 s", "1 min 05 s", "1 h 02 min"]
