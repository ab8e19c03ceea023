"""Alarms from the page to the log and the channels: acknowledged, suspended, told again."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
from page_home import PlayedHome, alarm, played  # noqa: E402

from skelact.monitor.attention import Attention  # noqa: E402
from skelact.monitor.log import EventLog, read_log  # noqa: E402
from skelact.monitor.mail import Mail  # noqa: E402
from skelact.monitor.webhook import Webhook  # noqa: E402


class Listener:
    """A channel that keeps what it is told."""

    def __init__(self, kinds: tuple[str, ...] | None = None) -> None:
        self.got: list[str] = []
        if kinds is not None:
            self.kinds = kinds

    def send(self, message: Any, key: str) -> None:
        self.got.append(f"{message['type']} {message['after']['kind']}")

    def close(self) -> None: ...


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PlayedHome]:
    with played(tmp_path) as one:
        yield one


def until(said: Any, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if said():
            return True
        time.sleep(0.02)
    return False


def test_acknowledged_alarms_are_closed_logged_and_told(tmp_path: Path) -> None:
    hub, mail = Listener(), Listener(("fall", "recovered"))
    with played(tmp_path, channels={"hub": hub, "mail": mail}) as home:
        with httpx.Client(base_url=home.address) as ask:
            one, other = home.tell(alarm("hall", 3)), home.tell(alarm("hall", 4))
            assert [a["id"] for a in ask.get("/api/state").json()["alarms"]] == [other.id, one.id]
            answer = ask.post("/api/acknowledge", json={"event": one.id})
            assert answer.json() == {"acknowledged": [one.id]}
            assert ask.post("/api/acknowledge", json={"event": one.id}).status_code == 404
            assert ask.post("/api/acknowledge", json={"event": "x"}).status_code == 422
            assert [a["id"] for a in ask.get("/api/state").json()["alarms"]] == [other.id]
            events = ask.get("/api/events").json()["events"]
            assert [(e["kind"], bool(e["acknowledged"])) for e in events] == [
                ("acknowledged", False), ("fall", False), ("fall", True)
            ]  # fmt: skip
            assert until(lambda: len(hub.got) == 3 and len(mail.got) >= 2) and not until(
                lambda: len(mail.got) > 2, 0.5
            )
        assert "acknowledged" not in Mail.kinds and not hasattr(Webhook, "kinds")
        assert hub.got == ["new fall", "new fall", "update acknowledged"] and mail.got == [
            "new fall",
            "new fall",
        ]
    assert [e.kind for e in read_log(tmp_path / "log.db")] == ["fall", "fall", "acknowledged"]
    with EventLog(tmp_path / "log.db") as log:  # the next run knows which is open still
        later = Attention(log)
        assert [(a.event.person, a.earlier) for a in later.open()] == [(4, True)] and later.first == 4
        later.take(alarm("hall", 4, "recovered"))  # somebody else by now
        assert later.open()[0].recovered is None


def test_recoveries_end_alarms(home: PlayedHome) -> None:
    home.tell(alarm("hall", 3))
    home.tell(alarm("living room", 3))
    home.tell(alarm("hall", 8, "recovered"))  # lost on the floor, found under another name
    hall, living = sorted(home.attention.open(), key=lambda a: a.event.source)
    assert hall.recovered is not None and living.recovered is None
    assert home.live.status()["alarms"][1]["recovered"]["time"] == 1.0


def test_suspended_alarms_are_logged_and_not_told(tmp_path: Path) -> None:
    hub = Listener()
    with played(tmp_path, channels={"hub": hub}) as home, httpx.Client(base_url=home.address) as ask:
        made = ask.post("/api/suspend", json={"camera": "hall", "minutes": 15}).json()["suspension"]
        assert made["until"] == pytest.approx(time.time() + 900, abs=5)
        home.tell(alarm("hall", 3))
        home.tell(alarm("living room", 3))
        home.tell(alarm("hall", 3, "recovered"))
        assert until(lambda: hub.got) and not until(lambda: len(hub.got) > 1, 0.5)
        assert (
            hub.got == ["new fall"] and home.outbox is not None and home.outbox.status()["hub"]["owed"] == 0
        )
        events = ask.get("/api/events").json()["events"]
        assert [(e["kind"], e["silenced"]) for e in reversed(events)] == [
            ("suspended", False), ("fall", True), ("fall", False), ("recovered", True)
        ]  # fmt: skip
        state = ask.get("/api/state").json()
        assert [(s["camera"], s["person"]) for s in state["suspensions"]] == [("hall", None)]
        assert [a["silenced"] for a in state["alarms"]] == [False, True]
        assert ask.post("/api/suspend", json={"camera": "hall", "minutes": 0}).json() == {"suspension": None}
        home.tell(alarm("hall", 5))
        assert until(lambda: len(hub.got) == 2)
        ask.post("/api/suspend", json={"camera": "hall", "person": 6, "minutes": 5})
        home.tell(alarm("hall", 6))
        home.tell(alarm("hall", 7))
        assert until(lambda: len(hub.got) == 3)
        for body, status in (
            ({"camera": "attic", "minutes": 5}, 404), ({"camera": "hall", "minutes": -1}, 400),
            ({"camera": "hall", "minutes": 1e9}, 400), ({"camera": "hall"}, 422),
        ):  # fmt: skip
            assert ask.post("/api/suspend", json=body).status_code == status


def test_an_alarm_that_is_open_when_the_suspension_ends_is_told_then(tmp_path: Path) -> None:
    now = [1e9]
    with EventLog(tmp_path / "log.db") as log:
        attention = Attention(log, lambda: now[0])
        attention.suspend("hall", None, 10)
        lies, up, seen = (attention.take(alarm("hall", n)) for n in (1, 2, 3))
        attention.take(alarm("hall", 2, "recovered"))
        attention.acknowledge(seen.id or 0)
        now[0] += 599
        assert all(log.marks()[e.id or 0][1] for e in (lies, up, seen))
        again = Attention(log, lambda: now[0])  # a new start forgets no suspension
        assert [s.camera for s in again.suspensions()] == ["hall"]
        now[0] += 2
        attention.check()
        assert [log.marks()[e.id or 0][1] is None for e in (lies, up, seen)] == [True, False, False]
        assert attention.suspensions() == [] == log.suspensions()
        attention.suspend("hall", None, 60)
        now[0] -= 2e6  # a clock that jumps back prolongs nothing
        assert attention.suspensions() == []


def test_a_log_of_the_first_version_is_opened_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with EventLog(path) as log:
        log.add(alarm("hall"))
    db = sqlite3.connect(path)
    db.executescript("DROP TABLE marks; DROP TABLE suspensions; PRAGMA user_version = 1;")
    db.close()
    with EventLog(path) as log:
        attention = Attention(log)
        assert [a.event.id for a in attention.open()] == [1]
        attention.acknowledge(1)
        assert log.marks()[1][0] is not None
    assert len(read_log(path)) == 2


def test_without_a_log_events_and_acknowledgements_are_in_memory(tmp_path: Path) -> None:
    with played(tmp_path, log=False) as home, httpx.Client(base_url=home.address) as ask:
        for kind in ("action", "fall", "fall"):
            home.tell(alarm("hall", 3, kind))
        found = ask.get("/api/events", params={"kinds": "fall", "limit": 1}).json()["events"]
        assert [one["id"] for one in found] == [3]
        assert ask.post("/api/acknowledge", json={"event": 2}).json() == {"acknowledged": [2, 3]}
        found = ask.get("/api/events", params={"after": 1, "before": 4, "camera": "hall"}).json()["events"]
        assert [one["id"] for one in found if one["acknowledged"]] == [3, 2]


def test_mqtt_goes_off_when_everybody_is_seen_to(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("paho.mqtt")
    from skelact.monitor.mqtt import Mqtt
    from skelact.monitor.outbox import message_of

    channel, got, broken = Mqtt(["hall"], "127.0.0.1", 9, discovery=""), [], []
    components = channel.configuration()["components"]
    assert "acknowledged" in components["hall_event"]["event_types"]

    def publish(topic: str, body: bytes, retain: bool) -> None:
        if topic.endswith("/event") and broken:
            raise ConnectionError(broken.pop())
        if topic.endswith("/fall"):
            got.append(body)

    monkeypatch.setattr(channel, "_publish", publish)
    try:
        for kind, track in (("fall", 3), ("fall", 4), ("acknowledged", 3), ("recovered", 9)):
            channel.send(message_of(alarm("hall", track, kind)), "k")
        assert got == [b"ON", b"ON", b"ON", b"OFF"]  # the last was lost and found under another name
        channel.send(message_of(alarm("hall", 3)), "k")
        channel.send(message_of(alarm("hall", 4)), "k")
        broken.append("down")
        with pytest.raises(ConnectionError):
            channel.send(message_of(alarm("hall", 3, "recovered")), "k")
        channel.send(message_of(alarm("hall", 3, "recovered")), "k")  # the same once more
        assert got[4:] == [b"ON"] * 4
    finally:
        channel.close()


def test_a_full_disk_loses_no_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.monitor import attention as room

    hub = Listener()
    monkeypatch.setattr(room, "_RETRY_SECONDS", 0.0)
    with played(tmp_path, channels={"hub": hub}) as home, httpx.Client(base_url=home.address) as ask:
        assert home.log is not None
        home.tell(alarm("hall", 1))
        home.log._db.execute("PRAGMA max_page_count = 1")  # no page more, as on a full disk
        filling = [home.tell(alarm("hall", 2, "action")) for _ in range(200)]
        assert filling[-1].id is not None and filling[-1].id < 0
        lies, seen = home.tell(alarm("hall", 3)), home.tell(alarm("hall", 4))
        state = ask.get("/api/state").json()
        assert {a["person"] for a in state["alarms"]} == {1, 3, 4}
        assert state["log"]["unwritten"] > 2 and "full" in state["log"]["error"]
        assert ask.post("/api/acknowledge", json={"event": seen.id}).json() == {"acknowledged": [seen.id]}
        assert ask.get("/api/events", params={"kinds": "fall"}).json()["events"][0]["id"] == seen.id
        assert hub.got == ["new fall"] or until(lambda: hub.got == ["new fall"])
        home.log._db.execute("PRAGMA max_page_count = 1000000")
        home.attention._retry = time.monotonic() + 99  # it is not tried yet
        assert (home.tell(alarm("hall", 9, "action")).id or 0) < 0  # in order: what waits is first
        home.attention._retry = 0.0
        home.attention.check()
        assert home.attention.n_unwritten == 0 and home.attention.error == ""
        alarms = {a["person"]: a["id"] for a in ask.get("/api/state").json()["alarms"]}
        assert set(alarms) == {1, 3} and min(alarms.values()) > 0 and lies.id != alarms[3]
        assert [e.kind for e in home.log.read()].count("action") == 201
        assert home.log.newest(1)[0].person == 9
        kept = next(e for e in home.log.read(kinds=("fall",)) if e.person == 4)
        assert home.log.marks()[kept.id or 0][0] is not None
        home.outbox.tell() if home.outbox is not None else None
        assert until(lambda: hub.got == ["new fall"] * 3 + ["update acknowledged"])


def test_the_button_of_the_hub_acknowledges(tmp_path: Path) -> None:
    pytest.importorskip("paho.mqtt")
    from skelact.monitor.home import AlarmSettings, MqttSettings

    attention = Attention()
    settings = AlarmSettings(mqtt=MqttSettings("127.0.0.1", 9))
    channels = settings.channels(["Living room", "hall"], attention.acknowledge_camera)
    channel: Any = channels["mqtt"]
    try:
        button = channel.configuration()["components"]["living_room_acknowledge"]
        assert button["platform"] == "button" and button["command_topic"] == "skelact/living_room/acknowledge"
        for camera, person in (("Living room", 1), ("Living room", 2), ("hall", 3)):
            attention.take(alarm(camera, person))

        def press(topic: str, retain: bool = False) -> int:
            channel._on_message(
                None, None, type("M", (), {"topic": topic, "payload": b"PRESS", "retain": retain})
            )
            return len(attention.open())

        assert press("skelact/attic/acknowledge") == 3 and press("skelact/living_room/acknowledge", True) == 3
        assert press("skelact/living_room/acknowledge") == 1
    finally:
        channel.close()
    plain: Any = settings.channels(["hall"])["mqtt"]
    assert "hall_acknowledge" not in plain.configuration()["components"]
    plain.close()
