"""A home: its cameras, their zones, and what is kept; read from YAML."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from skelact.errors import ConfigError
from skelact.monitor.falls import FallSettings
from skelact.monitor.hours import QuietHours
from skelact.monitor.mail import Mail, Security
from skelact.monitor.mqtt import Mqtt
from skelact.monitor.outbox import Channel
from skelact.monitor.page.settings import PageSettings
from skelact.monitor.sound import Sound
from skelact.monitor.watch import WatchSettings
from skelact.monitor.webhook import Webhook
from skelact.monitor.zones import Zone
from skelact.pose.camera import check_fov
from skelact.settings import from_plain, read_values


@dataclass
class CameraSettings:
    """A camera of a home.

    Args:
        source: a camera number, a stream address or a video file.
        fov: horizontal field of view in degrees; None: 60 is assumed.
        tilt: degrees that it looks down, until that is known from who walks about.
        fps: frames a second that are looked at; 0: all.
        falls: watch for falls.
        verify: seconds on the floor after a fall until the alarm.
        long_on_floor: seconds on the floor without a fall that was seen until an alarm; 0: never.
        zones: places in the picture, by name.

    Raises:
        ConfigError: for what cannot be.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    source: str = ""
    fov: float | None = None
    tilt: float = 0.0
    fps: float = 0.0
    falls: bool = True
    verify: float = 1.0
    long_on_floor: float = 30.0
    zones: dict[str, Zone] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source = str(self.source)
        if not self.source:
            raise ConfigError("a camera needs a source: a number, an address or a video file")
        if self.fov is not None:
            check_fov(self.fov)
        for name in ("fps", "verify", "long_on_floor"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be below 0, got {getattr(self, name)}; 0 turns it off")

    def watched(self) -> WatchSettings:
        """How its frames are looked at."""
        falls = FallSettings(verify=self.verify, long_on_floor=self.long_on_floor) if self.falls else None
        return WatchSettings(self.fov, self.tilt, self.fps, falls, self.zones)


@dataclass
class WebhookSettings:
    """See `skelact.monitor.webhook.Webhook`; a secret ``env:NAME`` is taken from the environment; ``quiet`` hours."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    url: str = ""
    secret: str = ""
    quiet: QuietHours | None = None


@dataclass
class MqttSettings:
    """See `skelact.monitor.mqtt.Mqtt`; a password ``env:NAME`` is taken from the environment."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    host: str = "localhost"
    port: int = 1883
    username: str = ""
    password: str = ""
    prefix: str = "skelact"
    discovery: str = "homeassistant"


@dataclass
class MailSettings:
    """See `skelact.monitor.mail.Mail`; a password ``env:NAME`` is taken from the environment; ``quiet`` hours."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    to: list[str] = field(default_factory=list)
    sender: str = ""
    host: str = "localhost"
    port: int = 587
    username: str = ""
    password: str = ""
    security: Security = "starttls"
    quiet: QuietHours | None = None


@dataclass
class SoundSettings:
    """See `skelact.monitor.sound.Sound`; ``quiet`` hours."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    command: list[str] = field(default_factory=list)
    quiet: QuietHours | None = None


@dataclass
class AlarmSettings:
    """Who is told of alarms.

    Args:
        webhooks: by name.
        mqtt: the broker; None: none.
        mail: by e-mail; None: nobody.
        sound: where the monitor runs; None: none.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    webhooks: dict[str, WebhookSettings] = field(default_factory=dict)
    mqtt: MqttSettings | None = None
    mail: MailSettings | None = None
    sound: SoundSettings | None = None

    def __bool__(self) -> bool:
        return bool(self.webhooks or self.mqtt or self.mail or self.sound)

    def quiet(self) -> dict[str, QuietHours]:
        """The quiet hours of the channels that have some, by name."""
        named = {**self.webhooks, "mail": self.mail, "sound": self.sound}
        return {name: one.quiet for name, one in named.items() if one is not None and one.quiet is not None}

    def channels(
        self,
        cameras: Iterable[str],
        acknowledge: Callable[[str], None] | None = None,
        suspend: Callable[[str, float], object] | None = None,
    ) -> dict[str, Channel]:
        """The channels, connected; those that can be answered call ``acknowledge`` with a camera, and ``suspend`` with
        a camera and minutes."""
        found: dict[str, Channel] = {
            name: Webhook(hook.url, secret_of(hook.secret)) for name, hook in self.webhooks.items()
        }
        if self.sound is not None:
            found["sound"] = Sound(self.sound.command)
        if self.mail is not None:
            mail = self.mail
            found["mail"] = Mail(
                mail.to,
                mail.sender,
                mail.host,
                mail.port,
                mail.username,
                secret_of(mail.password),
                mail.security,
            )
        if self.mqtt is not None:
            m = self.mqtt
            found["mqtt"] = Mqtt(
                cameras,
                m.host,
                m.port,
                m.username,
                secret_of(m.password),
                m.prefix,
                m.discovery,
                acknowledge=acknowledge,
                suspend=suspend,
            )
        return found


def secret_of(text: str) -> str:
    """A secret, or what the environment's variable of that name holds (``env:NAME``).

    Raises:
        ConfigError: if there is no such variable.
    """
    if not text.startswith("env:"):
        return text
    name = text.removeprefix("env:")
    if name not in os.environ:
        raise ConfigError(
            f"the environment has no variable {name}, which the configuration names for a secret"
        )
    return os.environ[name]


@dataclass
class Home:
    """What ``skelact monitor --config`` reads.

    Args:
        cameras: by name.
        log: the file (SQLite) that events are written to; empty: none.
        checkpoint: of the network that names actions; empty: the one that ships with skelact.
        actions: name actions, too.
        thresholds: file of ``skelact learn-thresholds``, by which actions are told; empty: the surest one is.
        estimator, people, quality: see ``skelact monitor --help``.
        normal: file of ``skelact learn-normal --out``, against which motion is unusual; empty: it is not judged.
        rest: file of ``--rest``, against which rests are unusually long; empty: they are not judged.
        gestures: vocabulary of ``skelact teach``, whose gestures are named; made if it is not there; empty: none are.
        unusual_per_hour: windows of normal motion that may count as unusual, an hour of somebody's being seen.
        alarms: who is told; needs a log.
        keep_days: days after which what happened is deleted from the log, if whoever should be told was; 0: never.
        page: where a page shows it all; None: nowhere.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    cameras: dict[str, CameraSettings] = field(default_factory=dict)
    log: str = ""
    checkpoint: str = ""
    actions: bool = True
    estimator: Literal["auto", "mediapipe", "movenet"] = "auto"
    people: Literal["one", "many"] = "many"
    quality: Literal["lite", "full", "heavy"] = "full"
    normal: str = ""
    rest: str = ""
    thresholds: str = ""
    gestures: str = ""
    unusual_per_hour: float = 1.0
    alarms: AlarmSettings = field(default_factory=AlarmSettings)
    keep_days: float = 0.0
    page: PageSettings | None = None

    def __post_init__(self) -> None:
        if not self.cameras:
            raise ConfigError("a home needs cameras: 'cameras:' with a name and a 'source:' for each")
        if not self.unusual_per_hour > 0:
            raise ConfigError(f"unusual_per_hour must be above 0, got {self.unusual_per_hour}")
        if not 0 <= self.keep_days < 36_500:
            raise ConfigError(f"keep_days must lie between 0 (for ever) and 36,500, got {self.keep_days}")
        if self.alarms and not self.log:
            raise ConfigError(
                "alarms are kept in the log until they have arrived: name one with 'log: home.db'"
            )


def load_home(path: str | Path) -> Home:
    """Read a home from YAML.

    Raises:
        ConfigError: if the file cannot be read or holds anything that is not allowed.
    """
    values = read_values(path)
    for camera in (values or {}).get("cameras", {}).values() if isinstance(values, dict) else ():
        if isinstance(camera, dict) and isinstance(camera.get("source"), int):
            camera["source"] = str(camera["source"])
    if isinstance(values, dict) and values.get("page", False) in (None, True):  # 'page:' alone: as it comes
        values["page"] = {}
    return from_plain(Home, values or {}, str(path))
