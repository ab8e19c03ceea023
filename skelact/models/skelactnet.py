"""SkelactNet: skelact's own network, light enough for small sets and for live use.

Its row follows from the field's networks: topologies that are learned freely and bent by the input
(DG-STGCN, CTR-GCN) in place of partitions of the skeleton; one 1×1 convolution shared by heads in place of
one per partition, a third of the operations; time seen in groups of channels with different reach (MS-G3D,
CTR-GCN); and frames halved early, because motion is slow against 30 frames a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout, partition
from skelact.models.base import GraphModel
from skelact.models.settings import NetworkSettings
from skelact.nn.block import Block
from skelact.nn.dropout import ChannelDropout
from skelact.nn.spatial.heads import HeadGraphConv
from skelact.nn.temporal.split import SplitConv


class SkelactNet(GraphModel):
    """skelact's own network for any layout, any number of people and frames.

    Args:
        layout: the skeleton layout or its name.
        n_classes: number of actions.
        channels_in: values per joint, such as 3 for positions.
        channels: output channels of each block, multiples of ``n_heads``.
        stride_blocks: blocks (0-based) with a temporal stride of 2.
        n_heads, topology, rank: see `HeadGraphConv`; ``topology`` None: ``frame`` if causal, else ``clip``.
        dilations, kernel: see `SplitConv`.
        dropout: of whole channels, in every block after the first.
        causal: nothing looks into the future, so the network can run frame by frame.

    Raises:
        ConfigError: for settings that make no network.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        channels: Sequence[int] = (64, 64, 128, 128, 256),
        stride_blocks: Sequence[int] = (0, 2, 4),
        n_heads: int = 8,
        topology: str | None = None,
        rank: int = 8,
        dilations: Sequence[int] = (1, 2, 4),
        kernel: int = 5,
        dropout: float = 0.1,
        causal: bool = False,
    ) -> None:
        if not channels or min(channels) < 1:
            raise ConfigError(f"SkelactNet needs channels of at least 1, got channels={tuple(channels)}")
        topology = topology or ("frame" if causal else "clip")
        if causal and topology == "clip":
            raise ConfigError(
                "a causal network cannot bend its topology by the whole clip; use frame or learned"
            )
        adjacency = partition(get_layout(layout), "self_inward_outward")
        rows = []
        for i, (c, d) in enumerate(pairwise([channels_in, *channels])):
            stride = 2 if i in stride_blocks else 1
            rows.append(
                Block(
                    HeadGraphConv(c, d, adjacency, n_heads, topology, rank),
                    SplitConv(d, stride, dilations, kernel, causal),
                    c,
                    d,
                    stride,
                    residual=i > 0,
                    dropout=ChannelDropout(dropout if i > 0 else 0.0),
                    inner_residual=True,
                )
            )
        super().__init__(layout, n_classes, channels_in, rows, channels[-1])
        self.causal = causal


@dataclass
class SkelactNetSettings(NetworkSettings):
    """Settings of `SkelactNet`; see there."""

    network = SkelactNet

    name: Literal["skelactnet"] = "skelactnet"
    channels: tuple[int, ...] = (64, 64, 128, 128, 256)
    stride_blocks: tuple[int, ...] = (0, 2, 4)
    n_heads: int = 8
    topology: Literal["learned", "clip", "frame"] | None = None
    rank: int = 8
    dilations: tuple[int, ...] = (1, 2, 4)
    kernel: int = 5
    dropout: float = 0.1
    causal: bool = False
