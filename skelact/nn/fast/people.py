"""How many people are worked on at a time."""

from __future__ import annotations

from torch import Tensor

CACHE = 3 << 20  # bytes


def people_at_a_time(x: Tensor, width: int) -> int:
    """How many people's ``[V, P, T, width]`` fit into a core's caches, for ``x [V, P, T, C]``; all, elsewhere."""
    v, p, t, _ = x.shape
    if x.device.type != "cpu":
        return max(1, p)
    return max(1, CACHE // (width * v * t * x.element_size()))
