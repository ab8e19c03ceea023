"""Weights for the late fusion of several streams' scores, fitted on clips that none was trained on."""

from __future__ import annotations

import numpy as np

from skelact.errors import DataError

PRIOR_SPREAD = 0.5  # streams are taken to be equally good, give or take half, until the clips say otherwise


def fit_fusion_weights(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Weights of the streams' log-probabilities that explain the labels best.

    Minimises the negative log-likelihood of ``softmax(sum_s w_s log p_s)`` over ``w >= 0``, with a Gaussian
    prior on the relative weights, so that few clips cannot switch a stream off. The common scale of the
    weights calibrates the fused probabilities.

    Args:
        logits: ``[S, N, K]``.
        labels: ``[N]`` classes.

    Returns:
        ``[S]`` weights.

    Raises:
        DataError: without clips.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax

    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    n_streams, n_clips, _ = logits.shape
    if not n_clips:
        raise DataError("fusion weights need validation clips, got none")
    scores = log_softmax(logits, -1)

    def loss(weights: np.ndarray) -> float:
        fused = log_softmax(np.tensordot(weights, scores, 1), -1)
        relative = weights / max(weights.mean(), 1e-6) - 1
        prior = (relative**2).sum() / (2 * PRIOR_SPREAD**2) + np.log(
            max(weights.mean(), 1e-6) * n_streams
        ) ** 2 / 2
        return float(-fused[np.arange(n_clips), labels].sum() + prior) / n_clips

    start = np.full(n_streams, 1.0 / n_streams)
    found = minimize(loss, start, method="L-BFGS-B", bounds=[(0.0, 10.0)] * n_streams)
    return found.x
