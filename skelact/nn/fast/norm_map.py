"""Batch normalisation in training as an affine map, for autograd functions that contain a norm.

They recompute the outputs of norm and ReLU in the backward pass.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.nn.norm import ChannelNorm

CHUNK = 1 << 16  # values per chunk: a few chunks fit into a second-level cache


def chunks(*values: Tensor) -> list[tuple[Tensor, ...]]:
    """Split ``[rows, C]`` into chunks that fit the cache."""
    rows = max(1, CHUNK // values[0].shape[1])
    return list(zip(*(value.split(rows) for value in values), strict=True))


def row_statistics(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance ``[C]`` of ``x [rows, C]``; sums of chunks are accumulated in double precision."""
    total = torch.zeros(2, x.shape[1], dtype=torch.float64)
    for (part,) in chunks(x):
        total[0] += part.sum(0)
        total[1] += (part * part).sum(0)
    mean, square = total / len(x)
    return mean, (square - mean * mean).clamp_min_(0)


def count_statistics(norm: ChannelNorm, mean: Tensor, variance: Tensor, n: int) -> None:
    """Update the running statistics by a batch of ``n`` rows."""
    if norm.running_mean is None or norm.running_var is None or norm.num_batches_tracked is None:
        return
    norm.num_batches_tracked.add_(1)
    momentum = 0.0 if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), momentum)
    norm.running_var.lerp_((variance * (n / max(n - 1, 1))).to(norm.running_var.dtype), momentum)


def add_moments(sums: Tensor, x: Tensor) -> None:
    """Add ``Σ x`` and ``Σ x²`` of ``x [B, C, R]`` to ``sums [2, C]`` (double)."""
    sums[0] += x.sum(2).sum(0)
    sums[1] += torch.linalg.vector_norm(x, dim=2).double().square().sum(0)


class NormMap:
    """Batch normalisation of one training batch as an affine map, with its gradient.

    Args:
        norm: the normalisation.
        mean, variance: ``[C]`` of the batch, in double precision.
        n: values per channel.
        weight, bias: ``[C]`` of the norm.
    """

    def __init__(
        self, norm: ChannelNorm, mean: Tensor, variance: Tensor, n: int, weight: Tensor, bias: Tensor
    ) -> None:
        inverse = torch.rsqrt(variance + norm.eps)
        scale = weight.double() * inverse
        self.n, self.mean, self.inverse, self.double_scale = n, mean, inverse, scale
        self.scale, self.shift = scale.to(weight.dtype), (bias.double() - mean * scale).to(weight.dtype)

    @classmethod
    def of_rows(cls, norm: ChannelNorm, x: Tensor, weight: Tensor, bias: Tensor) -> NormMap:
        """The map for ``x [rows, C]``, updating the norm's running statistics."""
        mean, variance = row_statistics(x)
        count_statistics(norm, mean, variance, len(x))
        return cls(norm, mean, variance, len(x), weight, bias)

    @classmethod
    def of_moments(
        cls,
        norm: ChannelNorm,
        sums: Tensor,
        n: int,
        weight: Tensor,
        bias: Tensor,
        left_out: Tensor | None = None,
    ) -> NormMap:
        """The map for ``n`` values per channel with moments ``sums [2, C]``, updating the running statistics.

        ``left_out [C]`` is a bias that was not added to the values, as normalisation removes it.
        """
        mean, square = sums / n
        variance = (square - mean * mean).clamp_min_(0)
        count_statistics(norm, mean if left_out is None else mean + left_out, variance, n)
        return cls(norm, mean, variance, n, weight, bias)

    def active(self, x: Tensor) -> Tensor:
        """The positive part of normalised ``x [B, C, R]``."""
        return torch.mul(x, self.scale[:, None]).add_(self.shift[:, None]).relu_()

    def slopes(self, sums: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """From ``Σ g`` and ``Σ g·x`` ``[2, C]`` (double): ``(by x, constant, weight's, bias's)``.

        The gradient of ``x`` is ``g · scale + x · by_x + constant``.
        """
        along = self.inverse * (sums[1] - self.mean * sums[0])  # Σ g · normalised x
        by_x = -self.double_scale * self.inverse * along / self.n
        constant = -self.double_scale * sums[0] / self.n - by_x * self.mean
        dtype = self.scale.dtype
        return by_x.to(dtype), constant.to(dtype), along.to(dtype), sums[0].to(dtype)
