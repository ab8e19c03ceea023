"""Alarms that arrive: through a real HTTP server and a real broker, over kills, outages and doubles."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from skelact.errors import ConfigError
from skelact.monitor.home import AlarmSettings, MailSettings, MqttSettings, load_home, secret_of
from skelact.monitor.log import Event, EventLog
from skelact.monitor.mail import Mail
from skelact.monitor.outbox import Outbox, message_of
from skelact.monitor.webhook import Webhook, sign


def alarm(kind: str = "fall", at: float = 1.0) -> Event:
    return Event("living room", kind, kind, 3, at, at, None, 1.0, f"{kind} at {at} s")


class Listener:
    """A channel that keeps what it is told, and can be out of order."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []
        self.broken = 0

    def send(self, message: Any, key: str) -> None:
        if self.broken:
            self.broken -= 1
            raise OSError("out of order")
        self.got.append((message["after"]["kind"], key))

    def close(self) -> None: ...


def test_alarms_arrive_in_order_and_once(tmp_path: Path) -> None:
    one, other = Listener(), Listener()
    with EventLog(tmp_path / "log.db") as log:
        log.add(alarm(at=0.0))  # long over when the channels are new
        with Outbox(log, {"one": one, "other": other}) as outbox:
            for event in (
                alarm(),
                Event("x", "action", "walk", 1, 0.0, 1.0),
                alarm("recovered"),
                alarm("long_on_floor"),
            ):
                log.add(event)
            assert outbox.wait(10)
            expected = [("fall", "log.db-2"), ("recovered", "log.db-4"), ("long_on_floor", "log.db-5")]
            assert one.got == expected == other.got
            assert outbox.status() == {n: {"owed": 0, "error": ""} for n in ("one", "other")}
        with Outbox(log, {"one": one}):  # nothing is told twice
            time.sleep(0.2)
            assert one.got == expected


def test_a_channel_that_is_down_is_tried_again_and_holds_nobody_up(tmp_path: Path) -> None:
    good, bad = Listener(), Listener()
    bad.broken = 3
    with EventLog(tmp_path / "log.db") as log, Outbox(log, {"good": good, "bad": bad}, 0.3) as outbox:
        log.add(alarm())
        outbox.tell()
        assert until(lambda: good.got and "out of order" in outbox.status()["bad"]["error"])
        log.add(alarm(at=2.0))
        assert outbox.wait(10) and [key for _, key in bad.got] == ["log.db-1", "log.db-2"]


def test_what_is_owed_survives_the_process(tmp_path: Path) -> None:
    dead, late = Listener(), Listener()
    dead.broken = 10**6
    with EventLog(tmp_path / "log.db") as log:
        with Outbox(log, {"phone": dead}, 100.0) as outbox:
            log.add(alarm())
            assert not outbox.wait(0.5)
        log.add(alarm(at=9.0))  # written just before a kill, with no outbox there
    with EventLog(tmp_path / "log.db") as log, Outbox(log, {"phone": late}) as outbox:
        assert [e.start for e in outbox.owed("phone")] == [1.0, 9.0]
        with outbox._open() as db:
            db.execute("UPDATE deliveries SET due = 0 WHERE delivered IS NULL")
        assert outbox.wait(10) and len(late.got) == 2


def test_a_clock_that_jumps_back_delays_nothing_for_long(tmp_path: Path) -> None:
    channel = Listener()
    with EventLog(tmp_path / "log.db") as log, Outbox(log, {"phone": channel}) as outbox:
        event = log.add(alarm())
        with outbox._open() as db:  # a time that the clock reaches in a year
            db.execute(
                "INSERT OR REPLACE INTO deliveries (event, channel, due) VALUES (?, 'phone', ?)",
                (event.id, time.time() + 3e7),
            )
        assert outbox.wait(10) and channel.got


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[dict, bytes]], list[int]]]:
    """A real HTTP server: its address, what it got, and what it answers next."""
    got: list[tuple[dict, bytes]] = []
    answers: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((dict(self.headers), body))
            self.send_response(answers.pop(0) if answers else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    http = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}/alarm", got, answers
    http.shutdown()
    http.server_close()


