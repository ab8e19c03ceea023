"""Moments of gestures found as scores come: peaks with a refractory time, thresholds by class, F1 within a tolerance.

The setting of MSRC-12 (Fothergill et al., CHI 2012): a gesture is right if its moment lies within 333 ms of the true
one. A peak is known a little after it; `Moment.decided` says when.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from skelact.errors import ConfigError, DataError

TOLERANCE = 0.333  # seconds
_ROUNDING = 1e-6
SLACK = 0.05
_THRESHOLDS = tuple(np.round(np.arange(0.02, 1.0, 0.02), 2).tolist())


@dataclass(frozen=True)
class MomentRule:
    """When a class's scores are a moment.

    Args:
        threshold: a peak of the score must reach it.
        refractory: seconds after a moment in which there is no other of the class.
        wait: a score that goes on above the threshold is decided upon at the latest so many seconds after its peak.
        drop: a score that has fallen to this share of its peak is decided upon at once.

    Raises:
        ConfigError: for values out of range.
    """

    threshold: float = 0.5
    refractory: float = 1.0
    wait: float = 0.1
    drop: float = 0.9

    def __post_init__(self) -> None:
        for name in ("refractory", "wait"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} must be seconds and not negative, got {getattr(self, name)}")
        if not 0 <= self.drop <= 1:
            raise ConfigError(f"drop must be a share in 0..1, got {self.drop}")


@dataclass(frozen=True)
class Moment:
    """A gesture.

    Args:
        label: which.
        time: its moment in seconds.
        decided: seconds at which it was known.
        score: at the peak.
    """

    label: str
    time: float
    decided: float
    score: float = 1.0


class MomentFinder:
    """Moments as scores come.

    Args:
        rules: by class.
        exclusive: whoever does one gesture does no other: of the peaks that wait to be decided upon the highest is
            taken, and no class has another moment within its refractory time.
    """

    def __init__(self, rules: Mapping[str, MomentRule], exclusive: bool = True) -> None:
        self.rules, self.exclusive = dict(rules), exclusive
        self._last = dict.fromkeys(rules, -math.inf)
        self._peaks: dict[str, tuple[float, float]] = {}  # (score, time) of those that wait

    def push(self, time: float, scores: Mapping[str, float], known: float | None = None) -> list[Moment]:
        """Take the scores of a moment [s], known at ``known`` (None: at once); returns what is found by them."""
        due = []
        for label, rule in self.rules.items():
            if time - self._last[label] < rule.refractory - _ROUNDING:
                continue
            score, peak = scores[label], self._peaks.get(label)
            if peak is None or score > peak[0]:
                if peak is None and score < rule.threshold:
                    continue
                peak = self._peaks[label] = (score, time)
            if score <= peak[0] * rule.drop or time - peak[1] >= rule.wait - _ROUNDING:
                due.append(label)
        if due and self.exclusive:
            due = [max(self._peaks, key=lambda label: self._peaks[label][0])]
        found = []
        for label in due:
            best, when = self._peaks[label]
            found.append(Moment(label, when, time if known is None else known, best))
            for name in self.rules if self.exclusive else (label,):
                self._last[name] = when
                self._peaks.pop(name, None)
        return found


def find_moments(
    times: np.ndarray,
    scores: np.ndarray,
    names: Sequence[str],
    rules: Mapping[str, MomentRule],
    known: np.ndarray | None = None,
    exclusive: bool = True,
) -> list[Moment]:
    """Moments of a whole recording, by the time at which they are decided.

    Args:
        times: seconds ``[T]``, increasing.
        scores: ``[T, K]``.
        names: of the K classes.
        rules: by class; classes without one have no moments.
        known: seconds ``[T]`` at which each score is known; None: at its time.
        exclusive: see `MomentFinder`.

    Raises:
        DataError: if times, scores and names do not fit.
    """
    times, scores = np.asarray(times, float), np.asarray(scores, float)
    if scores.shape != (len(times), len(names)):
        raise DataError(
            f"scores must be [{len(times)} times, {len(names)} classes], got {list(scores.shape)}"
        )
    known = times if known is None else np.asarray(known, float)
    finder = MomentFinder({name: rules[name] for name in names if name in rules}, exclusive)
    found = []
    for time, row, at in zip(times.tolist(), scores.tolist(), known.tolist(), strict=True):
        found += finder.push(time, dict(zip(names, row, strict=True)), at)
    return found


@dataclass(frozen=True)
class MomentScore:
    """How moments compare with the truth.

    Args:
        hits, false, missed: by class.
        delays: seconds from each true moment that was found to the decision.
        errors: seconds from it to the moment that was given.
        hours: of the recordings.
    """

    hits: dict[str, int]
    false: dict[str, int]
    missed: dict[str, int]
    delays: list[float]
    errors: list[float]
    hours: float

    @property
    def f1(self) -> float:
        """F1 of all classes' moments together; NaN if there is none."""
        whole = 2 * sum(self.hits.values()) + sum(self.false.values()) + sum(self.missed.values())
        return 2 * sum(self.hits.values()) / whole if whole else float("nan")

    @property
    def per_class(self) -> dict[str, float]:
        """F1 of every class that occurs or was found."""
        wholes = {n: 2 * self.hits[n] + self.false[n] + self.missed[n] for n in self.hits}
        return {n: 2 * self.hits[n] / whole for n, whole in wholes.items() if whole}

    @property
    def macro_f1(self) -> float:
        """The mean of the classes' F1."""
        return float(np.mean(list(self.per_class.values()))) if self.per_class else float("nan")

    @property
    def false_per_hour(self) -> float:
        """False moments an hour; NaN if no time is known."""
        return sum(self.false.values()) / self.hours if self.hours > 0 else float("nan")

    @property
    def median_delay(self) -> float:
        """Seconds from a true moment to the decision; NaN if none was found."""
        return float(np.median(self.delays)) if self.delays else float("nan")

    def to_dict(self) -> dict[str, object]:
        """Plain numbers."""
        return {
            "f1": self.f1, "macro_f1": self.macro_f1, "per_class": self.per_class, "hits": sum(self.hits.values()),
            "false": sum(self.false.values()), "missed": sum(self.missed.values()),
            "false_per_hour": self.false_per_hour, "hours": self.hours,
            "median_delay": self.median_delay,
            "largest_delay": max(self.delays, default=float("nan")),
        }  # fmt: skip


