"""Rank pooling (Fernando et al., CVPR 2015) and dynamic images (Bilen et al., CVPR 2016)."""

from __future__ import annotations

import numpy as np

from skelact.errors import DataError


def smooth_frames(frames: np.ndarray) -> np.ndarray:
    """The mean of all frames so far, of length 1 (L2): ``[T, D]`` to ``[T, D]``."""
    means = np.cumsum(frames, 0) / np.arange(1, len(frames) + 1)[:, None]
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)


def rank_direction(frames: np.ndarray, cost: float = 1.0, tolerance: float = 0.1) -> np.ndarray:
    """The direction ``[D]`` along which frames grow with time, by linear support vector regression.

    Minimises ``|u|²/2 + cost/2 · sum_t max(0, |t - u·v_t| - tolerance)²`` with v from `smooth_frames` and t = 1..T.

    Args:
        frames: ``[T, D]`` features of frames.
        cost: C.
        tolerance: epsilon.

    Raises:
        DataError: without frames, or for values that are not finite.
    """
    from scipy.optimize import minimize

    frames = np.asarray(frames, np.float64)
    if frames.ndim != 2 or not len(frames) or not np.isfinite(frames).all():
        raise DataError(f"rank pooling needs finite features [frames, channels], got {list(frames.shape)}")
    smooth, times = smooth_frames(frames), np.arange(1, len(frames) + 1)

    def loss(u: np.ndarray) -> tuple[float, np.ndarray]:
        error = smooth @ u - times
        beyond = np.sign(error) * np.maximum(0.0, np.abs(error) - tolerance)
        return float(u @ u / 2 + cost / 2 * (beyond**2).sum()), u + cost * smooth.T @ beyond

    return minimize(loss, np.zeros(frames.shape[1]), jac=True, method="L-BFGS-B").x


def rank_pool(frames: np.ndarray, cost: float = 1.0, tolerance: float = 0.1) -> np.ndarray:
    """Descriptor ``[2·D]`` of a video: directions forwards and backwards in time, signed square roots of both.

    Args and errors as for `rank_direction`.
    """
    frames = np.asarray(frames)
    both = [rank_direction(f, cost, tolerance) for f in (frames, frames[::-1])]
    joined = np.concatenate(both)
    return np.sign(joined) * np.sqrt(np.abs(joined))


def dynamic_coefficients(n_frames: int, simple: bool = False) -> np.ndarray:
    """Coefficients a ``[T]`` of approximate rank pooling.

    ``a_t = 2 (T - t + 1) - (T + 1) (H_T - H_(t-1))`` with ``H_t = 1 + 1/2 + ... + 1/t`` (frames are averaged over time
    first); ``simple``: ``a_t = 2 t - T - 1`` (frames as they are).

    Raises:
        DataError: for fewer than 1 frame.
    """
    if n_frames < 1:
        raise DataError(f"a dynamic image needs at least 1 frame, got {n_frames}")
    t = np.arange(1, n_frames + 1)
    if simple:
        return 2.0 * t - n_frames - 1
    harmonic = np.concatenate([[0.0], np.cumsum(1 / t)])
    return 2 * (n_frames - t + 1) - (n_frames + 1) * (harmonic[-1] - harmonic[:-1])


def dynamic_image(frames: np.ndarray, simple: bool = False) -> np.ndarray:
    """Weighted sum over time ``[T, ...]`` to ``[...]``; see `dynamic_coefficients`."""
    return np.tensordot(dynamic_coefficients(len(frames), simple), np.asarray(frames, np.float64), 1)
