"""Limits of how often somebody may ask."""

from __future__ import annotations

import time as clock
from collections import OrderedDict
from collections.abc import Callable, Hashable

_MOST = 4096  # who is remembered


class RateLimit:
    """Lets each one ask ``burst`` times at once and ``rate`` times a second from then on.

    Args:
        rate: a second.
        burst: at once.
        now: seconds of a clock that only goes forwards.
    """

    def __init__(self, rate: float, burst: float, now: Callable[[], float] = clock.monotonic) -> None:
        self.rate, self.burst, self._now = rate, burst, now
        self._left: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def ask(self, who: Hashable, cost: float = 1.0) -> float:
        """Take one; returns 0, or the seconds to wait when there is none left."""
        now = self._now()
        left, since = self._left.pop(who, (self.burst, now))
        left = min(self.burst, left + self.rate * (now - since))
        wait = max(0.0, (cost - left) / self.rate)
        self._left[who] = (left if wait else left - cost, now)
        while len(self._left) > _MOST:
            self._left.popitem(last=False)
        return wait
