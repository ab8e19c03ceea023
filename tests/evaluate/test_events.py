"""Metrics of events, each against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.evaluate.events import (
    ACTIVITYNET,
    TimedEvent,
    calibrated_average_precision,
    edit_score,
    poisson_interval,
    score_alarms,
    segmental_f1,
    segments_of,
    temporal_iou,
    temporal_map,
)


def event(start: float, end: float, label: str = "a", score: float = 1.0) -> TimedEvent:
    return TimedEvent(label, start, end, score)


def test_overlap() -> None:
    assert temporal_iou(event(0, 4), event(2, 6)) == pytest.approx(2 / 6)
    assert temporal_iou(event(0, 1), event(1, 2)) == 0 == temporal_iou(event(3, 3), event(3, 3))
    with pytest.raises(DataError, match="not before"):
        event(2, 1)
    with pytest.raises(DataError, match="finite"):
        event(0, float("nan"))


def test_activitynets_matching_by_hand() -> None:
    """Two events in v, one in w. By falling score: a hit, the same event again (false), a hit of w, one too short."""
    truth = {"v": [event(0, 10), event(20, 30), event(20, 30)], "w": [event(5, 9)]}  # one is there twice
    found = {
        "v": [event(1, 10, score=0.9), event(0, 9, score=0.8), event(20, 24, score=0.3)],
        "w": [event(5, 8, score=0.5)],
    }
    result = temporal_map(truth, found, (0.3, 0.5, 0.8))
    # at 0.5 and 0.3: hits T F T (0.75) and at 0.3 the short one (0.4) too; at 0.8: T F F F
    three = (1 + 2 / 3) / 3
    four = (1 + 3 / 4 + 3 / 4) / 3  # precision 1, 1/2, 2/3, 3/4, made non-increasing from the right
    assert result.per_class["a"] == pytest.approx([four, three, 1 / 3])
    assert result.means == pytest.approx(result.per_class["a"])
    assert result.average == pytest.approx(np.mean(result.means))


def test_the_best_event_that_is_left_is_taken() -> None:
    """The second guess overlaps the taken event most, and takes the other one, which reaches the threshold too."""
    truth = {"v": [event(0, 10), event(8, 20)]}
    found = {"v": [event(0, 10, score=0.9), event(4, 15, score=0.8)]}
    assert temporal_map(truth, found, (0.4,)).average == pytest.approx(1.0)  # (7 / 16 with the second)
    assert temporal_map(truth, found, (0.45,)).average == pytest.approx(0.5)


def test_classes_and_videos_are_kept_apart() -> None:
    truth = {"v": [event(0, 10, "a"), event(0, 10, "b")]}
    found = {"v": [event(0, 10, "b")], "w": [event(0, 10, "a")], "x": [event(0, 1, "c")]}
    result = temporal_map(truth, found)
    assert result.thresholds == ACTIVITYNET and len(ACTIVITYNET) == 10
    assert result.per_class == {"a": [0.0] * 10, "b": [1.0] * 10} and result.average == 0.5
    with pytest.raises(DataError, match="no event"):
        temporal_map({"v": []}, found)


def test_segments() -> None:
    assert segments_of("aabba") == [("a", 0, 2), ("b", 2, 4), ("a", 4, 5)]
    assert segments_of("aab", {"a"}) == [("b", 2, 3)] and segments_of("") == []


def test_segmental_f1_by_hand() -> None:
    truth = ["aaaabbbbcc", "bbbb"]
    found = ["aaabbbbbcc", "baab"]
    # video 0: a 3/4, b 4/5, c 1 hit at 0.75 each; video 1: b 1/4 is a hit at 0.25, then the second b and a are false
    assert segmental_f1(truth, found, 0.75) == pytest.approx(2 * 3 / (2 * 3 + 3 + 1))
    assert segmental_f1(truth, found, 0.25) == pytest.approx(2 * 4 / (2 * 4 + 2 + 0))
    assert segmental_f1(truth, found, 0.9) == pytest.approx(2 * 1 / (2 * 1 + 5 + 3))
    assert segmental_f1(["aabb"], ["aacc"], 0.5, {"a"}) == 0
    assert math.isnan(segmental_f1(["aa"], ["aa"], 0.5, {"a"}))
    with pytest.raises(DataError, match="10 labelled frames and 9"):
        segmental_f1(truth, ["a" * 9, "bbbb"], 0.5)
    with pytest.raises(DataError, match="2 videos"):
        segmental_f1(truth, found[:1], 0.5)


def test_edit_score_by_hand() -> None:
    """abc against acbc: one insertion in four; the same order is 1 however long the segments are."""
    assert edit_score(["aabbcc"], ["acbbcc"]) == pytest.approx(1 - 1 / 4)
    assert edit_score(["aabbcc", "ab"], ["abcccc", "cc"]) == pytest.approx((1 + 0) / 2)
    assert edit_score(["zazb"], ["zaab"], {"z"}) == 1.0


def test_calibrated_average_precision_by_hand() -> None:
    score, positive = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([1, 0, 1, 0, 0], bool)
    weight = 3 / 2
    assert calibrated_average_precision(score, positive) == pytest.approx(
        (1 + 2 * weight / (2 * weight + 1)) / 2
    )
    # equal scores enter together: chance is a half, however rare the class is
    assert calibrated_average_precision(np.ones(10), np.arange(10) < 2) == pytest.approx(0.5)
    assert math.isnan(calibrated_average_precision(score, np.zeros(5, bool)))


def test_alarms_by_hand() -> None:
    truth = {
        "v": [event(10, 11, "fall"), event(12, 40, "lying"), event(100, 101, "fall")],
        "w": [event(0, 50, "sit_down")],
    }
    alarms = {"v": [12.5, 15.0, 60.0], "w": [20.0]}
    score = score_alarms(truth, alarms, {"v": 120.0, "w": 3600.0, "x": 60.0}, within=10, early=2)
    assert (score.n_events, score.n_found, score.n_false) == (2, 1, 2)
    assert score.delays == [1.5] and score.median_delay == 1.5 and score.sensitivity == 0.5
    assert score.hours == pytest.approx((120 - 13 - 13 + 3600 + 60) / 3600)
    assert score.false_by_activity == {"unlabelled": 1, "sit_down": 1}
    assert score.predictive_value == pytest.approx(1 / 3)
    assert score.false_per_hour == pytest.approx(2 / score.hours)
    low, high = score.false_per_hour_interval
    assert (low * score.hours, high * score.hours) == pytest.approx((0.2422, 7.2247), abs=1e-4)
    with pytest.raises(DataError, match="not given: y"):
        score_alarms(truth, {"y": [1.0]}, {"v": 1.0})


def test_times_that_overlap_are_counted_once() -> None:
    truth = {"v": [event(10, 11, "fall"), event(15, 16, "fall")]}
    score = score_alarms(truth, {"v": [16.5]}, {"v": 100.0}, within=10, early=2)
    assert score.n_found == 2 and score.hours * 3600 == pytest.approx(100 - (26 - 8))


def test_garwoods_interval() -> None:
    assert poisson_interval(0) == (0.0, pytest.approx(3.6889, abs=1e-4))
    assert poisson_interval(10) == pytest.approx((4.7954, 18.3904), abs=1e-4)
