"""What is known now, for the page: fed by the loop that watches, read by the server in other threads."""

from __future__ import annotations

import json
import threading
import time as clock
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from skelact.errors import ConfigError, choices
from skelact.io.addresses import without_secrets
from skelact.io.video import is_live
from skelact.layouts import SkeletonLayout
from skelact.monitor.attention import Alarm, Attention
from skelact.monitor.gestures import Gestures
from skelact.monitor.home import CameraSettings
from skelact.monitor.log import Event
from skelact.monitor.outbox import Outbox
from skelact.monitor.watch import Moment
from skelact.monitor.zones import Zone

_SILENT = 15.0  # seconds without a frame after which a live camera is said to be silent
_RATE_SECONDS = 3.0  # over which rates are averaged
_HEALTH_SECONDS = 1.0  # between two messages about health


@dataclass
class _Camera:
    """What the loop said of a camera."""

    live: bool
    state: str = "waiting"
    moment: Moment | None = None
    seen: float = -np.inf  # of the server's clock
    time: float = 0.0  # of the camera's own clock
    n_frames: int = 0
    n_dropped: int = 0
    interval: float = np.inf  # seconds between two frames lately
    delay: float = 0.0
    n_events: dict[str, int] = field(default_factory=dict)


class Live:
    """Takes moments as they come, which costs the loop next to nothing, and says what is known when it is asked.

    Args:
        cameras: of the home, by name; their zones can be changed here.
        layout: of the joints.
        attention: keeps the alarms.
        outbox: what is owed to channels; None: there are none.
        pictures: keep each camera's newest picture for the page.
        keep_zones: writes a camera's zones where they are read from; None: they are forgotten at the end.
    """

    def __init__(
        self,
        cameras: Mapping[str, CameraSettings],
        layout: SkeletonLayout,
        attention: Attention,
        outbox: Outbox | None = None,
        pictures: bool = False,
        keep_zones: Callable[[str, Mapping[str, Zone]], None] | None = None,
    ) -> None:
        self.cameras, self.layout, self.attention, self.outbox = dict(cameras), layout, attention, outbox
        self.pictures, self._keep_zones = pictures, keep_zones
        self.gestures: Gestures | None = None  # whoever names taught gestures; the page can teach more
        self.begun = clock.time()
        self._lock = threading.Lock()
        self._zones_lock, self._n_drawn, self._n_changed = threading.Lock(), 0, 0
        self._seen = {name: _Camera(is_live(camera.source)) for name, camera in cameras.items()}
        self._version = self._states = 0
        self._people_json: tuple[int, bytes] = (-1, b"")
        self._desk_json: tuple[tuple, bytes] = ((), b"")
        self._owed: tuple[float, dict[str, dict[str, Any]]] = (-np.inf, {})

    def feed(self, name: str, moment: Moment, events: Iterable[Event] = ()) -> None:
        """Take a moment of a camera, with its events as they were written."""
        now = clock.monotonic()
        with self._lock:
            one = self._seen.get(name)
            if one is None:  # it is watched no more
                return
            before = one.state
            one.time = max(one.time, moment.time)
            for event in events:
                one.n_events[event.kind] = one.n_events.get(event.kind, 0) + 1
                if event.kind in ("source_lost", "source_back"):
                    one.state = "lost" if event.kind == "source_lost" else "online"
            if moment.image is not None:
                one.state = "online"
                self._measure(one, moment, now)
                if not self.pictures:  # the size is known; the picture is let go
                    moment = replace(moment, image=np.empty((*moment.image.shape[:2], 0), np.uint8))
                one.moment = moment
            elif one.state != "online":
                one.moment = None
            self._version += 1
            self._states += before != one.state

    def people(self) -> bytes:
        """Who is seen by each camera, as JSON; made once for all who ask."""
        with self._lock:
            version = self._version
            if self._people_json[0] == version:
                return self._people_json[1]
            seen = {name: (one.time, one.moment) for name, one in self._seen.items()}
        body = _json([_people_of(name, time, moment) for name, (time, moment) in seen.items()])
        with self._lock:
            if version > self._people_json[0]:
                self._people_json = (version, body)
        return body

    def seen(self) -> list[dict[str, Any]]:
        """The same as plain values."""
        return json.loads(self.people())

    def desk(self) -> bytes:
        """Alarms, suspensions, cameras and channels, as JSON; changes with them and else once a second."""
        with self._lock:
            version = (self._states, self.attention.version, int(clock.monotonic() / _HEALTH_SECONDS))
            if self._desk_json[0] == version:
                return self._desk_json[1]
        body = _json(self.status())
        with self._lock:
            self._desk_json = (version, body)
        return body

    def status(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "time": clock.time(),
            "newest_event": self.attention.newest_id,
            "zones_drawn": self._n_drawn,
            "cameras_changed": self._n_changed,
            "alarms": [_alarm(one) for one in self.attention.open()],
            "suspensions": [asdict(one) for one in self.attention.suspensions()],
            "gestures": None if self.gestures is None else self.gestures.status(),
            **self.health(),
        }

    def health(self) -> dict[str, Any]:
        """How cameras and channels are."""
        now = clock.monotonic()
        with self._lock:
            cameras = [_health(name, one, now) for name, one in self._seen.items()]
        log = {"error": self.attention.error, "unwritten": self.attention.n_unwritten}
        return {"up": clock.time() - self.begun, "cameras": cameras, "channels": self.owed(), "log": log}

    def counts(self) -> dict[str, dict[str, int]]:
        """Events of this run by camera and kind."""
        with self._lock:
            return {name: dict(one.n_events) for name, one in self._seen.items()}

    def owed(self) -> dict[str, dict[str, Any]]:
        """What channels have not delivered yet; looked up at most once a second."""
        if self.outbox is None:
            return {}
        with self._lock:
            when, found = self._owed
        now = clock.monotonic()
        if now - when > _HEALTH_SECONDS:
            found = {
                name: {**said, "error": without_secrets(said["error"])}
                for name, said in self.outbox.status().items()
            }
            with self._lock:
                self._owed = (now, found)
        return found

    def acknowledge(self, number: int) -> list[Event]:
        """Somebody has seen an alarm; returns what was closed, as `Attention.acknowledge`."""
        with self._lock:
            times = {name: one.time for name, one in self._seen.items()}
        alarm = next((one for one in self.attention.open() if one.event.id == number), None)
        if alarm is None:
            return []
        closed = self.attention.acknowledge(number, times.get(alarm.event.source))
        if self.outbox is not None:
            self.outbox.tell()
        return closed

    @property
    def keeps_zones(self) -> bool:
        """Whether drawn zones are written into a file."""
        return self._keep_zones is not None

    def picture(self, name: str) -> bytes | None:
        """A camera's newest picture as JPEG; None if there is none, or pictures are off."""
        import cv2

        with self._lock:
            moment = self._seen[name].moment if name in self._seen else None
        if not self.pictures or moment is None or moment.image is None:
            return None
        made, data = cv2.imencode(
            ".jpg", np.ascontiguousarray(moment.image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 80]
        )
        return data.tobytes() if made else None

    def zones(self) -> dict[str, dict[str, Any]]:
        """The zones of every camera."""
        return {
            name: {zone: asdict(one) for zone, one in camera.zones.items()}
            for name, camera in self.cameras.items()
        }

    def change_zones(self, name: str, zones: Mapping[str, Zone]) -> bool:
        """Watch with other zones from the next frame on; returns whether they are kept in a file, too.

        Raises:
            ConfigError: if there is no such camera, or the file cannot be written; then nothing changes.
        """
        if name not in self.cameras:
            raise ConfigError(choices(name, self.cameras, "camera"))
        with self._zones_lock:
            if self._keep_zones is not None:
                self._keep_zones(name, zones)
            self.cameras[name].zones = dict(zones)
            self._n_drawn += 1
        return self._keep_zones is not None

    def change_cameras(self, cameras: Mapping[str, CameraSettings]) -> None:
        """The home's cameras, or their settings, have changed."""
        with self._zones_lock, self._lock:
            self.cameras = dict(cameras)
            before, self._seen = self._seen, {}
            for name, camera in cameras.items():
                self._seen[name] = before.get(name) or _Camera(is_live(camera.source))
            self._n_drawn += 1
            self._n_changed += before.keys() != cameras.keys()
            self._version += 1
            self._states += 1

    @staticmethod
    def _measure(one: _Camera, moment: Moment, now: float) -> None:
        one.n_frames += 1
        one.n_dropped += moment.dropped
        passed = now - one.seen
        if np.isfinite(passed):
            share = 1 - np.exp(-passed / _RATE_SECONDS)
            one.interval = passed if one.n_frames <= 2 else one.interval + share * (passed - one.interval)
        share = 0.1 if one.n_frames > 1 else 1.0
        one.delay += share * (moment.looked + moment.decided - one.delay)
        one.seen = now


