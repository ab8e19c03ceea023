"""The row of Shift-GCN, on ``[V, C, P, T]`` (frames innermost, see `skelact.nn.spatial.shift`)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial.shift import ShiftGraphConv, mix_rows
from skelact.nn.temporal.shift import ShiftTemporalConv


class ShiftBlock(nn.Module):
    """``relu(norm(temporal(relu(spatial(x) + inner(x)))) + residual(x))`` (Cheng et al., CVPR 2020).

    Args:
        channels_in, channels_out: C and D.
        n_joints: V.
        stride: frames per output frame.
        residual: without, nothing is added after the temporal module.
        dropout: after the temporal module.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        n_joints: int,
        stride: int = 1,
        residual: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.spatial = ShiftGraphConv(channels_in, channels_out, n_joints)
        self.temporal = ShiftTemporalConv(channels_out, channels_out, stride)
        self.temporal_norm = ChannelNorm(channels_out)
        self.dropout = nn.Dropout(dropout)
        same = channels_in == channels_out
        self.inner_residual = None if same else RowShortcut(channels_in, channels_out, 1)
        self.outer = residual
        self.residual = (
            RowShortcut(channels_in, channels_out, stride)
            if residual and not (same and stride == 1)
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.spatial(x) + (x if self.inner_residual is None else self.inner_residual(x))
        out = self.dropout(self.temporal_norm.normalise(self.temporal(out.relu())))
        if self.outer:
            out = out + (x if self.residual is None else self.residual(x))
        return out.relu()

    def folded(self, dtype: torch.dtype) -> FoldedShiftBlock:
        """The inference form."""
        return FoldedShiftBlock(self, dtype)


class RowShortcut(nn.Module):
    """A strided 1×1 convolution and norm on ``[V, C, P, T]``, for a residual that changes shape."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Linear(channels_in, channels_out), ChannelNorm(channels_out)
        self.stride = stride
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm.normalise(_strided(x, self.conv.weight, self.conv.bias, self.stride))

    def folded(self, dtype: torch.dtype) -> FoldedRowShortcut:
        """The inference form."""
        return FoldedRowShortcut(self, dtype)


def _strided(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    x = x[..., ::stride]
    v, c, p, t = x.shape
    return mix_rows(x.reshape(v, c, p * t), weight, bias).view(v, -1, p, t)


class FoldedRowShortcut:
    """`RowShortcut` with its norm folded in."""

    def __init__(self, module: RowShortcut, dtype: torch.dtype) -> None:
        scale, shift = module.norm.scale_shift()
        self.weight = (module.conv.weight * scale[:, None]).detach().to(dtype)
        self.bias = (module.conv.bias * scale + shift).detach().to(dtype)
        self.stride = module.stride

    def __call__(self, x: Tensor) -> Tensor:
        return _strided(x, self.weight, self.bias, self.stride)


class FoldedShiftBlock:
    """`ShiftBlock` with its norms folded in."""

    def __init__(self, block: ShiftBlock, dtype: torch.dtype) -> None:
        self.spatial = block.spatial.folded(dtype)
        self.temporal = block.temporal.folded(block.temporal_norm, dtype)
        self.inner = None if block.inner_residual is None else block.inner_residual.folded(dtype)
        self.outer = block.outer
        self.residual = None if block.residual is None else block.residual.folded(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        out = self.spatial(x).add_(x if self.inner is None else self.inner(x)).relu_()
        out = self.temporal(out)
        if self.outer:
            out.add_(x if self.residual is None else self.residual(x))
        return out.relu_()
