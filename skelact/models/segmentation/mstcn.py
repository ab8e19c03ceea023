"""MS-TCN on a graph network: spatial blocks give features for each frame, dilated stages label them.

Source: Abu Farha and Gall, CVPR 2019, for the stages; the blocks are SkelactNet's or ST-GCN's without temporal stride.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor

from skelact.errors import ConfigError, choices
from skelact.layouts import SkeletonLayout, get_layout, partition
from skelact.models.segmentation.base import SegmentationModel, SegmentationSettings
from skelact.nn.block import Block, Blocks
from skelact.nn.dropout import ChannelDropout
from skelact.nn.graph import SkeletonGraph
from skelact.nn.spatial.fixed import FixedGraphConv
from skelact.nn.spatial.heads import HeadGraphConv
from skelact.nn.temporal.conv import TemporalConv
from skelact.nn.temporal.dilated import MultiStageTCN
from skelact.nn.temporal.split import SplitConv

BLOCKS = ("skelactnet", "stgcn")
JOINED = ("mean", "concat")


class MSTCN(SegmentationModel):
    """Graph blocks, their features of all joints joined, and MS-TCN's stages.

    Args:
        layout, n_classes, channels_in, causal: see `SegmentationModel`.
        blocks: ``skelactnet`` (heads with a topology of each frame, split temporal convolutions) or ``stgcn`` (fixed
            graph with learned importance).
        channels: output channels of each block; for ``skelactnet`` multiples of 8.
        kernel: of the blocks' temporal convolutions [frames]; odd.
        block_dropout: in every block after the first.
        joined: ``concat``: a frame's features are those of all joints, one after the other, which tells joints apart
            after few blocks; ``mean``: their mean.
        stages, layers, width, dropout: stages, layers of each, their channels and dropout, see `MultiStageTCN`.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        blocks: str = "skelactnet",
        channels: Sequence[int] = (32, 64, 64),
        kernel: int = 5,
        block_dropout: float = 0.1,
        joined: str = "concat",
        stages: int = 4,
        layers: int = 10,
        width: int = 64,
        dropout: float = 0.5,
        causal: bool = False,
    ) -> None:
        super().__init__(layout, n_classes, channels_in, causal)
        if blocks not in BLOCKS:
            raise ConfigError(choices(blocks, BLOCKS, "kind of blocks"))
        if joined not in JOINED:
            raise ConfigError(choices(joined, JOINED, "way to join joints"))
        if not channels or min(channels) < 1:
            raise ConfigError(f"the blocks need channels of at least 1, got channels={tuple(channels)}")
        if kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd so that frames stay centred, got {kernel}")
        make = self._skelactnet if blocks == "skelactnet" else self._stgcn
        self.blocks = Blocks(
            make(c, d, kernel, block_dropout if i else 0.0, residual=i > 0)
            for i, (c, d) in enumerate(pairwise([channels_in, *channels]))
        )
        self.joined = joined
        n_features = channels[-1] * (len(self.layout) if joined == "concat" else 1)
        self.stages = MultiStageTCN(n_features, n_classes, width, layers, stages, dropout, causal)

    def _skelactnet(self, c: int, d: int, kernel: int, dropout: float, residual: bool) -> Block:
        adjacency = partition(get_layout(self.layout), "self_inward_outward")
        return Block(
            HeadGraphConv(c, d, adjacency, 8, "frame", 8),
            SplitConv(d, 1, (1, 2, 4), kernel, self.causal),
            c, d, residual=residual, dropout=ChannelDropout(dropout), inner_residual=True,
        )  # fmt: skip

    def _stgcn(self, c: int, d: int, kernel: int, dropout: float, residual: bool) -> Block:
        graph = SkeletonGraph(partition(get_layout(self.layout), "spatial"))
        return Block(
            FixedGraphConv(c, d, graph, True), TemporalConv(d, d, kernel, causal=self.causal),
            c, d, residual=residual, dropout=dropout,
        )  # fmt: skip

    def frame_features(self, x: Tensor) -> Tensor:
        return self.join_joints(self.blocks(x.permute(2, 0, 1, 3).contiguous()).permute(1, 2, 0, 3))

    def join_joints(self, x: Tensor) -> Tensor:
        """A frame's features ``[P, T, D]`` of its joints' ``[P, T, V, C]``."""
        return x.mean(2) if self.joined == "mean" else x.flatten(2)

    def frame_logits(self, x: Tensor, real: Tensor | None) -> list[Tensor]:
        return self.stages(x, real)


@dataclass
class MSTCNSettings(SegmentationSettings):
    """Settings of `MSTCN`; see there."""

    network = MSTCN

    name: Literal["mstcn"] = "mstcn"
    blocks: Literal["skelactnet", "stgcn"] = "skelactnet"
    channels: tuple[int, ...] = (32, 64, 64)
    kernel: int = 5
    block_dropout: float = 0.1
    joined: Literal["mean", "concat"] = "concat"
    stages: int = 4
    layers: int = 10
    width: int = 64
    dropout: float = 0.5
    causal: bool = False
