"""Alarms over MQTT 5, with Home Assistant's discovery: a latched binary sensor and an event for each camera."""

from __future__ import annotations

import json
import logging
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from skelact import __version__
from skelact.errors import DependencyError, SkelactError
from skelact.monitor.log import ALARMS
from skelact.monitor.outbox import as_json
from skelact.monitor.suspensions import EVERYWHERE, LONGEST, Suspension

logger = logging.getLogger(__name__)


class Mqtt:
    """Publishes messages at least once (QoS 1).

    Topics under ``prefix``: ``available`` (``online``, by will ``offline``), ``events`` (each message), and for each
    camera ``CAMERA/fall`` (``ON`` or ``OFF``, retained: it stays ON until everybody has got up, or their alarms were
    acknowledged), ``CAMERA/fall/attributes`` (retained) and ``CAMERA/event``. Retained events are ignored by Home
    Assistant, so the sensor is what is not lost while it is down.

    Args:
        cameras: names.
        host, port: of the broker.
        username, password: empty: none.
        prefix: of all topics.
        discovery: prefix of Home Assistant's discovery; empty: none.
        timeout: seconds in which the broker must acknowledge.
        acknowledge: called with a camera when somebody presses its button in Home Assistant, or publishes anything to
            ``CAMERA/acknowledge``; None: there is no button.
        suspend: called with a camera (`EVERYWHERE`: all) and minutes when somebody publishes minutes to
            ``CAMERA/notifications/suspend`` or ``notifications/suspend``, as Frigate has it (0: tell again). Until when
            that lasts is at ``.../suspended`` (seconds since 1970, retained; 0: it does not). None: nobody can.

    Raises:
        DependencyError: without paho-mqtt.
    """

    def __init__(
        self,
        cameras: Iterable[str],
        host: str = "localhost",
        port: int = 1883,
        username: str = "",
        password: str = "",
        prefix: str = "skelact",
        discovery: str = "homeassistant",
        timeout: float = 10.0,
        acknowledge: Callable[[str], None] | None = None,
        suspend: Callable[[str, float], object] | None = None,
    ) -> None:
        try:
            from paho.mqtt import client as paho
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError:
            raise DependencyError("MQTT needs paho-mqtt: pip install 'skelact[mqtt]'") from None
        self.cameras, self.prefix, self.discovery, self._timeout = list(cameras), prefix, discovery, timeout
        self._acknowledge, self._suspend = acknowledge, suspend
        self._suspensions: list[Suspension] = []
        self._connected = threading.Event()
        self._fallen: dict[str, frozenset[Any]] = {}  # by camera: people whose alarm is open
        self._client: Any = paho.Client(
            CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, client_id=f"skelact-{prefix}"
        )
        if username:
            self._client.username_pw_set(username, password)
        self._client.will_set(f"{prefix}/available", "offline", qos=1, retain=True)
        self._client.reconnect_delay_set(1, 60)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = lambda *_: self._connected.clear()
        self._client.on_message = self._on_message
        self._client.connect_async(host, port)
        self._client.loop_start()

    def send(self, message: Mapping[str, Any], key: str) -> None:
        """Publish a message; raises `ConnectionError` if the broker does not acknowledge it in time."""
        camera, event = slug(str(message["camera"])), message["after"]
        kind = str(event["kind"])
        body = {**message, "key": key}
        self._publish(f"{self.prefix}/events", as_json(body), retain=False)
        attributes = {
            "key": key,
            "kind": kind,
            "text": event["text"],
            "person": event["person"],
            "start": event["start"],
            **{name: event[name] for name in ("state", "zones", "top_score")},
        }
        self._publish(f"{self.prefix}/{camera}/fall/attributes", as_json(attributes), retain=True)
        fallen = self._fallen_after(camera, kind, event["person"])
        self._publish(f"{self.prefix}/{camera}/fall", b"ON" if fallen else b"OFF", retain=True)
        event_body = as_json({"event_type": kind, **attributes})
        self._publish(f"{self.prefix}/{camera}/event", event_body, retain=False)
        self._fallen[camera] = fallen  # only now: a message that fails is sent again

    def change_cameras(self, cameras: Iterable[str]) -> None:
        """Announce other cameras."""
        self.cameras = list(cameras)
        if self._connected.is_set():
            self._tell_suspensions(self._client)
            if self.discovery:
                self._discover(self._client)

    def change_suspensions(self, suspensions: Iterable[Suspension]) -> None:
        """Publish until when alarms are suspended; returns at once, and is published when the broker can be reached."""
        self._suspensions = list(suspensions)
        if self._connected.is_set():
            self._tell_suspensions(self._client)

    def _tell_suspensions(self, client: Any) -> None:
        until = {one.camera: one.until for one in self._suspensions if one.person is None}
        for name in (EVERYWHERE, *self.cameras):
            client.publish(f"{self._place(name)}/suspended", str(int(until.get(name, 0))), qos=1, retain=True)

    def _place(self, camera: str) -> str:
        """The topic of a camera's suspensions."""
        return "/".join([self.prefix, *([] if camera == EVERYWHERE else [slug(camera)]), "notifications"])

    def _fallen_after(self, camera: str, kind: str, person: Any) -> frozenset[Any]:
        before = self._fallen.get(camera, frozenset())
        if kind in ALARMS:
            return before | {person}
        if kind == "updated":
            return before
        if person not in before and len(before) == 1:  # they were lost and found under another name
            return frozenset()
        return before - {person}

    def close(self) -> None:
        """Say good-bye and disconnect; harmless when called twice."""
        if self._connected.is_set():
            self._client.publish(f"{self.prefix}/available", "offline", qos=1, retain=True).wait_for_publish(
                2
            )
        self._client.disconnect()
        self._client.loop_stop()

    def configuration(self) -> dict[str, Any]:
        """Home Assistant's device discovery (2026): one message with all components."""
        components: dict[str, Any] = {}
        if self._suspend is not None:
            for name in (EVERYWHERE, *self.cameras):
                components |= self._suspension_components(name)
        for name in self.cameras:
            camera = slug(name)
            topic = f"{self.prefix}/{camera}"
            components[f"{camera}_fall"] = {
                "platform": "binary_sensor", "unique_id": f"{self.prefix}_{camera}_fall", "name": f"{name} fall",
                "device_class": "safety", "state_topic": f"{topic}/fall",
                "json_attributes_topic": f"{topic}/fall/attributes",
                "default_entity_id": f"binary_sensor.{slug(self.prefix)}_{camera}_fall",
            }  # fmt: skip
            components[f"{camera}_event"] = {
                "platform": "event", "unique_id": f"{self.prefix}_{camera}_event", "name": f"{name} event",
                "state_topic": f"{topic}/event", "event_types": [*ALARMS, "updated", "recovered", "acknowledged"],
            }  # fmt: skip
            if self._acknowledge is not None:
                components[f"{camera}_acknowledge"] = {
                    "platform": "button", "unique_id": f"{self.prefix}_{camera}_acknowledge",
                    "name": f"{name} acknowledge", "command_topic": f"{topic}/acknowledge",
                }  # fmt: skip
        return {
            "device": {"identifiers": [self.prefix], "name": "skelact", "sw_version": __version__},
            "origin": {"name": "skelact", "sw_version": __version__},
            "availability": [{"topic": f"{self.prefix}/available"}],
            "components": components,
        }  # fmt: skip

    def _suspension_components(self, camera: str) -> dict[str, Any]:
        """A number to suspend alarms for minutes, and whether they are."""
        place, key = self._place(camera), slug(camera) if camera != EVERYWHERE else "all_cameras"
        name = "all cameras" if camera == EVERYWHERE else camera
        return {
            f"{key}_suspend": {
                "platform": "number", "unique_id": f"{self.prefix}_{key}_suspend", "name": f"{name} suspend alarms",
                "command_topic": f"{place}/suspend", "min": 0, "max": int(LONGEST), "unit_of_measurement": "min",
                "mode": "box",
            },
            f"{key}_suspended": {
                "platform": "binary_sensor", "unique_id": f"{self.prefix}_{key}_suspended",
                "name": f"{name} alarms suspended", "state_topic": f"{place}/suspended",
                "value_template": "{{ 'ON' if value | int(0) > 0 else 'OFF' }}",
            },
        }  # fmt: skip

    def _publish(self, topic: str, body: bytes, retain: bool) -> None:
        if not self._connected.wait(self._timeout):
            raise ConnectionError("the broker cannot be reached")
        info = self._client.publish(topic, body, qos=1, retain=retain)
        try:
            info.wait_for_publish(self._timeout)
        except (RuntimeError, ValueError) as error:  # disconnected meanwhile, or its queue is full
            raise ConnectionError(str(error)) from None
        if not info.is_published():
            raise ConnectionError("the broker has not acknowledged")

    def _on_connect(
        self, client: Any, _userdata: Any, _flags: Any, reason: Any, _properties: Any = None
    ) -> None:
        if reason.is_failure:
            return
        client.publish(f"{self.prefix}/available", "online", qos=1, retain=True)
        self._tell_suspensions(client)
        if self.discovery:
            client.subscribe(f"{self.discovery}/status", qos=1)
            self._discover(client)
        if self._acknowledge is not None:
            client.subscribe(f"{self.prefix}/+/acknowledge", qos=1)
        if self._suspend is not None:
            for camera in ("+/", ""):
                client.subscribe(f"{self.prefix}/{camera}notifications/suspend", qos=1)
        self._connected.set()

    def _on_message(self, client: Any, _userdata: Any, message: Any) -> None:
        if message.topic.endswith("/acknowledge"):
            topics = {f"{self.prefix}/{slug(name)}/acknowledge": name for name in self.cameras}
            if self._acknowledge is not None and not message.retain and message.topic in topics:
                self._acknowledge(topics[message.topic])
        elif message.topic.endswith("/notifications/suspend"):
            self._take_suspension(message)
        elif message.payload == b"online":  # Home Assistant has started
            self._discover(client)

    def _take_suspension(self, message: Any) -> None:
        topics = {f"{self._place(name)}/suspend": name for name in (EVERYWHERE, *self.cameras)}
        if self._suspend is None or message.retain or message.topic not in topics:
            return  # a retained command would suspend alarms at every start
        try:
            self._suspend(topics[message.topic], float(message.payload))
        except (ValueError, SkelactError, sqlite3.Error) as error:
            logger.warning("%s: alarms are not suspended: %s", message.topic, error)

    def _discover(self, client: Any) -> None:
        topic = f"{self.discovery}/device/{slug(self.prefix)}/config"
        client.publish(topic, json.dumps(self.configuration()), qos=1, retain=True)


def slug(name: str) -> str:
    """A name as a part of a topic: small letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "camera"
