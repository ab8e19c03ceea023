"""The area under the ROC curve against all pairs, and the equal error rate."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.evaluate.ranking import equal_error_rate, roc_auc


def test_the_area_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 6, 40).astype(float), rng.random(40) < 0.4
    pairs = scores[positive][:, None] - scores[~positive][None]
    assert roc_auc(scores, positive) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean())
    assert roc_auc(np.arange(4.0), np.array([False, False, True, True])) == 1.0
    assert roc_auc(np.array([1.0, 1.0]), np.array([True, False])) == 0.5


def test_equal_error_rate() -> None:
    assert equal_error_rate(np.arange(4.0), np.array([False, False, True, True])) == 0.0
    assert equal_error_rate(-np.arange(4.0), np.array([False, False, True, True])) == 1.0
    scores = np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    positive = np.array([0, 0, 0, 0, 1, 0, 1, 1, 1, 1], bool)
    assert equal_error_rate(scores, positive) == pytest.approx(0.2)
    assert equal_error_rate(np.zeros(10), positive) == pytest.approx(0.5)


def test_what_cannot_be_ranked_is_refused() -> None:
    for scores, positive in (([1.0, 2.0], [True, True]), ([np.nan, 2.0], [True, False])):
        with pytest.raises(DataError, match="positive and negative"):
            roc_auc(np.array(scores), np.array(positive))
    with pytest.raises(DataError, match="one length"):
        roc_auc(np.zeros(3), np.array([True, False]))
