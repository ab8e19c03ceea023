"""Classification metrics as pure functions of arrays. All figures are fractions in 0..1.

Conventions: the score of a class is its logit or probability (only the order matters, but for
`combine_clips`). A class that no sample has and nothing was predicted as is left out of the means over
classes; a class with samples that was never predicted has precision 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skelact.errors import DataError, counted


@dataclass(frozen=True)
class ClassScore:
    """How well one class is recognised; a figure that cannot be computed is NaN."""

    name: str
    support: int
    predicted: int
    precision: float
    recall: float
    f1: float
    average_precision: float


@dataclass(frozen=True)
class ClassificationResult:
    """What one evaluation gave; a figure of `METRICS` is an attribute too (``result.top1``).

    Args:
        n: samples.
        k: of ``top5``: 5, or the number of classes if that is less.
        figures: every figure of `METRICS`, a fraction.
        top1_interval: Wilson's 95 % interval.
        confusion: ``[K, K]`` counts (row truth, column prediction).
        per_class: one by one.
    """

    n: int
    k: int
    figures: dict[str, float]
    top1_interval: tuple[float, float]
    confusion: np.ndarray
    per_class: tuple[ClassScore, ...]

    def __getattr__(self, name: str) -> float:
        if name != "figures" and name in self.figures:
            return self.figures[name]
        raise AttributeError(f"there is no figure '{name}'")

    def __repr__(self) -> str:
        low, high = (100 * end for end in self.top1_interval)
        return (
            f"ClassificationResult({counted(self.n, 'sample')}, "
            f"{counted(len(self.per_class), 'class', 'classes')}, top-1 {100 * self.top1:.1f} % "
            f"({low:.1f} to {high:.1f}), macro F1 {100 * self.macro_f1:.1f} %)"
        )

    @property
    def label_names(self) -> tuple[str, ...]:
        """Class names in the order of the confusion matrix."""
        return tuple(c.name for c in self.per_class)

    def to_dict(self) -> dict:
        """Plain containers for JSON; NaN becomes None."""
        plain = {"n": self.n, "k": self.k, **self.figures, "top1_interval": list(self.top1_interval)}
        plain["per_class"] = [
            {name: getattr(c, name) for name in ClassScore.__dataclass_fields__} for c in self.per_class
        ]
        plain["confusion"] = self.confusion.tolist()
        return none_for_nan(plain)


def none_for_nan(value: Any) -> Any:
    """The same containers with every NaN or infinity replaced by None, and numpy scalars by plain ones."""
    if isinstance(value, dict):
        return {k: none_for_nan(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [none_for_nan(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def check_scores(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Validate ``scores [N, K]`` and ``labels [N]``; return them as float64 and int64.

    Raises:
        DataError: for no samples, wrong shapes, NaN or positive infinity, labels that are not whole numbers
            or out of range.
    """
    scores = np.asarray(scores, dtype=np.float64)
    labels = np.asarray(labels)
    if scores.ndim != 2 or scores.shape[1] < 1:
        raise DataError(f"scores must be [samples, classes], got shape {list(scores.shape)}")
    if labels.shape != scores.shape[:1]:
        raise DataError(f"{len(scores)} samples need {len(scores)} labels, got shape {list(labels.shape)}")
    if len(scores) == 0:
        raise DataError("there are no samples to evaluate; check the split or the filter that chose them")
    bad = np.isnan(scores) | np.isposinf(scores)
    if bad.any():
        row = int(np.flatnonzero(bad.any(1))[0])
        raise DataError(
            f"the scores of sample {row} are not finite ({int(bad.any(1).sum())} of {len(scores)} samples); "
            "the model diverged or its input was damaged"
        )
    if not np.issubdtype(labels.dtype, np.integer):
        whole = labels.astype(np.float64)
        if not np.isfinite(whole).all() or (whole != np.round(whole)).any():
            raise DataError(f"labels must be whole numbers, got {labels.dtype}")
    labels = labels.astype(np.int64)
    outside = (labels < 0) | (labels >= scores.shape[1])
    if outside.any():
        i = int(np.flatnonzero(outside)[0])
        raise DataError(
            f"label {labels[i]} of sample {i} is outside 0..{scores.shape[1] - 1}; the model has "
            f"{scores.shape[1]} classes: was it trained on other labels?"
        )
    return scores, labels


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, computed without overflow."""
    logits = np.asarray(logits, dtype=np.float64)
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def combine_clips(logits: np.ndarray) -> np.ndarray:
    """Several clips of one sample into one prediction: the mean of their softmax.

    Args:
        logits: ``[N, S, K]``, S clips a sample.

    Returns:
        Probabilities ``[N, K]``.

    Raises:
        DataError: for another shape, no clips, or values that are not finite.
    """
    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim != 3 or logits.shape[1] < 1 or logits.shape[2] < 1:
        raise DataError(f"clips must be [samples, clips, classes], got shape {list(logits.shape)}")
    if not np.isfinite(logits).all():
        raise DataError("the logits of a clip are not finite; the model diverged or its input was damaged")
    return softmax(logits).mean(1)


def confusion_matrix(predicted: np.ndarray, labels: np.ndarray, n_classes: int) -> np.ndarray:
    """Count ``[K, K]``: row is the truth, column the prediction."""
    return np.bincount(labels * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)


def top_k_accuracy(scores: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Share of samples whose label is among the k highest scores; equal scores: the lower index wins."""
    own = scores[np.arange(len(labels)), labels][:, None]
    before = (scores > own) | ((scores == own) & (np.arange(scores.shape[1]) < labels[:, None]))
    return float((before.sum(1) < k).mean())


