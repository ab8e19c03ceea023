"""`Block`: a spatial module, a temporal module and a residual, the row of which every graph model is made."""

from __future__ import annotations

from torch import Tensor, nn

from skelact.nn.norm import ChannelNorm
from skelact.nn.temporal import PointConv


class Block(nn.Module):
    """``relu(norm(temporal(relu(norm(spatial(x))))) + residual(x))`` on ``[V, P, T, C]``.

    Args:
        spatial: maps C to D channels.
        temporal: maps D to D channels with the block's stride.
        channels_in, channels_out, stride: of the block.
        residual: without, nothing is added; with, x itself, or a strided 1×1 convolution and norm where
            the shape changes.
        dropout: after the temporal module.
    """

    def __init__(
        self,
        spatial: nn.Module,
        temporal: nn.Module,
        channels_in: int,
        channels_out: int,
        stride: int = 1,
        residual: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.spatial, self.spatial_norm = spatial, ChannelNorm(channels_out)
        self.temporal, self.temporal_norm = temporal, ChannelNorm(channels_out)
        self.dropout = nn.Dropout(dropout, inplace=True)
        self.has_residual = residual
        self.residual: nn.Sequential | None = None
        if residual and (channels_in != channels_out or stride != 1):
            self.residual = nn.Sequential(
                PointConv(channels_in, channels_out, stride), ChannelNorm(channels_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.spatial_norm(self.spatial(x)).relu_()
        out = self.dropout(self.temporal_norm(self.temporal(out)))
        if self.has_residual:
            out = out + (x if self.residual is None else self.residual(x))
        return out.relu_() if out.requires_grad is False else out.relu()
