"""The block of MS-G3D: window graph convolutions parallel to a factorised pathway."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from skelact.nn.block import shortcut
from skelact.nn.modules import Modules
from skelact.nn.norm import ChannelNorm


class TemporalUnit(nn.Module):
    """``relu(norm(temporal(x)) + residual(x))`` on ``[V, P, T, C]``.

    Args:
        temporal: maps C to D channels with the stride.
        channels_in, channels_out, stride: of the unit.
        activation: apply the final ReLU.
        dropout: after the temporal module.
    """

    def __init__(
        self,
        temporal: nn.Module,
        channels_in: int,
        channels_out: int,
        stride: int = 1,
        activation: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.temporal, self.activation = temporal, activation
        self.norm = ChannelNorm(channels_out)
        self.dropout = nn.Dropout(dropout, inplace=True)
        self.residual = shortcut(channels_in, channels_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        out = self.dropout(self.norm(self.temporal(x)))
        out = out + (x if self.residual is None else self.residual(x))
        return out.relu() if self.activation else out


class PathwayBlock(nn.Module):
    """``last(relu(factorised(x) + Σ norm(window(x))))`` (Liu et al., CVPR 2020: an STGC block).

    Args:
        spatial: multi-scale graph convolution, C to E channels; a norm and ReLU follow.
        spatial_channels: E.
        windows: graph convolutions over windows of frames, C to D channels with the block's stride.
        units: temporal units of the factorised pathway (the last of them without activation), and the one
            after the sum.
        channels_out: D.
        stride: of the block.
    """

    def __init__(
        self,
        spatial: nn.Module,
        spatial_channels: int,
        windows: Sequence[nn.Module],
        units: Sequence[TemporalUnit],
        channels_out: int,
        stride: int = 1,
    ) -> None:
        super().__init__()
        self.channels_out, self.stride = channels_out, stride
        self.spatial, self.spatial_norm = spatial, ChannelNorm(spatial_channels)
        self.windows = Modules(windows)
        self.window_norms = Modules(ChannelNorm(channels_out) for _ in windows)
        self.units = Modules(units)

    def forward(self, x: Tensor) -> Tensor:
        out = self.spatial_norm(self.spatial(x)).relu()
        for unit in self.units[:-1]:
            out = unit(out)
        for window, norm in zip(self.windows, self.window_norms, strict=True):
            out = out + norm(window(x))
        return self.units[-1](out.relu())
