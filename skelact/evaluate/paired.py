"""Two networks on the same clips: an exact paired test, intervals, and what either of them alone gets right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skelact.errors import DataError, counted
from skelact.evaluate.cross_validation import grouped_interval
from skelact.evaluate.metrics import none_for_nan, wilson_interval
from skelact.evaluate.predictions import Predictions

FEW_SUBJECTS = 10  # with fewer, an interval by subject alone may be far too narrow


@dataclass(frozen=True)
class ClassDifference:
    """One class: clips, the recall of both, and how many clips one of them alone gets right."""

    name: str
    support: int
    first: float
    second: float
    only_first: int
    only_second: int

    @property
    def difference(self) -> float:
        """Recall of the second less that of the first."""
        return self.second - self.first


@dataclass(frozen=True)
class Comparison:
    """The second network against the first.

    Args:
        n: clips.
        top1: shares right, of the first and of the second.
        intervals: Wilson's 95 % intervals of both.
        difference: second less first.
        interval: paired bootstrap's 95 % interval of it; of few subjects, the outer ends of those by subject and by
            clip.
        groups: how many subjects (or clips, where subjects are not known) were drawn.
        by: ``subject`` or ``clip``.
        only_first, only_second: rows that one of them alone gets right.
        both, neither: how many clips.
        p_value: of the exact McNemar test.
        per_class: the classes of the clips, by difference, the second's gains first.
    """

    n: int
    top1: tuple[float, float]
    intervals: tuple[tuple[float, float], tuple[float, float]]
    difference: float
    interval: tuple[float, float]
    groups: int
    by: str
    only_first: list[int]
    only_second: list[int]
    both: int
    neither: int
    p_value: float
    per_class: tuple[ClassDifference, ...]

    def __repr__(self) -> str:
        return (
            f"Comparison({counted(self.n, 'clip')}, {100 * self.top1[0]:.1f} % and {100 * self.top1[1]:.1f} % right, "
            f"p = {self.p_value:.3g})"
        )

    @property
    def certain(self) -> bool:
        """Whether the difference is shown: p below 0.05, and an interval without 0."""
        return self.p_value < 0.05 and not self.interval[0] <= 0 <= self.interval[1]

    def to_dict(self) -> dict[str, Any]:
        """Plain containers for JSON; rows are counted."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain |= {name: len(plain[name]) for name in ("only_first", "only_second")}
        plain["per_class"] = [
            {name: getattr(c, name) for name in ClassDifference.__dataclass_fields__} for c in self.per_class
        ]
        return none_for_nan(plain)


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p of the exact McNemar test: of the clips that one alone gets right, is it a fair coin which one?

    Source: McNemar, Psychometrika 12, 1947. Clips are taken as independent; of few people they are not.
    """
    from scipy.stats import binomtest

    n = only_first + only_second
    return 1.0 if n == 0 else float(binomtest(only_first, n, 0.5).pvalue)


def align(first: Predictions, second: Predictions, common: bool = False) -> tuple[Predictions, Predictions]:
    """Both answers for the same clips, in the order of the first.

    Args:
        first, second: answers.
        common: compare the clips that both have, if they are not the same.

    Raises:
        DataError: if the clips differ and ``common`` is not asked for, none is in both, or their labels differ.
    """
    place = {clip: i for i, clip in enumerate(second.clips)}
    rows = [i for i, clip in enumerate(first.clips) if clip in place]
    if not rows:
        raise DataError(
            f"no clip is in both: the first answers name {first.clips[0]}, the second {second.clips[0]}; evaluate both "
            "on one set and part"
        )
    if not common and not len(rows) == len(first) == len(second):
        odd = next(iter(set(first.clips) ^ set(second.clips)))
        raise DataError(
            f"the clips are not the same: {len(first)} and {len(second)}, {len(rows)} of them in both "
            f"('{odd}' is not); "
            "evaluate both on one part (--data SET.h5 --split PART), or compare those in both with --common"
        )
    a, b = first.take(rows), second.take([place[first.clips[i]] for i in rows])
    for clip, one, other in zip(a.clips, a.labels, b.labels, strict=True):
        if one != other:
            raise DataError(
                f"clip '{clip}' is '{one}' for the first and '{other}' for the second; is it one set?"
            )
    return a, b


def compare_predictions(first: Predictions, second: Predictions, draws: int = 2000) -> Comparison:
    """Compare answers for the same clips (`align`).

    The interval of the difference is a bootstrap over subjects where all are known (clips of one person are alike),
    else over clips.
    """
    a, b = first.correct, second.correct
    subjects = first.subjects if all(first.subjects) and len(set(first.subjects)) > 1 else None
    groups: Sequence[str] = subjects or first.clips
    only_a, only_b = np.flatnonzero(a & ~b), np.flatnonzero(b & ~a)
    labels = np.array(first.labels)
    classes = []
    for name in sorted(set(first.labels)):
        own = labels == name
        classes.append(
            ClassDifference(
                name, int(own.sum()), float(a[own].mean()), float(b[own].mean()),
                int((a & ~b)[own].sum()), int((b & ~a)[own].sum()),
            )
        )  # fmt: skip
    n, gain = len(first), b.astype(float) - a
    low, high = grouped_interval(gain, groups, draws=draws)
    if subjects and len(set(subjects)) < FEW_SUBJECTS:
        by_clip = grouped_interval(gain, first.clips, draws=draws)
        low, high = min(low, by_clip[0]), max(high, by_clip[1])
    return Comparison(
        n=n,
        top1=(float(a.mean()), float(b.mean())),
        intervals=(wilson_interval(a.sum(), n), wilson_interval(b.sum(), n)),
        difference=float(b.mean() - a.mean()),
        interval=(low, high),
        groups=len(set(groups)),
        by="subject" if subjects else "clip",
        only_first=only_a.tolist(),
        only_second=only_b.tolist(),
        both=int((a & b).sum()),
        neither=int((~a & ~b).sum()),
        p_value=mcnemar(len(only_a), len(only_b)),
        per_class=tuple(sorted(classes, key=lambda c: (-c.difference, c.name))),
    )
