"""Non-local shift graph convolution (Shift-GCN's): channels travel between joints, then mix.

Shifts move whole rows of frames, so features are ``[V, C, P, T]`` here, frames innermost: a shift is then a
copy of rows, and nothing is transposed between one layer and the next.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class ShiftGraphConv(nn.Module):
    """Channel c of a joint comes from c joints further, is weighed, mixed, and channel d goes d joints back.

    Source: Cheng et al., "Skeleton-based action recognition with shift graph convolutional network", CVPR
    2020 (non-local, with its learned mask). A norm of every channel of every joint follows.

    Args:
        channels_in, channels_out: C and D.
        n_joints: V.
    """

    here: Tensor
    back: Tensor

    def __init__(self, channels_in: int, channels_out: int, n_joints: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self.mask = nn.Parameter(torch.zeros(n_joints, channels_in))
        self.norm = nn.BatchNorm1d(n_joints * channels_out)
        nn.init.normal_(self.weight, 0, math.sqrt(1 / channels_out))
        self.register_buffer("here", shifted_rows(n_joints, channels_in, 1), persistent=False)
        self.register_buffer("back", shifted_rows(n_joints, channels_out, -1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[V, C, P, T]`` to ``[V, D, P, T]``."""
        v, c, p, t = x.shape
        rows = take_rows(x.reshape(v * c, p * t), self.here) * (self.mask.tanh() + 1).view(-1, 1)
        mixed = mix_rows(rows.view(v, c, p * t), self.weight, self.bias)
        out = self.norm(take_rows(mixed.view(-1, p * t), self.back).unsqueeze(0))
        return out.view(v, -1, p, t)

    def folded(self, dtype: torch.dtype) -> FoldedShiftGraphConv:
        """The inference form, with its norm."""
        return FoldedShiftGraphConv(self, dtype)


def shifted_rows(n_joints: int, channels: int, direction: int) -> Tensor:
    """For each row ``(joint, channel)`` the row that comes there: as many joints further as the channel says."""
    joint, channel = torch.arange(n_joints)[:, None], torch.arange(channels)[None]
    return ((joint + direction * channel) % n_joints * channels + channel).flatten()


class _TakeRows(torch.autograd.Function):
    """Rows in another order; the backward pass is the opposite order, not a sum over indices."""

    @staticmethod
    def forward(ctx, rows: Tensor, order: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(order)
        return rows.index_select(0, order)

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        (order,) = ctx.saved_tensors
        result = torch.empty_like(grad)
        result[order] = grad
        return result, None


def take_rows(rows: Tensor, order: Tensor) -> Tensor:
    """``rows[order]``, where ``order`` holds every row once."""
    if torch.compiler.is_compiling():
        return rows.index_select(0, order)
    return _TakeRows.apply(rows, order)  # type: ignore[return-value]


def mix_rows(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 1×1 convolution of ``[V, C, N]`` by ``[D, C]``."""
    return torch.baddbmm(bias[:, None].to(x.dtype), weight.to(x.dtype).expand(len(x), -1, -1), x)


class FoldedShiftGraphConv:
    """`ShiftGraphConv` with its norm folded into what is mixed."""

    def __init__(self, conv: ShiftGraphConv, dtype: torch.dtype) -> None:
        norm = conv.norm
        assert norm.running_var is not None and norm.running_mean is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        # the norm comes after the shift back: bring its values to where each row starts from
        v, d = len(conv.mask), len(conv.bias)
        start = torch.empty_like(scale)
        start[conv.back] = scale
        bias = torch.empty_like(shift)
        bias[conv.back] = shift
        bias = bias.view(v, d) + start.view(v, d) * conv.bias
        self.here, self.back = conv.here.clone(), conv.back.clone()
        self.mask = (conv.mask.tanh() + 1).detach().to(dtype).view(-1, 1)
        self.weight = conv.weight.detach().to(dtype, copy=True)
        self.scale = start.detach().to(dtype).view(v, d, 1)
        self.bias = bias.detach().to(dtype).view(v, d, 1)

    def __call__(self, x: Tensor) -> Tensor:
        v, c, p, t = x.shape
        rows = x.reshape(v * c, p * t).index_select(0, self.here).mul_(self.mask)
        mixed = torch.bmm(self.weight.expand(v, -1, -1), rows.view(v, c, p * t))
        mixed = torch.addcmul(self.bias, mixed, self.scale)
        return mixed.view(-1, p * t).index_select(0, self.back).view(v, -1, p, t)
