"""What is told of an alarm that goes on: when the person's state, zones or score change, and not too often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_RISE = 0.1  # of the highest score, from which on it is told again


@dataclass(frozen=True)
class Told:
    """What was said of somebody whose alarm goes on.

    Args:
        state: see `skelact.monitor.log.Event`.
        zones: names.
        top_score: the network's highest probability of a fall so far.
    """

    state: str
    zones: tuple[str, ...]
    top_score: float

    def describe(self) -> str:
        """One line for people."""
        where = f", in {', '.join(self.zones)}" if self.zones else ""
        return f"{self.state.replace('_', ' ')}{where}; network says fall {self.top_score:.0%} at most"

    def differs(self, other: Told) -> bool:
        """Whether there is something new."""
        return (self.state, self.zones) != (other.state, other.zones) or (
            self.top_score >= other.top_score + _RISE
        )


class AlarmUpdates:
    """Keeps what was told of everybody whose alarm goes on.

    Args:
        every: seconds between two messages about one person at least.
    """

    def __init__(self, every: float = 5.0) -> None:
        self.every = every
        self._told: dict[int, tuple[float, Told]] = {}
        self._top: dict[int, float] = {}

    @property
    def tracks(self) -> list[int]:
        """Whose alarms go on."""
        return list(self._told)

    def begin(self, track: int, time: float, told: Told) -> None:
        """An alarm is told."""
        self._told[track] = (time, told)
        self._top[track] = max(self._top.get(track, 0.0), told.top_score)

    def see(
        self, track: int, time: float, state: str, zones: tuple[str, ...] | None, score: float
    ) -> Told | None:
        """Take what is known now (zones None: not where they are); returns what is to be told, if something is."""
        self._top[track] = max(self._top[track], score)
        at, before = self._told[track]
        now = Told(state, before.zones if zones is None else zones, self._top[track])
        if time - at < self.every or not now.differs(before):
            return None
        self._told[track] = (time, now)
        return now

    def rename(self, old: int, new: int) -> None:
        """Somebody was lost and found under another name."""
        kept: dict[int, Any]
        for kept in (self._told, self._top):
            if old in kept:
                kept[new] = kept.pop(old)

    def end(self, track: int) -> None:
        """Their alarm is over."""
        self._told.pop(track, None)
        self._top.pop(track, None)