def hit_metrics(logits: np.ndarray, labels: np.ndarray, n_crops: int = 1) -> dict[str, float]:
    """Share of clips, and of whole videos, whose label is the best answer (hit@1), or among the best five (hit@5).

    A clip is one sample of a video in time, its crops averaged; a video's answer is the mean of its clips'
    probabilities. Source: Karpathy et al., CVPR 2014; Tran et al., ICCV 2015.

    Args:
        logits: ``[N, S, K]`` of S samples of each of N videos, a sample's crops side by side.
        labels: ``[N]``.
        n_crops: crops of a sample.

    Returns:
        ``clip_hit1``, ``video_hit1``, and, of at least 6 classes, ``clip_hit5``, ``video_hit5``. With a single sample
        clips and videos are the same.

    Raises:
        DataError: for other shapes, values that are not finite, or crops that do not divide the samples.
    """
    logits = np.asarray(logits)
    if logits.ndim != 3 or n_crops < 1 or logits.shape[1] % n_crops:
        raise DataError(
            f"clips must be [videos, samples × {n_crops} crops, classes], got {list(logits.shape)}"
        )
    n, n_samples, n_classes = len(logits), logits.shape[1] // n_crops, logits.shape[2]
    clips = combine_clips(logits.reshape(n * n_samples, n_crops, n_classes))
    answers = {
        "clip": check_scores(clips, np.repeat(labels, n_samples)),
        "video": check_scores(combine_clips(logits), labels),
    }
    return {
        f"{name}_hit{k}": top_k_accuracy(*answer, k)
        for k in ((1, 5) if n_classes > 5 else (1,))
        for name, answer in answers.items()
    }


