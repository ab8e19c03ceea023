"""Adaptive temporal shift of Shift-GCN: a learned offset in time per channel."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial.shift import mix_rows

STEP = 0.01  # size of an offset's gradient, as released


class ShiftTemporalConv(nn.Module):
    """Norm, shift, 1×1 convolution, ReLU, and a second shift with the stride, on ``[V, C, P, T]``.

    Source: Cheng et al., "Skeleton-based action recognition with shift graph convolutional network", CVPR
    2020. Offsets are fractional frames, one per channel, with linear interpolation between frames and zeros
    outside the clip.

    Args:
        channels_in, channels_out: C and D.
        stride: temporal stride, of the second shift.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.norm = ChannelNorm(channels_in)
        self.offset_in = nn.Parameter(torch.empty(channels_in).uniform_(-1, 1))
        self.offset_out = nn.Parameter(torch.empty(channels_out).uniform_(-1, 1))
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        nn.init.normal_(self.weight, 0, math.sqrt(2 / channels_out))

    def shift(self, x: Tensor, offset: Tensor, stride: int = 1) -> Tensor:
        """See `shift_frames`."""
        return shift_frames(x, offset, stride)

    def forward(self, x: Tensor) -> Tensor:
        v, c, p, t = x.shape
        moved = self.shift(self.norm.normalise(x), _SignGradient.apply(self.offset_in))
        mixed = mix_rows(moved.reshape(v, c, p * t), self.weight, self.bias).relu().view(v, -1, p, t)
        return self.shift(mixed, _SignGradient.apply(self.offset_out), self.stride)


class _SignGradient(torch.autograd.Function):
    """Identity whose gradient is ``STEP`` times its sign, as released: its size depends on the feature map's."""

    @staticmethod
    def forward(ctx, offset: Tensor) -> Tensor:
        return offset.view_as(offset)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:
        return grad.sign() * STEP


def shift_frames(x: Tensor, offset: Tensor, stride: int = 1) -> Tensor:
    """``out[c, t] = x[c, stride·t + offset_c]`` with linear interpolation, and 0 outside the clip.

    With a stride, half a frame is added to the offsets.

    Args:
        x: ``[V, C, P, T]``.
        offset: ``[C]`` frames.
        stride: temporal stride.

    Returns:
        ``[V, C, P, ceil(T / stride)]``.
    """
    position = position_of(offset, stride).to(x.dtype)
    v, c, p, t = x.shape
    floor = position.detach().floor()
    share = (position - floor)[:, None, None]
    start = torch.arange(0, t, stride, device=x.device) + floor.long()[:, None]
    parts = []
    for index in (start, start + 1):
        inside = ((index >= 0) & (index < t)).to(x.dtype)[:, None]
        taken = x.gather(3, index.clamp(0, t - 1)[None, :, None].expand(v, c, p, -1))
        parts.append(taken * inside)
    return parts[0] * (1 - share) + parts[1] * share


def position_of(offset: Tensor, stride: int) -> Tensor:
    """Offset [frames] from ``stride·t`` that each channel is read at."""
    return offset if stride == 1 else offset + 0.5
