"""Clips of a batch that have a stream, while others lack it: chosen on the host, so that no step waits for a GPU.

Flags are host values, ``[N]`` booleans as a tuple. What is computed of the clips that have a stream is put back among
the others, which get 0; the statistics of norms therefore know nothing of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

Flags = tuple[bool, ...]


def read_flags(flags: Sequence[bool] | Tensor) -> Flags:
    """``[N]`` booleans as host values; a tensor on a GPU is waited for."""
    return tuple(bool(flag) for flag in (flags.tolist() if isinstance(flags, Tensor) else flags))


def to_mask(flags: Flags, device: torch.device) -> Tensor:
    """Flags as ``[N]`` bool on a device, without waiting for it."""
    return torch.tensor(flags, dtype=torch.bool).to(device, non_blocking=True)


def take_present(x: Tensor, flags: Flags) -> Tensor:
    """The M clips of ``x [N, ...]`` whose flag is set, ``[M, ...]``."""
    return x if all(flags) else x.index_select(0, _index(flags, x.device))


def put_present(x: Tensor, flags: Flags) -> Tensor:
    """The inverse of `take_present`: ``[M, ...]`` to ``[N, ...]``, 0 in the other clips."""
    if all(flags):
        return x
    return x.new_zeros(len(flags), *x.shape[1:]).index_copy(0, _index(flags, x.device), x)


def _index(flags: Flags, device: torch.device) -> Tensor:
    return torch.tensor([i for i, flag in enumerate(flags) if flag]).to(device, non_blocking=True)


def zero_of(*modules: nn.Module) -> Tensor | float:
    """0, as a function of every trained weight of modules that a batch does not need.

    What it is added to gives these weights a gradient of 0: processes that train together wait for the gradient of
    every weight (`torch.nn.parallel.DistributedDataParallel`).
    """
    parts = [p.flatten()[:1] for module in modules for p in module.parameters() if p.requires_grad]
    return 0 * torch.cat(parts).sum() if parts else 0.0


def clips_with_people(score: Tensor, owner: Tensor, n_clips: int) -> Tensor:
    """``[N]`` bool: in which clips anybody is seen; ``score [P, T, V]``, ``owner [P]``."""
    seen = (score > 0).flatten(1).any(1).to(torch.int32)
    return torch.zeros(n_clips, dtype=seen.dtype, device=seen.device).index_add(0, owner, seen) > 0
