"""Pooling of joints and frames into people, and of people into clips."""

from __future__ import annotations

import torch
from torch import Tensor


def pool_people(x: Tensor) -> Tensor:
    """Mean over joints and frames: ``[V, P, T, C]`` to ``[P, C]``."""
    return x.mean((0, 2))


def pool_clips(x: Tensor, owner: Tensor, n_clips: int, present: Tensor | None = None) -> Tensor:
    """Mean over the people of each clip: PyG's segment mean over the batch vector.

    Args:
        x: ``[P, D]`` features of people.
        owner: ``[P]`` which clip each person belongs to.
        n_clips: N.
        present: ``[P]`` booleans; people who are never there do not count. A clip with nobody at all
            is the mean over its absent people.

    Returns:
        ``[N, D]``.
    """
    weight = torch.ones_like(x[:, :1]) if present is None else present.to(x.dtype)[:, None]
    if present is not None:
        absent = torch.zeros(n_clips, 1, dtype=x.dtype, device=x.device).index_add(0, owner, weight) == 0
        weight = torch.where(absent[owner], torch.ones_like(weight), weight)
    total = torch.zeros(n_clips, x.shape[1], dtype=x.dtype, device=x.device).index_add(0, owner, x * weight)
    count = torch.zeros(n_clips, 1, dtype=x.dtype, device=x.device).index_add(0, owner, weight)
    return total / count
