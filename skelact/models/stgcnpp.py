"""ST-GCN++: ST-GCN with a learned topology and several temporal branches (Duan et al., ACM MM 2022)."""

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
from skelact.nn.spatial.learned import LearnedGraphConv
from skelact.nn.temporal.multibranch import MultiBranchConv


class STGCNPlusPlus(GraphModel):
    """ST-GCN++ for any layout, any number of people and frames.

    Args:
        layout: the skeleton layout or its name.
        n_classes: number of actions.
        channels_in: input channels per joint, such as 3 for positions.
        channels: output channels of each block.
        stride_blocks: blocks (0-based) with a temporal stride of 2.
        partition: initial topology; the default is PYSKL's "spatial". PYSKL connects both hand tips of NTU to
            the hand, as layout ntu25_tied.
        kernels: ``(kernel size, dilation)`` of the temporal branches.
        dropout: in every block after the first.
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
        partition: str = "self_inward_outward",
        kernels: Sequence[tuple[int, int]] = ((3, 1), (3, 2), (3, 3), (3, 4)),
        dropout: float = 0.0,
        padded_people: int = 0,
    ) -> None:
        if not channels or min(channels) < 1:
            raise ConfigError(f"ST-GCN++ needs channels of at least 1, got channels={channels}")
        adjacency = partition_graph(get_layout(layout), partition)
        blocks = []
        for i, (c, d) in enumerate(pairwise([channels_in, *channels])):
            stride = 2 if i in stride_blocks else 1
            spatial = LearnedGraphConv(c, d, adjacency)
            temporal = MultiBranchConv(d, stride, kernels)
            blocks.append(
                Block(
                    spatial,
                    temporal,
                    c,
                    d,
                    stride,
                    residual=i > 0,
                    dropout=min(i, 1) * dropout,
                    inner_residual=True,
                )
            )
        super().__init__(layout, n_classes, channels_in, blocks, channels[-1], padded_people)


@dataclass
class STGCNPlusPlusSettings(NetworkSettings):
    """Settings of `STGCNPlusPlus`; see there."""

    network = STGCNPlusPlus

    name: Literal["stgcnpp"] = "stgcnpp"
    channels: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    stride_blocks: tuple[int, ...] = (4, 7)
    partition: str = "self_inward_outward"
    kernels: tuple[tuple[int, int], ...] = ((3, 1), (3, 2), (3, 3), (3, 4))
    dropout: float = 0.0
    padded_people: int = 0
