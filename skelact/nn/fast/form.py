"""`Form`: base class of inference forms; their constants are buffers."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from skelact.nn.modules import M
from skelact.nn.norm import ChannelNorm, scale_shift


class Form(nn.Module):
    """The inference form of a module or block in one dtype, with the following norm folded in.

    ``order`` is the order of axes of input and output: ``joints`` for ``[V, P, T, C]``, ``channels`` for
    ``[P, C, V, T]`` (channel-wise topologies, narrow branches), ``frames`` for ``[V, C, P, T]`` (shifts).
    """

    order = "joints"
    stride = 1
    working = 0.0  # working memory in values per joint and frame of the output, to size packs

    def keep(self, dtype: torch.dtype, **values: Tensor) -> None:
        """Register copies of constants as buffers of the form's dtype."""
        for name, value in values.items():
            self.register_buffer(name, value.detach().to(dtype, copy=True).contiguous())


class PlainForm(Form):
    """Form of modules that the table does not list: a frozen copy, then the norm as an affine map."""

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
        if out is x:  # the block may overwrite the result
            out = out.clone()
        return out * self.scale + self.shift if self.normalised else out


def frozen(module: M) -> M:
    """A copy in evaluation mode without gradients."""
    return copy.deepcopy(module).eval().requires_grad_(False)


def add_into(out: Tensor, x: Tensor) -> Tensor:
    """``out + x``, in place where ``out`` owns its memory."""
    return out.add_(x) if out.is_contiguous() else out + x
