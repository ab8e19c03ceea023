"""Fitting the fusion of streams' scores by linear support vector machines."""

from __future__ import annotations

import numpy as np
import torch

from skelact.models.classical.linear_svm import fit_linear_svm
from skelact.nn.score_svm import ScoreSVM, score_features


def fit_score_svm(logits: np.ndarray, labels: np.ndarray, cost: float = 1.0) -> ScoreSVM:
    """Fit a fusion by SVMs on clips that no stream was trained on.

    The decision values of each machine are scaled so that their softmax explains the labels best.

    Args:
        logits: ``[S, N, K]``; clips of which a stream has no logits (all 0) are left out of its subsets' fits.
        labels: ``[N]`` classes.
        cost: see `fit_linear_svm`.

    Raises:
        ConfigError: for more than 6 streams.
        DataError: if a subset of streams has no clips.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    scores, labels = torch.as_tensor(np.asarray(logits, np.float64)), np.asarray(labels)
    n_streams, _, n_classes = scores.shape
    fusion = ScoreSVM(n_streams, n_classes).double()
    there = scores.isfinite().all(-1) & (scores != 0).any(-1)
    for subset in fusion.subsets:
        rows = there[list(subset)].all(0)
        features, own = score_features(scores[list(subset)][:, rows]).numpy(), labels[rows.numpy()]
        weight, bias = fit_linear_svm(features, own, n_classes, cost)
        decision = features @ weight.T + bias

        def loss(log_scale: float, decision: np.ndarray = decision, own: np.ndarray = own) -> float:
            return -float(log_softmax(np.exp(log_scale) * decision, -1)[np.arange(len(own)), own].mean())

        best = float(np.exp(minimize_scalar(loss, bounds=(-2.0, 3.0), method="bounded").x))  # type: ignore[union-attr]
        fusion.set_machine(subset, torch.from_numpy(best * weight), torch.from_numpy(best * bias))
    return fusion.float()
