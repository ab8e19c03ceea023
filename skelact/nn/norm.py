"""Batch normalisation for channels-last features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ChannelNorm(nn.BatchNorm1d):
    """Batch normalisation over the last axis of ``[V, P, T, C]`` (Ioffe and Szegedy, ICML 2015).

    Weights and statistics are those of ``BatchNorm2d`` on ``[N, C, T, V]``. The product runs on the
    channels-last view, which is the same memory.
    """

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        view = x.permute(0, 3, 1, 2)
        training = self.training or self.running_mean is None
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        out = functional.batch_norm(
            view, self.running_mean, self.running_var, self.weight, self.bias, training, momentum, self.eps
        )
        return out.permute(0, 2, 3, 1)

    def scale_shift(self) -> tuple[Tensor, Tensor]:
        """The affine map that normalisation is in evaluation mode: ``(scale [C], shift [C])``."""
        assert self.running_var is not None and self.running_mean is not None
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale


class JointNorm(nn.BatchNorm1d):
    """Batch normalisation of every coordinate of every joint: ``V*C`` channels per person.

    Source: Yan et al., AAAI 2018. The number of people is not in the weights. Absent people (and frames)
    are left out of the statistics, so they depend neither on padding nor on packing.

    Args:
        n_joints: V.
        channels: C.
    """

    def __init__(self, n_joints: int, channels: int) -> None:
        super().__init__(n_joints * channels)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """Normalise ``x [P, T, V, C]``; ``present [P, T]`` says which frames of a person exist."""
        flat = x.reshape(-1, self.num_features)
        if present is None or not self.training:
            return super().forward(flat).view(x.shape)
        keep = present.reshape(-1)
        if bool(keep.all()):
            return super().forward(flat).view(x.shape)
        out = torch.zeros_like(flat)
        if int(keep.sum()) > 1:
            out[keep] = super().forward(flat[keep]).to(out.dtype)
        return out.view(x.shape)
