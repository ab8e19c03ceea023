"""Batch normalisation for joint-major, channels-last features (Ioffe and Szegedy, ICML 2015)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ChannelNorm(nn.BatchNorm1d):
    """Batch normalisation over the last axis of ``[V, P, T, C]``.

    Weights and statistics are those of ``BatchNorm2d`` on ``[N, C, T, V]``.
    """

    sync = False  # compute statistics over all processes; see `synchronise`

    def forward(self, x: Tensor) -> Tensor:
        return self.normalise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)

    def normalise(self, x: Tensor) -> Tensor:
        """Normalise features whose channels are the second axis, ``[P, C, ...]``."""
        if self.sync and self.training:
            return _normalise_together(self, x)
        training = self.training or self.running_mean is None
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, training, momentum, self.eps
        )

    def scale_shift(self) -> tuple[Tensor, Tensor]:
        """Normalisation in evaluation mode as an affine map: ``(scale [C], shift [C])``."""
        assert self.running_var is not None and self.running_mean is not None
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        return scale, self.bias - self.running_mean * scale


def scale_shift(norm: ChannelNorm | None, like: Tensor) -> tuple[Tensor, Tensor]:
    """A norm's affine map in evaluation mode; the identity ``(1, 0)`` without a norm.

    ``like`` gives type and device.
    """
    return (like.new_ones(()), like.new_zeros(())) if norm is None else norm.scale_shift()


class JointNorm(nn.BatchNorm1d):
    """Batch normalisation of every coordinate of every joint: ``V*C`` channels per person.

    Source: Yan et al., AAAI 2018. Weights are shared by all people. Absent people and frames are excluded from
    the statistics, which therefore depend neither on padding nor on packing.

    Args:
        n_joints: V.
        channels: C.
        people: 1; M for published weights with separate statistics for each person of a clip (``M*V*C``
            channels). These statistics are not updated in training.
    """

    sync = False

    def __init__(self, n_joints: int, channels: int, people: int = 1) -> None:
        super().__init__(people * n_joints * channels)
        self.people = people

    def joint_affine(self, n_joints: int, rank: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """``(scale, shift)`` in evaluation mode: ``[V, C]``, or with ``rank`` (index of each person within
        the clip) ``[P, 1, V, C]``."""
        assert self.running_var is not None and self.running_mean is not None
        scale = self.weight * torch.rsqrt(self.running_var + self.eps)
        both = scale, self.bias - self.running_mean * scale
        if self.people == 1:
            scale, shift = (s.view(n_joints, -1) for s in both)
            return scale, shift
        rank = torch.zeros(1, dtype=torch.int64, device=scale.device) if rank is None else rank
        scale, shift = (s.view(self.people, 1, n_joints, -1)[rank] for s in both)
        return scale, shift

    def forward(self, x: Tensor, present: Tensor | None = None, rank: Tensor | None = None) -> Tensor:
        """Normalise ``x [P, T, V, C]``; ``present [P, T]`` marks the frames in which a person exists,
        ``rank [P]`` is the index of the person within the clip."""
        if self.people > 1 or not self.training:
            scale, shift = self.joint_affine(x.shape[2], rank)
            return x * scale.to(x.dtype) + shift.to(x.dtype)
        flat = x.reshape(-1, self.num_features)
        there = torch.ones_like(flat[:, :1]) if present is None else present.reshape(-1, 1).to(flat.dtype)
        mean, variance, n = moments(flat, there, self.sync)
        _track(self, mean, variance, n)
        normal = (flat - mean) * torch.rsqrt(variance + self.eps)
        return torch.addcmul(self.bias, normal, self.weight).view(x.shape)


def moments(x: Tensor, weight: Tensor, sync: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted mean and variance of ``x [R, C]`` and the sum of the weights.

    Args:
        x: R samples of C channels.
        weight: ``[R, 1]``, 0 or 1.
        sync: over the samples of all processes.

    Returns:
        mean ``[C]``, biased variance ``[C]``, count ``[1]``.
    """
    n = _everywhere(weight.sum(0), sync)
    mean = _everywhere((x * weight).sum(0), sync) / n.clamp_min(1)
    centred = (x - mean) * weight
    return mean, _everywhere((centred * centred).sum(0), sync) / n.clamp_min(1), n


def synchronise(model: nn.Module, on: bool = True) -> None:
    """Compute the statistics of all norms of a network over all processes (``torch.distributed``)."""
    for module in model.modules():
        if isinstance(module, ChannelNorm | JointNorm):
            module.sync = on


def _normalise_together(norm: ChannelNorm, x: Tensor) -> Tensor:
    rows = x.transpose(1, -1).reshape(-1, x.shape[1])
    mean, variance, n = moments(rows, torch.ones_like(rows[:, :1]), sync=True)
    _track(norm, mean, variance, n)
    scale = norm.weight * torch.rsqrt(variance + norm.eps)
    shape = (1, -1, *[1] * (x.ndim - 2))
    return x * scale.view(shape) + (norm.bias - mean * scale).view(shape)


@torch.no_grad()
def _track(norm: nn.BatchNorm1d, mean: Tensor, variance: Tensor, n: Tensor) -> None:
    """Update the running statistics; a batch of one sample has no variance and is ignored."""
    assert norm.running_mean is not None and norm.running_var is not None
    momentum = (n > 1).to(mean.dtype) * (0.0 if norm.momentum is None else norm.momentum)
    norm.running_mean.add_((mean - norm.running_mean) * momentum)
    norm.running_var.add_((variance * (n / (n - 1).clamp_min(1)) - norm.running_var) * momentum)
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked.add_(1)


def _everywhere(x: Tensor, sync: bool) -> Tensor:
    """Sum over all processes; its gradient is the sum of theirs."""
    if not sync or not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return x
    from torch.distributed.nn.functional import all_reduce

    return all_reduce(x)
