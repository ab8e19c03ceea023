"""Forms of Shift-GCN on ``[V, C, P, T]``: permutations of rows, and weighted sums of shifts by whole frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.nn.fast.form import Form
from skelact.nn.fast.gate import TrainingForm, applies
from skelact.nn.norm import ChannelNorm
from skelact.nn.shift_block import ShiftBlock, ShiftShortcut, strided_product
from skelact.nn.spatial.shift import ShiftGraphConv
from skelact.nn.temporal.shift import ShiftTemporalConv, position_of


class ShiftGraphConvStep(TrainingForm, ShiftGraphConv):
    """`ShiftGraphConv` whose backward pass is the inverse permutation, not an index_add."""

    def step(self, x: Tensor) -> Tensor:
        return ShiftGraphConv.forward(self, x)

    def take(self, rows: Tensor, order: Tensor) -> Tensor:
        return TakeRows.apply(rows, order) if applies(rows) else super().take(rows, order)


class ShiftTemporalConvStep(TrainingForm, ShiftTemporalConv):
    """`ShiftTemporalConv` as a sum of shifts by whole frames, without gather and scatter."""

    def step(self, x: Tensor) -> Tensor:
        return ShiftTemporalConv.forward(self, x)

    def shift(self, x: Tensor, offset: Tensor, stride: int = 1) -> Tensor:
        if not applies(x):
            return super().shift(x, offset, stride)
        return ShiftFrames.apply(x, position_of(offset, stride).to(x.dtype), stride)


class TakeRows(torch.autograd.Function):
    """Permutation of rows; its backward pass is the inverse permutation."""

    @staticmethod
    def forward(ctx, rows: Tensor, order: Tensor) -> Tensor:
        ctx.save_for_backward(order)
        return rows.index_select(0, order)

    @staticmethod
    def backward(ctx, grad: Tensor):
        (order,) = ctx.saved_tensors
        result = torch.empty_like(grad)
        result[order] = grad
        return result, None


Tap = tuple[int, Tensor]


def taps_of(position: Tensor) -> list[Tap]:
    """Linear interpolation as weighted shifts by whole frames: ``(frames, weight [C])``."""
    floor = position.floor()
    share = position - floor
    first, last = int(floor.min()), int(floor.max()) + 1
    return [
        (o, torch.where(floor == o, 1 - share, 0) + torch.where(floor == o - 1, share, 0))
        for o in range(first, last + 1)
    ]


def frames_within(tap: int, n_frames: int, n_out: int, stride: int) -> tuple[slice, slice]:
    """Output frames whose input frame for a tap exists, and these input frames."""
    first = max(0, -(tap // stride))
    last = max(first, min(n_out, (n_frames - 1 - tap) // stride + 1))
    return slice(first, last), slice(first * stride + tap, max(0, (last - 1) * stride + tap + 1), stride)


class ShiftFrames(torch.autograd.Function):
    """A weighted sum of shifts by whole frames, forward and backward."""

    @staticmethod
    def forward(ctx, x: Tensor, position: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, position)
        ctx.stride = stride
        return add_taps(x, taps_of(position), stride)

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, position = ctx.saved_tensors
        n_frames, n_out = x.shape[3], grad.shape[3]
        grad_x = torch.zeros_like(x)
        grad_position = torch.zeros_like(position)
        floor = position.floor()
        for tap, weight in taps_of(position):
            out, source = frames_within(tap, n_frames, n_out, ctx.stride)
            if out.start == out.stop:
                continue
            part, values = grad[..., out], x[..., source]
            grad_x[..., source].addcmul_(part, weight[:, None, None])
            slope = (floor == tap - 1).to(x.dtype) - (floor == tap).to(x.dtype)
            grad_position += slope * (part * values).sum((0, 2, 3))
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


class ShiftGraphConvForm(Form):
    """`ShiftGraphConv` with its norm folded into the 1×1 convolution."""

    here: Tensor
    back: Tensor
    mask: Tensor
    weight: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(self, conv: ShiftGraphConv, dtype: torch.dtype) -> None:
        super().__init__()
        norm = conv.norm
        assert norm.running_var is not None and norm.running_mean is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        # the norm follows the second shift: permute its values accordingly
        v, d = len(conv.mask), len(conv.bias)
        start, bias = torch.empty_like(scale), torch.empty_like(shift)
        start[conv.back], bias[conv.back] = scale, shift
        bias = bias.view(v, d) + start.view(v, d) * conv.bias
        self.register_buffer("here", conv.here.clone())
        self.register_buffer("back", conv.back.clone())
        self.keep(dtype, mask=(conv.mask.tanh() + 1).view(-1, 1), weight=conv.weight)
        self.keep(dtype, scale=start.view(v, d, 1), bias=bias.view(v, d, 1))

    def forward(self, x: Tensor) -> Tensor:
        v, c, p, t = x.shape
        rows = x.reshape(v * c, p * t).index_select(0, self.here).mul_(self.mask)
        mixed = torch.bmm(self.weight.expand(v, -1, -1), rows.view(v, c, p * t))
        mixed = torch.addcmul(self.bias, mixed, self.scale)
        return mixed.view(-1, p * t).index_select(0, self.back).view(v, -1, p, t)


class ShiftTemporalConvForm(Form):
    """`ShiftTemporalConv` and the norm that follows it.

    The norm before the first shift is folded into the 1×1 convolution; its shift applies only inside the clip
    and becomes a bias per frame.
    """

    constant: Tensor
    mix: Tensor
    weight: Tensor
    bias: Tensor
    taps_in: Tensor
    taps_out: Tensor
    final: Tensor

    def __init__(self, conv: ShiftTemporalConv, norm: ChannelNorm, dtype: torch.dtype) -> None:
        super().__init__()
        scale, shift = conv.norm.scale_shift()
        last_scale, last_shift = norm.scale_shift()
        taps_in = taps_of(conv.offset_in.detach())
        taps_out = taps_of(position_of(conv.offset_out.detach(), conv.stride))
        self.frames_in, self.frames_out = [o for o, _ in taps_in], [o for o, _ in taps_out]
        self.keep(
            dtype,
            constant=shift[None, :, None, None],
            mix=conv.weight,
            weight=conv.weight * scale,
            bias=conv.bias[:, None],
            taps_in=torch.stack([w for _, w in taps_in]),
            taps_out=torch.stack([w * last_scale for _, w in taps_out]),
            final=last_shift[:, None, None],
        )
        self.stride = conv.stride

    def forward(self, x: Tensor) -> Tensor:
        v, c, p, t = x.shape
        taps_in = list(zip(self.frames_in, self.taps_in, strict=True))
        constant = add_taps(self.constant.expand(1, c, 1, t), taps_in, 1).view(c, t)
        bias = (self.mix @ constant + self.bias)[:, None, :]
        moved = add_taps(x, taps_in, 1).view(v, c, p * t)
        mixed = torch.bmm(self.weight.expand(v, -1, -1), moved).view(v, -1, p, t)
        taps_out = list(zip(self.frames_out, self.taps_out, strict=True))
        return add_taps(mixed.add_(bias).relu_(), taps_out, self.stride).add_(self.final)


class ShiftShortcutForm(Form):
    """`ShiftShortcut` with its norm folded in."""

    weight: Tensor
    bias: Tensor

    def __init__(self, module: ShiftShortcut, dtype: torch.dtype) -> None:
        super().__init__()
        scale, shift = module.norm.scale_shift()
        weight, bias = module.conv.weight * scale[:, None], module.conv.bias * scale + shift
        self.keep(dtype, weight=weight, bias=bias)
        self.stride = module.stride

    def forward(self, x: Tensor) -> Tensor:
        return strided_product(x, self.weight, self.bias, self.stride)


class ShiftBlockForm(Form):
    """`ShiftBlock` with its norms folded in."""

    order = "frames"
    working = 2.0

    def __init__(self, block: ShiftBlock, dtype: torch.dtype) -> None:
        super().__init__()
        self.channels_out, self.stride, self.outer = block.channels_out, block.stride, block.outer
        self.spatial = ShiftGraphConvForm(block.spatial, dtype)
        self.temporal = ShiftTemporalConvForm(block.temporal, block.temporal_norm, dtype)
        self.inner = _shortcut(block.inner_residual, dtype)
        self.residual = _shortcut(block.residual, dtype)

    def forward(self, x: Tensor) -> Tensor:
        out = self.spatial(x).add_(self.inner(x)).relu_()
        out = self.temporal(out)
        if self.outer:
            out.add_(self.residual(x))
        return out.relu_()


def _shortcut(module: ShiftShortcut | None, dtype: torch.dtype) -> nn.Module:
    return nn.Identity() if module is None else ShiftShortcutForm(module, dtype)