def _people_of(name: str, time: float, moment: Moment | None) -> dict[str, Any]:
    people = []
    for person in [] if moment is None else moment.people:
        if person.xy is None or person.score is None:
            continue
        assert moment is not None
        action, gesture = moment.actions.get(person.track), moment.gestures.get(person.track)
        people.append(
            {
                "track": person.track,
                "xy": np.round(np.nan_to_num(np.asarray(person.xy[:, :2], np.float64)), 4).ravel().tolist(),
                "score": np.round(np.asarray(person.score, np.float64), 2).tolist(),
                "action": action[0] if action else None,
                "confidence": round(action[1], 3) if action else None,
                "gesture": gesture[0] if gesture else None,
                "state": moment.states.get(person.track),
            }
        )
    return {"name": name, "time": round(time, 3), "people": people}


def _health(name: str, one: _Camera, now: float) -> dict[str, Any]:
    image = None if one.moment is None else one.moment.image
    age = now - one.seen
    silent = one.state == "online" and age > _SILENT
    return {
        "name": name,
        "state": ("silent" if one.live else "ended") if silent else one.state,
        "live": one.live,
        "time": round(one.time, 2),
        "age": round(age, 2) if np.isfinite(age) else None,
        "fps": 0.0 if silent or one.state != "online" else round(float(1 / max(one.interval, 1e-3)), 1),
        "delay": round(one.delay, 4),
        "frames": one.n_frames,
        "dropped": one.n_dropped,
        "people": 0 if one.moment is None or one.state != "online" else len(one.moment.people),
        "size": None if image is None else [image.shape[1], image.shape[0]],
    }


def _alarm(alarm: Alarm) -> dict[str, Any]:
    recovered = alarm.recovered
    return {
        **asdict(alarm.event),
        "silenced": alarm.silenced,
        "earlier": alarm.earlier,
        "recovered": None if recovered is None else {"time": recovered.start, "wall": recovered.wall},
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
