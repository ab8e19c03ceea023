"""Local contrast normalisation."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def normalise_contrast(x: Tensor, kernel: int = 9, sigma: float = 1.591) -> Tensor:
    """Local contrast normalisation (Jarrett et al., ICCV 2009) over all maps, frames and pixels nearby.

    Of every value, the Gaussian-weighted mean of its neighbourhood (in all maps) is subtracted; the result is divided
    by the neighbourhood's standard deviation, or by that one's mean over the clip where that is larger. At borders the
    neighbourhood ends.

    Args:
        x: ``[N, C, T, H, W]``.
        kernel: side of the neighbourhood, odd.
        sigma: standard deviation of the weights.

    Returns:
        ``[N, C, T, H, W]``.
    """
    away = torch.arange(kernel, dtype=x.dtype, device=x.device) - kernel // 2
    weights = torch.exp(-away.square() / (2 * sigma**2))

    def blur(maps: Tensor) -> Tensor:
        for axis in range(3):
            shape, pad = [1, 1, 1, 1, 1], [0, 0, 0]
            shape[2 + axis], pad[axis] = kernel, kernel // 2
            maps = functional.conv3d(maps, weights.view(shape), padding=pad)
        return maps

    cover = blur(torch.ones_like(x[:1, :1]))
    v = x - blur(x.mean(1, keepdim=True)) / cover
    deviation = (blur(v.square().mean(1, keepdim=True)) / cover).clamp_min(torch.finfo(x.dtype).tiny).sqrt()
    return v / torch.maximum(deviation, deviation.mean((2, 3, 4), keepdim=True))
