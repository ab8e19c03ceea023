"""Metrics of events in time, as the field defines them: detection, segmentation, and alarms.

- mAP at temporal IoU: ActivityNet's matching (Caba Heilbron et al., CVPR 2015; `temporal_map`).
- Segmental F1@k and edit score: Lea et al., CVPR 2017, as MS-TCN evaluates them (`segmental_f1`, `edit_score`): hits
  are pooled over all videos, edit scores are averaged over videos, a background class is left out.
- Calibrated AP over frames (De Geest et al., ECCV 2016; `calibrated_average_precision`).
- Alarms: sensitivity, delay, false alarms an hour with a Poisson interval, predictive value (`score_alarms`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

# not scipy.stats, which is 60 MB of memory for whoever watches live
from scipy.special import gammaincinv

from skelact.errors import DataError
from skelact.evaluate.detection import interpolated_average_precision

ACTIVITYNET = tuple(np.round(np.arange(0.5, 0.96, 0.05), 2).tolist())
THUMOS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class TimedEvent:
    """Something that happens from one moment to another.

    Args:
        label: what.
        start, end: seconds, the end after the start.
        score: how sure, for what was predicted.

    Raises:
        DataError: if the end is before the start, or a number is none.
    """

    label: str
    start: float
    end: float
    score: float = 1.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in (self.start, self.end, self.score)) or self.end < self.start:
            raise DataError(
                f"an event needs finite start, end and score with the end not before the start, got '{self.label}' "
                f"from {self.start} to {self.end}, score {self.score}"
            )


Events = Mapping[str, Sequence[TimedEvent]]  # by video


def temporal_iou(a: TimedEvent, b: TimedEvent) -> float:
    """Overlap of two events in shares of what they cover together."""
    inside = min(a.end, b.end) - max(a.start, b.start)
    if inside <= 0:
        return 0.0
    return inside / (max(a.end, b.end) - min(a.start, b.start))


@dataclass(frozen=True)
class TemporalMap:
    """mAP at several thresholds.

    Args:
        thresholds: least IoU of a hit.
        per_class: average precision at each threshold, of every class that is in the ground truth.
    """

    thresholds: tuple[float, ...]
    per_class: dict[str, list[float]]

    @property
    def means(self) -> list[float]:
        """mAP at each threshold."""
        return np.mean(list(self.per_class.values()), 0).tolist()

    @property
    def average(self) -> float:
        """The mean over the thresholds: ActivityNet's average mAP."""
        return float(np.mean(self.means))


def temporal_map(truth: Events, found: Events, thresholds: Sequence[float] = ACTIVITYNET) -> TemporalMap:
    """mAP of temporal detection by ActivityNet's matching.

    Predictions of a class, from the surest on, take the event of their video that they overlap most among those that
    reach the threshold and are not taken. Events of the ground truth that are there twice count once.

    Args:
        truth: events by video.
        found: predictions by video, with scores.
        thresholds: least IoU of a hit, each.

    Raises:
        DataError: if the ground truth is empty.
    """
    there: dict[str, dict[str, list[TimedEvent]]] = defaultdict(lambda: defaultdict(list))
    for video, events in truth.items():
        for event in events:
            same = there[event.label][video]
            if not any((e.start, e.end) == (event.start, event.end) for e in same):
                same.append(event)
    if not there:
        raise DataError("the ground truth has no event; there is nothing to be found")
    guesses: dict[str, list[tuple[TimedEvent, str]]] = defaultdict(list)
    for video, events in found.items():
        for event in events:
            guesses[event.label].append((event, video))
    per_class = {}
    for label in sorted(there):
        ranked = sorted(guesses[label], key=lambda g: -g[0].score)
        n_truth = sum(map(len, there[label].values()))
        per_class[label] = [
            interpolated_average_precision(_hits(ranked, there[label], threshold), n_truth)
            for threshold in thresholds
        ]
    return TemporalMap(tuple(thresholds), per_class)


def _hits(ranked: Sequence[tuple[TimedEvent, str]], there: Events, threshold: float) -> np.ndarray:
    taken: set[tuple[str, int]] = set()
    hit = np.zeros(len(ranked), bool)
    for n, (guess, video) in enumerate(ranked):
        overlaps = [(temporal_iou(guess, event), i) for i, event in enumerate(there.get(video, ()))]
        for overlap, i in sorted(overlaps, key=lambda o: -o[0]):
            if overlap < threshold or overlap == 0:
                break
            if (video, i) not in taken:
                taken.add((video, i))
                hit[n] = True
                break
    return hit