def average_precision(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the precision-recall steps, sum of (r_i - r_{i-1}) p_i over falling scores.

    Samples of equal score enter together, so their order does not matter. NaN without positives.
    """
    n_positive = int(positive.sum())
    if n_positive == 0:
        return float("nan")
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(positive[order])
    ends = np.append(np.flatnonzero(np.diff(score[order]) != 0), len(score) - 1)
    hits = hits[ends]
    gained = np.diff(hits, prepend=0)
    return float((gained / n_positive * hits / (ends + 1)).sum())


def wilson_interval(successes: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's interval of a share (95 % by default)."""
    if n == 0:
        return (0.0, 1.0)
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (float(max(0.0, centre - half)), float(min(1.0, centre + half)))


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(b > 0, a / np.maximum(b, 1), 0.0)


@dataclass(frozen=True)
class Answers:
    """What figures are computed from: N samples, K classes.

    Args:
        scores: ``[N, K]``.
        labels: ``[N]``.
        confusion: ``[K, K]`` counts (row truth, column prediction).
        precision, recall, f1, average_precision: ``[K]``; 0, or NaN for the last, where there is nothing to divide.
    """

    scores: np.ndarray
    labels: np.ndarray
    confusion: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    average_precision: np.ndarray

    @property
    def support(self) -> np.ndarray:
        """Samples of each class ``[K]``."""
        return self.confusion.sum(1)

    @property
    def predicted(self) -> np.ndarray:
        """Predictions of each class ``[K]``."""
        return self.confusion.sum(0)

    @property
    def k(self) -> int:
        """Of ``top5``: 5, or the number of classes if that is less."""
        return min(5, self.scores.shape[1])

    def over_known(self, values: np.ndarray) -> float:
        """Mean of ``[K]`` over the classes that have samples."""
        return float(values[self.support > 0].mean())

    def over_seen(self, values: np.ndarray) -> float:
        """Mean of ``[K]`` over the classes that have samples or predictions."""
        return float(values[self.support + self.predicted > 0].mean())

    def weighted(self, values: np.ndarray) -> float:
        """Mean of ``[K]``, each class weighing as many samples as it has."""
        return float((values * self.support).sum() / len(self.labels))


METRICS: dict[str, Callable[[Answers], float]] = {
    "top1": lambda a: float(np.trace(a.confusion) / len(a.labels)),
    "top5": lambda a: top_k_accuracy(a.scores, a.labels, a.k),
    "mean_class_accuracy": lambda a: a.over_known(a.recall),
    "macro_precision": lambda a: a.over_seen(a.precision),
    "macro_recall": lambda a: a.over_seen(a.recall),
    "macro_f1": lambda a: a.over_seen(a.f1),
    "weighted_precision": lambda a: a.weighted(a.precision),
    "weighted_recall": lambda a: a.weighted(a.recall),
    "weighted_f1": lambda a: a.weighted(a.f1),
    "mean_average_precision": lambda a: a.over_known(a.average_precision),
}


def classification_metrics(
    scores: np.ndarray, labels: np.ndarray, label_names: Sequence[str] | None = None
) -> ClassificationResult:
    """All figures of a single-label classification.

    Args:
        scores: ``[N, K]`` probabilities (`combine_clips`): mAP ranks across samples, where logits of different
            samples have no common scale. The other figures are the same for logits.
        labels: ``[N]`` class indices.
        label_names: K names; None: the indices.

    Returns:
        `ClassificationResult`. ``top5`` takes the k = min(5, K) best. Mean class accuracy is the mean
        recall over classes that have samples; macro precision, recall and F1 are means over classes that
        have samples or predictions; mAP is the mean over classes that have samples.

    Raises:
        DataError: for no samples, values that are not finite, labels out of range, or too few names.
    """
    scores, labels = check_scores(scores, labels)
    n, n_classes = scores.shape
    names = [str(i) for i in range(n_classes)] if label_names is None else [str(x) for x in label_names]
    if len(names) != n_classes:
        raise DataError(f"the scores have {n_classes} classes but {len(names)} label names were given")
    confusion = confusion_matrix(scores.argmax(1), labels, n_classes)
    hits = np.diag(confusion).astype(np.float64)
    support, predicted = confusion.sum(1), confusion.sum(0)
    answers = Answers(
        scores=scores,
        labels=labels,
        confusion=confusion,
        precision=_divide(hits, predicted),
        recall=_divide(hits, support),
        f1=_divide(2 * hits, support + predicted),
        average_precision=np.array([average_precision(scores[:, k], labels == k) for k in range(n_classes)]),
    )
    nan = float("nan")
    return ClassificationResult(
        n=n,
        k=answers.k,
        figures={name: float(figure(answers)) for name, figure in METRICS.items()},
        top1_interval=wilson_interval(hits.sum(), n),
        confusion=confusion,
        per_class=tuple(
            ClassScore(
                name=names[c],
                support=int(support[c]),
                predicted=int(predicted[c]),
                precision=float(answers.precision[c]) if support[c] + predicted[c] else nan,
                recall=float(answers.recall[c]) if support[c] else nan,
                f1=float(answers.f1[c]) if support[c] + predicted[c] else nan,
                average_precision=float(answers.average_precision[c]),
            )
            for c in range(n_classes)
        ),
    )
