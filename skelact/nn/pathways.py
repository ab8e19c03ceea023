"""The row of MS-G3D: windows over space and time beside a factorised path, added before one activation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from skelact.nn.block import shortcut
from skelact.nn.inference import add_into, fold_shortcut
from skelact.nn.norm import ChannelNorm
from skelact.nn.norm_step import norm_add_relu


class TemporalUnit(nn.Module):
    """``relu(norm(temporal(x)) + residual(x))`` on ``[V, P, T, C]``.

    Args:
        temporal: maps C to D channels with the stride.
        channels_in, channels_out, stride: of the unit.
        activation: False leaves the ReLU to whoever adds more.
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
        residual = x if self.residual is None else self.residual(x)
        if self.activation and not (self.training and self.dropout.p):
            return norm_add_relu(self.norm, self.temporal(x), residual)
        out = self.dropout(self.norm(self.temporal(x))) + residual
        return out.relu() if self.activation else out

    def folded(self, dtype: torch.dtype) -> FoldedTemporalUnit:
        """The inference form."""
        return FoldedTemporalUnit(self, dtype)


class FoldedTemporalUnit:
    """`TemporalUnit` with its norms folded in."""

    def __init__(self, unit: TemporalUnit, dtype: torch.dtype) -> None:
        self.temporal = unit.temporal.folded(unit.norm, dtype)  # type: ignore[operator]
        self.residual = fold_shortcut(unit.residual, dtype)
        self.activation = unit.activation

    def __call__(self, x: Tensor) -> Tensor:
        out = add_into(self.temporal(x), x if self.residual is None else self.residual(x))
        return out.relu_() if self.activation else out


class PathwayBlock(nn.Module):
    """``last(relu(factorised(x) + Σ norm(window(x))))`` (Liu et al., CVPR 2020: an STGC block).

    Args:
        spatial: multi-scale graph convolution, C to E channels; a norm and ReLU follow.
        spatial_channels: E.
        windows: graph convolutions over windows of frames, C to D channels with the block's stride.
        units: temporal units: those of the factorised path (the last of them without activation), and the
            one after the sum.
        channels_out: D.
    """

    def __init__(
        self,
        spatial: nn.Module,
        spatial_channels: int,
        windows: Sequence[nn.Module],
        units: Sequence[TemporalUnit],
        channels_out: int,
    ) -> None:
        super().__init__()
        self.spatial, self.spatial_norm = spatial, ChannelNorm(spatial_channels)
        self.windows = nn.ModuleList(windows)
        self.window_norms = nn.ModuleList(ChannelNorm(channels_out) for _ in windows)
        self.units = nn.ModuleList(units)

    def forward(self, x: Tensor) -> Tensor:
        out = norm_add_relu(self.spatial_norm, self.spatial(x))
        for unit in self.units[:-1]:
            out = unit(out)
        for window, norm in zip(self.windows, self.window_norms, strict=True):
            out = out + norm(window(x))
        return self.units[-1](out.relu())

    def folded(self, dtype: torch.dtype) -> FoldedPathwayBlock:
        """The inference form."""
        return FoldedPathwayBlock(self, dtype)


class FoldedPathwayBlock:
    """`PathwayBlock` with its norms folded in."""

    def __init__(self, block: PathwayBlock, dtype: torch.dtype) -> None:
        self.spatial = block.spatial.folded(block.spatial_norm, dtype)  # type: ignore[operator]
        self.windows = [
            window.folded(norm, dtype)  # type: ignore[operator]
            for window, norm in zip(block.windows, block.window_norms, strict=True)
        ]
        self.units = [unit.folded(dtype) for unit in block.units]  # type: ignore[operator]

    def __call__(self, x: Tensor) -> Tensor:
        out = self.spatial(x).relu_()
        for unit in self.units[:-1]:
            out = unit(out)
        for window in self.windows:
            out = add_into(out, window(x))
        return self.units[-1](out.relu_())
