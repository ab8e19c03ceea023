"""Which alarms are open: acknowledged by somebody, over by recovery, or suspended so that nobody is told."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time as clock
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from skelact.io.addresses import without_secrets
from skelact.monitor.log import ALARMS, Event, EventLog
from skelact.monitor.suspensions import Suspension, Suspensions

logger = logging.getLogger(__name__)
_DAY = 24 * 3600.0
_KEPT = 2000  # events that are kept in memory where there is no log
_OPEN = 200  # alarms that are kept open at most
_RETRY_SECONDS = 1.0  # between two attempts to write what waits
_UNWRITTEN = 10_000  # events that wait for a disk that is full at most


@dataclass(frozen=True)
class Alarm:
    """An alarm that nobody has acknowledged yet.

    Args:
        event: of it.
        recovered: the event by which it was over; None: it is not.
        silenced: it came while alarms were suspended, and nobody was told.
        earlier: it is of an earlier run, whose tracks are not this one's.
    """

    event: Event
    recovered: Event | None = None
    silenced: bool = False
    earlier: bool = False


class Attention:
    """Writes events, and keeps which alarms wait for somebody; safe to use from several threads.

    An alarm is open until it is acknowledged. While alarms are suspended they are written but not told; one that is
    still open when the suspension ends, with nobody up again, is told then. Suspensions begin and end as events
    (``suspended``, ``resumed``). Events that cannot be written, as the disk is full, wait in memory (with numbers
    below 0) and are written as soon as that is possible.

    Args:
        log: where events, acknowledgements and suspensions are kept; None: in memory.
        now: seconds since 1970.

    Attributes:
        on_suspensions: called with all suspensions that last whenever they change; it must return at once.
    """

    def __init__(self, log: EventLog | None = None, now: Callable[[], float] = clock.time) -> None:
        self.log, self._now = log, now
        self.version = 0  # changes whenever what is open or suspended does
        self.first = 1  # number of the first event of this run
        self.newest_id = 0
        self._lock = threading.RLock()
        self._alarms: dict[int, Alarm] = {}
        self._times: dict[str, float] = {}  # of the newest event, by source
        self.on_suspensions: Callable[[list[Suspension]], object] = lambda _: None
        self._events: deque[Event] = deque(maxlen=_KEPT)
        self._kept_marks: dict[int, tuple[float | None, float | None]] = {}
        self._unwritten: deque[tuple[Event, float | None]] = deque(maxlen=_UNWRITTEN)
        self._n_failed, self._retry = 0, 0.0
        self.error = ""  # why the log cannot be written
        self._suspensions = Suspensions(log, now, self._note_suspension)
        if log is not None:
            self._load(log)
            self._suspensions_changed()

    def take(self, event: Event) -> Event:
        """Write an event of a camera; returns it with its number."""
        with self._lock:
            self.check()
            event = replace(event, text=without_secrets(event.text))
            self._times[event.source] = event.end
            if event.is_alarm:
                silenced = self.suspended(event.source, event.person) is not None
                event = self._write(event, silenced)
                assert event.id is not None
                self._alarms[event.id] = Alarm(event, silenced=silenced)
                while len(self._alarms) > _OPEN:
                    del self._alarms[min(self._alarms)]
                self.version += 1
                return event
            of_alarm = event.kind in ("recovered", "updated")
            over = self._over_by(event) if of_alarm else []
            silenced = all(alarm.silenced for alarm in over) and bool(over or event.kind == "updated")
            # whoever has acknowledged an alarm is told no more of how it goes on
            event = self._write(event, silenced)
            if event.kind == "updated":
                return event
            for alarm in over:
                assert alarm.event.id is not None
                self._alarms[alarm.event.id] = replace(alarm, recovered=event)
                self.version += 1
            return event

    def acknowledge(self, number: int, time: float | None = None) -> list[Event]:
        """Somebody has seen an alarm: it and all others of that person are closed, and channels are told.

        Args:
            number: of the alarm's event.
            time: of the camera's own clock, seconds.

        Returns:
            the events of the alarms that were closed; none if it is not open.
        """
        with self._lock:
            self.check()
            one = self._alarms.get(number)
            if one is None:
                return []
            closed = [
                alarm for alarm in self._alarms.values()
                if (alarm.event.source, alarm.event.person, alarm.earlier)
                == (one.event.source, one.event.person, one.earlier)
            ]  # fmt: skip
            now = self._now()
            numbers = [alarm.event.id for alarm in closed if alarm.event.id is not None]
            if self.log is not None:
                self.log.mark([number for number in numbers if number > 0], acknowledged=now)
            for kept in numbers:
                silenced = self._alarms.pop(kept).silenced
                self._kept_marks[kept] = (now, now if silenced else None)
            at = one.event.start if time is None else time
            words = f"acknowledged: {one.event.kind.replace('_', ' ')}"
            seen = Event(
                one.event.source, "acknowledged", "acknowledged", one.event.person, at, at, now, 1.0, words
            )
            self._write(seen, all(alarm.silenced for alarm in closed))
            self.version += 1
            return [alarm.event for alarm in closed]

    def acknowledge_camera(self, camera: str) -> None:
        """Somebody has seen all alarms of a camera."""
        with self._lock:
            self.check()
            for number in [n for n, alarm in self._alarms.items() if alarm.event.source == camera]:
                self.acknowledge(number)  # one of a person closes the others

    def suspend(self, camera: str, person: int | None, minutes: float) -> Suspension | None:
        """Tell nobody of a camera's alarms, or of one person's there, for a while; 0 minutes: tell again.

        Args:
            camera: its name; `EVERYWHERE`: all cameras, of which no person can be named.
            person: track; None: everybody.
            minutes: how long.

        Raises:
            ConfigError: for a time that is none or longer than a day, or a person of all cameras.
        """
        with self._lock:
            made = self._suspensions.begin(camera, person, minutes)
            self.check()
            self._suspensions_changed()
            return made

    def suspended(self, camera: str, person: int | None) -> Suspension | None:
        """The suspension that an alarm now would fall under."""
        with self._lock:
            return self._suspensions.over(camera, person)

    def suspensions(self) -> list[Suspension]:
        """All that last."""
        with self._lock:
            self.check()
            return self._suspensions.lasting()

    def open(self) -> list[Alarm]:
        """Alarms that nobody has acknowledged, the newest first."""
        with self._lock:
            self.check()
            return [self._alarms[number] for number in sorted(self._alarms, reverse=True)]

    def check(self) -> None:
        """End suspensions whose time is over; alarms that came meanwhile and are still open are told now."""
        with self._lock:
            if self.error and clock.monotonic() < self._retry:
                return
            try:
                self._write_late()
                if self._suspensions.end_those_over():
                    self._suspensions_changed()
                self._tell_late()
            except sqlite3.Error as error:  # a full disk, a lock: the next time
                self._fail(error)

    def close(self) -> None:
        """Wait for the end of no suspension any more."""
        self._suspensions.close()

    def _note_suspension(self, one: Suspension, kind: str, words: str) -> None:
        at = self._times.get(one.camera, max(self._times.values(), default=0.0))
        self._write(Event(one.where, kind, kind, one.person, at, at, self._now(), 1.0, words), False)

    def _suspensions_changed(self) -> None:
        self.version += 1
        self._suspensions.call_at_end(self.check)
        self.on_suspensions(self._suspensions.lasting())

    def _tell_late(self) -> None:
        """Alarms that are silenced no more, and not over, are told now."""
        for number, alarm in self._alarms.items():
            late = alarm.silenced and alarm.recovered is None
            if late and self.suspended(alarm.event.source, alarm.event.person) is None:
                self._alarms[number] = replace(alarm, silenced=False)
                self.version += 1
                if self.log is not None and number > 0:
                    self.log.mark([number], silenced=None)

    def events(self, limit: int = 200, **filters) -> list[Event]:
        """The newest events first; filters as for `EventLog.newest`."""
        with self._lock:
            kept = list(self._events) if self.log is None else [event for event, _ in self._unwritten]
        if self.log is not None:  # what waits is newer than all that is written
            kept = [event for event in reversed(kept) if _fits(event, **{**filters, "after": -_UNWRITTEN})]
            return [*kept, *self.log.newest(limit, **filters)][:limit]
        return [event for event in reversed(kept) if _fits(event, **filters)][:limit]

    def marks(self, least: int = 0) -> dict[int, tuple[float | None, float | None]]:
        """When alarms were acknowledged and silenced, by number."""
        if self.log is not None:
            return self.log.marks(least)
        with self._lock:
            open_ = {
                n: (None, alarm.event.wall or 0.0) for n, alarm in self._alarms.items() if alarm.silenced
            }
            return {n: mark for n, mark in {**self._kept_marks, **open_}.items() if n >= least}

    @property
    def n_unwritten(self) -> int:
        """Events that wait until the log can be written again."""
        return len(self._unwritten)

    def _write(self, event: Event, silenced: bool) -> Event:
        at = self._now() if silenced else None
        if self.log is None:
            event = replace(event, id=self.newest_id + 1)
            self._events.append(event)
        else:
            try:
                if self.error:  # in order: what waits is first
                    raise sqlite3.OperationalError(self.error)
                event = self.log.add(event, at)
            except sqlite3.Error as error:
                self._fail(error)
                self._n_failed += 1
                event = replace(event, id=-self._n_failed)
                self._unwritten.append((event, at))
        assert event.id is not None
        self.newest_id = max(event.id, self.newest_id)
        return event

    def _fail(self, error: sqlite3.Error) -> None:
        if not self.error:
            logger.warning("the log cannot be written (%s); events wait in memory", error)
        if clock.monotonic() >= self._retry:
            self._retry = clock.monotonic() + _RETRY_SECONDS
        self.error = str(error)

    def _write_late(self) -> None:
        """Write what waits, in order; alarms get their numbers."""
        while self._unwritten and self.log is not None:
            event, at = self._unwritten[0]
            assert event.id is not None
            alarm = self._alarms.get(event.id)
            told = alarm is not None and not alarm.silenced  # the suspension is over by now
            written = self.log.add(event, None if told else at)
            self._unwritten.popleft()
            if alarm is not None and written.id is not None:
                del self._alarms[event.id]
                self._alarms[written.id] = replace(alarm, event=written)
            elif (mark := self._kept_marks.pop(event.id, None)) is not None and written.id is not None:
                self.log.mark([written.id], acknowledged=mark[0])
            self.newest_id = max(written.id or 0, self.newest_id)
            self.version += 1
        self.error = ""

    def _over_by(self, event: Event) -> list[Alarm]:
        """The alarms that a recovery ends; somebody lost and found again has another track than their alarm."""
        lying = [
            alarm for alarm in self._alarms.values()
            if alarm.event.source == event.source and alarm.recovered is None and not alarm.earlier
        ]  # fmt: skip
        mine = [alarm for alarm in lying if alarm.event.person == event.person]
        return mine or (lying if len({alarm.event.person for alarm in lying}) == 1 else [])

    def _load(self, log: EventLog) -> None:
        """Alarms of the last day that are open, and suspensions that last."""
        newest = log.newest(1)
        self.newest_id = newest[0].id or 0 if newest else 0
        self.first, now = self.newest_id + 1, self._now()
        lately = [
            event for event in reversed(log.newest(5000, (*ALARMS, "recovered"), since=now - _DAY))
            if event.wall is not None
        ]  # fmt: skip
        marks = log.marks(lately[0].id or 0) if lately else {}
        for event in lately:
            if event.kind == "recovered":
                for alarm in self._over_by(event):
                    self._alarms[alarm.event.id or 0] = replace(alarm, recovered=event)
            elif event.is_alarm and event.id is not None:
                acknowledged, silenced = marks.get(event.id, (None, None))
                if acknowledged is None:
                    self._alarms[event.id] = Alarm(event, silenced=silenced is not None)
        self._alarms = {
            number: replace(alarm, earlier=True)
            for number, alarm in sorted(self._alarms.items())[-_OPEN:]
            if alarm.recovered is None
        }
        self.check()


def _fits(
    event: Event,
    kinds: tuple[str, ...] = (),
    source: str = "",
    since: float | None = None,
    until: float | None = None,
    after: int = 0,
    before: int | None = None,
) -> bool:
    """As `EventLog.newest` has it."""
    at, number = event.start if event.wall is None else event.wall, event.id or 0
    return (
        (not kinds or event.kind in kinds or event.label in kinds)
        and (not source or event.source == source)
        and (since is None or at >= since)
        and (until is None or at < until)
        and number > after
        and (before is None or number < before)
    )
