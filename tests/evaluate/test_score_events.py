"""Scores become events: every setting of a rule, thresholds for a rate of false events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skelact.errors import ConfigError, DataError
from skelact.evaluate.events import TimedEvent
from skelact.evaluate.score_events import EventRule, ScoreEvents, events_of_scores, fit_rule

TIMES = np.arange(10.0)
SCORE = np.array([0, 0.6, 0.45, 0.3, 0.6, 0.1, 0.1, 0.9, 0.1, 0.7])


def spans(rule: EventRule) -> list[tuple[float, float]]:
    return [(e.start, e.end) for e in events_of_scores(TIMES, SCORE[:, None], ["a"], {"a": rule})]


def test_every_setting() -> None:
    plain = EventRule(on=0.5, off=0.4)
    assert spans(plain) == [(1, 2), (4, 4), (7, 7), (9, 9)]
    assert spans(replace(plain, on=0.65)) == [(7, 7), (9, 9)]
    assert spans(replace(plain, off=0.2)) == [(1, 4), (7, 7), (9, 9)]
    assert spans(replace(plain, least=1.0)) == [(1, 2)]
    assert spans(replace(plain, gap=0.5)) == spans(plain)
    assert spans(replace(plain, gap=1.0)) == [(1, 4), (7, 9)]
    assert spans(replace(plain, smoothing=2.0)) == [(2, 2), (7, 8)]  # means of two
    for wrong in ({"off": 0.6}, {"least": -1}, {"gap": float("inf")}, {"smoothing": -0.1}):
        with pytest.raises(ConfigError):
            replace(plain, **wrong)


def test_as_it_comes() -> None:
    maker = ScoreEvents("a", EventRule(on=0.5, off=0.4, least=1.0))
    active = []
    for t, s in zip(TIMES[:4], SCORE[:4], strict=True):
        ended = maker.push(t, s)
        active.append(maker.active)
    assert active == [False, False, True, False]
    assert ended == TimedEvent("a", 1.0, 2.0, 0.6)
    assert maker.finish() is None


def test_classes_and_shapes() -> None:
    two = np.stack([SCORE, 1 - SCORE], 1)
    found = events_of_scores(TIMES, two, ["a", "b"], {"b": EventRule()})
    assert {e.label for e in found} == {"b"}
    with pytest.raises(DataError, match="10 times, 1 classes"):
        events_of_scores(TIMES, two, ["a"], {})


def test_thresholds_keep_to_a_rate_of_false_events() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(0, 3600, 1.0)
    score = rng.uniform(0, 0.5, len(times))
    score[[100, 200]] = 0.9  # false
    score[[500, 900, 1500]] = 0.8, 0.7, 0.6  # true
    truth = {"v": [TimedEvent("a", t - 2, t + 2) for t in (500, 900, 1500)] + [TimedEvent("b", 90, 110)]}
    strict = fit_rule({"v": (times, score)}, truth, "a", false_per_hour=0)
    assert strict.rule.on > 0.9 and strict.sensitivity == 0 and strict.false_per_hour == 0
    loose = fit_rule({"v": (times, score)}, truth, "a", false_per_hour=2.1)
    assert 0.45 < loose.rule.on <= 0.6 and loose.sensitivity == 1 and loose.false_per_hour <= 2.1
    assert loose.rule.off == pytest.approx(0.8 * loose.rule.on)
    long = fit_rule({"v": (times, score)}, truth, "a", 2.1, EventRule(least=5.0), ratio=1.0)
    assert long.rule.least == 5.0 and long.rule.off == long.rule.on
    with pytest.raises(ConfigError):
        fit_rule({"v": (times, score)}, truth, "a", -1)
    with pytest.raises(DataError, match="no length"):
        fit_rule({"v": (times[:1], score[:1])}, truth, "a", 1)
