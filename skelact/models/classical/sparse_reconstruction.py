"""Abnormal events by the cost of sparse reconstruction (Cong, Yuan and Liu, CVPR 2011)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skelact.errors import DataError


def select_dictionary(basis: np.ndarray, sparsity: float, rounds: int = 500) -> np.ndarray:
    """Which normal features represent all of them: the rows of X that are not 0.

    X minimises ``1/2 |B - B X|² + sparsity · sum_i |X_i|`` (L2 norms of rows), by accelerated proximal gradients.

    Args:
        basis: B, ``[D, N]``, a column for each normal event.
        sparsity: lambda; larger: fewer columns.
        rounds: of the minimisation, at most; it ends before when nothing changes any more.

    Returns:
        indices of the columns of B, the strongest first.

    Raises:
        DataError: if nothing is selected.
    """
    gram = basis.T @ basis
    step = 1 / max(np.linalg.eigvalsh(gram)[-1], 1e-12)
    x = ahead = np.zeros_like(gram)
    pace = 1.0
    for _ in range(rounds):
        moved = ahead - step * (gram @ ahead - gram)
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        new = moved * np.maximum(0.0, 1 - step * sparsity / np.maximum(length, 1e-12))
        next_pace = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        change, largest = np.abs(new - x).max(), np.abs(new).max()
        ahead = new + (pace - 1) / next_pace * (new - x)
        x, pace = new, next_pace
        if change <= 1e-5 * largest:
            break
    strength = np.linalg.norm(x, axis=1)
    chosen = np.flatnonzero(strength > 1e-6 * max(strength.max(), 1e-12))
    if not len(chosen) or strength.max() == 0:
        raise DataError(f"a sparsity of {sparsity} selects nothing; take a smaller one")
    return chosen[np.argsort(-strength[chosen], kind="stable")]


def reconstruct(y: np.ndarray, atoms: np.ndarray, weight: np.ndarray, rounds: int = 500) -> np.ndarray:
    """``argmin_x 1/2 |y - atoms·x|² + sum_i weight_i |x_i|`` by accelerated proximal gradients (FISTA).

    Args:
        y: ``[D]``, or ``[D, N]``: a column for each event.
        atoms: ``[D, A]``.
        weight: ``[A]``.
        rounds: at most; it ends before when nothing changes by more than a millionth of the largest number.

    Returns:
        ``[A]``, or ``[A, N]``.
    """
    gram, aim = atoms.T @ atoms, atoms.T @ y
    step = 1 / max(np.linalg.eigvalsh(gram)[-1], 1e-12)
    cost = weight if aim.ndim == 1 else weight[:, None]
    x = ahead = np.zeros_like(aim)
    pace = 1.0
    for _ in range(rounds):
        moved = ahead - step * (gram @ ahead - aim)
        new = np.sign(moved) * np.maximum(0.0, np.abs(moved) - step * cost)
        change, largest = np.abs(new - x).max(initial=0.0), np.abs(new).max(initial=0.0)
        next_pace = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead = new + (pace - 1) / next_pace * (new - x)
        x, pace = new, next_pace
        if change <= 1e-6 * largest:
            break
    return x


@dataclass(frozen=True)
class SparseReconstruction:
    """A dictionary of normal events.

    Args:
        atoms: ``[D, A]``.
        weight: ``[A]`` cost of using each atom, lower for those that normal events use often.
    """

    atoms: np.ndarray
    weight: np.ndarray

    @classmethod
    def fit(cls, normal: np.ndarray, sparsity: float = 0.1, penalty: float = 0.1) -> SparseReconstruction:
        """Select the dictionary among normal events ``[N, D]``, and weigh its atoms by their use.

        Args:
            normal: features of normal events.
            sparsity: see `select_dictionary`.
            penalty: lambda of the reconstruction; an atom's weight is penalty over the root of its mean use (the mean
                weight is the penalty).
        """
        basis = np.asarray(normal, np.float64).T
        atoms = basis[:, select_dictionary(basis, sparsity)]
        even = np.full(atoms.shape[1], penalty)
        use = np.abs(reconstruct(basis, atoms, even)).mean(1)
        weight = 1 / np.sqrt(use + 1e-2 * max(use.max(), 1e-12))
        return cls(atoms, penalty * weight / weight.mean())

    def cost(self, events: np.ndarray) -> np.ndarray:
        """``S = 1/2 |y - atoms·x|² + sum weight·|x|`` of events ``[N, D]``, ``[N]``: large for abnormal ones."""
        y = np.asarray(events, np.float64).T
        x = reconstruct(y, self.atoms, self.weight)
        return ((y - self.atoms @ x) ** 2).sum(0) / 2 + self.weight @ np.abs(x)
