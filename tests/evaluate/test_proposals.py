"""Proposals: grouping, scores, soft suppression, and detection of planted events."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from skelact.errors import ConfigError, DataError
from skelact.evaluate.events import TimedEvent, temporal_map
from skelact.evaluate.proposals import ProposalSettings, group, propose, soft_nms


def test_grouping_by_hand() -> None:
    score = np.array([0, 1, 1, 0, 1, 0, 0, 0, 1.0])
    assert group(score, 0.5, 1.0) == [(1, 3), (4, 5), (8, 9)]
    assert group(score, 0.5, 0.7) == [(1, 5), (4, 5), (8, 9)]
    assert group(score, 0.5, 0.5) == [(1, 9), (4, 5), (8, 9)]
    assert group(np.zeros(3), 0.5, 0.5) == []


def test_soft_suppression_by_hand() -> None:
    events = [TimedEvent("a", 0, 2, 0.8), TimedEvent("a", 1, 3, 0.6), TimedEvent("a", 5, 6, 0.3)]
    kept = soft_nms(events, sigma=0.5)
    assert [e.start for e in kept] == [0, 1, 5]
    assert kept[1].score == pytest.approx(0.6 * math.exp(-((1 / 3) ** 2) / 0.5)) and kept[2].score == 0.3
    assert len(soft_nms(events, most=1)) == 1 and len(soft_nms(events, least_score=0.5)) == 1 + (
        kept[1].score >= 0.5
    )


def planted() -> tuple[np.ndarray, np.ndarray, list[TimedEvent]]:
    rng = np.random.default_rng(0)
    times = np.arange(0, 60, 0.1)
    a = rng.uniform(0, 0.1, len(times))
    truth = [TimedEvent("a", s, s + d) for s, d in ((5, 3), (20, 8), (40, 1.5))]
    for event in truth:
        inside = (times >= event.start) & (times < event.end)
        a[inside] = rng.uniform(0.55, 0.95, int(inside.sum()))
    return times, np.stack([1 - a, a], 1), truth


def test_planted_events_are_found() -> None:
    times, scores, truth = planted()
    found = propose(times, scores, ["none", "a"], background=["none"])
    assert {e.label for e in found} == {"a"} and [e.score for e in found] == sorted(
        (e.score for e in found), reverse=True
    )
    assert temporal_map({"v": truth}, {"v": found}, (0.5, 0.9)).average == 1.0


def test_every_setting() -> None:
    times, scores, _ = planted()
    plain = propose(times, scores, ["none", "a"])
    changes = {
        "thresholds": (0.5,), "tolerances": (1.0,), "context": 0.0, "sigma": 0.1, "least_score": 0.5, "most": 2,
        "least": 2.0,
    }  # fmt: skip
    assert set(changes) == {f.name for f in fields(ProposalSettings)}
    for name, value in changes.items():
        assert propose(times, scores, ["none", "a"], replace(ProposalSettings(), **{name: value})) != plain, (
            name
        )
    wrongs: list[dict[str, Any]] = [
        {"thresholds": ()}, {"tolerances": (1.5,)}, {"most": 0}, {"sigma": 0}, {"context": -1},
    ]  # fmt: skip
    for wrong in wrongs:
        with pytest.raises(ConfigError):
            ProposalSettings(**wrong)
    with pytest.raises(DataError):
        propose(times, scores, ["a"])
