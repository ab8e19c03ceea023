"""Unusual motion and inactivity as they happen."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from skelact.datasets.synthetic.everyday.days import make_day
from skelact.errors import DataError, SkelactError
from skelact.layouts import get_layout
from skelact.models.classical.body_motion import body_motion
from skelact.monitor.log import Event
from skelact.monitor.unusual import UnusualSettings, UnusualWatch
from skelact.monitor.usual_rest import RestSettings, RestWatch, UsualRest, merge, moves_of
from skelact.recognition.normal_motion import NormalMotion, NormalSettings
from skelact.skeleton import Skeleton

BERLIN, NTU = ZoneInfo("Europe/Berlin"), get_layout("ntu25")


def at(day: int, hour: float) -> float:
    return datetime(2026, 3, day, tzinfo=BERLIN).timestamp() + 3600 * hour


def normal_days(n: int = 6, rest: float = 0.5) -> list[tuple[float, float]]:
    """Somebody who moves from 7 to 22 h, a minute at a time, every ``rest`` hours."""
    return [(at(d, h), at(d, h) + 60) for d in range(2, 2 + n) for h in np.arange(7, 22.01, rest)]


def test_limits_are_the_longest_rests_of_the_hour() -> None:
    usual = UsualRest.learn(normal_days(), BERLIN, RestSettings(quantile=1.0, margin=1.0, least=60.0))
    assert usual.longest.shape == (6, 24)
    assert usual.limit(14) == pytest.approx(1740)  # half an hour, less the minute
    assert usual.limit(3) == pytest.approx(7 * 3600 - 60)  # from 22 to 5 h, when the hour beside it ends
    assert usual.limit(7) > 8 * 3600


def test_quantiles_margins_and_too_few_days() -> None:
    table = np.full((4, 24), np.nan)
    table[:, 10] = [100, 200, 300, 400]
    assert (
        UsualRest(table, RestSettings(0.5, 2.0, 10.0)).limit(10) == 600.0
    )  # the higher of the two in the middle
    assert UsualRest(table, RestSettings(0.5, 2.0, 900.0)).limit(10) == 900.0
    assert UsualRest(table, RestSettings(fewest=5)).limit(10) == np.inf
    assert UsualRest(table).limit(11) == np.inf  # nothing is known of it itself


def test_rests_are_kept_in_a_file(tmp_path: Path) -> None:
    usual = UsualRest.learn(normal_days(), BERLIN)
    again = UsualRest.load(usual.save(tmp_path / "rest.json"))
    assert [again.limit(h) for h in range(24)] == pytest.approx([usual.limit(h) for h in range(24)], abs=0.2)
    text = (tmp_path / "rest.json").read_text()
    for broken, why in (
        ("{", "JSON"), ("[]", "no usual rests"), (text.replace('"version": 1', '"version": 2'), "version 2"),
        (text.replace('"quantile"', '"colour"'), "damaged"), (text.replace("1740.0", '"x"'), "damaged"),
    ):  # fmt: skip
        (tmp_path / "rest.json").write_text(broken)
        with pytest.raises(DataError, match=why):
            UsualRest.load(tmp_path / "rest.json")
    with pytest.raises(DataError, match="nobody moves"):
        UsualRest.learn([])
    with pytest.raises(DataError, match="24"):
        UsualRest(np.zeros((2, 3)))


def test_moves_of_a_log() -> None:
    events = [
        Event("a", "action", "walk", 1, 0.0, 5.0, 100.0), Event("a", "action", "sitting", 1, 5.0, 50.0, 105.0),
        Event("a", "action", "drink", 1, 50.0, 52.0, 150.0), Event("a", "fall", "fall", 1, 60.0, 60.0, 160.0),
        Event("a", "action", "walk", 1, 0.0, 5.0),
    ]  # fmt: skip
    assert moves_of(events) == [(100.0, 105.0), (150.0, 152.0)]
    assert merge([(5, 7), (0, 2), (1, 3), (7, 8)]) == [(0, 3), (5, 8)]


def test_a_long_rest_is_told_of_once() -> None:
    watch = RestWatch(UsualRest.learn(normal_days(), BERLIN), at(20, 13), BERLIN)
    told = []
    for minute in range(180):
        found = watch.see(at(20, 13) + 60 * minute, minute in (0, 100), seen=minute < 5)
        if found is not None:
            told.append((minute, found))
    (first, (since, limit, seen)), (second, _) = told
    assert since == at(20, 13) and limit == pytest.approx(1.25 * 1740) and seen
    assert first == int(limit // 60) + 1 and second == 100 + first
    assert watch.see(at(20, 10), False) is None  # the clock was set back


def test_at_night_the_same_rest_is_usual() -> None:
    watch = RestWatch(UsualRest.learn(normal_days(), BERLIN), at(20, 22), BERLIN)
    assert all(watch.see(at(20, 22) + 60 * m, False) is None for m in range(9 * 60))


@pytest.fixture(scope="module")
def normal() -> NormalMotion:
    days = [make_day(1, d, minutes=1.5) for d in range(1, 5)]
    return NormalMotion.fit(
        [body_motion(d, rate=20.0) for d in days], NormalSettings(candidates=120, components=3)
    )


def run(
    watch: UnusualWatch, day: Skeleton, track: int = 4, actions: dict[int, str] | None = None
) -> list[Event]:
    events = []
    for t in range(day.n_frames):
        events += watch.see({track: (day.xyz[0, t], day.score[0, t])}, t / day.fps, actions=actions)
    return events


def test_oddities_are_told_of_when_they_happen(normal: NormalMotion) -> None:
    day = make_day(1, 9, minutes=2, oddities=("hop", "hop", "hop"))
    watch = UnusualWatch("hall", NTU, normal, wall=1000.0, settings=UnusualSettings(per_hour=20.0))
    events = run(watch, day)
    assert day.frame_labels is not None
    odd = np.flatnonzero(np.isin(day.frame_labels, ["hop", "recovering"])) / day.fps
    near = [e for e in events if np.abs(odd - e.end).min() < 3]
    assert len(near) >= 1 and len(events) - len(near) <= 2
    event = near[0]
    assert (event.kind, event.person, event.source) == ("unusual_motion", 4, "hall")
    assert (
        event.wall == pytest.approx(1000 + event.start) and 0 < event.score <= 1 and "density" in event.text
    )
    assert 2.0 <= event.end - event.start < 10


@pytest.mark.slow
def test_normal_days_are_quiet(normal: NormalMotion) -> None:
    for method in ("sparse", "density"):
        watch = UnusualWatch("hall", NTU, normal, settings=UnusualSettings(method, per_hour=0.1))
        assert len(run(watch, make_day(1, 30, minutes=1.5))) <= 1


def test_what_goes_on_is_told_of_once_and_again_after_a_quiet_time(normal: NormalMotion) -> None:
    day = make_day(1, 9, minutes=0.5)
    watch = UnusualWatch("hall", NTU, normal, settings=UnusualSettings(quiet=3.0))
    told = []
    for t in range(600):
        watch._threshold = np.inf if 200 <= t < 300 else -np.inf
        told += watch.see({1: (day.xyz[0, t], day.score[0, t])}, t / 20)
    assert len(told) == 2 and told[1].end == pytest.approx(15.5, abs=0.6)


def test_people_who_come_and_go_or_hide_are_survived(normal: NormalMotion) -> None:
    watch = UnusualWatch("hall", NTU, normal)
    xyz, score = np.zeros((25, 3)), np.zeros(25)
    assert watch.see({}, 0.0) == []
    for t in range(80):
        assert watch.see({1: (xyz, score)}, 0.05 * t) == []  # nothing of them is seen
    assert watch.see({1: (xyz, score)}, 1.0) == []  # time goes back
    assert watch.see({1: (xyz, score + 1)}, 100.0) == []
    watch.leave(1)
    watch.leave(1)
    assert watch.see({2: (xyz, score)}, 200.0) == []


def test_inactivity_by_joints_and_by_actions() -> None:
    usual = UsualRest.learn(normal_days(), BERLIN, RestSettings(least=60.0))
    body = make_day(1, 1, minutes=0.1).xyz[0, 0]
    limit = usual.limit(14)

    def told(moves: bool, actions: dict[int, str] | None, hour: float = 14.0) -> list[Event]:
        watch = UnusualWatch("hall", NTU, None, usual, wall=at(20, hour), zone=BERLIN)
        events: list[Event] = []
        for k in range(4000):
            shift = 0.2 * (k % 2) * moves
            events += watch.see({1: (body + shift, np.ones(25))}, float(k), actions=actions)
        return events

    (event,) = told(False, None)
    assert (event.kind, event.person) == ("unusual_inactivity", None)
    assert event.end == pytest.approx(limit, abs=2) and event.start == 0.0 and "does not move" in event.text
    assert told(True, None) == []
    assert len(told(True, {1: "sitting"})) == 1  # what it is called is what counts, as in the log
    assert told(False, {1: "walk"}) == [] and told(False, None, hour=23.0) == []
    watch = UnusualWatch("hall", NTU, None, usual, wall=None, zone=BERLIN)
    assert watch.see({}, 1e6) == []  # a file has no hours
    watch = UnusualWatch("hall", NTU, None, usual, wall=at(20, 14), zone=BERLIN)
    (event,) = [e for k in range(60) for e in watch.see({}, 60.0 * k)]
    assert "nobody was seen" in event.text


def test_a_home_looks_for_the_unusual(tmp_path: Path, normal: NormalMotion) -> None:
    """The models of a configuration reach the watch, whose events are of these kinds."""
    from skelact.monitor.home import CameraSettings, Home
    from skelact.monitor.household import unusual_maker
    from skelact.monitor.watch import Watch

    file = tmp_path / "normal.safetensors"
    normal.save(file)
    assert unusual_maker(Home({"hall": CameraSettings("0")}))("hall", NTU, None) is None
    home = Home({"hall": CameraSettings("0")}, normal=str(file), unusual_per_hour=7.0)
    made = unusual_maker(home)("hall", NTU, None)
    assert made is not None and made.settings.per_hour == 7.0 and made.motion is not None

    class Told:
        layout, unit, follows = NTU, "m", True

        def estimate(self, image: np.ndarray, time: float) -> list:
            return []

        def close(self) -> None: ...

    asked = []
    made.see = lambda *values: asked.append(values) or []  # type: ignore[method-assign]
    made.leave = lambda track: asked.append(track)  # type: ignore[method-assign]
    watch = Watch("hall", Told(), (64, 48), unusual=made)
    assert watch.see(np.zeros((48, 64, 3), np.uint8), 1.0) is not None
    assert asked[0][:2] == ({}, 1.0)
    watch._leave([5], 2.0)
    assert asked[-1] == 5
    with pytest.raises(SkelactError, match="nowhere"):
        unusual_maker(Home({"hall": CameraSettings("0")}, normal=str(tmp_path / "nowhere.safetensors")))
