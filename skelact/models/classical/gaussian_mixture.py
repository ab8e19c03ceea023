"""Density of features: a mixture of Gaussians by EM, with covariances shrunk towards a ball."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skelact.errors import DataError
from skelact.nn.kmeans import fit_codebook


@dataclass(frozen=True)
class GaussianMixture:
    """K Gaussians in D dimensions.

    Args:
        share: ``[K]`` of each, together 1.
        mean: ``[K, D]``.
        factor: ``[K, D, D]`` lower Cholesky factors of the covariances.
    """

    share: np.ndarray
    mean: np.ndarray
    factor: np.ndarray

    @classmethod
    def fit(
        cls, x: np.ndarray, n_components: int, prior: float, seed: int = 0, rounds: int = 60
    ) -> tuple[GaussianMixture, list[float]]:
        """Learn from ``x [N, D]``.

        A covariance is ``(sum_n r (x - m)(x - m)' + prior · v · I) / (sum_n r + prior)``, v being the mean variance of
        all of x: the largest posterior under an inverse Wishart prior worth ``prior`` samples.

        Args:
            x: features.
            n_components: K, at most N.
            prior: samples that the ball counts for; above 0.
            seed: of the k-means start.
            rounds: of EM, at most.

        Returns:
            the mixture, and before every round the log likelihood plus the log prior, which never falls.

        Raises:
            DataError: for fewer samples than components, or a prior that is not above 0.
        """
        x = np.asarray(x, np.float64)
        if prior <= 0:
            raise DataError(f"the prior of a mixture must be above 0, got {prior}")
        n, d = x.shape
        centre = fit_codebook(x, n_components, seed)
        nearest = ((x[:, None] - centre[None]) ** 2).sum(-1).argmin(1)
        belongs = np.eye(n_components)[nearest]
        ball = prior * max(float(x.var(0).mean()), 1e-9)
        history: list[float] = []
        mixture = cls(np.ones(1), x[:1], np.eye(d)[None])
        for _ in range(rounds):
            total = belongs.sum(0)
            mean = belongs.T @ x / np.maximum(total, 1e-9)[:, None]
            factor = np.empty((n_components, d, d))
            for k in range(n_components):
                off = (x - mean[k]) * np.sqrt(belongs[:, k])[:, None]
                factor[k] = np.linalg.cholesky((off.T @ off + ball * np.eye(d)) / (total[k] + prior))
            mixture = cls(np.maximum(total / n, 1e-12), mean, factor)
            joint = mixture._joint(x)
            each = _add(joint)
            history.append(float(each.sum()) + _log_prior(factor, prior, ball))
            if len(history) > 1 and history[-1] - history[-2] < 1e-5 * n:
                break
            belongs = np.exp(joint - each[:, None])
        return mixture, history

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """Log density of ``x [N, D]``, ``[N]``."""
        return _add(self._joint(np.asarray(x, np.float64)))

    def _joint(self, x: np.ndarray) -> np.ndarray:
        """``[N, K]`` log of share times density."""
        from scipy.linalg import solve_triangular

        out = np.empty((len(x), len(self.share)))
        for k, (share, mean, factor) in enumerate(zip(self.share, self.mean, self.factor, strict=True)):
            off = solve_triangular(factor, (x - mean).T, lower=True)
            width = np.log(np.diagonal(factor)).sum() + len(mean) / 2 * np.log(2 * np.pi)
            out[:, k] = np.log(share) - width - (off**2).sum(0) / 2
        return out


def _add(x: np.ndarray) -> np.ndarray:
    top = x.max(1, keepdims=True)
    return np.log(np.exp(x - top).sum(1)) + top[:, 0]


def _log_prior(factor: np.ndarray, prior: float, ball: float) -> float:
    """Of all covariances, up to a constant."""
    wide = 2 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum()
    return float(-prior / 2 * wide - ball / 2 * (np.linalg.inv(factor) ** 2).sum())
