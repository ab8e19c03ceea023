"""Quiet hours, sounds, and for how long events are kept."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from skelact.errors import ConfigError
from skelact.monitor.home import load_home
from skelact.monitor.hours import QuietHours, seconds_of
from skelact.monitor.log import Event, EventLog, Retention
from skelact.monitor.outbox import Outbox
from skelact.monitor.sound import Sound


def at(text: str) -> float:
    """Seconds since 1970 of a time today."""
    return time.mktime(time.strptime(f"2026-05-04 {text}", "%Y-%m-%d %H:%M"))


@pytest.mark.parametrize(
    ("hours", "now", "wait"),
    [
        (("22:00", "07:00"), "23:00", 8 * 3600),
        (("22:00", "07:00"), "06:59", 60),
        (("22:00", "07:00"), "07:00", 0),
        (("22:00", "07:00"), "21:59", 0),
        (("13:00", "15:30"), "13:00", 2.5 * 3600),
        (("13:00", "15:30"), "15:30", 0),
        (("13:00", "15:30"), "12:59", 0),
    ],
)
def test_waiting(hours: tuple[str, str], now: str, wait: float) -> None:
    assert QuietHours(*hours).wait(at(now)) == pytest.approx(wait)


@pytest.mark.parametrize("text", ["24:00", "7", "22.00", "22:60", 1320, ""])
def test_what_is_no_time_of_day(text: object) -> None:
    with pytest.raises(ConfigError, match="22:00"):
        seconds_of(text)  # type: ignore[arg-type]


def test_no_hours() -> None:
    with pytest.raises(ConfigError, match="are none"):
        QuietHours("08:00", "8:00")


class Kept:
    """A channel that keeps what it is told."""

    def __init__(self, fails: bool = False) -> None:
        self.told: list[str] = []
        self.fails = fails

    def send(self, message: Mapping[str, Any], key: str) -> None:
        if self.fails:
            raise ConnectionError("down")
        self.told.append(message["after"]["kind"])

    def close(self) -> None: ...


def event(kind: str, wall: float | None = None) -> Event:
    return Event("hall", kind, kind, 1, 0.0, 0.0, wall)


@pytest.mark.parametrize("falls", [True, False])
def test_channels_are_told_after_quiet_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, falls: bool
) -> None:
    quiet, always = Kept(), Kept()
    hours = QuietHours("22:00", "07:00", falls)
    waits = [3600.0]
    monkeypatch.setattr(QuietHours, "wait", lambda self, now: waits[0])
    with EventLog(tmp_path / "a.db") as log:
        with Outbox(log, {"quiet": quiet, "always": always}, quiet={"quiet": hours}) as outbox:
            for kind in ("fall", "recovered", "long_on_floor"):
                log.add(event(kind))
            assert outbox.wait(10)
            assert always.told == ["fall", "recovered", "long_on_floor"]
            assert quiet.told == (["fall", "long_on_floor"] if falls else [])
            waits[0] = 0.0
            assert outbox.wait(10)
        assert sorted(quiet.told) == ["fall", "long_on_floor", "recovered"]
        assert falls or quiet.told == ["fall", "recovered", "long_on_floor"]  # in order


def test_old_events_are_deleted_but_no_alarm_that_is_owed(tmp_path: Path) -> None:
    day, now = 86_400.0, 1e9
    with EventLog(tmp_path / "a.db") as log:
        log.add(event("action", now - 40 * day))
        with Outbox(log, {"down": Kept(fails=True)}, first_pause=60.0):
            for kind, wall in (("fall", now - 35 * day), ("action", now - 31 * day), ("action", now - 29 * day),
                               ("action", None)):  # fmt: skip
                log.add(event(kind, wall))
            retention = Retention(log, 30.0, lambda: now)
            retention.check()
            assert [e.kind for e in log.read()] == ["fall", "action", "action"]
            log.add(event("action", now - 31 * day))
            retention.check()  # not again within the hour
            assert len(list(log.read())) == 4
        up = Kept()
        with Outbox(
            log, {"down": up}, now=lambda: time.time() + 3600
        ) as outbox:  # it may have been tried before
            assert outbox.wait(30) and up.told == ["fall"]
        Retention(log, 30.0, lambda: now).check()
        assert [e.wall for e in log.read()] == [now - 29 * day, None]
        with Outbox(log, {"down": up}) as outbox:  # what is over is not told again
            assert outbox.wait(10) and up.told == ["fall"]
            log.add(event("fall", now))
            assert outbox.wait(10) and up.told == ["fall", "fall"]
        Retention(log, 0.0, lambda: now + 1e9).check()
        assert len(list(log.read())) == 3


def test_a_sound_is_a_program(tmp_path: Path) -> None:
    made = tmp_path / "heard"
    sound = Sound([sys.executable, "-c", f"open({str(made)!r}, 'a').write('x')"])
    sound.send({}, "k")
    assert made.read_text() == "x" and "recovered" not in sound.kinds
    with pytest.raises(FileNotFoundError):
        Sound(["no-such-program"]).send({}, "k")
    with pytest.raises(subprocess.CalledProcessError):
        Sound([sys.executable, "-c", "raise SystemExit(3)"]).send({}, "k")
    with pytest.raises(ConfigError, match="command"):
        Sound([])


HOME = """
log: a.db
keep_days: 30
cameras: {hall: {source: 0}}
alarms:
  sound: {command: [paplay, a.wav], quiet: {begin: "21:00", end: "06:30", falls: false}}
  webhooks: {phone: {url: "https://example.org"}, nurse: {url: "https://example.org", quiet: {}}}
"""


def test_in_a_home(tmp_path: Path) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(HOME)
    home = load_home(file)
    assert home.keep_days == 30 and set(home.alarms.channels(["hall"])) == {"phone", "nurse", "sound"}
    assert home.alarms.quiet() == {"nurse": QuietHours(), "sound": QuietHours("21:00", "06:30", False)}
    for wrong, said in (
        ("keep_days: -1\ncameras: {hall: {source: 0}}", "keep_days"),
        ("cameras: {hall: {source: 0}}\nalarms: {sound: {command: [x]}}", "log"),
        (HOME.replace("06:30", "6.30"), "time of day"),
    ):
        file.write_text(wrong)
        with pytest.raises(ConfigError, match=said):
            load_home(file)
