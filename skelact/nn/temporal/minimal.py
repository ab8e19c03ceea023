"""Minimal filtering along time: a long temporal convolution with fewer multiplications.

Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016 (Winograd's
minimal filtering), here in one dimension with F(3, 3). A kernel of 3·G taps is G kernels of three taps,
each shifted by one tile of three frames. So frames are transformed once, and in the transformed domain
the convolution is G products per point: 5·G products for 3 frames instead of 9·G, 1.8 times fewer. For
nine taps (G = 3) that sum over groups is again a convolution of three taps, over tiles, and F(2, 3) nests:
20 products for 6 frames instead of 54, 2.7 times fewer.
"""

from __future__ import annotations

import torch
from torch import Tensor

# y = Aᵀ[(G g) ⊙ (Bᵀ d)] for three outputs and three taps, points 0, 1, -1, 2 and infinity.
FILTER_TRANSFORM = (
    (1 / 2, 0.0, 0.0),
    (-1 / 2, -1 / 2, -1 / 2),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 6, 1 / 3, 2 / 3),
    (0.0, 0.0, 1.0),
)
TILE = 3
POINTS = 5
NESTED_CHANNELS = 192  # from here on the products saved repay the second transform


class MinimalTemporalConv:
    """A stride-1 temporal convolution of 3·G taps with zero padding, for inference.

    Args:
        weight: ``[D, C, taps]`` as in `torch.nn.functional.conv1d`; taps a multiple of 3 and odd.
        bias: ``[D]``.
        pad: frames of zeros before the first; None: as many as after the last.
    """

    def __init__(self, weight: Tensor, bias: Tensor, pad: int | None = None) -> None:
        d, c, taps = weight.shape
        self.groups, self.pad = taps // TILE, (taps - 1) // 2 if pad is None else pad
        transform = torch.tensor(FILTER_TRANSFORM, dtype=torch.float64, device=weight.device)
        grouped = weight.double().view(d, c, self.groups, TILE)
        # [points, groups, C, D]: transformed in double precision, rounded once
        exact = torch.einsum("mr,dcgr->mgcd", transform, grouped)
        self.nested = self.groups == 3 and c >= NESTED_CHANNELS
        if self.nested:
            g0, g1, g2 = exact.unbind(1)
            exact = torch.stack([g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2])  # [4, points, C, D]
        self.weight = exact.to(weight.dtype).contiguous()
        self.bias = bias

    @staticmethod
    def fits(taps: int, stride: int, dilation: int, channels: int, n_frames: int) -> bool:
        """Whether this form applies and pays: enough channels per element to repay the transforms."""
        return stride == dilation == 1 and taps % (2 * TILE) == TILE and channels >= 96 and n_frames >= 8

    def __call__(self, x: Tensor) -> Tensor:
        """``[B, T, C]`` to ``[B, T, D]``."""
        b, t, c = x.shape
        tiles = -(-t // TILE)
        tiles += tiles % 2 if self.nested else 0
        spans = tiles + self.groups - 1
        padded = x.new_zeros(b, TILE * spans + 2, c)
        padded[:, self.pad : self.pad + t] = x
        d0, d1, d2, d3, d4 = (padded[:, r : r + TILE * spans : TILE].transpose(0, 1) for r in range(POINTS))
        data = x.new_empty(POINTS, spans, b, c)
        torch.sub(d3, d1, out=data[3])
        torch.sub(d1, d2, out=data[4])
        torch.add(data[3], data[4], alpha=3, out=data[2])
        torch.sub(d3, d2, out=data[1]).sub_(d1, alpha=2)
        torch.sub(d0, d2, out=data[0]).mul_(2).add_(data[3])
        torch.sub(d4, d2, out=data[4]).sub_(data[3], alpha=2)
        width = self.weight.shape[3]
        product = self._products_nested(data, tiles) if self.nested else self._products(data, tiles)
        p0, p1, p2, p3, p4 = product.view(POINTS, tiles, b, width)
        out = x.new_empty(b, tiles, TILE, width)
        y0, y1, y2 = (out[:, :, r].transpose(0, 1) for r in range(TILE))
        total = (p1 + p2).add_(self.bias)
        torch.add(total, p0, out=y0).add_(p3)
        torch.add(total, p3, alpha=4, out=y2).add_(p4)
        torch.sub(p1, p2, out=y1).add_(p3, alpha=2).add_(self.bias)
        return out.view(b, tiles * TILE, width)[:, :t]

    def _products(self, data: Tensor, tiles: int) -> Tensor:
        """``[points, spans, B, C]`` to ``[points, tiles·B, D]``: a sum over groups, shifted by a tile each."""
        _, spans, b, c = data.shape
        rows = tiles * b
        product = data.new_empty(POINTS, rows, self.weight.shape[3])
        for m in range(POINTS):
            flat = data[m].view(spans * b, c)
            torch.mm(flat[:rows], self.weight[m, 0], out=product[m])
            for g in range(1, self.groups):
                product[m].addmm_(flat[g * b : g * b + rows], self.weight[m, g])
        return product

    def _products_nested(self, data: Tensor, tiles: int) -> Tensor:
        """The same sum by F(2, 3) over pairs of tiles."""
        _, _, b, c = data.shape
        pairs, width = tiles // 2, self.weight.shape[3]
        d0, d1, d2, d3 = (data[:, r : r + tiles : 2] for r in range(4))
        mixed = data.new_empty(4, POINTS, pairs, b, c)
        torch.sub(d0, d2, out=mixed[0])
        torch.add(d1, d2, out=mixed[1])
        torch.sub(d2, d1, out=mixed[2])
        torch.sub(d1, d3, out=mixed[3])
        parts = torch.bmm(mixed.view(4 * POINTS, pairs * b, c), self.weight.view(4 * POINTS, c, width))
        m1, m2, m3, m4 = parts.view(4, POINTS, pairs, b, width)
        product = data.new_empty(POINTS, pairs, 2, b, width)
        torch.add(m1, m2, out=product[:, :, 0]).add_(m3)
        torch.sub(m2, m3, out=product[:, :, 1]).sub_(m4)
        return product.view(POINTS, tiles * b, width)