def segments_of(labels: Sequence[str], background: Collection[str] = ()) -> list[tuple[str, int, int]]:
    """Runs of one label among frame labels, as (label, first frame, frame after the last)."""
    found: list[tuple[str, int, int]] = []
    for t, label in enumerate(labels):
        if found and found[-1][0] == label:
            found[-1] = (label, found[-1][1], t + 1)
        else:
            found.append((label, t, t + 1))
    return [segment for segment in found if segment[0] not in background]


def segmental_f1(
    truth: Sequence[Sequence[str]],
    found: Sequence[Sequence[str]],
    overlap: float,
    background: Collection[str] = (),
) -> float:
    """Segmental F1 at an IoU, in 0..1.

    Args:
        truth, found: labels of the frames of each video.
        overlap: least IoU of a hit, such as 0.1, 0.25 or 0.5.
        background: labels that do not count.

    Returns:
        F1 of the hits of all videos together; a second segment on the same event is a false one. NaN if there is no
        segment at all.

    Raises:
        DataError: if there are not as many videos, or frames, in both.
    """
    _check_frames(truth, found)
    hits = false = missed = 0
    for real, guess in zip(truth, found, strict=True):
        events, taken = segments_of(real, background), set()
        for label, a, b in segments_of(guess, background):
            ious = [
                max(0, min(b, d) - max(a, c)) / (max(b, d) - min(a, c)) if label == name else 0.0
                for name, c, d in events
            ]
            best = int(np.argmax(ious)) if ious else -1
            if best >= 0 and ious[best] >= overlap and best not in taken:
                taken.add(best)
                hits += 1
            else:
                false += 1
        missed += len(events) - len(taken)
    whole = 2 * hits + false + missed
    return 2 * hits / whole if whole else float("nan")


def edit_score(
    truth: Sequence[Sequence[str]], found: Sequence[Sequence[str]], background: Collection[str] = ()
) -> float:
    """One minus the normalised Levenshtein distance of the order of segments, the mean over videos, in 0..1.

    Args:
        truth, found: labels of the frames of each video.
        background: labels that do not count.

    Raises:
        DataError: if there are not as many videos, or frames, in both.
    """
    _check_frames(truth, found)
    scores = []
    for real, guess in zip(truth, found, strict=True):
        a, b = ([label for label, _, _ in segments_of(labels, background)] for labels in (real, guess))
        longest = max(len(a), len(b))
        scores.append(1 - _levenshtein(a, b) / longest if longest else 1.0)
    return float(np.mean(scores))


def _levenshtein(a: Sequence[str], b: Sequence[str]) -> int:
    row = list(range(len(b) + 1))
    for i, one in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (one != other))
    return row[-1]


def _check_frames(truth: Sequence[Sequence[str]], found: Sequence[Sequence[str]]) -> None:
    if len(truth) != len(found) or not len(truth):
        raise DataError(f"there are labels of {len(truth)} videos and predictions of {len(found)}")
    for n, (a, b) in enumerate(zip(truth, found, strict=True)):
        if len(a) != len(b):
            raise DataError(f"video {n} has {len(a)} labelled frames and {len(b)} predicted ones")


def calibrated_average_precision(score: np.ndarray, positive: np.ndarray) -> float:
    """Average precision over frames as if there were as many positive frames as negative ones.

    Without calibration it is `skelact.evaluate.metrics.average_precision`.

    Args:
        score: ``[T]`` of one class.
        positive: ``[T]`` booleans.

    Returns:
        the mean at every positive frame of the precision ``w·TP / (w·TP + FP)``, w the negative frames per positive
        one, by falling score (equal scores enter together); NaN without positive frames.
    """
    score, positive = np.asarray(score, float), np.asarray(positive, bool)
    n_positive = int(positive.sum())
    if n_positive == 0:
        return float("nan")
    weight = (len(positive) - n_positive) / n_positive
    order = np.argsort(-score, kind="stable")
    hits, seen = np.cumsum(positive[order]), np.arange(1, len(order) + 1)
    ends = np.append(np.flatnonzero(np.diff(score[order]) != 0), len(order) - 1)
    hits, false = hits[ends], (seen - hits)[ends]
    precision = weight * hits / np.maximum(weight * hits + false, 1e-12)
    return float((np.diff(hits, prepend=0) * precision).sum() / n_positive)


