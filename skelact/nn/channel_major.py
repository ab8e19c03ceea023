"""Inference of rows in channel-major order, ``[P, C, V, T]``.

Topologies of their own for every channel and narrow temporal branches run several times faster with frames
next to each other in memory than with channels; the 1×1 convolutions between them are matrix products in
either order. So networks made of such rows change the order once, at their ends.

Each half of a row adds up: it starts from its residual and all that is constant, and the module's last
product is accumulated on top. A spatial form offers ``shift [D, V or 1]`` and ``accumulate(x, out)`` with
``x [P, C, V, T]`` and ``out [P, D, V*T]``; a temporal one ``shift [D, 1]``, ``stride``, ``room`` (joints that
it adds to its input) and ``accumulate(x, out)`` with ``x [P, C, V + room, T]`` and ``out [P, D, V, T']``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from skelact.nn.block import Block
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.temporal.conv import PointConv


def product(weight: Tensor, x: Tensor, bias: Tensor | None = None) -> Tensor:
    """1×1 convolution ``weight [D, C]`` of ``x [P, C, R]``, plus ``bias [D, 1]``: ``[P, D, R]``."""
    weight = weight.expand(len(x), *weight.shape)
    return torch.bmm(weight, x) if bias is None else torch.baddbmm(bias, weight, x)


def accumulate(out: Tensor, weight: Tensor, x: Tensor) -> None:
    """Add the 1×1 convolution ``weight [D, C]`` of ``x [P, C, R]`` to ``out [P, D, R]``."""
    out.baddbmm_(weight.expand(len(x), *weight.shape), x)


class FoldedStart:
    """What the sum of half a row starts from: its residual, and all that is constant.

    Args:
        active: there is a residual.
        shortcut: its 1×1 convolution and norm; None: x itself.
        shift: ``[D, V or 1]`` the constant.
        stride: of the half.
        room: further joints that the result has room for.
        dtype: of the arithmetic.
        last: nobody needs x afterwards, so that the sum may take its memory.
    """

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
        self.active, self.stride, self.room = active, stride, room
        self.in_place = last and active and shortcut is None and stride == 1 and room == 0
        self.weight: Tensor | None = None
        if shortcut is not None:
            conv, norm = shortcut
            assert isinstance(conv, PointConv) and isinstance(norm, ChannelNorm)
            scale, own = scale_shift(norm, conv.weight)
            self.weight = (conv.weight * scale[:, None]).detach().to(dtype)
            shift = shift + (conv.bias * scale + own)[:, None]
        self.shift = shift.detach().to(dtype, copy=True)[:, :, None]
        self.shifts = bool((self.shift != 0).any())

    def __call__(self, x: Tensor) -> Tensor:
        """``[P, D, V + room, T']`` of ``x [P, C, V, T]``; what there is room for is not set."""
        if self.in_place:
            return x.add_(self.shift) if self.shifts else x
        x = x[..., :: self.stride]
        p, _, v, t = x.shape
        out = x.new_empty(p, len(self.shift), v + self.room, t)
        part = out[:, :, :v]
        if not self.active or self.weight is not None:
            part.copy_(self.shift.expand_as(part))
        else:
            torch.add(x, self.shift, out=part)
        if self.weight is not None:
            accumulate(part.flatten(2), self.weight, x.reshape(p, -1, v * t))
        return out


class FoldedMajorRow:
    """The channel-major inference form of a `Block` whose modules offer ``folded_major(norm, dtype)``."""

    def __init__(self, block: Block, dtype: torch.dtype) -> None:
        assert block.attention is None
        self.spatial = block.spatial.folded_major(block.spatial_norm, dtype)  # type: ignore[operator]
        self.temporal = block.temporal.folded_major(block.temporal_norm, dtype)  # type: ignore[operator]
        room, stride = self.temporal.room, self.temporal.stride
        self.inner = FoldedStart(block.inner, block.inner_residual, self.spatial.shift, 1, room, dtype)
        self.outer = FoldedStart(
            block.outer, block.residual, self.temporal.shift, stride, 0, dtype, last=True
        )

    def __call__(self, x: Tensor) -> Tensor:
        joints = x.shape[2]
        middle = self.inner(x)
        own = middle[:, :, :joints]
        self.spatial.accumulate(x, own.flatten(2))
        own.relu_()
        out = self.outer(x)
        self.temporal.accumulate(middle, out)
        return out.relu_()


def fold_major(blocks: Iterable[nn.Module], dtype: torch.dtype) -> list[Callable[[Tensor], Tensor]]:
    """Rows as steps from ``[V, P, T, C]`` to ``[V, P, T', D]`` that are channel-major in between."""
    rows = [FoldedMajorRow(block, dtype) for block in blocks if isinstance(block, Block)]
    return [_channels_first, *rows, lambda x: x.permute(2, 0, 3, 1)]


def _channels_first(x: Tensor) -> Tensor:
    return x.permute(1, 3, 0, 2).clone(memory_format=torch.contiguous_format)  # rows may write into it


class JointsFirst:
    """A channel-major inference form as a module of ``[V, P, T, C]``, for use in other rows."""

    def __init__(self, form: Any, dtype: torch.dtype) -> None:
        self.form = form
        self.shift = form.shift.detach().to(dtype, copy=True)[:, :, None]

    def __call__(self, x: Tensor) -> Tensor:
        x = x.permute(1, 3, 0, 2)
        p, c, v, t = x.shape
        room, stride = getattr(self.form, "room", 0), getattr(self.form, "stride", 1)
        out = self.shift.expand(p, len(self.shift), v, -(-t // stride)).contiguous()
        if room:
            x = torch.cat([x, x.new_empty(p, c, room, t)], 2)
        if hasattr(self.form, "stride"):
            self.form.accumulate(x, out)
        else:
            self.form.accumulate(x, out.flatten(2))
        return out.permute(2, 0, 3, 1).contiguous()
