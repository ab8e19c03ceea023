"""Inference of blocks in channel-major order, ``[P, C, V, T]``.

Channel-wise topologies and narrow temporal branches are several times faster with contiguous frames than with
contiguous channels; 1×1 convolutions are matrix products in either order.

Each half of a block is accumulated: its output is initialised with residual and constants (`HalfStart`), and the
module's last product is added. A form of a module offers ``shift [D, V or 1]``, ``stride``, ``room`` (joints
appended to its input) and ``accumulate(x, out)``, with ``x [P, C, V + room, T]`` and ``out [P, D, V, T']``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.nn.block import Block
from skelact.nn.fast.form import Form
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.temporal.conv import PointConv


def product(weight: Tensor, x: Tensor, bias: Tensor | None = None) -> Tensor:
    """1×1 convolution ``weight [D, C]`` of ``x [P, C, R]``, plus ``bias [D, 1]``: ``[P, D, R]``."""
    weight = weight.expand(len(x), *weight.shape)
    return torch.bmm(weight, x) if bias is None else torch.baddbmm(bias, weight, x)


def accumulate(out: Tensor, weight: Tensor, x: Tensor) -> None:
    """Add the 1×1 convolution ``weight [D, C]`` of ``x [P, C, R]`` to ``out [P, D, R]``."""
    out.baddbmm_(weight.expand(len(x), *weight.shape), x)


class MajorForm(Form):
    """The channel-major inference form of a spatial or temporal module and the norm that follows it."""

    order = "channels"
    room = 0
    shift: Tensor

    def accumulate(self, x: Tensor, out: Tensor) -> None:
        """Add the module's output for ``x [P, C, V + room, T]`` to ``out [P, D, V, T']``."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """``[P, C, V, T]`` to ``[P, D, V, T']``."""
        p, c, v, t = x.shape
        out = self.shift[:, :, None].expand(p, -1, v, -(-t // self.stride)).contiguous()
        if self.room:
            x = torch.cat([x, x.new_empty(p, c, self.room, t)], 2)
        self.accumulate(x, out)
        return out


class JointsFirst(Form):
    """A channel-major form as a module of ``[V, P, T, C]``, for use in other blocks."""

    def __init__(self, form: MajorForm) -> None:
        super().__init__()
        self.form, self.stride = form, form.stride

    def forward(self, x: Tensor) -> Tensor:
        return self.form(x.permute(1, 3, 0, 2)).permute(2, 0, 3, 1).contiguous()


class HalfStart(Form):
    """Initial output of half a block: its residual and constants.

    Args:
        active: there is a residual.
        shortcut: its 1×1 convolution and norm; None: x itself.
        shift: ``[D, V or 1]`` the constant.
        stride: of the half.
        room: joints appended to the result, uninitialised.
        dtype: of the arithmetic.
        last: x is not used afterwards, so that the result may take its memory.
    """

    weight: Tensor
    shift: Tensor

    def __init__(
        self,
        active: bool,
        shortcut: nn.Sequential | None,
        shift: Tensor,
        stride: int,
        room: int,
        dtype: torch.dtype,
        last: bool = False,
    ) -> None:
        super().__init__()
        self.active, self.stride, self.room = active, stride, room
        self.mixes = shortcut is not None
        self.in_place = last and active and shortcut is None and stride == 1 and room == 0
        if shortcut is not None:
            conv, norm = shortcut
            assert isinstance(conv, PointConv) and isinstance(norm, ChannelNorm)
            scale, own = scale_shift(norm, conv.weight)
            self.keep(dtype, weight=conv.weight * scale[:, None])
            shift = shift + (conv.bias * scale + own)[:, None]
        self.keep(dtype, shift=shift[:, :, None])
        self.shifts = bool((self.shift != 0).any())

    def forward(self, x: Tensor) -> Tensor:
        """``[P, D, V + room, T']`` of ``x [P, C, V, T]``; the appended joints are uninitialised."""
        if self.in_place:
            return x.add_(self.shift) if self.shifts else x
        x = x[..., :: self.stride]
        p, _, v, t = x.shape
        out = x.new_empty(p, len(self.shift), v + self.room, t)
        part = out[:, :, :v]
        if self.active and not self.mixes:
            torch.add(x, self.shift, out=part)
        else:
            part.copy_(self.shift.expand_as(part))
        if self.mixes:
            accumulate(part.flatten(2), self.weight, x.reshape(p, -1, v * t))
        return out


class MajorBlock(Form):
    """The channel-major inference form of a `Block`; it may write into its input."""

    order = "channels"
    working = 4.0

    def __init__(self, block: Block, spatial: MajorForm, temporal: MajorForm, dtype: torch.dtype) -> None:
        super().__init__()
        self.spatial, self.temporal = spatial, temporal
        self.channels_out, self.stride = block.channels_out, block.stride
        self.inner = HalfStart(block.inner, block.inner_residual, spatial.shift, 1, temporal.room, dtype)
        self.outer = HalfStart(block.outer, block.residual, temporal.shift, block.stride, 0, dtype, last=True)

    def forward(self, x: Tensor) -> Tensor:
        joints = x.shape[2]
        middle = self.inner(x)
        own = middle[:, :, :joints]
        self.spatial.accumulate(x, own)
        own.relu_()
        out = self.outer(x)
        self.temporal.accumulate(middle, out)
        return out.relu_()
