"""SPOTER: a transformer over the poses of a sign, asked by one learned query.

Source: Boháček and Hrúz, "Sign pose-based transformer for word-level sign language recognition", WACV workshops 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout
from skelact.models.sequence import FrameModel
from skelact.models.settings import NetworkSettings
from skelact.nn.modules import Modules
from skelact.nn.self_attention import SelfAttention, frame_positions


class Layer(nn.Module):
    """Attention and two linear layers, each with a residual and a layer norm behind it.

    Args:
        channels, n_heads: see `SelfAttention`.
        hidden: channels between the linear layers.
        dropout: of both branches.
    """

    def __init__(self, channels: int, n_heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(channels, n_heads, dropout)
        self.attention_norm, self.linear_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.expand, self.project = nn.Linear(channels, hidden), nn.Linear(hidden, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, frames: Tensor, present: Tensor | None) -> Tensor:
        """Queries ``x [P, Q, C]`` that attend to ``frames [P, T, C]``."""
        x = self.attention_norm(x + self.dropout(self.attention(x, frames, present)))
        return self.linear_norm(x + self.dropout(self.project(functional.relu(self.expand(x)))))


class SPOTER(FrameModel):
    """An encoder over frames, and a decoder of one class query without self-attention.

    As in the paper but for two things: joined joints go through a linear layer to ``channels`` (the paper's 108 are its
    coordinates themselves), and frames have sinusoidal positions (the release adds one learned vector to all frames).

    Args:
        layout, n_classes, channels_in: see `SkeletonModel`.
        channels: C.
        n_heads: of every layer.
        depth: layers of encoder and of decoder.
        hidden: channels between a layer's linear layers.
        dropout: in every layer.

    Raises:
        ConfigError: for settings that make no network.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        channels: int = 108,
        n_heads: int = 9,
        depth: int = 6,
        hidden: int = 2048,
        dropout: float = 0.1,
    ) -> None:
        if channels < 2 or depth < 1 or hidden < 1:
            raise ConfigError(
                f"channels must be at least 2, depth and hidden 1, got {channels}, {depth} and {hidden}"
            )
        super().__init__(layout, n_classes, channels_in, channels)
        self.embed = nn.Linear(len(self.layout) * channels_in, channels)
        self.encoder = Modules[Layer](Layer(channels, n_heads, hidden, dropout) for _ in range(depth))
        self.decoder = Modules[Layer](Layer(channels, n_heads, hidden, dropout) for _ in range(depth))
        self.query = nn.Parameter(torch.rand(1, 1, channels))

    def people_features(self, x: Tensor, present: Tensor | None = None, rank: Tensor | None = None) -> Tensor:
        frames = self.embed(self.normalise(x, present).flatten(2))
        frames = frames + frame_positions(frames.shape[1], frames.shape[2], frames)
        for layer in self.encoder:
            frames = layer(frames, frames, present)
        query = self.query.expand(x.shape[0], -1, -1).to(frames.dtype)
        for layer in self.decoder:
            query = layer(query, frames, present)
        return query[:, 0]


@dataclass
class SPOTERSettings(NetworkSettings):
    """Settings of `SPOTER`; see there."""

    network = SPOTER

    name: Literal["spoter"] = "spoter"
    channels: int = 108
    n_heads: int = 9
    depth: int = 6
    hidden: int = 2048
    dropout: float = 0.1
