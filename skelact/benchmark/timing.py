"""Fair timing: candidates in turn, many short rounds, the median of the pairwise ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch


def time_in_turn(
    candidates: Mapping[str, Callable[[], object]], seconds: float = 6.0, rounds: int | None = None
) -> dict[str, list[float]]:
    """Time each candidate, one after the other, round by round.

    Args:
        candidates: name to a function without arguments.
        seconds: about how long to go on in all; at least three rounds are run.
        rounds: instead of ``seconds``.

    Returns:
        wall seconds of every round by name.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for run in candidates.values():
        run()
    begin = time.perf_counter()
    done = 0
    while done < (rounds or 3) or (rounds is None and time.perf_counter() - begin < seconds):
        for name, run in candidates.items():
            start = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            times[name].append(time.perf_counter() - start)
        done += 1
    return times


def ratio(times: Mapping[str, list[float]], slow: str, fast: str) -> float:
    """How many times faster ``fast`` is: the median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(times[slow], times[fast], strict=True))


def median(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)
