"""Scores of taught gestures: likeness, a regression among gestures, and many examples."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.recognition import taught_scores
from skelact.recognition.taught_scores import FIRM, TELLING, GestureScores, soft_mean


def unit(*shape: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).normal(size=shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def test_one_gesture_alone_is_scored_by_likeness() -> None:
    own, seen = unit(4, 6), unit(5, 6, seed=1)
    assert GestureScores([own])(seen)[:, 0] == pytest.approx(soft_mean(seen @ own.T))


def test_the_regression_is_that_of_the_textbook() -> None:
    vectors, seen = [unit(3, 5), unit(2, 5, seed=1), unit(4, 5, seed=2)], unit(6, 5, seed=3)
    every, of = np.concatenate(vectors), np.repeat([0, 1, 2], [3, 2, 4])
    gram = np.array([[np.exp(-2 * np.sum((a - b) ** 2)) for b in every] for a in every])
    across = np.array([[np.exp(-2 * np.sum((a - b) ** 2)) for b in every] for a in seen])
    told = across @ np.linalg.solve(gram + FIRM * np.eye(9), np.eye(3)[of] - 1 / 3)
    near = np.stack([soft_mean(seen @ own.T) for own in vectors], 1)
    whole = near + TELLING * told
    shift = near.max(1) - whole.max(1)
    assert GestureScores(vectors)(seen) == pytest.approx(whole + shift[:, None])


def test_what_tells_gestures_apart_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gestures that share the most of what they are and differ by a small trait, each example with its own noise."""
    rng = np.random.default_rng(0)

    def draw(trait: float, n: int) -> np.ndarray:
        x = np.column_stack([np.ones(n), np.full(n, trait), 0.2 * rng.normal(size=(n, 8))])
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    taught, seen = [draw(0.2, 15), draw(-0.2, 15)], [draw(0.2, 500), draw(-0.2, 500)]

    def right() -> int:
        scorer = GestureScores(taught)
        return sum(int((scorer(x).argmax(1) == k).sum()) for k, x in enumerate(seen))

    found = right()
    monkeypatch.setattr(taught_scores, "TELLING", 0.0)
    assert found > right() + 20


def test_the_best_score_is_the_largest_likeness() -> None:
    vectors, seen = [unit(4, 6), unit(3, 6, seed=1), unit(5, 6, seed=2)], unit(500, 6, seed=3)
    scores = GestureScores(vectors)(seen)
    near = np.stack([soft_mean(seen @ own.T) for own in vectors], 1)
    assert scores.max(1) == pytest.approx(near.max(1)) and GestureScores(vectors).likeness(
        seen
    ) == pytest.approx(near)
    assert (
        scores.argmax(1) != near.argmax(1)
    ).any()  # the regression decides between gestures that are as like


def test_of_very_many_examples_some_make_the_regression(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = [unit(30, 8), unit(4, 8, seed=1), unit(9, 8, seed=2)]
    assert (GestureScores(vectors).weights != 0).any(1).all()
    monkeypatch.setattr(taught_scores, "MOST", 15)
    few = GestureScores(vectors)
    assert [(few.weights[part] != 0).any(1).sum() for part in (slice(30), slice(30, 34), slice(34, 43))] == [
        5, 4, 5,
    ]  # fmt: skip
    assert few(vectors[0]).argmax(1).tolist() == [0] * 30