def test_a_signed_webhook(tmp_path: Path, server: tuple) -> None:
    url, got, answers = server
    answers += [500, 200]
    with EventLog(tmp_path / "log.db") as log, Outbox(log, {"hook": Webhook(url, "s3cret")}, 0.05) as outbox:
        log.add(alarm())
        assert outbox.wait(10)
    assert len(got) == 2 and got[0][1] == got[1][1]  # the same again after the error, with the same key
    headers, body = got[1]
    assert headers["X-Skelact-Key"] == got[0][0]["X-Skelact-Key"] == "log.db-1"
    assert headers["X-Skelact-Signature"] == sign(b"s3cret", headers["X-Skelact-Timestamp"], body)
    message = json.loads(body)
    assert (message["type"], message["severity"], message["camera"]) == ("new", "alert", "living room")
    assert message["after"]["text"] == "fall at 1.0 s"
    assert message_of(alarm("recovered"))["type"] == "end"
    with pytest.raises(ConfigError, match="http"):
        Webhook("ftp://x")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Any]:
    """A real mosquitto that can be stopped and started."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed")
    pytest.importorskip("paho.mqtt")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {tmp_path}/\n"
        "user root\n"
    )

    class Broker:
        def __init__(self) -> None:
            self.port, self.process = port, None

        def start(self) -> None:
            self.process = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
            for _ in range(100):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                    return
                time.sleep(0.05)
            pytest.fail("mosquitto does not start")

        def stop(self) -> None:
            if self.process is not None:
                self.process.terminate()
                self.process.wait(10)
                self.process = None

    one = Broker()
    one.start()
    yield one
    one.stop()


def listen(port: int, topic: str = "#") -> tuple[Any, list[tuple[str, bytes, bool]]]:
    """A subscriber of everything, as a home's hub is."""
    from paho.mqtt import client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    got: list[tuple[str, bytes, bool]] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.on_message = lambda _c, _u, m: got.append((m.topic, m.payload, m.retain))
    client.connect("127.0.0.1", port)
    client.subscribe(topic, qos=1)
    client.loop_start()
    return client, got


