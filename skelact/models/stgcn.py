"""ST-GCN: spatial temporal graph convolutional networks (Yan, Xiong and Lin, AAAI 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.layouts import partition as partition_graph
from skelact.models.base import GraphModel
from skelact.models.settings import NetworkSettings
from skelact.nn.block import Block
from skelact.nn.graph import SkeletonGraph
from skelact.nn.spatial.fixed import FixedGraphConv
from skelact.nn.temporal.conv import TemporalConv


class STGCN(GraphModel):
    """ST-GCN for any layout, any number of people and frames.

    Args:
        layout: the skeleton layout or its name.
        n_classes: number of actions.
        channels_in: input channels per joint, such as 3 for positions.
        channels: output channels of each block.
        stride_blocks: blocks (0-based) with a temporal stride of 2.
        partition: ``uniform``, ``distance``, ``spatial``, ``spatial_released`` (for published
            weights) or ``self_inward_outward``.
        kernel: temporal kernel size [frames]; odd.
        dropout: in every block after the first.
        importance: learn one weight per edge and layer.
        padded_people: 0, or the people per clip of published weights (see `SkeletonModel`).

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
        partition: str = "spatial",
        kernel: int = 9,
        dropout: float = 0.0,
        importance: bool = True,
        padded_people: int = 0,
    ) -> None:
        if not channels or min(channels) < 1:
            raise ConfigError(f"ST-GCN needs channels of at least 1, got channels={channels}")
        if kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd so that frames stay centred, got {kernel}")
        graph = SkeletonGraph(partition_graph(get_layout(layout), partition))
        blocks = []
        for i, (c, d) in enumerate(pairwise([channels_in, *channels])):
            stride = 2 if i in stride_blocks else 1
            spatial = FixedGraphConv(c, d, graph, importance)
            temporal = TemporalConv(d, d, kernel, stride)
            blocks.append(
                Block(spatial, temporal, c, d, stride, residual=i > 0, dropout=dropout if i > 0 else 0.0)
            )
        super().__init__(layout, n_classes, channels_in, blocks, channels[-1], padded_people)


@dataclass
class STGCNSettings(NetworkSettings):
    """Settings of `STGCN`; see there."""

    network = STGCN

    name: Literal["stgcn"] = "stgcn"
    channels: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    stride_blocks: tuple[int, ...] = (4, 7)
    partition: str = "spatial"
    kernel: int = 9
    dropout: float = 0.0
    importance: bool = True
    padded_people: int = 0
