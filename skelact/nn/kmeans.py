"""k-means from a k-means++ start (Arthur and Vassilvitskii, SODA 2007): the words of codebooks."""

from __future__ import annotations

import numpy as np

from skelact.errors import DataError


def fit_codebook(descriptors: np.ndarray, n_words: int, seed: int = 0, rounds: int = 50) -> np.ndarray:
    """Words ``[n_words, D]`` by k-means from a k-means++ start.

    Args:
        descriptors: ``[N, D]``.
        n_words: at most N.
        seed: of the start.
        rounds: at most.

    Raises:
        DataError: for fewer descriptors than words.
    """
    from scipy.cluster.vq import kmeans2

    if not 1 <= n_words <= len(descriptors):
        raise DataError(f"a codebook of {n_words} words needs as many descriptors, got {len(descriptors)}")
    data = np.asarray(descriptors, np.float64)
    start = _spread(data, n_words, np.random.default_rng(seed))
    return kmeans2(data, start, iter=rounds, minit="matrix", missing="warn")[0]


def _spread(data: np.ndarray, n_words: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++: each word is drawn by the squared distance to the nearest one so far.

    SciPy's own measures the distances to all words again for each one, which takes minutes for hundreds of them.
    """
    words = np.empty((n_words, data.shape[1]))
    nearest = np.full(len(data), np.inf)
    at = int(rng.integers(len(data)))
    for k in range(n_words):
        words[k] = data[at]
        nearest = np.minimum(nearest, ((data - words[k]) ** 2).sum(1))
        chance = np.cumsum(nearest)
        at = min(int(np.searchsorted(chance, rng.uniform() * chance[-1])), len(data) - 1)
    return words
