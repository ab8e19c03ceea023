"""Scores over time become events: smoothing, hysteresis, least length, thresholds for a stated false-alarm rate.

Everything is causal: `ScoreEvents` takes a score at a time, as live use has them, and `events_of_scores` gives the
same events for a whole recording.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from skelact.errors import ConfigError, DataError
from skelact.evaluate.events import Events, TimedEvent, temporal_iou

_CANDIDATES = 200  # thresholds of each kind that are tried


@dataclass(frozen=True)
class EventRule:
    """When a class's scores are an event.

    Args:
        on: an event begins when the smoothed score reaches this.
        off: it ends when the smoothed score falls below this, at most ``on``.
        smoothing: the score is the mean over the last so many seconds; 0: as it comes.
        least: shorter events do not count [s].
        gap: a break of the score of at most so many seconds does not end an event.

    Raises:
        ConfigError: for values out of range.
    """

    on: float = 0.5
    off: float = 0.4
    smoothing: float = 0.0
    least: float = 0.0
    gap: float = 0.0

    def __post_init__(self) -> None:
        if not -math.inf < self.off <= self.on < math.inf:
            raise ConfigError(f"off must not be above on, got on={self.on} and off={self.off}")
        for name in ("smoothing", "least", "gap"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be seconds and not negative, got {getattr(self, name)}")


class ScoreEvents:
    """One class's events as its scores come.

    Args:
        label: of the events.
        rule: when scores are an event.
    """

    def __init__(self, label: str, rule: EventRule) -> None:
        self.label, self.rule = label, rule
        self._recent: deque[tuple[float, float]] = deque()
        self._start: float | None = None
        self._end = self._peak = 0.0  # the last moment at which the score held, and the highest score

    @property
    def active(self) -> bool:
        """Whether an event goes on that has lasted long enough."""
        return self._start is not None and self._end - self._start >= self.rule.least

    def push(self, time: float, score: float) -> TimedEvent | None:
        """Take the score of a moment [s]; returns the event that has ended with it, if one has."""
        self._recent.append((time, score))
        while self._recent[0][0] <= time - self.rule.smoothing and len(self._recent) > 1:
            self._recent.popleft()
        mean = math.fsum(s for _, s in self._recent) / len(self._recent)
        if self._start is None:
            if mean >= self.rule.on:
                self._start = self._end = time
                self._peak = mean
            return None
        if mean >= self.rule.off:
            self._end, self._peak = time, max(self._peak, mean)
            return None
        return self.finish() if time - self._end > self.rule.gap else None

    def finish(self) -> TimedEvent | None:
        """The event that goes on, if it lasted long enough; it has ended now."""
        start, self._start = self._start, None
        if start is None or self._end - start < self.rule.least:
            return None
        return TimedEvent(self.label, start, self._end, self._peak)


def events_of_scores(
    times: np.ndarray, scores: np.ndarray, names: Sequence[str], rules: Mapping[str, EventRule]
) -> list[TimedEvent]:
    """Events of a whole recording, by start.

    Args:
        times: seconds ``[T]``, increasing.
        scores: ``[T, K]``.
        names: of the K classes.
        rules: by class; classes without one have no events.

    Raises:
        DataError: if times, scores and names do not fit.
    """
    times, scores = np.asarray(times, float), np.asarray(scores, float)
    if scores.shape != (len(times), len(names)):
        raise DataError(
            f"scores must be [{len(times)} times, {len(names)} classes], got {list(scores.shape)}"
        )
    found = []
    for k, name in enumerate(names):
        if name not in rules:
            continue
        maker = ScoreEvents(name, rules[name])
        ended = [maker.push(float(t), float(s)) for t, s in zip(times, scores[:, k], strict=True)]
        found += [event for event in (*ended, maker.finish()) if event is not None]
    return sorted(found, key=lambda e: e.start)


@dataclass(frozen=True)
class FittedRule:
    """A rule and what it does on the recordings that it was fitted to.

    Args:
        rule: the rule.
        false_per_hour: events of it an hour that overlap no true one.
        sensitivity: share of the true events that it meets; NaN if there is none.
    """

    rule: EventRule
    false_per_hour: float
    sensitivity: float


def fit_rule(
    recordings: Mapping[str, tuple[np.ndarray, np.ndarray]],
    truth: Events,
    label: str,
    false_per_hour: float,
    template: EventRule | None = None,
    ratio: float = 0.8,
) -> FittedRule:
    """The lowest threshold of a class that keeps to a rate of false events.

    Args:
        recordings: times ``[T]`` and the class's scores ``[T]``, by name; none may be of the training.
        truth: events by recording.
        label: the class.
        false_per_hour: the most false events an hour.
        template: smoothing, least length and gap; None: none of these.
        ratio: of ``off`` to ``on``.

    Returns:
        the rule; above every score that occurs if no threshold keeps to the rate.

    Raises:
        DataError: if no time was recorded.
        ConfigError: for a negative rate, or a ratio outside 0..1.
    """
    if not false_per_hour >= 0 or not 0 <= ratio <= 1:
        raise ConfigError(
            f"the rate must not be negative and the ratio in 0..1, got {false_per_hour} and {ratio}"
        )
    hours = sum(float(t[-1] - t[0]) for t, _ in recordings.values() if len(t)) / 3600
    if hours <= 0:
        raise DataError("the recordings have no length; thresholds need hours to count false events in")
    template = template or EventRule()
    every = np.concatenate([np.asarray(s, float) for _, s in recordings.values()])
    highest = np.unique(every)[-_CANDIDATES:]  # what is rare is among these, the rest is covered by quantiles
    candidates = np.unique([*np.quantile(every, np.linspace(0, 1, _CANDIDATES)), *highest])
    real = {name: [e for e in truth.get(name, ()) if e.label == label] for name in recordings}
    n_real = sum(map(len, real.values()))
    high = float(candidates[-1]) + 1e-6
    best = FittedRule(replace(template, on=high, off=high), 0.0, 0.0 if n_real else float("nan"))
    for on in candidates[::-1]:  # from the strictest on, as long as the rate is kept
        rule = replace(template, on=float(on), off=float(on) * ratio if on > 0 else float(on))
        n_false, met = 0, 0
        for name, (times, score) in recordings.items():
            found = events_of_scores(times, np.asarray(score)[:, None], [label], {label: rule})
            n_false += sum(all(_apart(f, e) for e in real[name]) for f in found)
            met += sum(any(not _apart(f, e) for f in found) for e in real[name])
        if n_false / hours > false_per_hour:
            break
        best = FittedRule(rule, n_false / hours, met / n_real if n_real else float("nan"))
    return best


def _apart(a: TimedEvent, b: TimedEvent) -> bool:
    return temporal_iou(a, b) == 0 and not b.start <= a.start <= b.end
