"""An outbox that keeps every alarm until it has arrived: at least once, with a key against doubles, with back-off."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time as clock
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import Any, Protocol

from skelact.monitor.hours import QuietHours
from skelact.monitor.log import ALARMS, COLUMNS, Event, EventLog

logger = logging.getLogger(__name__)
TOLD = (*ALARMS, "updated", "recovered", "acknowledged")  # kinds of events that are delivered
_TABLE = """
CREATE TABLE IF NOT EXISTS deliveries (
    event INTEGER NOT NULL REFERENCES events (id), channel TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0, delivered REAL, error TEXT NOT NULL DEFAULT '', PRIMARY KEY (event, channel)
);
"""
_LONGEST = 300.0  # seconds between two attempts at most
_DOUBLINGS = 20  # of the pause, at most: a receiver may be down for months
_IDLE = 5.0  # seconds after which the outbox is looked through without being asked to


class Channel(Protocol):
    """A way to tell somebody; one with ``kinds`` is told of these kinds of events only."""

    def send(self, message: Mapping[str, Any], key: str) -> None:
        """Deliver a message and return when it has arrived; raise whatever went wrong.

        Args:
            message: plain values.
            key: the same whenever the same message is sent again, so that the receiver can drop doubles.
        """
        ...

    def close(self) -> None:
        """Let go of connections; harmless when called twice."""
        ...


class Outbox:
    """Delivers the alarms of a log to channels.

    What is owed is in the log's own file: an alarm that was written is delivered, even if the process is killed before,
    or the receiver is down for a day. Each channel is served by a thread of its own, in the order of the events.

    Args:
        log: where alarms are written.
        channels: by name.
        first_pause: seconds after the first attempt that failed; doubled with each further one, up to five minutes.
        quiet: hours in which channels are told later, by name; may be replaced while it runs.
        now: the time of day, seconds since 1970.
        pause: waits until an event is set, some seconds at most.
    """

    def __init__(
        self,
        log: EventLog,
        channels: Mapping[str, Channel],
        first_pause: float = 2.0,
        quiet: Mapping[str, QuietHours] | None = None,
        now: Callable[[], float] = clock.time,
        pause: Callable[[threading.Event, float], Any] = threading.Event.wait,
    ) -> None:
        self.log, self.channels, self.first_pause = log, dict(channels), first_pause
        self.quiet = dict(quiet or {})
        self._now, self._pause = now, pause
        with self._open() as db:
            db.executescript(_TABLE)
            known = {name for (name,) in db.execute("SELECT DISTINCT channel FROM deliveries")}
            newest = db.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0]
            for name in self.channels:
                if name not in known:  # a new channel is not told about what is long over
                    db.execute(
                        "INSERT INTO deliveries (event, channel, delivered) VALUES (?, ?, ?)",
                        (newest, name, 0.0),
                    )
        self._stop, self._wake = threading.Event(), {name: threading.Event() for name in self.channels}
        self._threads = [
            threading.Thread(target=self._serve, args=(name,), daemon=True, name=f"outbox {name}")
            for name in self.channels
        ]
        for thread in self._threads:
            thread.start()

    def tell(self) -> None:
        """Something was written: look now."""
        for wake in self._wake.values():
            wake.set()

    def owed(self, channel: str) -> list[Event]:
        """Events that a channel has not delivered yet, oldest first; not those that were silenced."""
        kinds = getattr(self.channels.get(channel), "kinds", TOLD)
        marks, columns = ", ".join("?" * len(kinds)), ", ".join(f"e.{name}" for name in COLUMNS)
        query = (
            f"SELECT {columns} FROM events e LEFT JOIN deliveries d ON d.event = e.id AND d.channel = ? "
            f"WHERE e.kind IN ({marks}) AND d.delivered IS NULL "
            "AND e.id > (SELECT min(event) FROM deliveries WHERE channel = ?) "
            "AND NOT EXISTS (SELECT 1 FROM marks m WHERE m.event = e.id AND m.silenced IS NOT NULL) ORDER BY e.id"
        )
        with self._open() as db:
            rows = db.execute(query, (channel, *kinds, channel)).fetchall()
        return [Event(**dict(zip(COLUMNS, row, strict=True))) for row in rows]

    def status(self) -> dict[str, dict[str, Any]]:
        """Of every channel: how many events are owed, and the last error."""
        found = {}
        for name in self.channels:
            with self._open() as db:
                row = db.execute(
                    "SELECT error FROM deliveries WHERE channel = ? AND delivered IS NULL AND error != '' "
                    "ORDER BY event DESC LIMIT 1",
                    (name,),
                ).fetchone()
            found[name] = {"owed": len(self.owed(name)), "error": row[0] if row else ""}
        return found

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is owed that may be told now; returns whether that is so."""
        until = clock.monotonic() + seconds
        self.tell()
        while clock.monotonic() < until:
            if not any(self._due(name) for name in self.channels):
                return True
            clock.sleep(0.05)
        return not any(self._due(name) for name in self.channels)

    def close(self) -> None:
        """Stop delivering; what is owed stays in the file."""
        self._stop.set()
        self.tell()
        for thread in self._threads:
            thread.join(timeout=20)
        for channel in self.channels.values():
            channel.close()

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each thread, committed and closed."""
        with closing(sqlite3.connect(self.log.path, timeout=10)) as db, db:
            yield db

    def _serve(self, name: str) -> None:
        channel, wake = self.channels[name], self._wake[name]
        while not self._stop.is_set():
            wake.clear()
            pause = _IDLE
            try:
                for event in self._due(name):
                    pause = self._deliver(name, channel, event)
                    if pause > 0 or self._stop.is_set():
                        break  # in order: the next waits for this one
                else:
                    pause = _IDLE
            except sqlite3.Error as error:  # a full disk, a lock: later
                logger.warning("outbox %s: %s", name, error)
            self._pause(wake, pause)

    def _due(self, name: str) -> list[Event]:
        """What is owed now: in quiet hours only what may be told in them."""
        owed, hours = self.owed(name), self.quiet.get(name)
        if hours is None or not hours.wait(self._now()):
            return owed
        return [event for event in owed if hours.falls and event.is_alarm]

    def _deliver(self, name: str, channel: Channel, event: Event) -> float:
        """Try to deliver; returns the seconds to wait, 0 if it has arrived."""
        with self._open() as db:
            db.execute("INSERT OR IGNORE INTO deliveries (event, channel) VALUES (?, ?)", (event.id, name))
            attempts, due = db.execute(
                "SELECT attempts, due FROM deliveries WHERE event = ? AND channel = ?", (event.id, name)
            ).fetchone()
        now = self._now()
        if now < due <= now + _LONGEST:  # a clock that jumped back makes nobody wait longer than that
            return due - now
        try:
            channel.send(message_of(event, self._before(event)), f"{self.log.path.name}-{event.id}")
        except Exception as error:  # whatever a network throws, it is tried again
            pause = min(_LONGEST, self.first_pause * 2 ** min(attempts, _DOUBLINGS))
            logger.warning(
                "outbox %s: event %s has not arrived (%s); again in %.0f s", name, event.id, error, pause
            )
            self._note(event, name, attempts + 1, now + pause, None, f"{type(error).__name__}: {error}")
            return pause
        self._note(event, name, attempts + 1, 0.0, self._now(), "")
        return 0.0

    def _before(self, event: Event) -> Event | None:
        """What was told of an alarm that goes on or ends."""
        if event.is_alarm:
            return None
        marks, columns = ", ".join("?" * len(TOLD)), ", ".join(COLUMNS)
        query = (
            f"SELECT {columns} FROM events WHERE source = ? AND person IS ? AND id < ? AND kind IN ({marks}) "
            "ORDER BY id DESC LIMIT 1"
        )
        with self._open() as db:
            row = db.execute(query, (event.source, event.person, event.id, *TOLD)).fetchone()
        return None if row is None else Event(**dict(zip(COLUMNS, row, strict=True)))

    def _note(
        self, event: Event, channel: str, attempts: int, due: float, delivered: float | None, error: str
    ) -> None:
        with self._open() as db:
            db.execute(
                "UPDATE deliveries SET attempts = ?, due = ?, delivered = ?, error = ? WHERE event = ? AND channel = ?",
                (attempts, due, delivered, error, event.id, channel),
            )


def message_of(event: Event, before: Event | None = None) -> dict[str, Any]:
    """What is told of an event: an envelope as Frigate has it.

    ``new`` for alarms, ``update`` when somebody has acknowledged one or what is told of it changes (state, zones, top
    score), ``end`` for recoveries.

    Args:
        event: what has happened.
        before: what was told of that person before; None: nothing, and the event stands for it, as it does for Frigate.
    """
    return {
        "type": {"recovered": "end", "acknowledged": "update", "updated": "update"}.get(event.kind, "new"),
        "camera": event.source,
        "severity": "alert" if event.kind in (*ALARMS, "updated") else "detection",
        "before": _as_plain(before or event),
        "after": _as_plain(event),
    }


def _as_plain(event: Event) -> dict[str, Any]:
    return {**asdict(event), "zones": event.zones.split(", ") if event.zones else []}


def as_json(message: Mapping[str, Any]) -> bytes:
    """A message as compact JSON."""
    return json.dumps(message, separators=(",", ":"), sort_keys=True).encode()
