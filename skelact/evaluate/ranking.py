"""How well scores tell two kinds apart, whatever the threshold."""

from __future__ import annotations

import numpy as np

from skelact.errors import DataError


def roc_auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive one scores above a negative one, ties counted half.

    Args:
        scores: ``[N]``, higher for positive ones.
        positive: ``[N]`` booleans.

    Raises:
        DataError: if one of both kinds is not there, or scores are NaN.
    """
    scores, positive = _checked(scores, positive)
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    n = int(positive.sum())
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def equal_error_rate(scores: np.ndarray, positive: np.ndarray) -> float:
    """The share of positive ones missed where it is that of negative ones taken for positive, ``0..1``.

    Arguments and errors as for `roc_auc`; between two thresholds the curve is a straight line.
    """
    scores, positive = _checked(scores, positive)
    thresholds = np.concatenate([[np.inf], np.unique(scores)[::-1]])
    raised = np.sort(scores[~positive]), np.sort(scores[positive])
    false = 1 - np.searchsorted(raised[0], thresholds, "left") / len(raised[0])
    missed = np.searchsorted(raised[1], thresholds, "left") / len(raised[1])
    after = int(np.argmax(false >= missed))
    gap = missed - false
    if after == 0 or gap[after - 1] == gap[after]:
        return float(false[after])
    part = gap[after - 1] / (gap[after - 1] - gap[after])
    return float(false[after - 1] + part * (false[after] - false[after - 1]))


def _checked(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if scores.shape != positive.shape or scores.ndim != 1:
        raise DataError(f"scores and kinds must be lists of one length, got {scores.shape}, {positive.shape}")
    if not positive.any() or positive.all() or np.isnan(scores).any():
        raise DataError("a ranking needs positive and negative ones with scores that are numbers")
    return scores, positive
