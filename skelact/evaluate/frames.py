"""How labels of frames compare with the truth: accuracy, F1 of frames and of segments, edit score, delay, precision."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from skelact.errors import DataError
from skelact.evaluate.events import (
    TimedEvent,
    calibrated_average_precision,
    edit_score,
    segmental_f1,
    segments_of,
)
from skelact.evaluate.metrics import average_precision

OVERLAPS = (0.1, 0.25, 0.5)


@dataclass(frozen=True)
class FrameScore:
    """How labels of frames compare with the truth, over all recordings.

    Args:
        accuracy: share of frames that are right.
        per_class: F1 of the frames of every class that occurs in the truth, without the background.
        segment_f1: F1 of segments by the least overlap of a hit (see `segmental_f1`).
        edit: see `edit_score`.
        delays: seconds from the start of each true segment to the first frame within it that has its label.
        n_segments: true segments, without the background.
    """

    accuracy: float
    per_class: dict[str, float]
    segment_f1: dict[float, float]
    edit: float
    delays: list[float]
    n_segments: int

    @property
    def macro_f1(self) -> float:
        """Mean of the classes' frame F1."""
        return float(np.mean(list(self.per_class.values()))) if self.per_class else float("nan")

    @property
    def median_delay(self) -> float:
        """Seconds, of the segments that were found at all; NaN if none was."""
        return float(np.median(self.delays)) if self.delays else float("nan")

    @property
    def found(self) -> float:
        """Share of the true segments in which some frame has the right label."""
        return len(self.delays) / self.n_segments if self.n_segments else float("nan")

    def to_dict(self) -> dict[str, object]:
        """Plain numbers."""
        return {
            "accuracy": self.accuracy, "macro_f1": self.macro_f1, "per_class": self.per_class,
            **{f"f1@{round(100 * k)}": v for k, v in self.segment_f1.items()}, "edit": self.edit,
            "median_delay": self.median_delay, "segments_found": self.found, "segments": self.n_segments,
        }  # fmt: skip


def score_frames(
    truth: Sequence[Sequence[str]],
    found: Sequence[Sequence[str]],
    times: Sequence[np.ndarray],
    background: Collection[str] = (),
) -> FrameScore:
    """Compare labels of frames.

    Args:
        truth, found: labels of the frames of each recording; frames whose true label is empty do not count.
        times: seconds of these frames.
        background: labels that are no class; they count in the accuracy alone.

    Raises:
        DataError: if there are not as many recordings or frames in all, or no labelled frame.
    """
    if (
        not len(truth)
        or len({len(truth), len(found), len(times)}) > 1
        or any(len({len(a), len(b), len(t)}) > 1 for a, b, t in zip(truth, found, times, strict=True))
    ):
        raise DataError(
            "truth, predictions and times need the same recordings with the same numbers of frames"
        )
    kept = [np.array([bool(name) for name in labels]) for labels in truth]
    if not sum(int(k.sum()) for k in kept):
        raise DataError("no frame has a true label; there is nothing to compare with")
    truth, found = (
        [
            [name for name, keep in zip(labels, mask, strict=True) if keep]
            for labels, mask in zip(side, kept, strict=True)
        ]
        for side in (truth, found)
    )
    times = [np.asarray(t)[mask] for t, mask in zip(times, kept, strict=True)]
    real, guess = (np.array([name for labels in side for name in labels]) for side in (truth, found))
    per_class = {}
    for name in sorted(set(real.tolist()) - set(background)):
        hits = int(((real == name) & (guess == name)).sum())
        per_class[name] = 2 * hits / int((real == name).sum() + (guess == name).sum())
    delays, n_segments = [], 0
    for labels, named, when in zip(truth, found, times, strict=True):
        for name, a, b in segments_of(labels, background):
            n_segments += 1
            right = [t for t in range(a, b) if named[t] == name]
            if right:
                delays.append(float(when[right[0]] - when[a]))
    return FrameScore(
        float((real == guess).mean()),
        per_class,
        {k: segmental_f1(truth, found, k, background) for k in OVERLAPS},
        edit_score(truth, found, background),
        delays,
        n_segments,
    )


@dataclass(frozen=True)
class FramePrecision:
    """How well the frames' probabilities rank each class, over the frames of all recordings together.

    Args:
        per_class: average precision of every class that occurs in the truth, without the background.
        calibrated: the same as if every class had as many frames as all others (De Geest et al., ECCV 2016).
    """

    per_class: dict[str, float]
    calibrated: dict[str, float]

    def to_dict(self) -> dict[str, object]:
        """Plain numbers, the means among them: per-frame mAP and calibrated mAP."""
        means = [
            float(np.mean(list(v.values()))) if v else float("nan") for v in (self.per_class, self.calibrated)
        ]
        return {
            "frame_map": means[0], "calibrated_map": means[1], "average_precision": self.per_class,
            "calibrated_average_precision": self.calibrated,
        }  # fmt: skip


def score_probabilities(
    truth: Sequence[Sequence[str]],
    probability: Sequence[np.ndarray],
    names: Sequence[str],
    background: Collection[str] = (),
) -> FramePrecision:
    """Per-frame average precision, as THUMOS and TVSeries define it.

    Args:
        truth: labels of the frames of each recording; frames whose label is empty do not count.
        probability: ``[T, K]`` of each recording's frames.
        names: of the K classes.
        background: labels that are no class; their frames are negative ones of every class.

    Raises:
        DataError: if recordings, frames or classes are not as many, or no frame has a label.
    """
    if len(truth) != len(probability) or any(
        np.shape(p) != (len(t), len(names)) for t, p in zip(truth, probability, strict=True)
    ):
        raise DataError(
            f"truth and probabilities need the same recordings and frames, and {len(names)} classes each"
        )
    real = np.array([name for labels in truth for name in labels])
    if not (real != "").any():
        raise DataError("no frame has a true label; there is nothing to compare with")
    scores = np.concatenate([np.asarray(p, np.float64) for p in probability])[real != ""]
    real = real[real != ""]
    known = [(k, name) for k, name in enumerate(names) if name not in background and (real == name).any()]
    return FramePrecision(
        {name: average_precision(scores[:, k], real == name) for k, name in known},
        {name: calibrated_average_precision(scores[:, k], real == name) for k, name in known},
    )


def events_of(
    labels: Sequence[str],
    times: np.ndarray,
    background: Collection[str] = (),
    confidence: np.ndarray | None = None,
) -> list[TimedEvent]:
    """Runs of one label as events in seconds.

    Args:
        labels: of the frames ``[T]``; an empty one is no label.
        times: seconds of the frames ``[T]``.
        background: labels that are no events.
        confidence: ``[T]`` of each frame's label, whose mean is the event's score; None: 1.
    """
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    found = []
    for name, a, b in segments_of(labels, {"", *background}):
        end = float(times[b]) if b < len(times) else float(times[-1]) + step
        sure = 1.0 if confidence is None else float(np.mean(confidence[a:b]))
        found.append(TimedEvent(name, float(times[a]), end, sure))
    return found
