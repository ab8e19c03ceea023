"""Fusion weights: the better stream counts more, a useless one hardly, and the scores are calibrated."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.evaluate.fusion import fit_fusion_weights


def logits_of(labels: np.ndarray, strength: float, seed: int, n_classes: int = 5) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(len(labels), n_classes))
    return noise + strength * np.eye(n_classes)[labels]


def test_better_streams_count_more() -> None:
    labels = np.random.default_rng(0).integers(0, 5, 2000)
    streams = np.stack([logits_of(labels, s, i) for i, s in enumerate((2.0, 1.0, 0.0))])
    weights = fit_fusion_weights(streams, labels)
    assert weights[0] > weights[1] > weights[2] >= 0 and weights[2] < 0.1 * weights[0]
    # unit Gaussian noise on independent streams: the best weights are the strengths themselves
    assert weights[0] == pytest.approx(2.0, abs=0.3) and weights[1] == pytest.approx(1.0, abs=0.2)


def test_fused_scores_are_better_than_each() -> None:
    labels = np.random.default_rng(1).integers(0, 5, 1000)
    streams = np.stack([logits_of(labels, 1.5, i) for i in range(3)])
    weights = fit_fusion_weights(streams[:, :500], labels[:500])
    fused = np.tensordot(weights, streams[:, 500:], 1).argmax(-1)
    alone = [(s[500:].argmax(-1) == labels[500:]).mean() for s in streams]
    assert (fused == labels[500:]).mean() > max(alone) + 0.05


def test_weights_are_the_most_likely_under_the_prior() -> None:
    """Against a search of the same objective, written plainly: relative weights N(1, 0.5²), log of the sum N(0, 1)."""
    labels = np.array([0, 1, 2, 2])
    streams = np.stack([logits_of(labels, 1.0, 3), logits_of(labels, 0.2, 4)])
    p = np.exp(streams) / np.exp(streams).sum(-1, keepdims=True)

    def objective(w: np.ndarray) -> float:
        fused = np.prod([p[s] ** w[s] for s in range(2)], 0)
        likelihood = sum(np.log(fused[i, k] / fused[i].sum()) for i, k in enumerate(labels))
        mean = (w[0] + w[1]) / 2
        prior = sum(((v / mean - 1) / 0.5) ** 2 / 2 for v in w) + np.log(w[0] + w[1]) ** 2 / 2
        return prior - likelihood

    grid = np.linspace(0.01, 2, 200)
    values = np.array([[objective(np.array([a, b])) for b in grid] for a in grid])
    a, b = np.unravel_index(values.argmin(), values.shape)
    assert fit_fusion_weights(streams, labels) == pytest.approx([grid[a], grid[b]], abs=0.012)


def test_few_clips_switch_no_stream_off() -> None:
    labels = np.array([0, 1, 2])
    right, wrong = 5 * np.eye(5)[labels], 5 * np.eye(5)[(labels + 1) % 5]
    weights = fit_fusion_weights(np.stack([right, right, wrong]), labels)
    assert weights[2] > 0.02 * weights[0] and weights[0] == pytest.approx(weights[1], rel=1e-3)


def test_no_clips() -> None:
    with pytest.raises(DataError, match="validation clips"):
        fit_fusion_weights(np.zeros((2, 0, 3)), np.zeros(0, int))
