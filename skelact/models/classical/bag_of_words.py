"""Bags of visual words and the χ² support vector machine (Laptev et al., CVPR 2008)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skelact.errors import DataError


def word_histogram(descriptors: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """Share of a video's descriptors ``[n, D]`` that are nearest to each word, ``[n_words]``."""
    from scipy.cluster.vq import vq

    words, _ = vq(np.asarray(descriptors, np.float64), codebook)
    return np.bincount(words, minlength=len(codebook)) / max(len(words), 1)


def chi_square(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Distances ``[N, M]``, ``1/2 sum (a - b)² / (a + b)``, of histograms ``[N, D]`` and ``[M, D]``."""
    a, b = np.asarray(a, np.float64)[:, None], np.asarray(b, np.float64)[None]
    total = a + b
    return ((a - b) ** 2 / np.where(total > 0, total, 1.0)).sum(-1) / 2


class ChiSquareSVM:
    """One-against-all machines with the kernel ``exp(-sum_c D_c / A_c)`` over channels c (HOG, HOF, ...).

    D_c is the χ² distance and A_c its mean over the training videos; the loss is the squared hinge.

    Args:
        channels: histograms ``[N, D_c]`` of each channel.
        labels: ``[N]`` classes.
        n_classes: K.
        cost: of the margin's violation.

    Raises:
        DataError: without videos or channels.
    """

    def __init__(
        self, channels: Sequence[np.ndarray], labels: np.ndarray, n_classes: int, cost: float = 10.0
    ) -> None:
        from scipy.optimize import minimize

        if not channels or not len(labels):
            raise DataError("a χ² SVM needs channels of histograms and labelled videos, got none")
        self.channels = [np.asarray(c, np.float64) for c in channels]
        distances = [chi_square(c, c) for c in self.channels]
        self.means = [max(float(d.mean()), 1e-12) for d in distances]
        kernel = np.exp(-sum(d / a for d, a in zip(distances, self.means, strict=True)))
        target = np.where(np.asarray(labels)[:, None] == np.arange(n_classes), 1.0, -1.0)
        n = len(labels)

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            alpha, bias = flat[:-n_classes].reshape(n, n_classes), flat[-n_classes:]
            product = kernel @ alpha
            missing = np.maximum(0.0, 1 - target * (product + bias))
            slope = -2 * cost * target * missing
            value = (alpha * product).sum() / 2 + cost * (missing**2).sum()
            return float(value), np.concatenate([(kernel @ (alpha + slope)).ravel(), slope.sum(0)])

        start = np.zeros(n * n_classes + n_classes)
        found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
        self.alpha, self.bias = found[:-n_classes].reshape(n, n_classes), found[-n_classes:]

    def decide(self, channels: Sequence[np.ndarray]) -> np.ndarray:
        """Decision values ``[M, K]`` of videos, histograms ``[M, D_c]`` of each channel."""
        distances = (
            chi_square(c, own) / a for c, own, a in zip(channels, self.channels, self.means, strict=True)
        )
        return np.exp(-sum(distances)) @ self.alpha + self.bias
