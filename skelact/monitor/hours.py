"""Hours of the day in which a channel is told later, and for how long what happened is kept."""

from __future__ import annotations

import re
import time as clock
from dataclasses import dataclass

from skelact.errors import ConfigError

_DAY = 86_400
_FORM = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@dataclass
class QuietHours:
    """Hours, every day in local time, in which a channel is not told; it is afterwards.

    Args:
        begin, end: ``22:00``, ``7:30``; an end before the begin is on the next day.
        falls: alarms of somebody on the floor are told in quiet hours, too.

    Raises:
        ConfigError: for what is no time of day, or no hours.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    begin: str = "22:00"
    end: str = "07:00"
    falls: bool = True

    def __post_init__(self) -> None:
        if seconds_of(self.begin) == seconds_of(self.end):
            raise ConfigError(f"quiet hours from {self.begin} to {self.end} are none; leave them out")

    def wait(self, now: float) -> float:
        """Seconds from ``now`` (since 1970) until the hours are over; 0 outside of them."""
        begin, end = seconds_of(self.begin), seconds_of(self.end)
        local = clock.localtime(now)
        at = 3600 * local.tm_hour + 60 * local.tm_min + local.tm_sec + now % 1
        inside = begin <= at < end if begin < end else at >= begin or at < end
        return (end - at) % _DAY if inside else 0.0


def seconds_of(text: str) -> int:
    """Seconds since midnight of ``22:00``.

    Raises:
        ConfigError: for anything else.
    """
    found = _FORM.fullmatch(str(text))
    if found is None:
        raise ConfigError(f"a time of day is written as '22:00' (in quotes), got {text!r}")
    return 3600 * int(found[1]) + 60 * int(found[2])
