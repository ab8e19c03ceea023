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
        return self.normalise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def normalise(self, x: Tensor) -> Tensor:
        """The same of features whose channels are the second axis, ``[P, C, ...]``."""
        training = self.training or self.running_mean is None
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training, momentum, self.eps
        )

    def scale_shift(self) -> tuple[Tensor, Tensor]:
        """The affine map that normalisation is in evaluation mode: ``(scale [C], shift [C])``."""
        assert self.running_var is not None and self.running_mean is not None
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale


def scale_shift(norm: ChannelNorm | None, like: Tensor) -> tuple[Tensor, Tensor]:
    """A norm's affine map in evaluation mode; ``(1, 0)`` where there is none (``like``: type and device)."""
    return (like.new_ones(()), like.new_zeros(())) if norm is None else norm.scale_shift()


class JointNorm(nn.BatchNorm1d):
    """Batch normalisation of every coordinate of every joint: ``V*C`` channels per person.

    Source: Yan et al., AAAI 2018. The number of people is not in the weights. Absent people (and frames)
    are left out of the statistics, so they depend neither on padding nor on packing.

    Args:
        n_joints: V.
        channels: C.
        people: 1; more only for published weights that normalise the first, the second, ... person of a
            clip apart (``M*V*C`` channels). Their statistics stay as they are in further training.
    """

    def __init__(self, n_joints: int, channels: int, people: int = 1) -> None:
        super().__init__(people * n_joints * channels)
        self.people = people

    def joint_affine(self, n_joints: int, rank: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``(scale, shift)`` in evaluation mode: ``[V, C]``, or with ``rank`` (which person of a clip each
        row is) ``[P, 1, V, C]``."""
        assert self.running_var is not None and self.running_mean is not None
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        both = scale, self.bias - self.running_mean * scale
        if self.people == 1:
            scale, shift = (s.view(n_joints, -1) for s in both)
            return scale, shift
        rank = torch.zeros(1, dtype=torch.int64, device=scale.device) if rank is None else rank
        scale, shift = (s.view(self.people, 1, n_joints, -1)[rank] for s in both)
        return scale, shift

    def forward(self, x: Tensor, present: Tensor | None = None, rank: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """Normalise ``x [P, T, V, C]``; ``present [P, T]`` says which frames of a person exist, ``rank [P]``
        which person of the clip it is."""
        if self.people > 1:
            scale, shift = self.joint_affine(x.shape[2], rank)
            return x * scale + shift
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
