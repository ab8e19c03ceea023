"""SkelactNet: skelact's own network, light enough for small sets and live use.

Its blocks combine topology refinement of learned adjacencies (DG-STGCN, CTR-GCN), a 1×1 convolution shared by
all heads instead of one per partition (a third of the operations), temporal convolutions of several dilations
(MS-G3D, CTR-GCN), and early temporal strides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from skelact.errors import ConfigError, choices
from skelact.layouts import SkeletonLayout, get_layout, partition
from skelact.models.base import GraphModel
from skelact.models.settings import NetworkSettings
from skelact.nn.block import Block
from skelact.nn.dropout import ChannelDropout
from skelact.nn.spatial.heads import HeadGraphConv
from skelact.nn.temporal.attention import CausalAttention
from skelact.nn.temporal.split import SplitConv

TEMPORAL = ("conv", "attention")


class SkelactNet(GraphModel):
    """SkelactNet for any layout, any number of people and frames.

    Args:
        layout: the skeleton layout or its name.
        n_classes: number of actions.
        channels_in: input channels per joint, such as 3 for positions.
        channels: output channels of each block, multiples of ``n_heads``.
        stride_blocks: blocks (0-based) with a temporal stride of 2.
        n_heads, topology, rank: see `HeadGraphConv`; ``topology`` None: ``frame`` if causal, else ``clip``.
        dilations, kernel: see `SplitConv`.
        dropout: spatial dropout of channels, in every block after the first.
        causal: receptive fields end at the current frame.
        temporal: ``conv``, or ``attention`` of each joint to its own last frames, which needs ``causal``.
        window: frames that attention sees.

    Raises:
        ConfigError: for invalid settings.
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
        temporal: str = "conv",
        window: int = 16,
    ) -> None:
        if not channels or min(channels) < 1:
            raise ConfigError(f"SkelactNet needs channels of at least 1, got channels={tuple(channels)}")
        topology = topology or ("frame" if causal else "clip")
        if causal and topology == "clip":
            raise ConfigError(
                "topology clip refines by the whole clip, which is not causal; use frame or learned"
            )
        if temporal not in TEMPORAL:
            raise ConfigError(choices(temporal, TEMPORAL, "temporal module"))
        if temporal == "attention" and not causal:
            raise ConfigError("temporal attention sees earlier frames alone: set causal to true")
        adjacency = partition(get_layout(layout), "self_inward_outward")
        blocks = []
        for i, (c, d) in enumerate(pairwise([channels_in, *channels])):
            stride = 2 if i in stride_blocks else 1
            blocks.append(
                Block(
                    HeadGraphConv(c, d, adjacency, n_heads, topology, rank),
                    SplitConv(d, stride, dilations, kernel, causal)
                    if temporal == "conv"
                    else CausalAttention(d, stride, n_heads, window),
                    c,
                    d,
                    stride,
                    residual=i > 0,
                    dropout=ChannelDropout(dropout if i > 0 else 0.0),
                    inner_residual=True,
                )
            )
        super().__init__(layout, n_classes, channels_in, blocks, channels[-1])
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
    temporal: Literal["conv", "attention"] = "conv"
    window: int = 16
