"""Number of people that are processed at a time."""

from __future__ import annotations

from torch import Tensor

CACHE = 3 << 20  # bytes


def people_at_a_time(x: Tensor, width: int) -> int:
    """Number of people whose ``[V, P, T, width]`` fits a CPU core's caches; on other devices all."""
    v, p, t, _ = x.shape
    if x.device.type != "cpu":
        return max(1, p)
    return max(1, CACHE // (width * v * t * x.element_size()))
