"""Connectionist temporal classification: prefix beam search and alignment, in the log domain.

Source: Graves et al., "Connectionist temporal classification", ICML 2006; the prefix search with separate probabilities
of prefixes that end in a blank and in a label is Hannun et al., "First-pass large vocabulary continuous speech
recognition using bi-directional recurrent DNNs", 2014.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skelact.errors import ConfigError, DataError

BLANK_INDEX = 0
_NEVER = -math.inf


@dataclass(frozen=True)
class Hypothesis:
    """A sequence of labels and the logarithm of its probability (plus that of the bigrams, where given)."""

    labels: tuple[int, ...]
    score: float


def check_grid(log_p: np.ndarray) -> np.ndarray:
    """``log_p [T, K]`` as float64.

    Raises:
        DataError: if it is no such array, has a single label, NaN, or values above 0.
    """
    log_p = np.asarray(log_p, np.float64)
    if log_p.ndim != 2 or log_p.shape[1] < 2:
        raise DataError(
            f"log-probabilities must be [frames, blank and labels], got shape {list(log_p.shape)}"
        )
    if np.isnan(log_p).any() or (log_p > 1e-3).any():
        raise DataError(
            "log-probabilities must lie at or below 0, without NaN; take log_softmax of the logits"
        )
    return log_p


def beam_search(
    log_p: np.ndarray, beam: int = 16, bigrams: np.ndarray | None = None, weight: float = 1.0
) -> list[Hypothesis]:
    """Prefix beam search: the likeliest label sequences, each summed over all its paths.

    Args:
        log_p: ``[T, K]`` log-probabilities; index 0 is the blank.
        beam: prefixes kept after each frame; with enough of them the answer is exact.
        bigrams: ``[K, K]`` log-probabilities of a label (column) after another (row; row 0: at the beginning).
        weight: of the bigrams.

    Returns:
        at most ``beam`` hypotheses, the best first; of equal ones that with the smaller labels.

    Raises:
        ConfigError: for a beam below 1 or bigrams of another shape.
        DataError: see `check_grid`.
    """
    log_p = check_grid(log_p)
    n_labels = log_p.shape[1]
    if beam < 1:
        raise ConfigError(f"the beam must be at least 1, got {beam}")
    if bigrams is not None and bigrams.shape != (n_labels, n_labels):
        raise ConfigError(f"bigrams must be [{n_labels}, {n_labels}], got {list(bigrams.shape)}")
    beams: dict[tuple[int, ...], tuple[float, float]] = {
        (): (0.0, _NEVER)
    }  # log p(ends in blank), (in label)
    bonus: dict[tuple[int, ...], float] = {(): 0.0}
    for frame in log_p.tolist():
        grown: dict[tuple[int, ...], list[float]] = {}

        def add(prefix: tuple[int, ...], place: int, value: float, grown: dict = grown) -> None:
            both = grown.setdefault(prefix, [_NEVER, _NEVER])
            both[place] = _add(both[place], value)

        for prefix, (blank, label) in beams.items():
            last = prefix[-1] if prefix else BLANK_INDEX
            whole = _add(blank, label)
            add(prefix, 0, whole + frame[BLANK_INDEX])
            if prefix:
                add(prefix, 1, label + frame[last])
            for k in range(1, n_labels):
                new = (*prefix, k)
                if new not in bonus:
                    more = 0.0 if bigrams is None else weight * float(bigrams[last, k])
                    bonus[new] = bonus[prefix] + more
                add(new, 1, (blank if k == last else whole) + frame[k])
        best = sorted(grown, key=lambda p: (-(_add(*grown[p]) + bonus[p]), p))[:beam]
        beams = {p: (grown[p][0], grown[p][1]) for p in best if _add(*grown[p]) > _NEVER}
        bonus = {p: bonus[p] for p in beams}
    found = [Hypothesis(p, _add(*both) + bonus[p]) for p, both in beams.items()]
    return sorted(found, key=lambda h: (-h.score, h.labels))


def _add(a: float, b: float) -> float:
    """``log(exp(a) + exp(b))``."""
    low, high = (a, b) if a < b else (b, a)
    return high if low == _NEVER else high + math.log1p(math.exp(low - high))


def align(log_p: np.ndarray, labels: Sequence[int]) -> list[tuple[int, int]]:
    """First and last frame of every label on the likeliest path that gives ``labels``.

    Args:
        log_p: ``[T, K]`` log-probabilities.
        labels: L of them, without blanks.

    Raises:
        DataError: if the frames are too few for the labels.
    """
    log_p = check_grid(log_p)
    if not len(labels):
        return []
    states = np.full(2 * len(labels) + 1, BLANK_INDEX)
    states[1::2] = labels
    skips = np.zeros(len(states), bool)
    skips[3::2] = states[3::2] != states[1:-2:2]
    score = np.full(len(states), -np.inf)
    score[:2] = log_p[0, states[:2]]
    back = np.zeros((len(log_p), len(states)), np.int64)
    for t in range(1, len(log_p)):
        options = np.full((3, len(states)), -np.inf)
        options[0], options[1, 1:] = score, score[:-1]
        options[2, 2:] = np.where(skips[2:], score[:-2], -np.inf)
        back[t] = options.argmax(0)
        score = options.max(0) + log_p[t, states]
    state = len(states) - 1 - int(score[-2] > score[-1])
    if not np.isfinite(score[state]):
        raise DataError(
            f"{len(log_p)} frames are too few for {len(labels)} labels (or a label has no probability)"
        )
    path = np.empty(len(log_p), np.int64)
    for t in range(len(log_p) - 1, -1, -1):
        path[t] = state
        state -= int(back[t, state])
    return [
        (int(at[0]), int(at[-1])) for k in range(len(labels)) for at in [np.flatnonzero(path == 2 * k + 1)]
    ]


def bigram_weights(sentences: Sequence[Sequence[int]], n_labels: int, smooth: float = 1.0) -> np.ndarray:
    """Log-probabilities ``[K, K]`` of a label after another, counted with ``smooth`` added; row 0: the beginning.

    Args:
        sentences: labels 1 to K - 1.
        n_labels: K, the blank among them.
        smooth: above 0.

    Raises:
        ConfigError: if it is not above 0.
    """
    if not smooth > 0:
        raise ConfigError(f"smooth must be above 0, got {smooth}")
    counts = np.zeros((n_labels, n_labels))
    counts[:, 1:] = smooth
    for labels in sentences:
        for before, label in zip([BLANK_INDEX, *labels], labels, strict=False):
            counts[before, label] += 1
    with np.errstate(divide="ignore"):
        return np.log(counts / counts.sum(1, keepdims=True))
