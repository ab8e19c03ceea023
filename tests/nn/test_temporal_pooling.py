"""Temporal poolings: their equations written plainly, and tasks that they must solve."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import logm

from skelact.errors import ConfigError, DataError
from skelact.models.classical.linear_svm import fit_linear_svm
from skelact.nn.rank_pooling import (
    dynamic_coefficients,
    dynamic_image,
    rank_direction,
    rank_pool,
    smooth_frames,
)
from skelact.nn.temporal_pooling import POOLINGS, TemporalPooling, correlate


def accuracy(features: np.ndarray, labels: np.ndarray, n_classes: int = 2) -> float:
    """Of a linear SVM trained on the first half, on the second."""
    half = len(labels) // 2
    weight, bias = fit_linear_svm(features[:half], labels[:half], n_classes, 10.0)
    return float(((features[half:] @ weight.T + bias).argmax(1) == labels[half:]).mean())


def test_rank_pooling_orders_frames_and_minimises_its_loss() -> None:
    rng = np.random.default_rng(0)
    frames = 0.1 * rng.normal(size=(12, 30)) + np.linspace(0, 3, 12)[:, None] * rng.normal(size=30)
    u, smooth = rank_direction(frames), smooth_frames(frames)
    assert np.allclose(smooth[4], frames[:5].mean(0) / np.linalg.norm(frames[:5].mean(0)))

    def loss(v: np.ndarray) -> float:
        return v @ v / 2 + sum(max(0.0, abs(t + 1 - v @ smooth[t]) - 0.1) ** 2 for t in range(12)) / 2

    assert all(loss(u + 0.01 * rng.normal(size=30)) > loss(u) for _ in range(30))
    assert (np.diff(smooth @ rank_direction(frames, 1e4)) > 0).all()
    both = rank_pool(frames)
    assert np.allclose(np.sign(both) * both**2, np.concatenate([u, rank_direction(frames[::-1])]))
    with pytest.raises(DataError, match="finite"):
        rank_pool(np.full((3, 2), np.nan))


def test_dynamic_images_are_the_first_step_of_rank_pooling() -> None:
    rng = np.random.default_rng(1)
    t = 7
    a = dynamic_coefficients(t)
    plain = [2 * (t - i + 1) - (t + 1) * sum(1 / j for j in range(i, t + 1)) for i in range(1, t + 1)]
    assert np.allclose(a, plain, atol=1e-12) and abs(a.sum()) < 1e-10
    assert np.array_equal(dynamic_coefficients(t, simple=True), [-6, -4, -2, 0, 2, 4, 6])
    frames = rng.normal(size=(t, 2, 3))
    means = [frames[: i + 1].mean(0) for i in range(t)]
    pairs = sum(
        means[q] - means[p] for q in range(t) for p in range(q)
    )  # gradient of all pairs' hinge losses
    assert np.allclose(dynamic_image(frames), pairs)
    grown = rng.normal(size=(20, 40)) * 0.1 + np.linspace(0, 2, 20)[:, None] * rng.normal(size=40)
    u, d = rank_direction(grown), dynamic_image(grown)
    assert u @ d / np.linalg.norm(u) / np.linalg.norm(d) > 0.7
    with pytest.raises(DataError, match="at least 1 frame"):
        dynamic_coefficients(0)


def test_rank_pooling_tells_the_order_of_events() -> None:
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 8))
    labels = np.arange(60) % 2
    clips = [np.stack([a] * 6 + [b] * 6)[:: 1 - 2 * y] + 0.2 * rng.normal(size=(12, 8)) for y in labels]
    assert accuracy(np.stack([rank_pool(c) for c in clips]), labels) > 0.9
    assert accuracy(np.stack([dynamic_image(c) for c in clips]), labels) > 0.9
    assert accuracy(np.stack([c.mean(0) for c in clips]), labels) < 0.8  # which the mean cannot


def test_correlations_of_courses() -> None:
    rng = np.random.default_rng(3)
    frames = rng.normal(size=(9, 3))
    f = frames - frames.mean(0)
    f = (f / np.linalg.norm(f, axis=0)).T
    log = logm(f @ f.T + 0.01 * np.eye(3))
    r = np.sqrt(2)
    expected = [log[0, 0], r * log[0, 1], r * log[0, 2], log[1, 1], r * log[1, 2], log[2, 2]]
    found = correlate(torch.from_numpy(frames)[None], 0.01)[0].numpy()
    assert np.allclose(found, expected) and np.isclose(found @ found, (log**2).sum())
    labels = np.arange(60) % 2
    clips = []
    for y in labels:  # the same features, active together or in turn
        course = rng.normal(size=(20, 1))
        clips.append(np.concatenate([course, course * (1 - 2 * y)], 1) + 0.5 * rng.normal(size=(20, 2)))
    assert accuracy(correlate(torch.from_numpy(np.stack(clips))).numpy(), labels) > 0.9
    with pytest.raises(ConfigError, match="floor"):
        correlate(torch.zeros(1, 3, 2), 0.0)


@pytest.mark.parametrize("kind", POOLINGS)
def test_each_pooling_is_its_equation(kind: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 5, dtype=torch.float64, requires_grad=True)
    pool = TemporalPooling(kind, 5).double()
    found = pool(x)
    assert found.shape == (2, pool.channels_out) and found.dtype == x.dtype
    clip = x.detach().numpy()
    if kind == "attention":
        assert pool.query is not None
        score = clip @ pool.query.weight.detach().numpy()[0]
        weight = np.exp(score) / np.exp(score).sum(1, keepdims=True)
        expected = (weight[..., None] * clip).sum(1)
    else:
        dynamic = np.stack([dynamic_image(one) for one in clip])
        expected = {
            "mean": clip.mean(1),
            "max": clip.max(1),
            "deviation": clip.std(1),
            "rank": np.stack([rank_pool(one) for one in clip]),
            "approximate_rank": np.sign(dynamic) * np.sqrt(np.abs(dynamic)),
            "correlation": correlate(x).detach().numpy(),
        }[kind]
    assert np.allclose(found.detach().numpy(), expected, atol=1e-9)
    if kind != "rank":  # which has no gradient
        assert torch.autograd.grad(found.square().sum(), x)[0].abs().sum() > 0


def test_what_cannot_be_pooled_is_said() -> None:
    with pytest.raises(ConfigError, match="allowed: mean, max"):
        TemporalPooling("median", 4)
    with pytest.raises(ConfigError, match="project the features to at most 128"):
        TemporalPooling("correlation", 1280)
