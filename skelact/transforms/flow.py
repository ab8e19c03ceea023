"""Fields of optical flow as a network's input. Fields are ``[..., L, 2, H, W]``, (right, down) in pixels per frame."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from skelact.errors import ConfigError, choices


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
    n, length, _, height, width = fields.shape
    y, x = torch.meshgrid(
        torch.arange(height, device=fields.device, dtype=fields.dtype),
        torch.arange(width, device=fields.device, dtype=fields.dtype),
        indexing="ij",
    )
    place = torch.stack([x, y]).expand(n, 2, height, width)
    last = torch.tensor([max(1, width - 1), max(1, height - 1)], device=fields.device, dtype=fields.dtype)
    read = []
    for k in range(length):
        grid = place.permute(0, 2, 3, 1) * (2 / last) - 1
        read.append(functional.grid_sample(fields[:, k], grid, padding_mode="border", align_corners=True))
        place = place + read[-1]
    return torch.stack(read, 1).flatten(1, 2)


def bidirectional_stack(forward: Tensor, backward: Tensor) -> Tensor:
    """Flow to both sides of a frame t: two ``[N, L/2, 2, H, W]`` to ``[N, 2L, H, W]``, forward first.

    Args:
        forward: fields from frame t + k to t + k + 1, k = 0, 1, ...
        backward: fields from frame t - k to t - k - 1, k = 0, 1, ...

    Source: Simonyan and Zisserman, NIPS 2014, section 3.1.
    """
    return torch.cat([stack(forward), stack(backward)], 1)


STACKS = {"stacked": stack, "trajectory": trajectory_stack}


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
