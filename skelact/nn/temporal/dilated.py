"""Dilated residual layers and stages that refine each other (MS-TCN).

Source: Abu Farha and Gall, "MS-TCN: Multi-stage temporal convolutional network for action segmentation", CVPR 2019.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.modules import Modules
from skelact.nn.temporal.conv import PointConv, TemporalConv


class DilatedLayer(nn.Module):
    """``x + dropout(point(relu(conv(x))))`` on ``[V, P, T, C]``; a convolution of kernel 3.

    Args:
        channels: C.
        dilation: of the convolution [frames].
        dropout: a probability.
        causal: pad before the first frame only.
    """

    def __init__(self, channels: int, dilation: int, dropout: float = 0.5, causal: bool = False) -> None:
        super().__init__()
        self.conv = TemporalConv(channels, channels, 3, dilation=dilation, causal=causal)
        self.point = PointConv(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """``real [P, T, 1]``: 0 for frames beyond a recording's end, which become 0."""
        out = x + self.dropout(self.point(self.conv(x).relu()))
        return out if real is None else out * real


class DilatedStage(nn.Module):
    """A 1×1 convolution, layers of dilation 1, 2, 4, ..., and a 1×1 convolution to the classes.

    Args:
        channels_in, n_classes: D and K.
        channels: of the layers.
        n_layers: how many; the receptive field is ``2 ** (n_layers + 1) - 1`` frames.
        dropout, causal: see `DilatedLayer`.
    """

    def __init__(
        self, channels_in: int, n_classes: int, channels: int, n_layers: int, dropout: float, causal: bool
    ) -> None:
        super().__init__()
        self.first = PointConv(channels_in, channels)
        self.layers = Modules(DilatedLayer(channels, 2**i, dropout, causal) for i in range(n_layers))
        self.last = PointConv(channels, n_classes)

    def forward(self, x: Tensor, real: Tensor | None = None) -> Tensor:
        """Features ``[1, N, T, D]`` to logits ``[1, N, T, K]``."""
        x = self.first(x) if real is None else self.first(x) * real
        for layer in self.layers:
            x = layer(x, real)
        out = self.last(x)
        return out if real is None else out * real


class MultiStageTCN(nn.Module):
    """MS-TCN: the first stage sees the features, each further one the softmax of the stage before.

    Args:
        channels_in, n_classes: D and K.
        channels, n_layers, dropout, causal: see `DilatedStage`.
        n_stages: how many.

    Raises:
        ConfigError: for sizes that make no network.
    """

    def __init__(
        self,
        channels_in: int,
        n_classes: int,
        channels: int = 64,
        n_layers: int = 10,
        n_stages: int = 4,
        dropout: float = 0.5,
        causal: bool = False,
    ) -> None:
        super().__init__()
        if min(channels, n_layers, n_stages) < 1:
            raise ConfigError(
                f"MS-TCN needs channels, layers and stages of at least 1, got {channels}, {n_layers} and {n_stages}"
            )
        self.stages = Modules(
            DilatedStage(n_classes if i else channels_in, n_classes, channels, n_layers, dropout, causal)
            for i in range(n_stages)
        )

    def forward(self, x: Tensor, real: Tensor | None = None) -> list[Tensor]:
        """Logits ``[N, T, K]`` of every stage for features ``x [N, T, D]``.

        Args:
            x: features of the frames.
            real: ``[N, T]`` booleans, False beyond a recording's end; None: all are real.
        """
        mask = None if real is None else real[..., None].to(x.dtype)
        x = x.unsqueeze(0)
        found = []
        for stage in self.stages:
            if found:
                x = functional.softmax(found[-1], -1)
                x = x if mask is None else x * mask
            found.append(stage(x, mask))
        return [logits[0] for logits in found]
