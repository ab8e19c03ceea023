"""Norms in evaluation mode and 1×1 convolutions on single frames, worked out once."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.norm import ChannelNorm


class Affine(nn.Module):
    """A norm in evaluation mode over the last axis; the identity without one."""

    def __init__(self, norm: ChannelNorm | None) -> None:
        super().__init__()
        scale, shift = (None, None) if norm is None else (v.detach() for v in norm.scale_shift())
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)
        self.scale: Tensor | None
        self.shift: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return x if self.scale is None else torch.addcmul(self.shift, x, self.scale)


class FoldedLinear(nn.Module):
    """A 1×1 convolution and the norm that follows as one matrix product."""

    def __init__(self, linear: nn.Linear, norm: ChannelNorm | None = None) -> None:
        super().__init__()
        weight, bias = linear.weight.detach(), linear.bias.detach()
        if norm is not None:
            scale, shift = (v.detach() for v in norm.scale_shift())
            weight, bias = weight * scale[:, None], bias * scale + shift
        self.register_buffer("weight", weight.clone())
        self.register_buffer("bias", bias.clone())
        self.weight: Tensor
        self.bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.weight, self.bias)
