"""`Form`: what inference forms are made of: constants that move, are saved and exported as buffers."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from skelact.nn.modules import M
from skelact.nn.norm import ChannelNorm, scale_shift


class Form(nn.Module):
    """The inference form of a module or row, in one type of arithmetic, with the norms that follow folded in.

    The order of the axes that it takes and gives is ``order``: ``joints`` for ``[V, P, T, C]``, ``channels``
    for ``[P, C, V, T]`` (frames next to one another: for topologies per channel and narrow branches), and
    ``frames`` for ``[V, C, P, T]`` (for shifts).
    """

    order = "joints"
    stride = 1
    working = 0.0  # values in use per joint and frame of the output, to size the packs of people

    def keep(self, dtype: torch.dtype, **values: Tensor) -> None:
        """Keep copies of constants in the form's type."""
        for name, value in values.items():
            self.register_buffer(name, value.detach().to(dtype, copy=True).contiguous())


class PlainForm(Form):
    """A module that has no form of its own: a frozen copy, and the norm that follows as an affine map."""

    scale: Tensor
    shift: Tensor

    def __init__(self, module: nn.Module, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.module = frozen(module).to(dtype)
        self.normalised = norm is not None
        if norm is not None:
            scale, shift = scale_shift(norm, norm.weight)
            self.keep(dtype, scale=scale, shift=shift)

    def forward(self, x: Tensor) -> Tensor:
        out = self.module(x)
        if out is x:  # the block may overwrite what it gets
            out = out.clone()
        return out * self.scale + self.shift if self.normalised else out


def frozen(module: M) -> M:
    """A copy in evaluation mode whose weights take no gradients."""
    return copy.deepcopy(module).eval().requires_grad_(False)


def add_into(out: Tensor, x: Tensor) -> Tensor:
    """``out + x``, in place where ``out`` owns its memory."""
    return out.add_(x) if out.is_contiguous() else out + x
