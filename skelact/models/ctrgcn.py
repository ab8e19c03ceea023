"""CTR-GCN: channel-wise topology refinement (Chen et al., ICCV 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import nn

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.layouts import partition as partition_graph
from skelact.models.base import GraphModel
from skelact.models.settings import NetworkSettings
from skelact.nn.block import Block
from skelact.nn.initialise import initialise_fan_out
from skelact.nn.spatial.channelwise import ChannelwiseGraphConv, FrameChannelwiseGraphConv
from skelact.nn.temporal.multibranch import MultiBranchConv


class CTRGCN(GraphModel):
    """CTR-GCN for any layout, any number of people and frames.

    Args:
        layout: the skeleton layout or its name.
        n_classes: number of actions.
        channels_in: input channels per joint, such as 3 for positions.
        channels: output channels of each block.
        stride_blocks: blocks (0-based) with a temporal stride of 2.
        partition: initial shared topologies (see `STGCN`).
        kernels: ``(kernel size, dilation)`` of the temporal branches.
        dropout: in every block after the first.
        padded_people: 0, or the people per clip of published weights (see `SkeletonModel`).
        norm_people: 1; more only for published weights (see `JointNorm`).
        frame_topology: topologies are refined by each frame, not by the clip, so that the network runs frame by frame
            (see `skelact.models.continual`).

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
        kernels: Sequence[tuple[int, int]] = ((5, 1), (5, 2)),
        dropout: float = 0.0,
        padded_people: int = 0,
        norm_people: int = 1,
        frame_topology: bool = False,
    ) -> None:
        if not channels or min(channels) < 1:
            raise ConfigError(f"CTR-GCN needs channels of at least 1, got channels={channels}")
        adjacency = partition_graph(get_layout(layout), partition)
        blocks = []
        for i, (c, d) in enumerate(pairwise([channels_in, *channels])):
            stride = 2 if i in stride_blocks else 1
            spatial = (FrameChannelwiseGraphConv if frame_topology else ChannelwiseGraphConv)(c, d, adjacency)
            temporal = MultiBranchConv(d, stride, kernels, transform=False)
            initialise_fan_out(temporal)
            block = Block(
                spatial,
                temporal,
                c,
                d,
                stride,
                residual=i > 0,
                dropout=min(i, 1) * dropout,
                inner_residual=True,
            )
            for shortcut in (block.residual, block.inner_residual):
                if shortcut is not None:
                    initialise_fan_out(shortcut)
            # as released: the graph convolution starts near zero
            assert block.spatial_norm is not None
            nn.init.constant_(block.spatial_norm.weight, 1e-6)
            blocks.append(block)
        super().__init__(layout, n_classes, channels_in, blocks, channels[-1], padded_people, norm_people)


@dataclass
class CTRGCNSettings(NetworkSettings):
    """Settings of `CTRGCN`; see there."""

    network = CTRGCN

    name: Literal["ctrgcn"] = "ctrgcn"
    channels: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    stride_blocks: tuple[int, ...] = (4, 7)
    partition: str = "self_inward_outward"
    kernels: tuple[tuple[int, int], ...] = ((5, 1), (5, 2))
    dropout: float = 0.0
    padded_people: int = 0
    norm_people: int = 1
    frame_topology: bool = False
