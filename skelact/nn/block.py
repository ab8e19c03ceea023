"""`Block`: a spatial module, a temporal module and residuals; graph models are sequences of blocks."""

from __future__ import annotations

from torch import Tensor, nn

from skelact.nn.norm import ChannelNorm
from skelact.nn.pooling import pool_people
from skelact.nn.temporal.conv import PointConv


class Block(nn.Module):
    """``relu(norm(temporal(relu(norm(spatial(x)) [+ inner(x)]))) + residual(x))`` on ``[V, P, T, C]``.

    An optional attention module is applied to the temporal module's input. ``spatial_norm`` and
    ``temporal_norm`` are turned off for modules that contain their final normalisation.

    Args:
        spatial: maps C to D channels.
        temporal: maps D to D channels with the block's stride.
        channels_in, channels_out, stride: of the block.
        residual: add the input: the identity, or a 1×1 convolution with the stride and a norm where the
            shape changes.
        inner_residual: the same around the spatial module.
        spatial_norm, temporal_norm: normalise after the module.
        dropout: after the temporal module; a probability, or a module.
        attention: a module that keeps the shape.
    """

    def __init__(
        self,
        spatial: nn.Module,
        temporal: nn.Module,
        channels_in: int,
        channels_out: int,
        stride: int = 1,
        residual: bool = True,
        dropout: float | nn.Module = 0.0,
        inner_residual: bool = False,
        spatial_norm: bool = True,
        temporal_norm: bool = True,
        attention: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.channels_in, self.channels_out, self.stride = channels_in, channels_out, stride
        self.spatial, self.temporal, self.attention = spatial, temporal, attention
        self.spatial_norm = ChannelNorm(channels_out) if spatial_norm else None
        self.temporal_norm = ChannelNorm(channels_out) if temporal_norm else None
        self.dropout = dropout if isinstance(dropout, nn.Module) else nn.Dropout(dropout, inplace=True)
        self.inner, self.outer = inner_residual, residual
        self.inner_residual = shortcut(channels_in, channels_out, 1) if inner_residual else None
        self.residual = shortcut(channels_in, channels_out, stride) if residual else None

    def forward(self, x: Tensor, message: Tensor | None = None) -> Tensor:
        """``[V, P, T, C]`` to ``[V, P, T', D]``; ``message [V, P, T, D]`` is added to what the spatial module gives."""
        out = self.spatial(x)
        if message is not None:
            out = out + message
        if self.spatial_norm is not None:
            out = self.spatial_norm(out)
        if self.inner:
            out = out + (x if self.inner_residual is None else self.inner_residual(x))
        out = out.relu()
        if self.attention is not None:
            out = self.attention(out)
        out = self.temporal(out)
        if self.temporal_norm is not None:
            out = self.temporal_norm(out)
        out = self.dropout(out)
        if self.outer:
            out = out + (x if self.residual is None else self.residual(x))
        return out.relu()


class Blocks(nn.ModuleList):
    """A sequence of blocks on ``[V, P, T, C]``."""

    def forward(self, x: Tensor) -> Tensor:
        """Features ``[V, P, T', D]`` of ``[V, P, T, C]``."""
        for block in self:
            x = block(x)
        return x

    def pooled(self, x: Tensor) -> Tensor:
        """Features ``[P, D]``, the mean over joints and frames."""
        return pool_people(self(x))


def shortcut(channels_in: int, channels_out: int, stride: int) -> nn.Sequential | None:
    """1×1 convolution and norm of a residual; None where the identity fits."""
    if channels_in == channels_out and stride == 1:
        return None
    return nn.Sequential(PointConv(channels_in, channels_out, stride), ChannelNorm(channels_out))
