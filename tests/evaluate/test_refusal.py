"""The threshold of ``unknown``: what it guarantees, measured over many draws."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.errors import ConfigError, DataError
from skelact.evaluate.unknown import least_clips, refusal_figures, refusal_threshold


@pytest.mark.parametrize(("n", "rate"), [(19, 0.05), (60, 0.05), (9, 0.1), (101, 0.2)])
def test_new_clips_are_refused_at_most_at_the_rate(n: int, rate: float) -> None:
    rng = np.random.default_rng(0)
    known = rng.beta(5, 2, size=(4000, n + 1))
    refused = [row[-1] < refusal_threshold(row[:-1], rate) for row in known]
    k = int(rate * (n + 1) + 1e-9)
    assert np.mean(refused) == pytest.approx(k / (n + 1), abs=0.015) and k / (n + 1) <= rate


def test_too_few_clips_and_wrong_rates() -> None:
    assert least_clips(0.05) == 19 and least_clips(0.1) == 9 and least_clips(0.5) == 1
    for rate in (0.05, 0.1, 0.3):
        refusal_threshold(np.linspace(0, 1, least_clips(rate)), rate)
        with pytest.raises(DataError, match=f"at least {least_clips(rate)} are needed"):
            refusal_threshold(np.linspace(0, 1, least_clips(rate) - 1), rate)
    for rate in (0.0, 1.0, -1, float("nan")):
        with pytest.raises(ConfigError, match="above 0 and below 1"):
            refusal_threshold(np.ones(99), rate)
    with pytest.raises(DataError, match="not finite"):
        refusal_threshold(np.array([0.5, np.nan]), 0.5)


def test_equal_confidences_are_not_refused() -> None:
    threshold = refusal_threshold(np.full(50, 0.7), 0.1)
    assert threshold == 0.7 and refusal_figures(np.full(50, 0.7), np.ones(50), threshold)["refused"] == 0


def test_figures() -> None:
    confidence, correct = np.array([0.2, 0.4, 0.6, 0.8]), np.array([0, 1, 0, 1])
    assert refusal_figures(confidence, correct, 0.5) == {
        "threshold": 0.5, "refused": 0.5, "refused_wrong": 0.5, "top1_answered": 0.5,
    }  # fmt: skip
    none = refusal_figures(confidence, np.ones(4), 0.9)
    assert none["refused"] == 1 and none["refused_wrong"] is None and none["top1_answered"] is None
