"""Adaptive temporal shift (Shift-GCN's): every channel looks a learned part of frames ahead or back."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial.shift import mix_rows

STEP = 0.01  # of an offset's gradient, as released: only its sign counts


class ShiftTemporalConv(nn.Module):
    """Norm, shift, 1×1 convolution, ReLU, and a second shift with the stride, on ``[V, C, P, T]``.

    Source: Cheng et al., "Skeleton-based action recognition with shift graph convolutional network", CVPR
    2020. Offsets are real numbers of frames, one a channel; values between frames are interpolated, and
    outside the clip is 0.

    Args:
        channels_in, channels_out: C and D.
        stride: frames per output frame; the second shift then reads between the two frames of each pair.
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

    def forward(self, x: Tensor) -> Tensor:
        v, c, p, t = x.shape
        moved = shift_frames(self.norm.normalise(x), _Steady.apply(self.offset_in))  # type: ignore[arg-type]
        mixed = mix_rows(moved.reshape(v, c, p * t), self.weight, self.bias).relu().view(v, -1, p, t)
        return shift_frames(mixed, _Steady.apply(self.offset_out), self.stride)  # type: ignore[arg-type]

    def folded(self, norm: ChannelNorm, dtype: torch.dtype) -> FoldedShiftTemporalConv:
        """The inference form, with the norm that follows."""
        return FoldedShiftTemporalConv(self, norm, dtype)


class _Steady(torch.autograd.Function):
    """The offsets as they are; the size of their gradient is fixed, since it grows with the feature map."""

    @staticmethod
    def forward(ctx, offset: Tensor) -> Tensor:  # type: ignore[override]
        return offset.view_as(offset)

    @staticmethod
    def backward(ctx, grad: Tensor) -> Tensor:  # type: ignore[override]
        return grad.sign() * STEP


def shift_frames(x: Tensor, offset: Tensor, stride: int = 1) -> Tensor:
    """``out[c, t] = x[c, stride·t + offset_c]``, between frames by interpolation and 0 outside.

    With a stride, half a frame is added to the offsets.

    Args:
        x: ``[V, C, P, T]``.
        offset: ``[C]`` frames.
        stride: frames per output frame.

    Returns:
        ``[V, C, P, ceil(T / stride)]``.
    """
    position = (offset if stride == 1 else offset + 0.5).to(x.dtype)
    if torch.compiler.is_compiling():
        return _gather_frames(x, position, stride)
    return _ShiftFrames.apply(x, position, stride)  # type: ignore[return-value]


def _gather_frames(x: Tensor, position: Tensor, stride: int) -> Tensor:
    """The same without a loop over the offsets' values, for compilers; slower."""
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


Tap = tuple[int, Tensor]


def taps_of(position: Tensor) -> list[Tap]:
    """Interpolation as few whole shifts: ``(frames, weight [C])``; offsets lie close together."""
    floor = position.floor()
    share = position - floor
    first, last = int(floor.min()), int(floor.max()) + 1
    return [
        (o, torch.where(floor == o, 1 - share, 0) + torch.where(floor == o - 1, share, 0))
        for o in range(first, last + 1)
    ]


def frames_within(tap: int, n_frames: int, n_out: int, stride: int) -> tuple[slice, slice]:
    """Output frames for which a tap's input frame exists, and those input frames."""
    first = max(0, -(tap // stride))
    last = max(first, min(n_out, (n_frames - 1 - tap) // stride + 1))
    return slice(first, last), slice(first * stride + tap, max(0, (last - 1) * stride + tap + 1), stride)


class _ShiftFrames(torch.autograd.Function):
    """A sum of whole shifts, forward and backward, instead of a gather and a scatter."""

    @staticmethod
    def forward(ctx, x: Tensor, position: Tensor, stride: int) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(x, position)
        ctx.stride = stride
        return add_taps(x, taps_of(position), stride)

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        x, position = ctx.saved_tensors
        n_frames, n_out = x.shape[3], grad.shape[3]
        grad_x = torch.zeros_like(x)
        grad_position = torch.zeros_like(position)
        floor = position.floor()
        for tap, weight in taps_of(position):
            out, source = frames_within(tap, n_frames, n_out, ctx.stride)
            if out.start == out.stop:
                continue
            part, seen = grad[..., out], x[..., source]
            grad_x[..., source].addcmul_(part, weight[:, None, None])
            slope = (floor == tap - 1).to(x.dtype) - (floor == tap).to(x.dtype)
            grad_position += slope * (part * seen).sum((0, 2, 3))
        return grad_x, grad_position, None


def add_taps(x: Tensor, taps: list[Tap], stride: int) -> Tensor:
    """``Σ weight · x shifted by the tap``."""
    v, c, p, t = x.shape
    n_out = -(-t // stride)
    result = x.new_zeros(v, c, p, n_out)
    for tap, weight in taps:
        out, source = frames_within(tap, t, n_out, stride)
        if out.start < out.stop:
            result[..., out].addcmul_(x[..., source], weight[:, None, None])
    return result


class FoldedShiftTemporalConv:
    """`ShiftTemporalConv` and the norm that follows it.

    The norm before the first shift becomes part of the product's weights; its constant is only there where
    the shift reads inside the clip, so it becomes a bias per frame.
    """

    def __init__(self, conv: ShiftTemporalConv, norm: ChannelNorm, dtype: torch.dtype) -> None:
        scale, shift = conv.norm.scale_shift()
        self.constant = shift.detach().to(dtype)[None, :, None, None]
        self.scale = scale.detach().to(dtype)[:, None]
        self.weight = conv.weight.detach().to(dtype, copy=True)
        self.bias = conv.bias.detach().to(dtype, copy=True)[:, None]
        self.taps_in = [(o, w.detach().to(dtype)) for o, w in taps_of(conv.offset_in.detach())]
        last_scale, last_shift = norm.scale_shift()
        position = conv.offset_out.detach() + (0.5 if conv.stride > 1 else 0.0)
        self.taps_out = [(o, (w * last_scale).detach().to(dtype)) for o, w in taps_of(position)]
        self.shift = last_shift.detach().to(dtype)[:, None, None]
        self.stride = conv.stride

    def __call__(self, x: Tensor) -> Tensor:
        v, c, p, t = x.shape
        constant = add_taps(self.constant.expand(1, c, 1, t), self.taps_in, 1).view(c, t)
        bias = (self.weight @ constant + self.bias)[:, None, :]
        moved = add_taps(x, self.taps_in, 1).view(v, c, p * t)
        mixed = torch.bmm((self.weight * self.scale.T).expand(v, -1, -1), moved).view(v, -1, p, t)
        return add_taps(mixed.add_(bias).relu_(), self.taps_out, self.stride).add_(self.shift)
