"""The block of Shift-GCN, on ``[V, C, P, T]`` (frames innermost, see `skelact.nn.spatial.shift`)."""

from __future__ import annotations

from torch import Tensor, nn

from skelact.nn.block import Blocks
from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial.shift import ShiftGraphConv, mix_rows
from skelact.nn.temporal.shift import ShiftTemporalConv


class ShiftBlock(nn.Module):
    """``relu(norm(temporal(relu(spatial(x) + inner(x)))) + residual(x))`` (Cheng et al., CVPR 2020).

    Args:
        channels_in, channels_out: C and D.
        n_joints: V.
        stride: frames per output frame.
        residual: add the input after the temporal module.
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
        self.channels_out, self.stride = channels_out, stride
        self.spatial = ShiftGraphConv(channels_in, channels_out, n_joints)
        self.temporal = ShiftTemporalConv(channels_out, channels_out, stride)
        self.temporal_norm = ChannelNorm(channels_out)
        self.dropout = nn.Dropout(dropout)
        same = channels_in == channels_out
        self.inner_residual = None if same else ShiftShortcut(channels_in, channels_out, 1)
        self.outer = residual
        self.residual = (
            ShiftShortcut(channels_in, channels_out, stride)
            if residual and not (same and stride == 1)
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        out = self.spatial(x) + (x if self.inner_residual is None else self.inner_residual(x))
        out = self.dropout(self.temporal_norm.normalise(self.temporal(out.relu())))
        if self.outer:
            out = out + (x if self.residual is None else self.residual(x))
        return out.relu()


class ShiftShortcut(nn.Module):
    """1×1 convolution with a stride, and norm, on ``[V, C, P, T]``: a residual that changes the shape."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv, self.norm = nn.Linear(channels_in, channels_out), ChannelNorm(channels_out)
        self.stride = stride
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")
        nn.init.zeros_(self.conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm.normalise(strided_product(x, self.conv.weight, self.conv.bias, self.stride))


def strided_product(x: Tensor, weight: Tensor, bias: Tensor, stride: int) -> Tensor:
    """1×1 convolution of every ``stride``-th frame of ``[V, C, P, T]``."""
    x = x[..., ::stride]
    v, c, p, t = x.shape
    return mix_rows(x.reshape(v, c, p * t), weight, bias).view(v, -1, p, t)


class ShiftBlocks(Blocks):
    """`Blocks` of Shift-GCN, which compute on ``[V, C, P, T]``."""

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 3, 1, 2).contiguous()
        return super().forward(x).permute(0, 2, 3, 1)
