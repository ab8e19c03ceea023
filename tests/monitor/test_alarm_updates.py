"""What is told of an alarm that goes on: Frigate's updates, when something has changed, and not too often."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bodies import scene
from page_home import alarm

from skelact.datasets.synthetic.body import LAYOUT
from skelact.datasets.synthetic.everyday import falls
from skelact.datasets.synthetic.everyday.generate import FPS
from skelact.monitor.alarm_updates import AlarmUpdates, Told
from skelact.monitor.attention import Attention
from skelact.monitor.falls import FallSettings
from skelact.monitor.log import COLUMNS, Event, EventLog, read_log
from skelact.monitor.outbox import Outbox, message_of
from skelact.monitor.watch import Watch, WatchSettings
from skelact.monitor.zones import Zone
from skelact.pose.estimator import Detection


def test_changes_are_told_when_there_are_some_and_it_is_time() -> None:
    one = AlarmUpdates(every=5.0)
    one.begin(3, 10.0, Told("on_floor", (), 0.4))
    assert one.see(3, 12.0, "out_of_sight", (), 0.0) is None  # too soon
    assert one.see(3, 15.1, "on_floor", (), 0.45) is None  # nothing new
    assert one.see(3, 15.2, "on_floor", (), 0.9) == Told("on_floor", (), 0.9)
    assert one.see(3, 15.3, "upright", (), 0.2) is None
    assert one.see(3, 20.3, "upright", ("door",), 0.2) == Told("upright", ("door",), 0.9)
    one.rename(3, 8)
    assert one.tracks == [8] and one.see(8, 30.0, "upright", ("door",), 0.2) is None
    one.end(8)
    assert one.tracks == []
    assert "in door; network says fall 90% at most" in Told("upright", ("door",), 0.9).describe()


def test_somebody_who_fell_crawls_and_vanishes(monkeypatch: Any) -> None:
    xyz, _, end, _ = scene(falls.fall_over, 2, rest=8.0)
    half = np.tan(np.radians(30))

    class Body:
        layout, unit, follows = LAYOUT, "m", True

        def close(self) -> None: ...

        def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
            if time > end + 9:
                return []
            joints = xyz[min(round(time * FPS), len(xyz) - 1)]
            xy = 0.5 - joints[:, :2] / joints[:, 2:] / [2 * half, 2 * half * 0.75]
            if time > end + 3:
                xy = xy - xy.mean(0) + 0.9  # in the zone by the door
            return [Detection(joints, np.ones(len(joints)), xy, 1)]

    zones = {"door": Zone([(0.7, 0.7), (1, 0.7), (1, 1), (0.7, 1)], "door", inertia=2)}
    watch = Watch(
        "hall", Body(), (640, 480), settings=WatchSettings(falls=FallSettings(verify=0.3), zones=zones)
    )  # type: ignore[arg-type]
    # where somebody is in metres is another matter: here only the picture moves
    monkeypatch.setattr(watch.people, "_place", lambda track, one, time: (one.xyz, one.score))
    found = [
        event
        for frame in range(round((end + 22) * FPS))
        for event in watch.see(np.zeros((4, 4, 3), np.uint8), frame / FPS).events  # type: ignore[union-attr]
    ]
    said = [(e.kind, e.state, e.zones) for e in found if e.kind in ("fall", "updated")]
    assert said == [
        ("fall", "on_floor", ""),
        ("updated", "on_floor", "door"),
        ("updated", "out_of_sight", "door"),
    ]
    times = [e.start for e in found if e.kind in ("fall", "updated")]
    assert min(np.diff(times)) >= 5.0


class Ear:
    """A channel that keeps the whole messages."""

    def __init__(self) -> None:
        self.got: list[Any] = []

    def send(self, message: Any, key: str) -> None:
        self.got.append(message)

    def close(self) -> None: ...


def test_updates_have_what_was_told_before_and_stop_when_somebody_has_seen_it(tmp_path: Path) -> None:
    ear = Ear()
    new = replace(alarm("hall", 3), state="on_floor", top_score=0.4)
    changed = replace(new, kind="updated", label="updated", zones="door, rug", top_score=0.9)
    with EventLog(tmp_path / "log.db") as log:
        attention = Attention(log)
        with Outbox(log, {"ear": ear}) as outbox:
            for event in (new, alarm("hall", 4), changed, alarm("hall", 3, "recovered")):
                attention.take(event)
            attention.acknowledge(2)
            attention.take(replace(changed, person=4))  # somebody has seen this one
            assert outbox.wait(10)
    assert [m["type"] for m in ear.got] == ["new", "new", "update", "end", "update"]
    update = ear.got[2]
    assert (
        update["severity"] == "alert"
        and update["before"]["kind"] == "fall"
        and update["before"]["zones"] == []
    )
    assert update["after"]["zones"] == ["door", "rug"] and update["after"]["top_score"] == 0.9
    assert ear.got[3]["before"]["kind"] == "updated" and ear.got[0]["before"] == ear.got[0]["after"]
    assert message_of(changed)["before"]["person"] == 3


def test_a_log_without_states_and_zones_is_opened_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with EventLog(path) as log:
        log.add(alarm("hall"))
    with sqlite3.connect(path) as db:
        for column in ("state", "zones", "top_score"):
            db.execute(f"ALTER TABLE events DROP COLUMN {column}")
        db.execute("PRAGMA user_version = 2")
    with EventLog(path) as log:
        log.add(Event("hall", "updated", "updated", 3, 2.0, 2.0, state="upright", zones="rug", top_score=0.5))
    old, later = read_log(path)
    assert (
        (old.state, old.zones, old.top_score) == ("", "", 0.0)
        and later.zones == "rug"
        and later.top_score == 0.5
    )
    assert tuple(Event.__dataclass_fields__) != COLUMNS and set(Event.__dataclass_fields__) == set(COLUMNS)
