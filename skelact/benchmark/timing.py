"""Fair timing: candidates in turn, many short rounds, the median of the pairwise ratios."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch

from skelact.nn.measure import device_seconds

ROUND = 2e-3  # seconds that a round lasts at least on a GPU, so that launching is a small part of it
MOST_REPEATS = 200
MOST_QUEUED = 20  # runs that are launched ahead


def time_in_turn(
    candidates: Mapping[str, Callable[[], object]],
    seconds: float = 6.0,
    rounds: int | None = None,
    device: torch.device | str = "cpu",
    launching: bool = True,
) -> dict[str, list[float]]:
    """Time each candidate, one after the other, round by round.

    Args:
        candidates: name to a function without arguments.
        seconds: about how long to go on in all; at least three rounds are run.
        rounds: instead of ``seconds``.
        device: where the candidates compute. On a GPU a round is as many runs as last 2 ms, between two events
            of the device.
        launching: with False the time that a GPU waits for launches is left out, as within a CUDA graph.

    Returns:
        seconds of a run in every round by name.
    """
    device = torch.device(device)
    times: dict[str, list[float]] = {name: [] for name in candidates}
    repeats = {name: _repeats(run, device) for name, run in candidates.items()}
    begin = time.perf_counter()
    done = 0
    while done < (rounds or 3) or (rounds is None and time.perf_counter() - begin < seconds):
        for name, run in candidates.items():
            if launching or device.type != "cuda":
                times[name].append(time_once(run, device, repeats[name]))
            else:
                times[name].append(device_seconds(run, device, min(repeats[name], MOST_QUEUED)))
        done += 1
    return times


def time_once(run: Callable[[], object], device: torch.device, repeats: int = 1) -> float:
    """Seconds of one run, of ``repeats`` in a row; on a GPU by the device's own clock."""
    if device.type != "cuda":
        begin = time.perf_counter()
        for _ in range(repeats):
            run()
        return (time.perf_counter() - begin) / repeats
    with torch.cuda.device(device):
        begin_event, end_event = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        begin_event.record()
        for _ in range(repeats):
            run()
        end_event.record()
        torch.cuda.synchronize()
        return begin_event.elapsed_time(end_event) / 1e3 / repeats


def _repeats(run: Callable[[], object], device: torch.device) -> int:
    """Runs in a round; finding out warms the candidate up."""
    run()
    if device.type != "cuda":
        return 1
    return max(1, min(MOST_REPEATS, round(ROUND / max(time_once(run, device), 1e-7))))


def ratio(times: Mapping[str, list[float]], slow: str, fast: str) -> float:
    """How many times faster ``fast`` is: the median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(times[slow], times[fast], strict=True))


def median(values: list[float]) -> float:
    """The median."""
    return statistics.median(values)
