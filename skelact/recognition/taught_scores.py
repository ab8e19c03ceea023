"""How like taught gestures a movement is: near which examples its vector lies, and what tells the gestures apart."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

WARMTH = 2.5  # of the mean over examples, for each of them: few are averaged, of many the nearest counts
TELLING = 0.1  # weight of the regression
NARROW = 4.0  # of the kernel, exp(NARROW (cosine - 1)): a Gaussian one of vectors of unit length
FIRM = 0.1  # of the ridge
MOST = 2000  # examples of which the regression is made


def soft_mean(likeness: np.ndarray) -> np.ndarray:
    """Mean of ``[N, K]`` over K examples in which the nearest weigh most, the more so the more examples there are."""
    most, warmth = likeness.max(1, keepdims=True), WARMTH * likeness.shape[1]
    return np.log(np.exp(warmth * (likeness - most)).mean(1)) / warmth + most[:, 0]


def left_out(vectors: np.ndarray) -> np.ndarray:
    """How like each example ``[n, D]`` is to the others, as a score."""
    if len(vectors) < 2:
        return np.ones(len(vectors))
    like = vectors @ vectors.T
    return np.array([soft_mean(np.delete(like[i], i)[None])[0] for i in range(len(vectors))])


class GestureScores:
    """Scores of vectors: how like a gesture's examples they are, and, among gestures, what a regression says.

    Likeness, the soft mean of the cosines, does not see which traits tell one gesture from another. Kernel ridge
    regression (Saunders et al., ICML 1998) of all examples on the gestures does. It takes part in which gesture is the
    best; how high the best one's score is, and so whether it is any, the largest likeness says.

    Args:
        vectors: of every gesture's examples, ``[n, D]`` of unit length.

    Attributes:
        counts: examples of each gesture.
        examples: ``[E, D]``, all of them.
    """

    def __init__(self, vectors: Sequence[np.ndarray]) -> None:
        self.counts = [len(own) for own in vectors]
        self.examples = np.concatenate(vectors)

    @cached_property
    def weights(self) -> np.ndarray:
        """Of the regression, ``[E, K]``."""
        n, chosen, first = len(self.counts), [], 0
        for count in self.counts:
            some = np.linspace(0, count - 1, min(count, max(1, MOST // n)))
            chosen += (first + some.round().astype(int)).tolist()
            first += count
        target = (np.eye(n) - 1 / n)[np.repeat(np.arange(n), self.counts)[chosen]]
        known = self.examples[chosen].astype(np.float64)
        weights = np.zeros((len(self.examples), n))
        weights[chosen] = np.linalg.solve(kernel(known @ known.T) + FIRM * np.eye(len(known)), target)
        return weights

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Scores ``[N, K]`` of vectors ``[N, D]``; the best is the largest likeness, -1..1."""
        near = self.likeness(vectors)
        scores = near + TELLING * (kernel(vectors @ self.examples.T) @ self.weights)
        return scores + near.max(1, keepdims=True) - scores.max(1, keepdims=True)

    def likeness(self, vectors: np.ndarray) -> np.ndarray:
        """How like every gesture's examples vectors are, ``[N, K]``, -1..1; thresholds are fitted to this."""
        parts = np.split(vectors @ self.examples.T, np.cumsum(self.counts)[:-1], axis=1)
        return np.stack([soft_mean(part) for part in parts], 1)


def kernel(likeness: np.ndarray) -> np.ndarray:
    """Of cosines, elementwise."""
    return np.exp(NARROW * (likeness - 1))
