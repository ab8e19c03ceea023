"""Alarms that nobody is told of for a while: everywhere, by MQTT, with an end that comes by itself."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from page_home import alarm
from test_outbox import broker, listen, until  # noqa: F401

from skelact.errors import ConfigError
from skelact.monitor.attention import Attention
from skelact.monitor.home import AlarmSettings, MqttSettings
from skelact.monitor.log import EventLog
from skelact.monitor.suspensions import EVERYWHERE


def test_alarms_of_all_cameras_are_suspended_and_both_ends_are_logged(tmp_path: Path) -> None:
    now = [1e9]
    with EventLog(tmp_path / "log.db") as log:
        attention = Attention(log, lambda: now[0])
        with pytest.raises(ConfigError, match="person 3 is of one camera"):
            attention.suspend(EVERYWHERE, 3, 5)
        attention.take(alarm("hall", 1))
        attention.suspend(EVERYWHERE, None, 10)
        silent = [attention.take(alarm(camera, 2)).id for camera in ("hall", "living room")]
        assert all(log.marks()[number or 0][1] for number in silent)
        assert [s.camera for s in Attention(log, lambda: now[0]).suspensions()] == [EVERYWHERE]
        now[0] += 601
        attention.check()
        assert not any(log.marks()[number or 0][1] for number in silent)  # they are told now
        attention.suspend("hall", None, 5)
        attention.suspend("hall", None, 0)
        attention.suspend("hall", None, 0)  # nothing is suspended
        said = [(e.kind, e.source) for e in log.read() if e.kind in ("suspended", "resumed")]
        assert sorted(said) == [
            ("resumed", "all cameras"), ("resumed", "hall"), ("suspended", "all cameras"), ("suspended", "hall"),
        ]  # fmt: skip
        assert max(e.end for e in log.read()) < 100  # by the cameras' clocks, not since 1970
        attention.close()


def test_a_suspension_ends_though_no_camera_gives_a_frame(tmp_path: Path) -> None:
    with EventLog(tmp_path / "log.db") as log:
        attention = Attention(log)
        seen: list[list[Any]] = []
        attention.on_suspensions = seen.append
        attention.suspend("hall", None, 0.3 / 60)
        late = attention.take(alarm("hall", 1))
        assert log.marks()[late.id or 0][1] is not None
        assert until(lambda: log.marks()[late.id or 0][1] is None)
        assert [len(one) for one in seen] == [1, 0]
        attention.close()


def test_alarms_are_suspended_by_mqtt_and_home_assistant_sees_it(tmp_path: Path, broker: Any) -> None:  # noqa: F811
    hub, got = listen(broker.port)
    settings = AlarmSettings(mqtt=MqttSettings(host="127.0.0.1", port=broker.port))
    with EventLog(tmp_path / "log.db") as log:
        attention = Attention(log)
        asked: list[tuple[str, float]] = []

        def suspend(camera: str, minutes: float) -> None:
            asked.append((camera, minutes))
            attention.suspend(camera, None, minutes)

        channel: Any = settings.channels(["Living room"], None, suspend)["mqtt"]
        attention.on_suspensions = channel.change_suspensions
        attention.suspend("Living room", None, 30)  # before the broker answers

        def said(topic: str) -> bytes:
            return {t: body for t, body, _ in got}.get(f"skelact/{topic}", b"")

        assert until(lambda: said("living_room/notifications/suspended") not in (b"", b"0"))
        assert int(said("living_room/notifications/suspended")) == pytest.approx(time.time() + 1800, abs=10)
        assert said("notifications/suspended") == b"0"
        hub.publish("skelact/notifications/suspend", "15", qos=1)
        assert until(lambda: attention.suspended("attic", 3) is not None)
        assert until(lambda: said("notifications/suspended") != b"0")
        for body in ("soon", "-3", "nan", "99999"):  # nothing happens, and nothing ends
            hub.publish("skelact/living_room/notifications/suspend", body, qos=1)
        hub.publish("skelact/notifications/suspend", "0", qos=1)
        assert until(lambda: said("notifications/suspended") == b"0")
        assert [one.camera for one in attention.suspensions()] == ["Living room"]
        assert ("", 15.0) in asked and ("", 0.0) in asked
        parts = json.loads({t: b for t, b, _ in got}["homeassistant/device/skelact/config"])["components"]
        number, state = parts["all_cameras_suspend"], parts["living_room_suspended"]
        assert number["platform"] == "number" and number["command_topic"] == "skelact/notifications/suspend"
        assert state["state_topic"] == "skelact/living_room/notifications/suspended"
        channel.close()
        attention.close()
        hub.publish(
            "skelact/notifications/suspend", "60", qos=1, retain=True
        )  # left behind: suspends nothing
        again: Any = settings.channels(["Living room"], None, suspend)["mqtt"]
        assert until(lambda: said("available") == b"online") and not until(lambda: ("", 60.0) in asked, 0.5)
        again.close()
        hub.loop_stop()
        hub.disconnect()
