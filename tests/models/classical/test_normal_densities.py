"""What stands behind unusual motion: the dictionary's optimality conditions, and the mixture of Gaussians."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from skelact.errors import DataError
from skelact.models.classical.gaussian_mixture import GaussianMixture
from skelact.models.classical.sparse_reconstruction import reconstruct, select_dictionary


def test_the_selection_is_optimal_for_its_columns() -> None:
    """Columns selected are those whose rows are not 0 in the minimum: |B_i'(B - BX)| is at most lambda there."""
    rng = np.random.default_rng(1)
    basis = rng.normal(size=(6, 12))
    largest = np.linalg.norm(basis.T @ basis, axis=1).max()
    assert len(select_dictionary(basis, 0.999 * largest)) >= 1
    with pytest.raises(DataError, match="selects nothing"):
        select_dictionary(basis, 1.001 * largest)  # X = 0 is optimal from here on
    sparsity = 0.4 * largest
    chosen = select_dictionary(basis, sparsity, 5000)
    # Block coordinate descent, another way to the same minimum.
    x = np.zeros((12, 12))
    for _ in range(4000):
        for i in range(12):
            rest = basis - basis @ x + np.outer(basis[:, i], x[i])
            pull = basis[:, i] @ rest
            length = np.linalg.norm(pull)
            x[i] = max(0.0, 1 - sparsity / length) * pull / (basis[:, i] @ basis[:, i])
    slope = basis.T @ (basis - basis @ x)
    size = np.linalg.norm(x, axis=1)
    assert np.allclose(
        slope[size > 0], sparsity * (x / np.maximum(size, 1e-12)[:, None])[size > 0], atol=1e-6
    )
    assert (np.linalg.norm(slope, axis=1) <= sparsity + 1e-6).all()
    assert set(chosen) == set(np.flatnonzero(size > 1e-6 * size.max()))


def test_reconstruction_meets_its_conditions_for_many_at_once() -> None:
    rng = np.random.default_rng(2)
    atoms, y, weight = rng.normal(size=(6, 5)), rng.normal(size=(6, 9)), rng.uniform(0.2, 1.0, 5)
    x = reconstruct(y, atoms, weight, 5000)
    slope = atoms.T @ (y - atoms @ x)
    used = np.abs(x) > 1e-5
    assert used.any() and not used.all()
    assert np.allclose(slope[used], (weight[:, None] * np.sign(x))[used], atol=1e-3)
    assert (np.abs(slope) <= weight[:, None] + 1e-3).all()
    assert np.allclose(x[:, 3], reconstruct(y[:, 3], atoms, weight, 5000), atol=1e-4)


def test_a_mixture_finds_its_parts_and_never_gets_worse() -> None:
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal([0, 0], [1, 0.5], (300, 2)), rng.normal([6, 6], [0.3, 1], (100, 2))])
    mixture, history = GaussianMixture.fit(x, 2, prior=1e-3)
    assert (np.diff(history) >= -1e-7).all()
    order = np.argsort(mixture.share)
    assert np.allclose(mixture.share[order], [0.25, 0.75], atol=0.02)
    assert np.allclose(mixture.mean[order], [[6, 6], [0, 0]], atol=0.2)
    points = np.array([[0.0, 0.0], [3.0, 3.0], [6.0, 5.0]])
    density = sum(
        s * multivariate_normal(m, f @ f.T).pdf(points)
        for s, m, f in zip(mixture.share, mixture.mean, mixture.factor, strict=True)
    )
    assert np.allclose(np.exp(mixture.log_density(points)), density)


def test_a_prior_keeps_few_samples_apart_from_singular() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(30, 40))
    mixture, history = GaussianMixture.fit(x, 2, prior=20.0)
    assert np.isfinite(mixture.log_density(10 * x)).all() and (np.diff(history) >= -1e-7).all()
    with pytest.raises(DataError, match="prior"):
        GaussianMixture.fit(x, 2, prior=0)
