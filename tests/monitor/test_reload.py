"""A home's file that is changed while it is watched."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_watch import Told

from skelact.commands.monitor import Options
from skelact.commands.monitor_run import following
from skelact.commands.ui import UI
from skelact.evaluate.score_events import EventRule, FittedRule
from skelact.monitor import household, watch
from skelact.monitor.action_rules import ActionRules, SharedRules
from skelact.monitor.home import load_home
from skelact.monitor.log import EventLog, Retention
from skelact.monitor.outbox import Outbox
from skelact.monitor.reload import HomeFile
from skelact.monitor.sources import Picture

TEXT = """
log: home.db
keep_days: 30
cameras:
  hall: {source: 0}
  room: {source: 1, verify: 2}
alarms:
  webhooks:
    phone: {url: "http://127.0.0.1:9/x"}
"""


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "home.yaml"
    path.write_text(TEXT)
    return path


def change(file: Path, *pairs: str) -> None:
    text = file.read_text()
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    file.write_text(text + "\n")


def test_cameras_hours_and_days_are_taken_over_and_the_rest_waits(file: Path) -> None:
    home, now = load_home(file), Clock()
    kept = home.cameras["hall"]
    one = HomeFile(file, home, every=2.0, now=now)
    change(file, "verify: 2", "verify: 5", "hall: {source: 0}", "hall: {source: 0}\n  attic: {source: 2}")
    assert one.check() is None  # it is not time
    now.time = 2.0
    found = one.check()
    assert found is not None and found.waiting == () and not found.error
    assert found.done == ("camera attic is new", "camera room has other settings")
    assert home.cameras["room"].verify == 5 and home.cameras["attic"].source == "2"
    assert home.cameras["hall"] is kept
    now.time = 10.0
    assert one.check() is None
    change(file, "  attic: {source: 2}\n", "", "keep_days: 30", "keep_days: 3")
    now.time = 20.0
    assert one.check().done == ("camera attic is watched no more", "keep_days")  # type: ignore[union-attr]
    assert home.keep_days == 3 and list(home.cameras) == ["hall", "room"]
    change(file, 'x"}', 'x", quiet: {begin: "22:00", end: "07:00"}}')
    now.time = 30.0
    assert one.check().done == ("quiet hours",)  # type: ignore[union-attr]
    assert home.alarms.quiet()["phone"].begin == "22:00"
    change(file, "9/x", "9/y", "log: home.db", "log: other.db")
    now.time = 40.0
    found = one.check()
    assert found is not None and found.done == () and found.waiting == ("log", "alarms")
    assert home.log == "home.db" and home.alarms.webhooks["phone"].url.endswith("/x")
    now.time = 50.0
    assert one.check() is None  # told once


def test_a_file_that_cannot_be_used_changes_nothing(file: Path) -> None:
    home, now = load_home(file), Clock()
    one = HomeFile(file, home, now=now)
    for text, words in (("cameras: [", "YAML"), ("cameras: {}", "cameras"), (TEXT + "colour: red", "colour")):
        file.write_text(text)
        now.time += 5
        found = one.check()
        assert found is not None and words in found.error and not found.done
        assert list(home.cameras) == ["hall", "room"]
        now.time += 5
        assert one.check() is None  # said once
    file.unlink()
    now.time += 5
    assert "cannot read" in one.check().error  # type: ignore[union-attr]
    file.write_text(TEXT.replace("verify: 2", "verify: 4"))
    now.time += 5
    assert one.check().done == ("camera room has other settings",)  # type: ignore[union-attr]


def test_what_the_page_wrote_is_no_change(file: Path) -> None:
    from skelact.monitor.page.keep_zones import keep_zones
    from skelact.monitor.zones import Zone

    home, now = load_home(file), Clock()
    one = HomeFile(file, home, now=now)
    zones = {"bed": Zone([(0, 0), (1, 0), (1, 1)], "bed")}
    keep_zones(file, "hall", zones)
    home.cameras["hall"].zones = dict(zones)
    now.time = 5.0
    assert one.check() is None and list(home.cameras["hall"].zones) == ["bed"]


def test_thresholds_are_taken_over_from_the_file_and_another(file: Path, tmp_path: Path) -> None:
    names = ["walk", "fall"]
    paths = [tmp_path / f"{n}.json" for n in range(2)]
    for path, on in zip(paths, (0.5, 0.7), strict=True):
        ActionRules(tuple(names), {"walk": FittedRule(EventRule(on, 0.4), 0.5, 0.9)}, 1.0, 2.0).save(path)
    file.write_text(TEXT + f"thresholds: {paths[0]}")
    home, now = load_home(file), Clock()
    rules = SharedRules(home.thresholds, names)
    one = HomeFile(file, home, rules, now=now)

    def looked() -> Any:
        now.time += 5
        return one.check()

    assert looked() is None
    change(file, str(paths[0]), str(paths[1]))
    assert looked().done == ("thresholds",) and home.thresholds == str(paths[1])
    assert rules.rules is not None and rules.rules.rules["walk"].rule.on == 0.7
    paths[1].write_text("not JSON")
    change(file, "keep_days: 30", "keep_days: 3")
    found = looked()
    assert found.done == ("keep_days",) and "learn-thresholds" in found.refused and not found.error
    assert rules.rules.rules["walk"].rule.on == 0.7 and looked() is None
    home.thresholds = str(paths[0])  # as --thresholds says, which the file does not change
    change(file, str(paths[1]), "other.json")
    assert looked().done == ("thresholds",) and home.thresholds == str(paths[0])


def endless(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Cameras that show a person for ever; returns which sources were opened."""
    opened: list[str] = []

    def read(source: str, *_: Any) -> Iterator[Picture]:
        opened.append(source)
        for t in itertools.count():
            time.sleep(0.002)
            yield Picture(t / 10, np.zeros((48, 64, 3), np.uint8))

    monkeypatch.setattr(watch, "read_source", read)
    return opened