def until(said: Any, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if said():
            return True
        time.sleep(0.02)
    return False


def test_mqtt_with_a_real_broker(tmp_path: Path, broker: Any) -> None:
    hub, got = listen(broker.port)
    settings = AlarmSettings(mqtt=MqttSettings(host="127.0.0.1", port=broker.port))
    with EventLog(tmp_path / "log.db") as log:
        with Outbox(log, settings.channels(["Living room"]), 0.1) as outbox:
            log.add(Event("Living room", "fall", "fall", 3, 1.0, 1.0, None, 1.0, "fall at 1.0 s"))
            assert outbox.wait(20)
            assert until(lambda: any(t == "skelact/living_room/event" for t, _, _ in got))
            last = {topic: body for topic, body, _ in got}
            assert last["skelact/available"] == b"online" and last["skelact/living_room/fall"] == b"ON"
            config = json.loads(last["homeassistant/device/skelact/config"])
            sensor = config["components"]["living_room_fall"]
            assert (
                sensor["platform"] == "binary_sensor" and sensor["state_topic"] == "skelact/living_room/fall"
            )
            assert config["origin"]["name"] and all(
                {"platform", "unique_id"} <= c.keys() for c in config["components"].values()
            )
            assert json.loads(last["skelact/living_room/event"])["event_type"] == "fall"
            assert json.loads(last["skelact/events"])["key"] == "log.db-1"
            # somebody who comes later finds the alarm, latched; an event would be lost
            late, found = listen(broker.port)
            assert until(lambda: ("skelact/living_room/fall", b"ON", True) in found)
            assert not any(topic == "skelact/living_room/event" for topic, _, _ in found)
            got.clear()
            hub.publish("homeassistant/status", "online", qos=1)  # it has started again
            assert until(lambda: any("homeassistant/device" in topic for topic, _, _ in got))
            log.add(Event("Living room", "recovered", "recovered", 3, 9.0, 9.0))
            assert outbox.wait(20) and until(lambda: ("skelact/living_room/fall", b"OFF", False) in got)
        assert until(lambda: ("skelact/available", b"offline", False) in got)
        for client in (hub, late):
            client.loop_stop()
            client.disconnect()


def test_a_broker_that_is_down_loses_no_alarm(tmp_path: Path, broker: Any) -> None:
    broker.stop()
    settings = AlarmSettings(mqtt=MqttSettings(host="127.0.0.1", port=broker.port))
    channels = settings.channels(["hall"])
    channels["mqtt"]._timeout = 0.3  # type: ignore[attr-defined]
    with EventLog(tmp_path / "log.db") as log, Outbox(log, channels, 0.2) as outbox:
        for at in (1.0, 2.0, 3.0):
            log.add(Event("hall", "fall", "fall", 1, at, at))
        assert not outbox.wait(1.0) and "cannot be reached" in outbox.status()["mqtt"]["error"]
        broker.start()
        hub, got = listen(broker.port, "skelact/events")
        assert outbox.wait(30) and until(lambda: len(got) >= 3)
        assert [json.loads(body)["after"]["start"] for _, body, _ in got] == [1.0, 2.0, 3.0]
        hub.loop_stop()
        hub.disconnect()


class SimulatedTime:
    """A clock that jumps over every wait, until it is stopped."""

    def __init__(self) -> None:
        self.time, self.running = 1e9, True

    def now(self) -> float:
        return self.time

    def pause(self, wake: threading.Event, seconds: float) -> None:
        if self.running:
            self.time += seconds
            time.sleep(0.001)
        else:
            wake.wait(0.02)


@pytest.mark.slow
def test_a_broker_that_is_down_for_a_simulated_day(tmp_path: Path, broker: Any) -> None:
    """An alarm an hour meanwhile: all arrive in their order when it is back, and no more often than every five minutes
    was it tried."""
    broker.stop()
    channels = AlarmSettings(mqtt=MqttSettings(host="127.0.0.1", port=broker.port)).channels(["hall"])
    channels["mqtt"]._timeout = 0.002  # type: ignore[attr-defined]
    day = SimulatedTime()
    with EventLog(tmp_path / "log.db") as log:
        with Outbox(log, channels, now=day.now, pause=day.pause) as outbox:
            for hour in range(25):
                log.add(
                    Event(
                        "hall", "fall" if hour % 2 == 0 else "recovered", "fall", 1, float(hour), float(hour)
                    )
                )
                assert until(lambda: day.time >= 1e9 + 3600 * hour), day.time  # noqa: B023
            day.running = False
            with sqlite3.connect(log.path) as db:
                attempts = db.execute("SELECT max(attempts) FROM deliveries").fetchone()[0]
            assert 250 < attempts < 310  # 24 hours, every five minutes
            assert outbox.status()["mqtt"]["owed"] == 25
            channels["mqtt"]._timeout = 10.0  # type: ignore[attr-defined]
            broker.start()
            hub, got = listen(broker.port)
            day.time += 300
            assert until(lambda: outbox.status()["mqtt"]["owed"] == 0, 60)
            assert until(lambda: sum(topic == "skelact/events" for topic, _, _ in got) == 25)
            starts = [
                json.loads(body)["after"]["start"] for topic, body, _ in got if topic == "skelact/events"
            ]
            assert starts == [float(hour) for hour in range(25)]
            assert [body for topic, body, _ in got if topic == "skelact/hall/fall"][-1] == b"ON"
        hub.loop_stop()
        hub.disconnect()


def test_a_receiver_that_is_down_for_weeks_is_still_tried(tmp_path: Path) -> None:
    ear, weeks = Listener(), SimulatedTime()
    ear.broken = 10**9
    with (
        EventLog(tmp_path / "log.db") as log,
        Outbox(log, {"ear": ear}, now=weeks.now, pause=weeks.pause) as outbox,
    ):
        log.add(alarm())
        with sqlite3.connect(log.path) as db:  # two weeks of attempts
            assert until(lambda: db.execute("SELECT max(attempts) FROM deliveries").fetchone()[0] > 3)
            db.execute("UPDATE deliveries SET attempts = 4000 WHERE delivered IS NULL")
        before = weeks.time
        assert until(lambda: weeks.time > before + 1000)
        ear.broken = 0
        assert until(lambda: not outbox.owed("ear"))


def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "home.yaml"
    text = "cameras: {a: {source: 0}}\nalarms: {webhooks: {phone: {url: 'http://x/y', secret: 'env:HOOK'}}}\n"
    file.write_text(text)
    with pytest.raises(ConfigError, match="log"):
        load_home(file)
    file.write_text(text + "log: a.db\n")
    home = load_home(file)
    with pytest.raises(ConfigError, match="HOOK"):
        home.alarms.channels(["a"])
    monkeypatch.setenv("HOOK", "abc")
    assert secret_of("env:HOOK") == "abc" and secret_of("plain") == "plain"
    assert set(home.alarms.channels(["a"])) == {"phone"} and AlarmSettings().channels([]) == {}


def test_mail_through_a_real_server(tmp_path: Path) -> None:
    smtpd = pytest.importorskip("aiosmtpd.controller")
    got: list[Any] = []

    class Keeper:
        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
            got.append(envelope)
            return "250 taken"

    server = smtpd.Controller(Keeper(), hostname="127.0.0.1", port=0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server.port = free.getsockname()[1]
    server.start()
    try:
        settings = MailSettings(
            ["ann@example.org", "bob@example.org"], "home@example.org", "127.0.0.1", server.port
        )
        settings.security = "none"
        channels = AlarmSettings(mail=settings).channels(["a"])
        with EventLog(tmp_path / "log.db") as log, Outbox(log, channels, 0.1) as outbox:
            log.add(alarm())
            assert outbox.wait(20)
    finally:
        server.stop()
    (envelope,) = got
    assert envelope.rcpt_tos == ["ann@example.org", "bob@example.org"]
    text = envelope.content.decode()
    assert "Subject: skelact: fall, living room" in text and "fall at 1.0 s" in text
    assert "Message-ID: <log.db-1@example.org>" in text


def test_wrong_addresses(tmp_path: Path) -> None:
    for to, sender in ((["nobody"], "a@b"), ([], "a@b"), (["a@b"], "x"), (["a@b\nBcc: c@d"], "a@b")):
        with pytest.raises(ConfigError, match="mail needs"):
            Mail(to, sender)
    starttls = Mail(["a@b"], "a@b", "127.0.0.1", 1, timeout=0.5)
    with pytest.raises(OSError):
        starttls.send(message_of(alarm()), "k")
