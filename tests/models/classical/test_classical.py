"""Classical methods: their equations written plainly, and tasks that they must solve."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skelact.errors import DataError
from skelact.models.classical.bag_of_words import ChiSquareSVM, chi_square, word_histogram
from skelact.models.classical.linear_svm import fit_linear_svm
from skelact.models.classical.sparse_reconstruction import (
    SparseReconstruction,
    reconstruct,
    select_dictionary,
)
from skelact.nn.cells import cell_descriptors, hof_maps, hog_maps
from skelact.nn.kmeans import fit_codebook


def accuracy(features: np.ndarray, labels: np.ndarray, n_classes: int = 2) -> float:
    """Of a linear SVM trained on the first half, on the second."""
    half = len(labels) // 2
    weight, bias = fit_linear_svm(features[:half], labels[:half], n_classes, 10.0)
    return float(((features[half:] @ weight.T + bias).argmax(1) == labels[half:]).mean())


def test_the_linear_svm_minimises_its_loss() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 3)), rng.integers(3, size=20)
    weight, bias = fit_linear_svm(x, y, 3, 0.7)

    def loss(w: np.ndarray, b: np.ndarray) -> float:
        total = 0.0
        for k in range(3):
            total += w[k] @ w[k] / 2
            for row, label in zip(x, y, strict=True):
                total += 0.7 * max(0.0, 1 - (1 if label == k else -1) * (row @ w[k] + b[k])) ** 2
        return total

    least = loss(weight, bias)
    for _ in range(50):
        assert loss(weight + 0.01 * rng.normal(size=(3, 3)), bias + 0.01 * rng.normal(size=3)) > least
    with pytest.raises(DataError, match="0 clips"):
        fit_linear_svm(x[:0], y[:0], 3)


def test_bags_of_words_tell_motions_apart() -> None:
    rng = np.random.default_rng(4)
    labels = np.arange(40) % 2
    hog, hof = [], []
    for y in labels:  # a blob goes right or down
        place = rng.uniform(6, 10, 2)
        step = np.array([0.0, 1.0]) if y else np.array([1.0, 0.0])
        grid = np.stack(np.meshgrid(np.arange(24), np.arange(24), indexing="ij"))
        blobs = [np.exp(-((grid - (place + i * step)[:, None, None]) ** 2).sum(0) / 8) for i in range(8)]
        flow = np.stack([np.stack([step[1] * b, step[0] * b]) * 3 for b in blobs])
        fields = torch.from_numpy(flow).transpose(0, 1)
        hog.append(cell_descriptors(hog_maps(torch.from_numpy(np.stack(blobs))), 6, 2).numpy())
        hof.append(cell_descriptors(hof_maps(fields), 6, 2).numpy())
    channels = []
    for descriptors in (hog, hof):
        book = fit_codebook(np.concatenate(descriptors[:20]), 12)
        channels.append(np.stack([word_histogram(d, book) for d in descriptors]))
    assert np.allclose(channels[0].sum(1), 1)
    svm = ChiSquareSVM([c[:20] for c in channels], labels[:20], 2)
    assert (svm.decide([c[20:] for c in channels]).argmax(1) == labels[20:]).mean() > 0.9
    with pytest.raises(DataError, match="χ² SVM needs"):
        ChiSquareSVM([], labels, 2)


def test_the_chi_square_kernel_machine() -> None:
    rng = np.random.default_rng(5)
    a = rng.random((6, 4))
    a[0, 1] = a[1, 1] = 0
    plain = [
        [sum((p - q) ** 2 / (p + q) for p, q in zip(x, y, strict=True) if p + q) / 2 for y in a] for x in a
    ]
    assert np.allclose(chi_square(a, a), plain)
    labels = np.array([0, 1, 0, 1, 0, 1])
    svm = ChiSquareSVM([a], labels, 2, cost=1.0)
    kernel = np.exp(-np.array(plain) / np.mean(plain))
    assert np.allclose(svm.decide([a]), kernel @ svm.alpha + svm.bias)
    target = np.where(labels[:, None] == np.arange(2), 1, -1)

    def loss(alpha: np.ndarray, bias: np.ndarray) -> float:
        missing = np.maximum(0, 1 - target * (kernel @ alpha + bias))
        return np.einsum("nk,nm,mk->", alpha, kernel, alpha) / 2 + (missing**2).sum()

    least = loss(svm.alpha, svm.bias)
    assert all(
        loss(svm.alpha + 0.01 * rng.normal(size=(6, 2)), svm.bias + 0.01 * rng.normal(size=2)) > least - 1e-9
        for _ in range(30)
    )


def test_sparse_reconstruction_minimises_its_cost() -> None:
    rng = np.random.default_rng(6)
    atoms, y, weight = rng.normal(size=(5, 4)), rng.normal(size=5), rng.uniform(0.1, 2, 4)
    x = reconstruct(y, atoms, weight)

    def cost(v: np.ndarray) -> float:
        return ((y - atoms @ v) ** 2).sum() / 2 + weight @ np.abs(v)

    assert all(cost(x + 0.01 * rng.normal(size=4)) >= cost(x) for _ in range(50))
    model = SparseReconstruction(atoms, weight)
    assert np.allclose(model.cost(y[None]), cost(x))


def test_a_dictionary_keeps_one_of_each_kind() -> None:
    rng = np.random.default_rng(7)
    kinds = np.eye(6)[:3]
    normal = np.repeat(kinds, 5, 0) * np.tile([1.0, 0.9, 0.8, 0.7, 0.6], 3)[:, None]
    chosen = select_dictionary(normal.T, 0.5)
    assert {int(np.argmax(normal[i])) for i in chosen} == {0, 1, 2} and len(chosen) < 15
    with pytest.raises(DataError, match="selects nothing"):
        select_dictionary(normal.T, 1e4)
    events = np.concatenate([normal, normal]) + 0.02 * rng.normal(size=(30, 6))
    strange = np.eye(6)[3:].repeat(5, 0) + 0.02 * rng.normal(size=(15, 6))
    model = SparseReconstruction.fit(normal, 0.3, 0.05)
    usual, other = model.cost(events), model.cost(strange)
    assert (other[:, None] > usual[None]).mean() > 0.95  # the area under the ROC curve
    assert np.isclose(model.weight.mean(), 0.05)
