"""Moments as scores come: peaks, waiting, refractory time, matching, thresholds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skelact.errors import ConfigError, DataError
from skelact.evaluate.moments import Moment, MomentRule, find_moments, fit_moments, score_moments

TIMES = np.arange(12) / 10
SCORE = np.array([0, 0.2, 0.6, 0.7, 0.8, 0.3, 0, 0.6, 0.9, 0.89, 0.88, 0.87])
RULE = MomentRule(threshold=0.5, refractory=0.2, wait=0.3, drop=0.5)


def found(rule: MomentRule, known: np.ndarray | None = None) -> list[tuple[float, float]]:
    rows = find_moments(TIMES, SCORE[:, None], ["a"], {"a": rule}, known)
    return [(round(m.time, 6), round(m.decided, 6)) for m in rows]


def test_every_setting() -> None:
    assert found(RULE) == [(0.4, 0.5), (0.8, 1.1)]
    assert found(replace(RULE, threshold=0.85)) == [(0.8, 1.1)]
    assert found(replace(RULE, refractory=0.5)) == [(0.4, 0.5)]
    assert found(replace(RULE, wait=0.1))[1] == (0.8, 0.9)
    assert found(replace(RULE, drop=0.99))[1] == (0.8, 0.9)
    assert found(replace(RULE, wait=0.0))[0] == (0.2, 0.2)
    assert found(RULE, TIMES + 0.05) == [(0.4, 0.55), (0.8, 1.15)]
    for wrong in ({"refractory": -1}, {"wait": float("nan")}, {"drop": 2.0}):
        with pytest.raises(ConfigError):
            replace(RULE, **wrong)
    with pytest.raises(DataError):
        find_moments(TIMES, SCORE[:, None], ["a", "b"], {})


def test_nothing_later_than_the_decision_is_used() -> None:
    whole = find_moments(TIMES, SCORE[:, None], ["a"], {"a": RULE})
    for n in range(1, len(TIMES) + 1):
        part = find_moments(TIMES[:n], SCORE[:n, None], ["a"], {"a": RULE})
        assert part == [m for m in whole if m.decided <= TIMES[n - 1]]


def test_one_gesture_at_a_time() -> None:
    times = np.arange(6) / 10
    scores = np.array([[0, 0], [0.6, 0.0], [0.7, 0.8], [0.1, 0.7], [0.0, 0.9], [0.0, 0.0]])
    rules = {
        "a": MomentRule(wait=0.1, drop=0.5, refractory=0.15),
        "b": MomentRule(wait=0.1, drop=0.5, refractory=0.15),
    }
    one = find_moments(times, scores, ["a", "b"], rules)
    assert [(m.label, m.time) for m in one] == [("b", 0.2), ("b", 0.4)]
    each = find_moments(times, scores, ["a", "b"], rules, exclusive=False)
    assert [(m.label, m.time) for m in each] == [("a", 0.2), ("b", 0.2), ("b", 0.4)]


def test_matching_by_hand() -> None:
    truth = {"v": [("a", 1.0), ("a", 1.5), ("b", 3.0)], "w": [("a", 5.0)]}
    given = {
        "v": [Moment("a", 1.2, 1.3), Moment("a", 1.25, 1.35), Moment("b", 1.0, 1.0), Moment("a", 1.52, 1.8)],
        "w": [Moment("b", 5.0, 5.1)],
    }
    score = score_moments(truth, given, hours=0.5)
    assert (score.hits, score.false, score.missed) == (
        {"a": 2, "b": 0}, {"a": 1, "b": 2}, {"a": 1, "b": 1},
    )  # fmt: skip
    assert score.f1 == pytest.approx(2 * 2 / (2 * 2 + 3 + 2)) and score.false_per_hour == 6
    assert score.per_class == {"a": pytest.approx(4 / 6), "b": 0.0} and score.macro_f1 == pytest.approx(1 / 3)
    assert sorted(score.delays) == [pytest.approx(0.3), pytest.approx(0.3)]
    assert score_moments(truth, given, by_decision=True).hits["a"] == 2
    assert score_moments(truth, given, tolerance=0.28).hits["a"] == 2
    assert score_moments(truth, given, tolerance=0.24).hits["a"] == 1  # the other one is decided too late
    assert np.isnan(score_moments({}, {}).f1)


def test_thresholds_are_fitted_by_class() -> None:
    times = np.arange(0, 60, 0.1)
    a, b = np.zeros(len(times)), np.zeros(len(times))
    for k in range(5):
        a[100 * k + 50] = 0.4  # true
        a[100 * k + 80] = 0.2  # false
        b[100 * k + 20] = 0.9
    truth = {"v": [("a", 10 * k + 5.0) for k in range(5)] + [("b", 10 * k + 2.0) for k in range(5)]}
    scores = np.stack([1 - a - b, a, b], 1)
    rules = fit_moments({"v": (times, scores)}, truth, ["none", "a", "b"], RULE)
    assert set(rules) == {"a", "b"} and 0.2 < rules["a"].threshold < 0.4 and rules["b"].refractory == 0.2
    rare = fit_moments({"v": (times, scores)}, truth, ["none", "a", "b"], RULE, false_per_hour=0)
    often = fit_moments({"v": (times, scores)}, truth, ["none", "a", "b"], RULE, false_per_hour=400)
    assert rare["a"].threshold == 0.22 and often["a"].threshold == 0.02


def test_refractory_times_are_fitted_by_class() -> None:
    times = np.arange(0, 60, 0.1)
    score = np.zeros(len(times))
    for k in range(5):
        score[100 * k + 50], score[100 * k + 65] = 0.9, 0.9  # the second peak is part of the gesture
    truth = {"v": [("a", 10 * k + 5.0) for k in range(5)]}
    scored = {"v": (times, score[:, None])}
    rule = fit_moments(scored, truth, ["a"], RULE, refractories=(1.0, 2.0, 3.0))["a"]
    assert (
        rule.refractory == 2.0
        and score_moments(truth, {"v": find_moments(*scored["v"], ["a"], {"a": rule})}).f1 == 1
    )
    assert fit_moments(scored, truth, ["a"], RULE)["a"].refractory == RULE.refractory
    rare = fit_moments(scored, truth, ["a"], RULE, false_per_hour=0, refractories=(1.0, 2.0))["a"]
    assert rare.refractory == 2.0 and rare.threshold == 0.02
    assert (
        fit_moments({"v": (times, 1 - score[:, None])}, truth, ["a"], RULE, false_per_hour=0)["a"].threshold
        == 1.01
    )


def test_the_tolerance_itself_is_within() -> None:
    truth = {"v": [("a", 1.0)]}
    for moment, hits in (
        (Moment("a", 1.2, 1.4), 1),
        (Moment("a", 1.21, 1.4), 0),
        (Moment("a", 1.2, 1.41), 0),
    ):
        assert score_moments(truth, {"v": [moment]}, tolerance=0.2).hits == {"a": hits}


def test_without_slack_every_class_has_its_best_rule() -> None:
    times = np.arange(0, 60, 0.1)
    score = np.zeros(len(times))
    score[50::100], score[80::100] = 0.4, 0.2
    truth = {"v": [("a", 10 * k + 5.0) for k in range(6)]}
    rule = fit_moments({"v": (times, score[:, None])}, truth, ["a"], RULE, slack=0)["a"]
    assert 0.2 < rule.threshold <= 0.4
