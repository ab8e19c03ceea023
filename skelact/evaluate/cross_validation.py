"""Figures of cross-validation: streams fused without seeing the fold that they are tested on, and grouped intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import log_softmax

from skelact.errors import DataError
from skelact.evaluate.fusion import fit_fusion_weights


def fuse_out_of_fold(
    logits: np.ndarray, labels: np.ndarray, fold: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fuse streams' out-of-fold logits; each fold's weights are fitted on the other folds alone (stacking).

    Source: Wolpert, Stacked generalization, Neural Networks 5, 1992.

    Args:
        logits: ``[S, N, K]``, of networks that were not trained on the clip.
        labels: ``[N]`` classes.
        fold: ``[N]`` in which each clip was left out.

    Returns:
        fused logits ``[N, K]``, and the weights of each fold ``[F, S]``.

    Raises:
        DataError: with fewer than two folds.
    """
    logits, labels, fold = np.asarray(logits, np.float64), np.asarray(labels), np.asarray(fold)
    folds = np.unique(fold)
    if len(folds) < 2:
        raise DataError(f"cross-validation needs at least 2 folds, got {len(folds)}")
    scores, fused, weights = log_softmax(logits, -1), np.zeros(logits.shape[1:]), []
    for one in folds:
        out = fold == one
        weights.append(fit_fusion_weights(logits[:, ~out], labels[~out]))
        fused[out] = np.tensordot(weights[-1], scores[:, out], 1)
    return fused, np.stack(weights)


def grouped_interval(
    right: np.ndarray, groups: Sequence[object], share: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """The bootstrap's interval of an accuracy; whole groups are drawn, because their clips are alike.

    Args:
        right: ``[N]`` booleans.
        groups: what each clip belongs to: its person, its camera.
        share: of the draws inside the interval.
        draws: how many.
        seed: of the draws.

    Returns:
        lower and upper end.
    """
    member = np.unique(np.array([str(g) for g in groups]), return_inverse=True)[1]
    n_right = np.bincount(member, np.asarray(right, float))
    n_clips = np.bincount(member)
    drawn = np.random.default_rng(seed).integers(0, len(n_clips), (draws, len(n_clips)))
    values = n_right[drawn].sum(1) / n_clips[drawn].sum(1)
    low, high = np.quantile(values, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)
