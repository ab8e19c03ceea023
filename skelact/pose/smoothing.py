"""One-Euro smoothing of landmarks (Casiez, Roussel and Vogel, CHI 2012), weighted by visibility."""

from __future__ import annotations

import numpy as np


class OneEuro:
    """Smooth the joints of one person frame by frame.

    Slow joints are smoothed much (no jitter at rest), fast ones little (no lag in motion). Speed is measured
    in body sizes a second, so the same numbers serve metres, pixels and fractions of the picture. A joint
    that is hardly visible is trusted less and moves more slowly. Every joint is filtered by itself, and
    starts anew after a gap.

    Args:
        min_cutoff: cut-off frequency at rest, in Hz; lower is smoother.
        beta: by how much the cut-off rises with speed, in Hz per body size a second.
        derivative_cutoff: cut-off for the speed, in Hz.
        gap_seconds: a joint that was missing for longer starts anew.
    """

    def __init__(
        self,
        min_cutoff: float = 1.2,
        beta: float = 6.0,
        derivative_cutoff: float = 1.0,
        gap_seconds: float = 0.25,
    ) -> None:
        self.min_cutoff = min_cutoff
        self.beta = beta
        self.derivative_cutoff = derivative_cutoff
        self.gap_seconds = gap_seconds
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self._value: np.ndarray | None = None
        self._speed: np.ndarray | None = None
        self._time: np.ndarray | None = None
        self._size = 0.0

    def __call__(self, xyz: np.ndarray, score: np.ndarray, time: float) -> np.ndarray:
        """Smooth one frame.

        Args:
            xyz: ``[V, C]`` joints.
            score: ``[V]`` in 0..1; joints with score 0 are missing and returned as they are.
            time: seconds, later than the last frame.

        Returns:
            ``[V, C]`` smoothed joints.
        """
        xyz = np.asarray(xyz, np.float64)
        there = np.asarray(score) > 0
        if self._value is None or self._speed is None or self._time is None:
            self._value, self._speed = xyz.copy(), np.zeros_like(xyz)
            self._time = np.where(there, time, -np.inf)
            self._size = _size(xyz, there)
            return xyz.copy()
        step = time - self._time
        fresh = there & (step > self.gap_seconds)
        known = there & ~fresh & (step > 0)
        if there.any():
            size = _size(xyz, there)
            self._size = size if self._size <= 0 else 0.95 * self._size + 0.05 * size
        dt = np.where(known, step, 1.0)[:, None]
        raw = (xyz - self._value) / dt
        share = _share(np.full_like(dt, self.derivative_cutoff), dt)
        speed = share * raw + (1 - share) * self._speed
        pace = np.linalg.norm(speed, axis=-1, keepdims=True) / max(self._size, 1e-9)
        trust = (0.3 + 0.7 * np.asarray(score, np.float64))[:, None]
        part = _share((self.min_cutoff + self.beta * pace) * trust, dt)
        value = part * xyz + (1 - part) * self._value
        known, fresh = known[:, None], fresh[:, None]
        self._value = np.where(known, value, np.where(fresh, xyz, self._value))
        self._speed = np.where(known, speed, np.where(fresh, 0.0, self._speed))
        self._time = np.where(there, time, self._time)
        return np.where(there[:, None], self._value, xyz)


def smooth_track(xyz: np.ndarray, score: np.ndarray, time: np.ndarray, **options: float) -> np.ndarray:
    """Smooth one person through a recording; the same numbers as `OneEuro` frame by frame.

    Args:
        xyz: ``[T, V, C]``.
        score: ``[T, V]``, 0 = missing.
        time: ``[T]`` seconds, increasing.
        options: as `OneEuro`.

    Returns:
        ``[T, V, C]`` in the type of ``xyz``.
    """
    smooth = OneEuro(**options)
    out = np.array(xyz)
    for t in range(len(xyz)):
        if (score[t] > 0).any():  # a person who is not there says nothing
            out[t] = smooth(xyz[t], score[t], float(time[t]))
    return out


def _share(cutoff: np.ndarray, dt: np.ndarray) -> np.ndarray:
    """Weight of the newest value in an exponential filter."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * dt))


def _size(xyz: np.ndarray, there: np.ndarray) -> float:
    """Longest side of the body in x and y."""
    return float(np.ptp(xyz[there][:, :2], axis=0).max()) if there.any() else 0.0
