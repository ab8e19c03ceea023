"""Beam search over words that a decoder writes one after the other.

Scores of finished sentences are divided by ``((5 + n) / 6) ** penalty`` with n words, the end among them (Wu et al.,
"Google's neural machine translation system", 2016, without its coverage penalty); 0: the plain log-probability, which
prefers short sentences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skelact.errors import ConfigError

Step = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Sentence:
    """Words without begin and end; ``score`` after the length penalty, ``log_p`` before it."""

    words: tuple[int, ...]
    score: float
    log_p: float


def normalised(log_p: float, n_words: int, penalty: float) -> float:
    """The score of a sentence of ``n_words`` (the end counts)."""
    return log_p / ((5 + n_words) / 6) ** penalty


def search(
    step: Step, begin: int, end: int, *, beam: int = 5, longest: int = 40, penalty: float = 1.0
) -> list[Sentence]:
    """The best sentences.

    Args:
        step: log-probabilities ``[B, K]`` of the next word for prefixes ``[B, L]`` that start with ``begin``.
        begin, end: indices of those tokens.
        beam: sentences kept after each word.
        longest: words of a sentence at most, the end not counted; then it ends.
        penalty: see above.

    Returns:
        at most ``beam`` finished sentences, the best first.

    Raises:
        ConfigError: for a beam or length below 1, or a negative penalty.
    """
    if beam < 1 or longest < 1 or penalty < 0:
        raise ConfigError(
            f"beam and longest must be at least 1 and penalty 0, got {beam}, {longest} and {penalty}"
        )
    prefixes, scores = np.array([[begin]]), np.zeros(1)
    finished: list[Sentence] = []
    for length in range(1, longest + 2):
        log_p = np.asarray(step(prefixes), np.float64)
        ends = scores + log_p[:, end]
        for prefix, total in zip(prefixes, ends, strict=True):
            if np.isfinite(total):
                words = tuple(int(w) for w in prefix[1:])
                finished.append(Sentence(words, normalised(float(total), length, penalty), float(total)))
        finished = sorted(finished, key=lambda s: (-s.score, s.words))[:beam]
        if length == longest + 1:
            break
        going = scores[:, None] + log_p
        going[:, [begin, end]] = -np.inf
        order = np.argsort(-going, axis=None, kind="stable")[:beam]
        order = order[np.isfinite(going.flat[order])]
        if not len(order):
            break
        rows, words = np.unravel_index(order, going.shape)
        prefixes = np.concatenate([prefixes[rows], words[:, None]], 1)
        scores = going.flat[order].copy()
        # No longer sentence can still win: log-probabilities only fall, and the largest divisor is the longest's.
        bound = normalised(float(scores.max()), longest + 1, penalty)
        if len(finished) == beam and finished[-1].score >= bound:
            break
    return finished
