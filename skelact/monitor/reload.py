"""A home's file that is changed while it is watched: what can be is taken over at once, the rest is said to wait."""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from skelact.errors import SkelactError
from skelact.monitor.action_rules import SharedRules
from skelact.monitor.home import Home, load_home

_AT_ONCE = {"cameras", "keep_days", "alarms", "thresholds"}


@dataclass(frozen=True)
class Change:
    """What has become of a home's file.

    Args:
        home: as it is watched now.
        done: what was taken over, in words.
        waiting: settings that are changed in the file and hold from the next start on.
        error: why the file cannot be used; the home stays as it was.
        refused: why the thresholds cannot be used; they stay as they were.
    """

    home: Home
    done: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    error: str = ""
    refused: str = ""


class HomeFile:
    """Looks from time to time whether a home's file has changed, and takes over what it may.

    Cameras (new, gone, or with other settings), thresholds of classes (another file, or other content), quiet hours
    and ``keep_days`` change at once; everything else (the log, networks, channels, the page) with the next start.

    Args:
        path: the file that the home was read from.
        home: as it is watched; its cameras, hours and days are changed in place.
        rules: thresholds of classes; None: no actions are named.
        every: seconds between two looks.
        now: a clock in seconds.
    """

    def __init__(
        self,
        path: str | Path,
        home: Home,
        rules: SharedRules | None = None,
        every: float = 2.0,
        now: Callable[[], float] = clock.monotonic,
    ) -> None:
        self.path, self.home, self.rules, self._every, self._now = Path(path), home, rules, every, now
        self._seen, self._due = self._stamp(), now() + every
        try:
            self._read = load_home(path)
        except SkelactError:  # it was changed between the start and now
            self._read, self._seen = home, None

    def check(self) -> Change | None:
        """Look, if it is time; None if nothing has changed."""
        if self._now() < self._due:
            return None
        self._due = self._now() + self._every
        stamp = self._stamp()
        if stamp == self._seen:
            taken, refused = self._thresholds()
            return Change(self.home, tuple(taken), refused=refused) if taken or refused else None
        self._seen = stamp
        try:
            new = load_home(self.path)
        except SkelactError as error:
            return Change(self.home, error=str(error))
        old, self._read = self._read, new
        done = self._cameras(new)
        if self.home.thresholds == old.thresholds:  # what the command line says stays
            self.home.thresholds = new.thresholds
        taken, refused = self._thresholds()
        done += taken
        if new.keep_days != self.home.keep_days:
            self.home.keep_days = new.keep_days
            done.append("keep_days")
        if new.alarms.quiet() != self.home.alarms.quiet():
            done.append("quiet hours")
            _take_hours(self.home, new)
        waiting = [
            f.name
            for f in fields(Home)
            if f.name not in _AT_ONCE and getattr(old, f.name) != getattr(new, f.name)
        ]
        if _without_hours(old) != _without_hours(new):
            waiting.append("alarms")
        changed = done or waiting or refused
        return Change(self.home, tuple(done), tuple(waiting), refused=refused) if changed else None

    def _thresholds(self) -> tuple[list[str], str]:
        """What was taken over, and why not."""
        try:
            taken = self.rules is not None and self.rules.check(self.home.thresholds)
        except SkelactError as error:
            return [], str(error)
        return ["thresholds"] if taken else [], ""

    def _cameras(self, new: Home) -> list[str]:
        now = self.home.cameras
        done = [f"camera {name} is watched no more" for name in now if name not in new.cameras]
        kept = {}
        for name, camera in new.cameras.items():
            if now.get(name) == camera:
                kept[name] = now[name]
                continue
            kept[name] = camera
            done.append(f"camera {name} " + ("has other settings" if name in now else "is new"))
        self.home.cameras = kept  # at once: other threads look at it
        return done

    def _stamp(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:  # an editor that replaces it: the next look
            return None
        return status.st_mtime_ns, status.st_size


def _take_hours(home: Home, new: Home) -> None:
    quiet = new.alarms.quiet()
    for name, hook in home.alarms.webhooks.items():
        hook.quiet = quiet.get(name)
    for name in ("mail", "sound"):
        channel = getattr(home.alarms, name)
        if channel is not None:
            channel.quiet = quiet.get(name)


def _without_hours(home: Home) -> object:
    """Who is told, whatever the hours."""
    alarms = home.alarms
    hooks = {name: replace(hook, quiet=None) for name, hook in alarms.webhooks.items()}
    others = [
        None if channel is None else replace(channel, quiet=None) for channel in (alarms.mail, alarms.sound)
    ]
    return hooks, others, alarms.mqtt
