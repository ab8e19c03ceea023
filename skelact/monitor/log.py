"""The log of events: one SQLite file (WAL) that survives a kill, with times, people, scores and words."""

from __future__ import annotations

import csv
import io
import json
import logging
import sqlite3
import threading
import time as clock
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from skelact.errors import DataError

logger = logging.getLogger(__name__)
ALARMS = ("fall", "long_on_floor")
_VERSION = 3  # 2: marks, suspensions, 3: state, zones, top score; older files get them when they are opened
_TABLE = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, kind TEXT NOT NULL, label TEXT NOT NULL, person INTEGER,
    start REAL NOT NULL, end REAL NOT NULL, wall REAL, score REAL NOT NULL, text TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT '', zones TEXT NOT NULL DEFAULT '', top_score REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS events_by_start ON events (source, start);
CREATE TABLE IF NOT EXISTS marks (
    event INTEGER PRIMARY KEY REFERENCES events (id), acknowledged REAL, silenced REAL
);
CREATE TABLE IF NOT EXISTS suspensions (
    camera TEXT NOT NULL, person INTEGER NOT NULL, until REAL NOT NULL, PRIMARY KEY (camera, person)
);
"""
# Whether a channel has not been told of an alarm yet.
_OWED = """
kind IN ('fall', 'long_on_floor')
AND NOT EXISTS (SELECT 1 FROM marks m WHERE m.event = events.id AND m.silenced IS NOT NULL)
AND EXISTS (
    SELECT 1 FROM (SELECT channel, min(event) AS first FROM deliveries GROUP BY channel) c
    WHERE events.id > c.first AND NOT EXISTS (
        SELECT 1 FROM deliveries d
        WHERE d.event = events.id AND d.channel = c.channel AND d.delivered IS NOT NULL
    )
)
"""
COLUMNS = (
    "id", "source", "kind", "label", "person", "start", "end", "wall", "score", "text", "state", "zones", "top_score",
)  # fmt: skip


@dataclass(frozen=True)
class Event:
    """A row of the log.

    Args:
        source: name of the video or camera.
        kind: ``action``, ``suspected_fall``, ``fall``, ``long_on_floor``, ``updated`` (what is told of an alarm has
            changed), ``recovered``, ``acknowledged``, ``suspended``, ``resumed``, ``source_lost`` or ``source_back``.
        label: of an action; else the kind.
        person: track; None: nobody.
        start, end: seconds of the source's own clock.
        wall: seconds since 1970 of the start, for live sources.
        score: how sure, 0..1.
        text: words for people.
        id: number in the log; None: not written yet.
        state: of somebody who has fallen, as `FallWatch` has it, or ``out_of_sight``.
        zones: the names of those that somebody who has fallen is in, with commas.
        top_score: the network's highest probability of a fall so far.
    """

    source: str
    kind: str
    label: str
    person: int | None
    start: float
    end: float
    wall: float | None = None
    score: float = 1.0
    text: str = ""
    id: int | None = None
    state: str = ""
    zones: str = ""
    top_score: float = 0.0

    @property
    def is_alarm(self) -> bool:
        """Whether somebody should be told."""
        return self.kind in ALARMS


class EventLog:
    """An open log; made if it is not there.

    Args:
        path: the file.

    Raises:
        DataError: if it is no log of events, or cannot be opened.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()  # one connection for the loop and the page
        try:
            self._db = sqlite3.connect(self.path, timeout=10, check_same_thread=False)
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            tables = {
                name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            if version not in range(_VERSION + 1) or (tables and "events" not in tables):
                raise DataError(f"{self.path} is a database, but no log of events (version {version})")
            if version in (1, 2) and "events" in tables:
                there = {row[1] for row in self._db.execute("PRAGMA table_info(events)")}
                new = ("state TEXT", "zones TEXT", "top_score REAL")
                for column in [one for one in new if one.split()[0] not in there]:
                    default = "0" if column.endswith("REAL") else "''"
                    self._db.execute(f"ALTER TABLE events ADD COLUMN {column} NOT NULL DEFAULT {default}")
            if version != _VERSION:
                self._db.executescript(
                    f"PRAGMA journal_mode = WAL; {_TABLE} PRAGMA user_version = {_VERSION};"
                )
        except sqlite3.Error as error:
            raise DataError(f"{self.path} is not a log of events that can be opened: {error}") from None

    def add(self, event: Event, silenced: float | None = None) -> Event:
        """Write an event; it is on the disk when this returns. Returns it with its number.

        Args:
            event: what happened.
            silenced: seconds since 1970, if nobody is to be told of it; None: it is told.
        """
        values = asdict(event)
        names = [name for name in COLUMNS if name != "id"]
        with self._lock, self._db:
            row = self._db.execute(
                f"INSERT INTO events ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
                [values[name] for name in names],
            )
            if silenced is not None:
                self._db.execute(
                    "INSERT INTO marks (event, silenced) VALUES (?, ?)", (row.lastrowid, silenced)
                )
        return Event(**{**values, "id": row.lastrowid})

    def mark(self, events: Iterable[int], **values: float | None) -> None:
        """Keep when events were ``acknowledged``, or ``silenced``; None takes that back."""
        with self._lock, self._db:
            for number in events:
                for name, value in values.items():
                    assert name in ("acknowledged", "silenced")
                    self._db.execute(
                        f"INSERT INTO marks (event, {name}) VALUES (?, ?) "
                        f"ON CONFLICT (event) DO UPDATE SET {name} = excluded.{name}",
                        (number, value),
                    )

    def marks(self, least: int = 0) -> dict[int, tuple[float | None, float | None]]:
        """When events from a number on were acknowledged and silenced, where they were."""
        with self._lock:
            rows = self._db.execute(
                "SELECT event, acknowledged, silenced FROM marks WHERE event >= ?", (least,)
            ).fetchall()
        return {event: (acknowledged, silenced) for event, acknowledged, silenced in rows}

    def suspend(self, camera: str, person: int, until: float) -> None:
        """Keep until when alarms are suspended (seconds since 1970; 0: no more); person -1: everybody's."""
        with self._lock, self._db:
            self._db.execute("INSERT OR REPLACE INTO suspensions VALUES (?, ?, ?)", (camera, person, until))
            self._db.execute("DELETE FROM suspensions WHERE until <= 0")

    def suspensions(self) -> list[tuple[str, int, float]]:
        """Camera, person and until when, as `suspend` keeps them."""
        with self._lock:
            return self._db.execute("SELECT camera, person, until FROM suspensions").fetchall()

    def newest(
        self,
        limit: int,
        kinds: tuple[str, ...] = (),
        source: str = "",
        since: float | None = None,
        until: float | None = None,
        after: int = 0,
        before: int | None = None,
    ) -> list[Event]:
        """The newest events first.

        Args:
            limit: how many at most.
            kinds: only these; all if empty. A label counts, too.
            source: only of this one.
            since, until: only those that begin in between; seconds since 1970, or of the source for files.
            after, before: only those with a number above, below.
        """
        where: list[str] = ["id > ?"]
        values: list[Any] = [after]
        if kinds:
            marks = ", ".join("?" * len(kinds))
            where.append(f"(kind IN ({marks}) OR label IN ({marks}))")
            values += [*kinds, *kinds]
        for condition, value in (
            ("source = ?", source or None), ("coalesce(wall, start) >= ?", since),
            ("coalesce(wall, start) < ?", until), ("id < ?", before),
        ):  # fmt: skip
            if value is not None:
                where.append(condition)
                values.append(value)
        query = (
            f"SELECT {', '.join(COLUMNS)} FROM events WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"
        )
        with closing(sqlite3.connect(self.path, timeout=10)) as db:  # whoever writes is not held up
            rows = db.execute(query, [*values, limit]).fetchall()
        return [Event(**dict(zip(COLUMNS, row, strict=True))) for row in rows]

    def read(
        self,
        kinds: tuple[str, ...] = (),
        source: str = "",
        since: float | None = None,
        until: float | None = None,
    ) -> Iterator[Event]:
        """Events by their start.

        Args:
            kinds: only these; all if empty. A label counts, too.
            source: only of this one.
            since, until: only those that are not over before, and begin before.
        """
        where, values = ["1"], []
        if kinds:
            marks = ", ".join("?" * len(kinds))
            where.append(f"(kind IN ({marks}) OR label IN ({marks}))")
            values += [*kinds, *kinds]
        for condition, value in (("source = ?", source or None), ("end >= ?", since), ("start < ?", until)):
            if value is not None:
                where.append(condition)
                values.append(value)
        query = (
            f"SELECT {', '.join(COLUMNS)} FROM events WHERE {' AND '.join(where)} ORDER BY source, start, id"
        )
        for row in self._db.execute(query, values):
            yield Event(**dict(zip(COLUMNS, row, strict=True)))

    def forget(self, before: float) -> int:
        """Delete what began before a time (seconds since 1970), but not alarms that a channel is still owed.

        Returns:
            how many events were deleted. Events of files, which have no such time, stay.
        """
        with self._lock, self._db:
            tables = {
                name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            owed = _OWED if "deliveries" in tables else "0"
            found = self._db.execute(f"DELETE FROM events WHERE wall < ? AND NOT ({owed})", (before,))
            self._db.execute("DELETE FROM marks WHERE event NOT IN (SELECT id FROM events)")
            if "deliveries" in tables:  # the first of a channel says since when it is told
                self._db.execute(
                    "DELETE FROM deliveries WHERE event NOT IN (SELECT id FROM events) "
                    "AND event > (SELECT min(d.event) FROM deliveries d WHERE d.channel = deliveries.channel)"
                )
            return found.rowcount

    def close(self) -> None:
        """Close the file; harmless when called twice."""
        self._db.close()

    def __enter__(self) -> EventLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Retention:
    """Deletes old events, once an hour.

    Args:
        log: of events; None: there is none.
        days: that they are kept; 0: for ever.
        now: seconds since 1970.
    """

    def __init__(self, log: EventLog | None, days: float, now: Callable[[], float] = clock.time) -> None:
        self.log, self.days, self._now = log, days, now
        self._due = -float("inf")

    def check(self) -> None:
        """Delete, if an hour has passed since the last time."""
        now = self._now()
        if self.log is None or not self.days or self._due - 3600 <= now < self._due:
            return
        self._due = now + 3600
        try:
            self.log.forget(now - 86_400 * self.days)
        except sqlite3.Error as error:  # a full disk, a lock: the next hour
            logger.warning("old events cannot be deleted now: %s", error)


def as_csv(events: list[Event]) -> str:
    """A table with a row for each event."""
    text = io.StringIO()
    table: csv.DictWriter[str] = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(event) for event in events)
    return text.getvalue()


def as_activitynet(events: list[Event]) -> str:
    """ActivityNet's JSON of predictions: ``results`` by source."""
    results: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        entry = {"label": event.label, "score": event.score, "segment": [event.start, event.end]}
        results.setdefault(event.source, []).append(entry)
    return json.dumps({"version": "skelact", "results": results, "external_data": {}}, indent=1)


def as_omnifall(events: list[Event]) -> str:
    """Rows as OmniFall has them: path, label, start, end, subject, cam, dataset."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["path", "label", "start", "end", "subject", "cam", "dataset"])
    for e in events:
        table.writerow(
            [e.source, e.label, f"{e.start:.3f}", f"{e.end:.3f}", "" if e.person is None else e.person, 0, ""]
        )
    return text.getvalue()


def read_log(path: str | PathLike[str], **options: Any) -> list[Event]:
    """All events of a file that must be there; options as for `EventLog.read`."""
    if not Path(path).is_file():
        raise DataError(f"there is no log of events at {path}; skelact monitor writes one (--log)")
    with closing(EventLog(path)) as log:
        return list(log.read(**options))
