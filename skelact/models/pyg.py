"""ST-GCN's blocks with a spatial convolution of torch-geometric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.layouts import partition as partition_graph
from skelact.models.base import GraphModel
from skelact.models.settings import NetworkSettings
from skelact.nn.block import Block
from skelact.nn.graph import SkeletonGraph
from skelact.nn.spatial.pyg import PyGConv
from skelact.nn.temporal.conv import TemporalConv


class PyGGCN(GraphModel):
    """Spatial convolution by any of torch-geometric's (Fey and Lenssen, 2019), temporal convolution.

    Args:
        layout, n_classes, channels_in: see `SkeletonModel`.
        channels: output channels of each block.
        stride_blocks: blocks (0-based) with a temporal stride of 2.
        conv: class name of the convolution, see `PyGConv`.
        options: its further arguments.
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
        channels: Sequence[int] = (64, 64, 128, 256),
        stride_blocks: Sequence[int] = (0, 2, 3),
        conv: str = "GraphConv",
        options: Mapping[str, int | float | bool | str] | None = None,
        kernel: int = 9,
        dropout: float = 0.0,
    ) -> None:
        if not channels or min(channels) < 1:
            raise ConfigError(f"channels must be at least 1, got channels={channels}")
        if kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd so that frames stay centred, got {kernel}")
        graph = SkeletonGraph(partition_graph(get_layout(layout), "uniform"))
        blocks = []
        for i, (c, d) in enumerate(pairwise([channels_in, *channels])):
            stride = 2 if i in stride_blocks else 1
            spatial, temporal = PyGConv(c, d, graph, conv, options), TemporalConv(d, d, kernel, stride)
            rate = dropout if i > 0 else 0.0
            blocks.append(
                Block(spatial, temporal, c, d, stride, residual=i > 0, dropout=rate, inner_residual=True)
            )
        super().__init__(layout, n_classes, channels_in, blocks, channels[-1])


@dataclass
class PyGGCNSettings(NetworkSettings):
    """Settings of `PyGGCN`; see there."""

    network = PyGGCN

    name: Literal["pyggcn"] = "pyggcn"
    channels: tuple[int, ...] = (64, 64, 128, 256)
    stride_blocks: tuple[int, ...] = (0, 2, 3)
    conv: str = "GraphConv"
    options: dict[str, bool | int | float | str] = field(default_factory=dict)
    kernel: int = 9
    dropout: float = 0.0
