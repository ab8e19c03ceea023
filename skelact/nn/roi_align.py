"""RoIAlign: the part of a map that a box covers, on a grid of a fixed size (He et al., ICCV 2017)."""

from __future__ import annotations

import torch
from torch import Tensor


def roi_align(x: Tensor, clip: Tensor, boxes: Tensor, bins: int = 7, samples: int = 2) -> Tensor:
    """Mean of bilinear samples in every cell of a grid over each box.

    Places are continuous, with the centre of the first cell of the map at half a cell (``aligned`` in torchvision).
    Beyond the middle of the outer cells the map goes on as it ends; from one cell outside of it on it is 0. The
    sampling points form a grid along the axes, so that the weights of rows and columns are two matrices.

    Args:
        x: maps ``[N, D, H, W]``.
        clip: ``[B]`` the map of each box.
        boxes: ``[B, 4]`` as x1, y1, x2, y2 in fractions of the map's width and height.
        bins: cells along each side.
        samples: sampling points along each side of a cell.

    Returns:
        ``[B, D, bins, bins]``.
    """
    height, width = x.shape[2:]
    boxes = boxes.to(x.dtype)
    columns = _weights(boxes[:, 0] * width, boxes[:, 2] * width, width, bins, samples)
    rows = _weights(boxes[:, 1] * height, boxes[:, 3] * height, height, bins, samples)
    return torch.einsum("bph,bdhw,bqw->bdpq", rows, x[clip], columns)


def _weights(low: Tensor, high: Tensor, size: int, bins: int, samples: int) -> Tensor:
    """How much each of ``size`` places counts in each bin, ``[B, bins, size]``, for boxes from low to high ``[B]``."""
    n = bins * samples
    steps = (torch.arange(n, device=low.device, dtype=low.dtype) + 0.5) / n
    at = low[:, None] + (high - low)[:, None] * steps - 0.5
    inside = (at >= -1) & (at <= size)
    at = at.clamp(0, size - 1)
    places = torch.arange(size, device=low.device, dtype=low.dtype)
    weight = (1 - (at[..., None] - places).abs()).clamp(min=0) * inside[..., None]
    return weight.unflatten(1, (bins, samples)).mean(2)