def score_moments(
    truth: Mapping[str, Sequence[tuple[str, float]]],
    found: Mapping[str, Sequence[Moment]],
    hours: float = 0.0,
    tolerance: float = TOLERANCE,
    by_decision: bool = False,
) -> MomentScore:
    """Match moments with the true ones, class by class: each takes the nearest free one within the tolerance.

    Args:
        truth: (label, seconds) by recording.
        found: moments by recording.
        hours: of the recordings.
        tolerance: seconds to either side.
        by_decision: the time of the decision must lie within the tolerance, rather than the moment that was given.

    A moment that is decided more than the tolerance after the time that it gives is false.
    """
    labels = sorted(
        {n for rows in truth.values() for n, _ in rows} | {m.label for ms in found.values() for m in ms}
    )
    counts = {kind: dict.fromkeys(labels, 0) for kind in ("hits", "false", "missed")}
    delays, errors = [], []
    for name in {**truth, **found}:
        for label in labels:
            real = [t for n, t in truth.get(name, ()) if n == label]
            given = [m for m in found.get(name, ()) if m.label == label]
            when = [m.decided if by_decision else m.time for m in given]
            pairs = sorted(
                (abs(w - t), i, k)
                for i, w in enumerate(when)
                for k, t in enumerate(real)
                if abs(w - t) <= tolerance + _ROUNDING
                and given[i].decided - given[i].time <= tolerance + _ROUNDING
            )
            used, taken = set(), set()
            for _, i, k in pairs:
                if i not in used and k not in taken:
                    used.add(i)
                    taken.add(k)
                    delays.append(given[i].decided - real[k])
                    errors.append(given[i].time - real[k])
            counts["hits"][label] += len(used)
            counts["false"][label] += len(given) - len(used)
            counts["missed"][label] += len(real) - len(taken)
    return MomentScore(counts["hits"], counts["false"], counts["missed"], delays, errors, hours)


