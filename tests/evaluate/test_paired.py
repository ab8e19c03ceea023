"""Two runs on the same clips: the test against scipy, intervals, which clips are compared."""

from __future__ import annotations

from math import comb
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.evaluate.paired import Comparison, align, compare_predictions, mcnemar
from skelact.evaluate.paired_plots import plot_differences, plot_histories
from skelact.evaluate.predictions import Predictions


def answers(
    right: list[int], subjects: list[str] | None = None, labels: list[str] | None = None
) -> Predictions:
    n = len(right)
    truth = labels or ["x"] * n
    said = [t if r else f"not {t}" for t, r in zip(truth, right, strict=True)]
    return Predictions(
        [f"c{i}" for i in range(n)],
        subjects or [""] * n,
        truth,
        said,
        np.full(n, 0.5),
        np.full(n, 0.5),
        [[]] * n,
    )


@pytest.mark.parametrize(("a", "b"), [(0, 0), (0, 1), (5, 5), (3, 12), (12, 3), (0, 20)])
def test_mcnemar_is_the_two_sided_binomial(a: int, b: int) -> None:
    n = a + b
    tail = sum(comb(n, k) for k in range(min(a, b) + 1)) / 2**n
    assert mcnemar(a, b) == pytest.approx(min(1.0, 2 * tail) if n else 1.0)


def test_counts_classes_and_difference() -> None:
    labels = ["wave"] * 4 + ["kick"] * 4
    first, second = (
        answers([1, 1, 1, 0, 1, 0, 0, 0], labels=labels),
        answers([1, 1, 0, 0, 1, 1, 1, 0], labels=labels),
    )
    found = compare_predictions(first, second)
    assert found.n == 8 and found.top1 == (0.5, 0.625) and found.difference == 0.125
    assert (found.only_first, found.only_second, found.both, found.neither) == ([2], [5, 6], 3, 2)
    assert [(c.name, c.difference, c.only_first, c.only_second) for c in found.per_class] == [
        ("kick", 0.5, 0, 2), ("wave", -0.25, 1, 0),
    ]  # fmt: skip
    assert found.by == "clip" and found.groups == 8 and not found.certain and found.p_value == 1.0
    assert repr(found) == "Comparison(8 clips, 50.0 % and 62.5 % right, p = 1)"
    plain = found.to_dict()
    assert plain["only_second"] == 2 and plain["per_class"][0]["name"] == "kick"


def test_the_same_answers_differ_by_nothing() -> None:
    found = compare_predictions(answers([1, 0, 1] * 10), answers([1, 0, 1] * 10))
    assert found.interval == (0, 0) and found.p_value == 1 and not found.certain


def test_clips_of_one_person_are_drawn_together() -> None:
    """Of 20 people the second is better for each by as much: certain. If all of it comes from one, it is not."""
    people = [f"p{i // 10}" for i in range(200)]
    first = answers([0, 0, *[1] * 8] * 20, people)
    even = compare_predictions(first, answers([1, 0, *[1] * 8] * 20, people))
    assert even.by == "subject" and even.groups == 20 and even.certain
    assert even.interval == pytest.approx((0.1, 0.1))
    one = [*[0] * 10, *[1] * 190]
    found = compare_predictions(answers(one, people), answers([1] * 200, people))
    assert found.p_value < 0.01 and found.interval[0] == 0 and not found.certain
    without = compare_predictions(answers(one), answers([1] * 200))
    assert without.by == "clip" and without.certain  # as if they were independent


def test_of_few_people_the_interval_is_no_narrower_than_by_clip() -> None:
    people = ["p1", "p2"] * 30
    first = answers([0, 0, 1, 1, 1, 1] * 10, people)
    second = answers([1, 1, 1, 1, 1, 1] * 10, people)  # for both people by as much
    few, unknown = (
        compare_predictions(first, second),
        compare_predictions(answers([0, 0, 1, 1, 1, 1] * 10), second),
    )
    assert few.by == "subject" and few.groups == 2
    assert few.interval == pytest.approx(unknown.interval) and few.interval[1] - few.interval[0] > 0.1


def test_only_the_same_clips_are_compared() -> None:
    first, second = answers([1, 0, 1]), answers([1, 1, 0, 0]).take([3, 2, 1, 0])
    with pytest.raises(DataError, match=r"3 and 4, 3 of them in both \('c3' is not\)"):
        align(first, second)
    a, b = align(first, second, common=True)
    assert a.clips == b.clips == ["c0", "c1", "c2"] and b.correct.tolist() == [True, True, False]
    assert align(first, second.take([1, 2, 3]))[1].clips == first.clips  # in another order
    with pytest.raises(DataError, match="no clip is in both"):
        align(first.take([0]), second.take([0]), common=True)
    with pytest.raises(DataError, match="clip 'c0' is 'x' for the first and 'y' for the second"):
        align(answers([1]), answers([1], labels=["y"]))


def test_pictures(tmp_path: Path) -> None:
    labels = [f"class {i % 50}" for i in range(200)]
    rng = np.random.default_rng(0)
    found: Comparison = compare_predictions(
        answers(rng.integers(2, size=200).tolist(), labels=labels),
        answers(rng.integers(2, size=200).tolist(), labels=labels),
    )
    records = [{"epoch": float(i), "train_loss": 1 / (i + 1), "val_top1": 0.1 * i} for i in range(5)]
    for path in (
        plot_differences(found, ("one", "other" * 30), tmp_path / "d.png"),
        plot_histories({"one": records, "other": records[:1]}, tmp_path / "h.png"),
    ):
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 5000
    with pytest.raises(DataError, match="no run has a history"):
        plot_histories({"one": [{"epoch": 1.0}]}, tmp_path / "n.png")
