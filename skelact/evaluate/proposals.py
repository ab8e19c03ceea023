"""Events of untrimmed recordings by proposals: actionness grouping, class scores, soft non-maximum suppression.

Sources: Zhao et al., "Temporal action detection with structured segment networks", ICCV 2017 (grouping by several
thresholds and tolerances); Bodla et al., "Soft-NMS", ICCV 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skelact.errors import ConfigError, DataError
from skelact.evaluate.events import TimedEvent, temporal_iou


@dataclass(frozen=True)
class ProposalSettings:
    """How proposals are made and thinned out.

    Args:
        thresholds: of the actionness, from which runs are grouped.
        tolerances: least shares of a group that reach the threshold.
        context: seconds share on each side, of a proposal's length, whose score is taken off its own.
        sigma: of the Gaussian decay of overlapping proposals' scores.
        least_score: what is surer is kept.
        most: proposals kept of a class and recording.
        least: shorter proposals do not count [s].

    Raises:
        ConfigError: for values out of range.
    """

    thresholds: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    tolerances: tuple[float, ...] = (0.6, 0.7, 0.8, 0.9, 1.0)
    context: float = 0.25
    sigma: float = 0.4
    least_score: float = 0.02
    most: int = 100
    least: float = 0.05

    def __post_init__(self) -> None:
        if not self.thresholds or not self.tolerances:
            raise ConfigError("proposals need at least one threshold and one tolerance")
        if not all(0 < v <= 1 for v in (*self.thresholds, *self.tolerances)):
            raise ConfigError("thresholds and tolerances are shares above 0 and at most 1")
        if self.most < 1 or not self.sigma > 0 or self.context < 0 or self.least < 0:
            raise ConfigError("most must be at least 1, sigma above 0, context and least not negative")


def group(actionness: np.ndarray, threshold: float, tolerance: float) -> list[tuple[int, int]]:
    """Groups of frames (first, after the last) by temporal actionness grouping.

    Runs that reach the threshold are joined, from the left, as long as their share of the joined span is at least
    ``tolerance``.
    """
    high = np.concatenate([[False], np.asarray(actionness) >= threshold, [False]])
    edges = np.flatnonzero(high[1:] != high[:-1])
    runs = list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
    found = []
    for i, (start, end) in enumerate(runs):
        inside = end - start
        for a, b in runs[i + 1 :]:
            if (inside + b - a) / (b - start) < tolerance:
                break
            inside, end = inside + b - a, b
        found.append((start, end))
    return found


def propose(
    times: np.ndarray,
    scores: np.ndarray,
    names: Sequence[str],
    settings: ProposalSettings | None = None,
    background: Sequence[str] = (),
) -> list[TimedEvent]:
    """Events of a recording, the surest first.

    Each class's scores are its actionness; a proposal's score is their mean within it, less what they are beside it.

    Args:
        times: seconds ``[T]``, increasing.
        scores: ``[T, K]``, probabilities.
        names: of the K classes.
        settings: see there; None: the usual ones.
        background: classes that are no events.

    Raises:
        DataError: if times, scores and names do not fit.
    """  # fmt: skip
    settings = settings or ProposalSettings()
    times, scores = np.asarray(times, float), np.asarray(scores, float)
    if scores.shape != (len(times), len(names)) or not len(times):
        raise DataError(
            f"scores must be [{len(times)} times, {len(names)} classes], got {list(scores.shape)}"
        )
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    ends = np.append(times[1:], times[-1] + step)
    found: list[TimedEvent] = []
    for k, name in enumerate(names):
        if name in background:
            continue
        spans = {
            span
            for level in settings.thresholds
            for t in settings.tolerances
            for span in group(scores[:, k], level, t)
        }
        sums = np.concatenate([[0.0], np.cumsum(scores[:, k])])
        events = []
        for a, b in sorted(spans):
            if ends[b - 1] - times[a] < settings.least:
                continue
            beside = max(1, math.ceil(settings.context * (b - a)))
            before, after = max(0, a - beside), min(len(times), b + beside)
            inside = (sums[b] - sums[a]) / (b - a)
            around = (sums[a] - sums[before] + sums[after] - sums[b]) / max(1, a - before + after - b)
            sure = max(0.0, inside - around) if settings.context else inside
            events.append(TimedEvent(name, float(times[a]), float(ends[b - 1]), float(sure)))
        found += soft_nms(events, settings.sigma, settings.least_score, settings.most)
    return sorted(found, key=lambda e: -e.score)


def soft_nms(
    events: Sequence[TimedEvent], sigma: float = 0.5, least_score: float = 0.001, most: int = 100
) -> list[TimedEvent]:
    """Soft non-maximum suppression of one class's events: what overlaps a surer event loses by ``exp(-IoU²/sigma)``.

    Args:
        events: of one class and recording.
        sigma: of the decay.
        least_score: what has less in the end is left out.
        most: events that are kept.
    """
    waiting, kept = list(events), []
    while waiting and len(kept) < most:
        best = max(waiting, key=lambda e: e.score)
        if best.score < least_score:
            break
        waiting.remove(best)
        kept.append(best)
        waiting = [
            replace(e, score=e.score * math.exp(-(temporal_iou(best, e) ** 2) / sigma)) for e in waiting
        ]
    return kept
