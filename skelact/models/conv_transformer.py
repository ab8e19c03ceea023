"""Depthwise convolutions and transformer layers over frames, for isolated signs.

Source: the winning entry of Google's "Isolated Sign Language Recognition" competition (2023): joined joints with
their differences over one and two frames (streams ``joint``, ``joint_motion``, ``joint_motion_2``), blocks of three
causal depthwise convolutions and a transformer layer, mean over frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout
from skelact.models.sequence import FrameModel
from skelact.models.settings import NetworkSettings
from skelact.nn.modules import Modules
from skelact.nn.norm import ChannelNorm
from skelact.nn.recurrent import pool_frames
from skelact.nn.self_attention import SelfAttention
from skelact.nn.temporal.depthwise import DepthwiseBlock, DropPath


class TransformerLayer(nn.Module):
    """Batch norm and self-attention, batch norm and two linear layers, each with a residual.

    Args:
        channels, n_heads: see `SelfAttention`.
        expansion: widening of the channels between the linear layers.
        dropout: of attention weights.
        drop_path: see `DropPath`.
    """

    def __init__(self, channels: int, n_heads: int, expansion: int, dropout: float, drop_path: float) -> None:
        super().__init__()
        self.attention_norm, self.linear_norm = ChannelNorm(channels), ChannelNorm(channels)
        self.attention = SelfAttention(channels, n_heads, dropout)
        self.expand = nn.Linear(channels, expansion * channels, bias=False)
        self.project = nn.Linear(expansion * channels, channels, bias=False)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """``[P, T, C]`` to the same; ``present [P, T]`` are the frames that are attended to."""
        normal = self.attention_norm.normalise(x.transpose(1, 2)).transpose(1, 2)
        x = x + self.drop_path(self.attention(normal, normal, present))
        normal = self.linear_norm.normalise(x.transpose(1, 2)).transpose(1, 2)
        return x + self.drop_path(self.project(functional.silu(self.expand(normal))))


class ConvTransformer(FrameModel):
    """Depthwise convolutions and transformer layers over frames.

    The convolutions are causal; channel attention and self-attention see the whole clip, so that the network is not.

    Args:
        layout, n_classes, channels_in: see `SkeletonModel`.
        channels: C of every frame.
        stages: how often three convolutions and a transformer layer follow each other.
        kernel, expansion: see `DepthwiseBlock`.
        n_heads: of the transformer layers.
        drop_path: of every residual branch.
        dropout: of attention weights.
        late_dropout: of a clip's features, from ``late_share`` of the training on.
        late_share: share of the training (0..1).

    Raises:
        ConfigError: for settings that make no network.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        channels: int = 192,
        stages: int = 2,
        kernel: int = 17,
        expansion: int = 2,
        n_heads: int = 4,
        drop_path: float = 0.2,
        dropout: float = 0.2,
        late_dropout: float = 0.8,
        late_share: float = 0.1,
    ) -> None:
        if channels < 1 or stages < 1:
            raise ConfigError(f"channels and stages must be at least 1, got {channels} and {stages}")
        if not 0 <= late_dropout < 1 or not 0 <= late_share <= 1:
            raise ConfigError(
                f"late_dropout is a probability below 1 and late_share a share, got {late_dropout} and {late_share}"
            )
        super().__init__(layout, n_classes, channels_in, 2 * channels)
        self.embed = nn.Linear(len(self.layout) * channels_in, channels, bias=False)
        self.embed_norm = ChannelNorm(channels)
        layers: list[DepthwiseBlock | TransformerLayer] = []
        for _ in range(stages):
            layers += [DepthwiseBlock(channels, kernel, expansion, drop_path) for _ in range(3)]
            layers.append(TransformerLayer(channels, n_heads, expansion, dropout, drop_path))
        self.layers = Modules[DepthwiseBlock | TransformerLayer](layers)
        self.top = nn.Linear(channels, 2 * channels)
        self.late_dropout, self.late_share = late_dropout, late_share
        self.dropout = nn.Dropout(late_dropout if late_share == 0 else 0.0)

    def set_progress(self, share: float) -> None:
        """Turn the dropout of features on when its share of the training has passed."""
        self.dropout.p = self.late_dropout if share >= self.late_share else 0.0

    def people_features(self, x: Tensor, present: Tensor | None = None, rank: Tensor | None = None) -> Tensor:
        x = self.embed(self.normalise(x, present).flatten(2))
        x = self.embed_norm.normalise(x.transpose(1, 2)).transpose(1, 2)
        for layer in self.layers:
            x = layer(x, present)
        return self.dropout(pool_frames(functional.relu(self.top(x)), present))


@dataclass
class ConvTransformerSettings(NetworkSettings):
    """Settings of `ConvTransformer`; see there."""

    network = ConvTransformer

    name: Literal["conv_transformer"] = "conv_transformer"
    channels: int = 192
    stages: int = 2
    kernel: int = 17
    expansion: int = 2
    n_heads: int = 4
    drop_path: float = 0.2
    dropout: float = 0.2
    late_dropout: float = 0.8
    late_share: float = 0.1
