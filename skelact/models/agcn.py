"""One stream of 2s-AGCN (Shi et al., CVPR 2019), and of AAGCN (Shi et al., TIP 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch.nn as nn

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.layouts import partition as partition_graph
from skelact.models.base import GraphModel
from skelact.models.settings import NetworkSettings
from skelact.nn.block import Block
from skelact.nn.graph import SkeletonGraph
from skelact.nn.initialise import initialise_fan_out
from skelact.nn.spatial.adaptive import AdaptiveGraphConv, FrameAdaptiveGraphConv
from skelact.nn.stc_attention import JointFrameChannelAttention
from skelact.nn.temporal.conv import TemporalConv


class AGCN(GraphModel):
    """One stream of 2s-AGCN or AAGCN: adaptive graph convolutions with learned and data-dependent adjacencies.

    Args:
        layout: the skeleton layout or its name.
        n_classes: number of actions.
        channels_in: input channels per joint, such as 3 for positions.
        channels: output channels of each block.
        stride_blocks: blocks (0-based) with a temporal stride of 2.
        partition: see `skelact.layouts.PARTITIONS`.
        kernel: temporal kernel size [frames]; odd.
        dropout: in every block after the first.
        gated: AAGCN's adaptive convolution.
        attention: AAGCN's attention to joints, frames and channels.
        padded_people: 0, or the people per clip of published weights (see `SkeletonModel`).
        norm_people: 1; more only for published weights (see `JointNorm`).
        frame_topology: the data-dependent adjacency is of each frame, not of the clip, so that the network runs frame
            by frame (see `skelact.models.continual`).

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
        kernel: int = 9,
        dropout: float = 0.0,
        gated: bool = False,
        attention: bool = False,
        padded_people: int = 0,
        norm_people: int = 1,
        frame_topology: bool = False,
    ) -> None:
        if not channels or min(channels) < 1:
            raise ConfigError(f"AGCN needs channels of at least 1, got channels={channels}")
        if kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd so that frames stay centred, got {kernel}")
        layout = get_layout(layout)
        graph = SkeletonGraph(partition_graph(layout, partition))
        blocks = []
        for i, (c, d) in enumerate(pairwise([channels_in, *channels])):
            stride = 2 if i in stride_blocks else 1
            block = Block(
                (FrameAdaptiveGraphConv if frame_topology else AdaptiveGraphConv)(c, d, graph, gated=gated),
                TemporalConv(d, d, kernel, stride),
                c,
                d,
                stride,
                residual=i > 0,
                dropout=dropout if i > 0 else 0.0,
                inner_residual=True,
                attention=JointFrameChannelAttention(d, len(layout)) if attention else None,
            )
            initialise_fan_out(block)
            if isinstance(block.attention, JointFrameChannelAttention):
                block.attention.reset()
            assert block.spatial_norm is not None
            # as released: the graph convolution starts near zero
            nn.init.constant_(block.spatial_norm.weight, 1e-6)
            blocks.append(block)
        super().__init__(layout, n_classes, channels_in, blocks, channels[-1], padded_people, norm_people)


@dataclass
class AGCNSettings(NetworkSettings):
    """Settings of one stream of 2s-AGCN; see `AGCN`."""

    network = AGCN

    name: Literal["agcn"] = "agcn"
    channels: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    stride_blocks: tuple[int, ...] = (4, 7)
    partition: str = "self_inward_outward"
    kernel: int = 9
    dropout: float = 0.0
    padded_people: int = 0
    norm_people: int = 1
    frame_topology: bool = False


@dataclass
class AAGCNSettings(AGCNSettings):
    """Settings of AAGCN; see `AGCN`."""

    fixed = {"gated": True, "attention": True}  # noqa: RUF012

    name: Literal["aagcn"] = "aagcn"
