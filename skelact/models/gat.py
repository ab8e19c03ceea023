"""Spatio-temporal graph attention: GATv2 over the skeleton's edges in the blocks of ST-GCN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.models.base import GraphModel
from skelact.models.settings import NetworkSettings
from skelact.nn.attention import GraphAttention
from skelact.nn.block import Block
from skelact.nn.graph import SkeletonGraph
from skelact.nn.temporal.conv import TemporalConv


class STGAT(GraphModel):
    """Spatial graph attention (GATv2) and temporal convolution.

    Source: Veličković et al., ICLR 2018; Brody, Alon and Yahav, ICLR 2022, in the blocks of Yan et al.,
    AAAI 2018.

    Args:
        layout, n_classes, channels_in: see `SkeletonModel`.
        channels: output channels of each block.
        stride_blocks: blocks (0-based) with a temporal stride of 2.
        heads: of the attention; must divide all channels.
        hops: a joint attends to joints within this hop distance.
        kernel: temporal kernel size [frames]; odd.
        dropout: in every block after the first.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        channels: Sequence[int] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256),
        stride_blocks: Sequence[int] = (4, 7),
        heads: int = 4,
        hops: int = 2,
        kernel: int = 9,
        dropout: float = 0.0,
    ) -> None:
        if not channels or min(channels) < 1:
            raise ConfigError(f"STGAT needs channels of at least 1, got channels={channels}")
        if kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd so that frames stay centred, got {kernel}")
        if hops < 1:
            raise ConfigError(f"hops must be at least 1, got {hops}")
        distance = get_layout(layout).hops
        graph = SkeletonGraph(((distance >= 0) & (distance <= hops))[None].astype(float))
        blocks = []
        for i, (c, d) in enumerate(pairwise([channels_in, *channels])):
            stride = 2 if i in stride_blocks else 1
            spatial = GraphAttention(c, d, graph, heads)
            temporal = TemporalConv(d, d, kernel, stride)
            blocks.append(
                Block(
                    spatial,
                    temporal,
                    c,
                    d,
                    stride,
                    residual=i > 0,
                    dropout=dropout if i > 0 else 0.0,
                    inner_residual=True,
                )
            )
        super().__init__(layout, n_classes, channels_in, blocks, channels[-1])


@dataclass
class STGATSettings(NetworkSettings):
    """Settings of `STGAT`; see there."""

    network = STGAT

    name: Literal["stgat"] = "stgat"
    channels: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    stride_blocks: tuple[int, ...] = (4, 7)
    heads: int = 4
    hops: int = 2
    kernel: int = 9
    dropout: float = 0.0
