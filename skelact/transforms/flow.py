"""Fields of optical flow as a network's input. Fields are ``[..., L, 2, H, W]``, (right, down) in pixels per frame."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from skelact.errors import ConfigError, choices

_INVERSIONS = 8  # rounds; each leaves less than the flow's change between neighbours of the error


def stack(fields: Tensor) -> Tensor:
    """Flow stacked as channels: ``[N, L, 2, H, W]`` to ``[N, 2L, H, W]``, in the order u1, v1, u2, v2, ...

    Source: Simonyan and Zisserman, NIPS 2014, equation 1.
    """
    return fields.flatten(1, 2)


def trajectory_stack(fields: Tensor) -> Tensor:
    """Flow along the paths of the first frame's points: ``[N, L, 2, H, W]`` to ``[N, 2L, H, W]``.

    Channels 2k-1, 2k hold field k at p_k, where p_1 is the place itself and p_k = p_{k-1} + field_{k-1}(p_{k-1}).
    Fields are read between pixels linearly, and beyond the picture at its edge.

    Source: Simonyan and Zisserman, NIPS 2014, equation 2.
    """
    away = torch.zeros_like(fields[:, 0])
    read = []
    for k in range(fields.shape[1]):
        read.append(_read_at(fields[:, k], away))
        away = away + read[-1]
    return torch.stack(read, 1).flatten(1, 2)


def _read_at(field: Tensor, away: Tensor) -> Tensor:
    """A field ``[N, 2, H, W]`` at every pixel's place and ``away [N, 2, H, W]`` from it, the edge beyond."""
    height, width = field.shape[2:]
    y, x = torch.meshgrid(
        torch.arange(height, device=field.device, dtype=field.dtype),
        torch.arange(width, device=field.device, dtype=field.dtype),
        indexing="ij",
    )
    last = torch.tensor([max(1, width - 1), max(1, height - 1)], device=field.device, dtype=field.dtype)
    grid = (torch.stack([x, y]) + away).permute(0, 2, 3, 1) * (2 / last) - 1
    return functional.grid_sample(field, grid, padding_mode="border", align_corners=True)


def invert_flow(forward: Tensor) -> Tensor:
    """Flow from the later frame back to the earlier one, ``[N, 2, H, W]``, of flow f from the earlier to the later.

    It is the b with ``b(p) = -f(p + b(p))``, found by fixed-point iteration, which comes to an end where f differs
    by less than a pixel between neighbours. Of what only the later frame shows there is no flow back: there the
    value is that of a place nearby.

    Source: Chen et al., A simple fixed-point approach to invert a deformation field, Medical Physics 2008.
    """
    back = -forward
    for _ in range(_INVERSIONS):
        back = -_read_at(forward, back)
    return back


def bidirectional_stack(fields: Tensor) -> Tensor:
    """Flow to both sides of the middle frame: ``[N, L, 2, H, W]``, L even, to ``[N, 2L, H, W]``.

    First the L/2 fields from that frame on, then flow back from it and from each frame before (see `invert_flow`).

    Raises:
        ConfigError: for an odd L.

    Source: Simonyan and Zisserman, NIPS 2014, section 3.1.
    """
    length = fields.shape[1]
    if length % 2:
        raise ConfigError(f"flow to both sides needs an even number of fields, got {length}")
    back = invert_flow(fields[:, : length // 2].flip(1).flatten(0, 1)).unflatten(0, (len(fields), -1))
    return torch.cat([stack(fields[:, length // 2 :]), stack(back)], 1)


STACKS = {"stacked": stack, "trajectory": trajectory_stack, "bidirectional": bidirectional_stack}


def stack_flow(fields: Tensor, kind: str = "stacked") -> Tensor:
    """Fields ``[N, L, 2, H, W]`` as channels ``[N, 2L, H, W]``, by a name of `STACKS`.

    Raises:
        ConfigError: for another name.
    """
    if kind not in STACKS:
        raise ConfigError(choices(kind, STACKS, "stack of flow"))
    return STACKS[kind](fields)


def remove_camera(fields: Tensor, how: str = "median", known: Tensor | None = None) -> Tensor:
    """Subtract each field's common motion, which is the camera's where most of the picture is still.

    Args:
        fields: ``[..., 2, H, W]``.
        how: ``median``, or ``mean`` as in Simonyan and Zisserman, NIPS 2014.
        known: ``[..., H, W]`` bool, where there is a vector; others do not count, and stay 0.

    Raises:
        ConfigError: for another ``how``.
    """
    if how not in ("median", "mean"):
        raise ConfigError(choices(how, ("median", "mean"), "way to find the camera's motion"))
    values = fields if known is None else fields.masked_fill(~known.unsqueeze(-3), torch.nan)
    flat = values.flatten(-2)
    common = flat.nanmedian(-1).values if how == "median" else flat.nanmean(-1)
    moved = fields - common.nan_to_num()[..., None, None]
    return moved if known is None else moved * known.unsqueeze(-3)