def until(moments: Iterator[tuple[str, Any]], said: Callable[[], bool]) -> set[str]:
    """Take moments until it holds; returns whose they were."""
    seen, deadline = set(), time.monotonic() + 20
    for name, _ in moments:
        seen.add(name)
        if said():
            return seen
        assert time.monotonic() < deadline, "it does not happen"
    raise AssertionError("the cameras have ended")


def test_cameras_come_go_and_change_while_they_are_watched(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    opened, watches = endless(monkeypatch), {}
    made = watch.Watch.__init__

    def init(self: watch.Watch, source: str, *rest: Any, **more: Any) -> None:
        made(self, source, *rest, **more)
        watches[source] = self

    monkeypatch.setattr(watch.Watch, "__init__", init)
    home = load_home(file)
    with EventLog(tmp_path / "log.db") as log, Outbox(log, {"phone": Told()}) as outbox:  # type: ignore[dict-item]
        told: list[list[str]] = []
        outbox.channels["phone"].change_cameras = lambda names: told.append(list(names))  # type: ignore[attr-defined]
        retention = Retention(log, home.keep_days)
        live = Seen()
        reread = following(home, Options(config=str(file)), outbox, retention, live, UI(False, True))
        monkeypatch.setattr(HomeFile, "check", eager(HomeFile.check))
        moments = household.watch_home(home, Told, None, None, reread)  # type: ignore[arg-type]
        until(moments, lambda: {"hall", "room"} <= watches.keys())
        hall, room = watches["hall"], watches["room"]
        until(moments, lambda: bool(room._falls))
        states = dict(room._falls)
        change(file, "verify: 2", "verify: 7", "hall: {source: 0}", "hall: {source: 5}\n  attic: {source: 2}",
               "keep_days: 30", "keep_days: 4")  # fmt: skip
        until(moments, lambda: "attic" in watches and watches["hall"] is not hall)
        until(moments, lambda: room.settings.falls.verify == 7)  # type: ignore[union-attr]
        assert watches["room"] is room and room._falls == states  # who lies there is not forgotten
        assert all(one.settings.verify == 7 for one in room._falls.values())
        assert sorted(opened) == ["0", "1", "2", "5"] and retention.days == 4
        assert live.cameras == ["hall", "attic", "room"] == told[-1]
        change(file, "  attic: {source: 2}\n", "")
        until(moments, lambda: "attic" not in home.cameras)
        seen: list[str] = []
        for name, _ in itertools.islice(moments, 200):
            seen.append(name)
        assert "attic" not in seen[-50:] and {"hall", "room"} == set(seen[-50:])
        file.write_text("cameras: [")
        until(moments, lambda: "cannot be used" in " ".join(capsys.readouterr().out.split()))
        moments.close()  # type: ignore[attr-defined]


class Seen:
    """The page."""

    cameras: list[str]

    def change_cameras(self, cameras: dict) -> None:
        self.cameras = list(cameras)


def eager(check: Callable[[HomeFile], Any]) -> Callable[[HomeFile], Any]:
    """Looks whenever it is asked."""

    def look(self: HomeFile) -> Any:
        self._due = -1.0
        return check(self)

    return look