Scored = tuple[np.ndarray, np.ndarray]  # times [T] and scores [T, K]


def fit_moments(
    recordings: Mapping[str, Scored],
    truth: Mapping[str, Sequence[tuple[str, float]]],
    names: Sequence[str],
    template: MomentRule,
    false_per_hour: float | None = None,
    tolerance: float = TOLERANCE,
    refractories: Sequence[float] = (),
    slack: float = SLACK,
) -> dict[str, MomentRule]:
    """A threshold and a refractory time for every class: for the best F1, or the lowest within a rate of false moments.

    A few dozen moments say little about the threshold of one class. For F1, the pair that is best for all classes
    together is looked for first; each class has, of the pairs whose F1 is within ``slack`` of its best, the one nearest
    to that.

    Args:
        recordings: times and scores by name; none may be of the training.
        truth: (label, seconds) by recording.
        names: the classes of the scores' columns; those that do not occur in ``truth`` get no rule.
        template: the rest of the rules.
        false_per_hour: the most false moments of a class an hour, and the most hits among these; None: F1.
        tolerance: seconds to either side.
        refractories: that are tried; none: the template's.
        slack: of F1, 0 to 1.
    """
    hours = sum(float(t[-1] - t[0]) for t, _ in recordings.values() if len(t)) / 3600
    occurring = {label for rows in truth.values() for label, _ in rows}
    pairs = [(p, t) for p in refractories or (template.refractory,) for t in _THRESHOLDS]
    tried: dict[str, list[MomentScore]] = {}
    for k, label in enumerate(names):
        if label not in occurring:
            continue
        real = {name: [row for row in truth.get(name, ()) if row[0] == label] for name in recordings}
        tried[label] = []
        for pause, threshold in pairs:
            rule = replace(template, threshold=threshold, refractory=pause)
            found = {
                name: find_moments(times, scores[:, k : k + 1], [label], {label: rule})
                for name, (times, scores) in recordings.items()
            }
            tried[label].append(score_moments(real, found, hours, tolerance))
    if not tried:
        return {}
    if false_per_hour is not None:
        return {
            label: _within_rate(pairs, scores, template, false_per_hour) for label, scores in tried.items()
        }
    together = [_joined_f1([scores[i] for scores in tried.values()]) for i in range(len(pairs))]
    common = pairs[int(np.argmax(together))]
    rules = {}
    for label, scores in tried.items():
        least = max(score.f1 for score in scores) - slack - _ROUNDING
        good = [pair for pair, score in zip(pairs, scores, strict=True) if score.f1 >= least]
        pause, threshold = min(good, key=lambda pair: (abs(pair[1] - common[1]), abs(pair[0] - common[0])))
        rules[label] = replace(template, threshold=threshold, refractory=pause)
    return rules


def _joined_f1(scores: Sequence[MomentScore]) -> float:
    hits, others = (
        sum(sum(column.values()) for score in scores for column in columns(score))
        for columns in (lambda s: [s.hits], lambda s: [s.false, s.missed])
    )
    return 2 * hits / max(2 * hits + others, 1)


def _within_rate(
    pairs: Sequence[tuple[float, float]], scores: Sequence[MomentScore], template: MomentRule, rate: float
) -> MomentRule:
    """The rule with the most hits whose thresholds, and all above, keep to a rate of false moments."""
    best, most = replace(template, threshold=1.01), -1
    for pause in dict.fromkeys(p for p, _ in pairs):
        for (own, threshold), score in reversed(list(zip(pairs, scores, strict=True))):
            if own != pause:
                continue
            if score.false_per_hour > rate:
                break
            if sum(score.hits.values()) >= most + (best.refractory != pause and most >= 0):
                best, most = (
                    replace(template, threshold=threshold, refractory=pause),
                    sum(score.hits.values()),
                )
    return best
