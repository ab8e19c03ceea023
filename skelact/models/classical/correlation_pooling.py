"""Temporal correlation pooling (Cherian and Gould, IJCV 2019): which features are active together."""

from __future__ import annotations

import numpy as np

from skelact.errors import DataError


def correlation_pool(frames: np.ndarray, floor: float = 1e-3) -> np.ndarray:
    """Descriptor of a video: the matrix logarithm of its features' correlations over time.

    Each feature's course over time is centred and scaled to length 1 (F); ``C = F Fᵀ``; the descriptor is the upper
    triangle of ``log(C + floor·I)``, off-diagonal values times √2, so that its dot product is that of the matrices.

    Args:
        frames: ``[T, D]`` features, or scores of classes, of frames.
        floor: added to the eigenvalues.

    Returns:
        ``[D (D + 1) / 2]``.

    Raises:
        DataError: without frames, for values that are not finite, or a floor that is not above 0.
    """
    frames = np.asarray(frames, np.float64)
    if frames.ndim != 2 or not len(frames) or not np.isfinite(frames).all() or not floor > 0:
        raise DataError(
            f"correlation pooling needs finite features [frames, channels] and a floor above 0, got "
            f"{list(frames.shape)} and {floor}"
        )
    courses = (frames - frames.mean(0)).T
    courses /= np.maximum(np.linalg.norm(courses, axis=1, keepdims=True), 1e-12)
    values, vectors = np.linalg.eigh(courses @ courses.T)
    logarithm = (vectors * np.log(np.maximum(values, 0) + floor)) @ vectors.T
    rows, columns = np.triu_indices(len(logarithm))
    return logarithm[rows, columns] * np.where(rows == columns, 1.0, np.sqrt(2))