@dataclass(frozen=True)
class AlarmScore:
    """How alarms compare with what happened.

    Args:
        n_events: that should have alarmed.
        n_found: of them that did.
        delays: seconds from the moment of each found one to its first alarm.
        n_false: alarms that belong to nothing.
        hours: watched, without the time in which an event's alarm is expected.
        false_by_activity: what was going on when a false alarm was given.
    """

    n_events: int
    n_found: int
    delays: list[float]
    n_false: int
    hours: float
    false_by_activity: dict[str, int] = field(default_factory=dict)

    @property
    def sensitivity(self) -> float:
        """Share of events that alarmed; NaN without events."""
        return self.n_found / self.n_events if self.n_events else float("nan")

    @property
    def predictive_value(self) -> float:
        """Share of alarmed events among these and the false alarms; NaN without alarms."""
        alarms = self.n_found + self.n_false
        return self.n_found / alarms if alarms else float("nan")

    @property
    def median_delay(self) -> float:
        """Seconds; NaN if nothing was found."""
        return float(np.median(self.delays)) if self.delays else float("nan")

    @property
    def false_per_hour(self) -> float:
        """False alarms an hour; NaN if no time was watched."""
        return self.n_false / self.hours if self.hours > 0 else float("nan")

    @property
    def false_per_hour_interval(self) -> tuple[float, float]:
        """95 % interval of false alarms an hour, exact for a Poisson process; NaN if no time was watched."""
        if self.hours <= 0:
            return (float("nan"), float("nan"))
        low, high = poisson_interval(self.n_false)
        return (low / self.hours, high / self.hours)


def poisson_interval(n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of the mean of a Poisson count (Garwood, 1936)."""
    tail = (1 - confidence) / 2
    low = 0.0 if n == 0 else float(gammaincinv(n, tail))
    return (low, float(gammaincinv(n + 1, 1 - tail)))


def score_alarms(
    truth: Events,
    alarms: Mapping[str, Sequence[float]],
    watched: Mapping[str, float],
    *,
    label: str = "fall",
    within: float = 10.0,
    early: float = 2.0,
) -> AlarmScore:
    """Compare moments of alarm with events.

    An event is found if an alarm is given from ``early`` seconds before its start to ``within`` seconds after its end;
    further alarms of that time are neither found nor false. The delay counts from the event's end (the impact of a
    fall), and is negative if the alarm came before.

    Args:
        truth: what happens in each video; events of other labels say what went on at a false alarm.
        alarms: moments in seconds, by video.
        watched: seconds of each video.
        label: of the events that should alarm.
        within, early: seconds.

    Raises:
        DataError: for alarms in a video that was not watched.
    """
    unknown = sorted(set(alarms) - set(watched))
    if unknown:
        raise DataError(f"there are alarms in videos whose length is not given: {', '.join(unknown[:5])}")
    n_events = n_found = n_false = 0
    delays: list[float] = []
    seconds = 0.0
    activities: dict[str, int] = defaultdict(int)
    for video, length in watched.items():
        events = sorted((e for e in truth.get(video, ()) if e.label == label), key=lambda e: e.start)
        spans = [(e.start - early, e.end + within) for e in events]
        given = sorted(alarms.get(video, ()))
        for event, (a, b) in zip(events, spans, strict=True):
            n_events += 1
            own = [t for t in given if a <= t <= b]
            if own:
                n_found += 1
                delays.append(own[0] - event.end)
        for t in given:
            if not any(a <= t <= b for a, b in spans):
                n_false += 1
                going_on = [
                    e.label for e in truth.get(video, ()) if e.label != label and e.start <= t <= e.end
                ]
                activities[going_on[0] if going_on else "unlabelled"] += 1
        seconds += length - _covered(spans, length)
    return AlarmScore(n_events, n_found, delays, n_false, seconds / 3600, dict(activities))


def _covered(spans: Sequence[tuple[float, float]], length: float) -> float:
    """Seconds of 0 to ``length`` that spans, sorted by their begin, cover."""
    total, until = 0.0, 0.0
    for a, b in spans:
        a, b = max(a, until), min(b, length)
        if b > a:
            total += b - a
            until = b
    return total
