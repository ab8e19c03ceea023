"""Alarms that nobody is told of for a while: of all cameras, of one, or of one person there."""

from __future__ import annotations

import threading
import time as clock
from collections.abc import Callable
from dataclasses import dataclass

from skelact.errors import ConfigError
from skelact.monitor.log import EventLog

LONGEST = 24 * 60.0  # minutes of a suspension at most
EVERYWHERE = ""  # camera of a suspension of all cameras
_EVERYBODY = -1  # person of a suspension of a whole camera, in the log


@dataclass(frozen=True)
class Suspension:
    """Alarms of all cameras, of one, or of one person there, are not told for a while.

    Args:
        camera: its name; `EVERYWHERE`: all.
        person: track; None: everybody.
        until: seconds since 1970.
    """

    camera: str
    person: int | None
    until: float

    @property
    def where(self) -> str:
        """The camera, for people."""
        return "all cameras" if self.camera == EVERYWHERE else self.camera

    def describe(self) -> str:
        """Whose alarms they are, for people."""
        return self.where if self.person is None else f"person {self.person}, {self.where}"


class Suspensions:
    """Which suspensions last; kept in the log over restarts. Whoever owns it holds a lock.

    Args:
        log: where they are kept; None: in memory.
        now: seconds since 1970.
        note: called with a suspension, ``suspended`` or ``resumed``, and words, when one begins or is over.
    """

    def __init__(
        self,
        log: EventLog | None,
        now: Callable[[], float],
        note: Callable[[Suspension, str, str], object],
    ) -> None:
        self._log, self._now, self._note = log, now, note
        self._lasting: dict[tuple[str, int | None], Suspension] = {}
        self._timer: threading.Timer | None = None
        for camera, person, until in [] if log is None else log.suspensions():
            if person == _EVERYBODY:  # tracks begin anew with every run
                self._lasting[camera, None] = Suspension(camera, None, until)
            else:
                self._keep(Suspension(camera, person, 0.0))

    def begin(self, camera: str, person: int | None, minutes: float) -> Suspension | None:
        """Begin one, or end it with 0 minutes; see `Attention.suspend`.

        Raises:
            ConfigError: for a time that is none or longer than a day, or a person of all cameras.
        """
        if not 0 <= minutes <= LONGEST:
            raise ConfigError(f"alarms can be suspended for 0 to {LONGEST:.0f} minutes, got {minutes}")
        if camera == EVERYWHERE and person is not None:
            raise ConfigError(
                f"person {person} is of one camera; name it, or suspend the alarms of everybody"
            )
        one = Suspension(camera, person, self._now() + 60 * minutes if minutes else 0.0)
        self._keep(one)
        before = self._lasting.pop((camera, person), None)
        if minutes:
            self._lasting[camera, person] = one
            at = clock.strftime("%H:%M", clock.localtime(one.until))
            self._note(one, "suspended", f"alarms suspended until {at}: {one.describe()}")
        elif before is not None:
            self._note(one, "resumed", f"alarms are told again: {one.describe()}")
        return one if minutes else None

    def over(self, camera: str, person: int | None) -> Suspension | None:
        """The suspension that an alarm now would fall under."""
        keys = ((EVERYWHERE, None), (camera, None), (camera, person))
        found = [one for key in keys if (one := self._lasting.get(key)) is not None]
        return max(found, key=lambda one: one.until, default=None)

    def lasting(self) -> list[Suspension]:
        """All of them."""
        return list(self._lasting.values())

    def end_those_over(self) -> bool:
        """End those whose time has passed; returns whether there were any."""
        now, ended = self._now(), False
        for key, one in list(self._lasting.items()):
            if now < one.until <= now + 60 * LONGEST:  # a clock that jumped back prolongs nothing for long
                continue
            del self._lasting[key]
            self._keep(Suspension(one.camera, one.person, 0.0))
            self._note(one, "resumed", f"the suspension is over: {one.describe()}")
            ended = True
        return ended

    def call_at_end(self, call: Callable[[], object]) -> None:
        """Call when the next one is over, though no camera may give a frame then; an earlier wish is dropped."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lasting:
            rest = min(one.until for one in self._lasting.values()) - self._now()
            self._timer = threading.Timer(max(rest, 0.0) + 0.1, call)
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        """Call nobody any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _keep(self, one: Suspension) -> None:
        if self._log is not None:
            self._log.suspend(one.camera, _EVERYBODY if one.person is None else one.person, one.until)
