"""HOG, HOF and MBH in dense cells (Laptev et al., CVPR 2008; Dalal et al., ECCV 2006; Wang et al., IJCV 2013)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from skelact.errors import ConfigError

BINS = 8
STILL = 0.4  # pixels a frame: slower pixels go to HOF's ninth bin
CELLS = (3, 2, 2)  # of a block, in frames, rows and columns


def orientation_maps(dx: Tensor, dy: Tensor, n_bins: int = BINS) -> Tensor:
    """Magnitude of vectors by direction, ``[..., T, H, W]`` to ``[..., n_bins, T, H, W]``.

    Each vector is shared by the two bins that its direction is nearest to.
    """
    place = torch.atan2(dy, dx).remainder(2 * math.pi) * (n_bins / (2 * math.pi))
    low = place.floor()
    size = length(dx, dy)
    upper = size * (place - low)
    lower, first = size - upper, low.long() % n_bins
    maps = size.new_zeros((*size.shape[:-3], n_bins, *size.shape[-3:]))
    maps.scatter_(-4, first.unsqueeze(-4), lower.unsqueeze(-4))
    return maps.scatter_(-4, ((first + 1) % n_bins).unsqueeze(-4), upper.unsqueeze(-4))


def hog_maps(frames: Tensor) -> Tensor:
    """Gradients of grey frames ``[..., T, H, W]`` by direction, ``[..., 8, T, H, W]``."""
    return orientation_maps(slope(frames, -1), slope(frames, -2))


def slope(x: Tensor, dim: int) -> Tensor:
    """Central differences along an axis, one-sided at its ends."""
    n = x.shape[dim]
    inner = (x.narrow(dim, 2, n - 2) - x.narrow(dim, 0, n - 2)) / 2
    first = x.narrow(dim, 1, 1) - x.narrow(dim, 0, 1)
    last = x.narrow(dim, n - 1, 1) - x.narrow(dim, n - 2, 1)
    return torch.cat([first, inner, last], dim)


def length(dx: Tensor, dy: Tensor) -> Tensor:
    """Of vectors by their components."""
    return (dx.square() + dy.square()).sqrt()


def hof_maps(flow: Tensor, still: float = STILL) -> Tensor:
    """Flow ``[..., 2, T, H, W]`` by direction, and a ninth bin that counts the still pixels, ``[..., 9, T, H, W]``."""
    dx, dy = flow.unbind(-4)
    moving = (length(dx, dy) >= still).to(flow.dtype)
    return torch.cat([orientation_maps(dx * moving, dy * moving), (1 - moving).unsqueeze(-4)], -4)


def mbh_maps(flow: Tensor) -> Tensor:
    """Gradients of both components of flow ``[..., 2, T, H, W]`` by direction, ``[..., 16, T, H, W]``.

    Even motion, such as a camera's, cancels.
    """
    return torch.cat([hog_maps(part) for part in flow.unbind(-4)], -4)


def block_cells(maps: Tensor, cell: int, frames: int) -> Tensor:
    """Means in the cells of dense blocks; blocks begin at every cell, and follow one another in time.

    Args:
        maps: ``[..., B, T, H, W]``.
        cell: side of a cell [pixels].
        frames: of a cell.

    Returns:
        ``[..., blocks, B, 12]``.

    Raises:
        ConfigError: if the video is smaller than one block.
    """
    (t, h, w), (ct, ch, cw) = maps.shape[-3:], CELLS
    if cell < 1 or frames < 1 or t < ct * frames or min(h, w) < cell * max(ch, cw):
        raise ConfigError(
            f"blocks of {ct * frames} frames and {ch * cell} x {cw * cell} pixels do not fit into {t} frames of {h} x "
            f"{w} pixels; take smaller cells"
        )
    means = functional.avg_pool3d(maps.reshape(-1, *maps.shape[-4:]), (frames, cell, cell))
    blocks = means.unfold(2, ct, ct).unfold(3, ch, 1).unfold(4, cw, 1)  # [N, B, t, h, w, 3, 2, 2]
    found = blocks.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(5).flatten(1, 3)
    return found.reshape(*maps.shape[:-4], *found.shape[1:])


def cell_descriptors(maps: Tensor, cell: int = 16, frames: int = 5) -> Tensor:
    """What each of `block_cells` holds, as one vector ``[..., blocks, B · 12]`` of length 1 (L2).

    Args:
        maps: ``[..., B, T, H, W]`` from `hog_maps`, `hof_maps` or `mbh_maps`.
        cell, frames: see `block_cells`.

    Raises:
        ConfigError: if the video is smaller than one block.
    """
    return functional.normalize(block_cells(maps, cell, frames).flatten(-2), dim=-1)
