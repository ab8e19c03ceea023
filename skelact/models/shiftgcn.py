"""Shift-GCN: shifts over joints and frames instead of graph products (Cheng et al., CVPR 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.models.base import GraphModel
from skelact.models.settings import NetworkSettings
from skelact.nn.shift_block import ShiftBlock, ShiftBlocks


class ShiftGCN(GraphModel):
    """Shift-GCN (one stream) for any layout, any number of people and frames.

    The non-local spatial shifts use no graph: every joint receives channels of all others.

    Args:
        layout: the skeleton layout or its name.
        n_classes: number of actions.
        channels_in: input channels per joint, such as 3 for positions.
        channels: output channels of each block.
        stride_blocks: blocks (0-based) with a temporal stride of 2.
        dropout: in every block after the first.
        padded_people: 0, or the people per clip of published weights (see `SkeletonModel`).
        norm_people: 1; more only for published weights (see `JointNorm`).

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
        dropout: float = 0.0,
        padded_people: int = 0,
        norm_people: int = 1,
    ) -> None:
        if not channels or min(channels) < 1:
            raise ConfigError(f"Shift-GCN needs channels of at least 1, got channels={tuple(channels)}")
        layout = get_layout(layout)
        blocks = ShiftBlocks(
            ShiftBlock(c, d, len(layout), 2 if i in stride_blocks else 1, i > 0, dropout if i > 0 else 0.0)
            for i, (c, d) in enumerate(pairwise([channels_in, *channels]))
        )
        super().__init__(layout, n_classes, channels_in, blocks, channels[-1], padded_people, norm_people)


@dataclass
class ShiftGCNSettings(NetworkSettings):
    """Settings of `ShiftGCN`; see there."""

    network = ShiftGCN

    name: Literal["shiftgcn"] = "shiftgcn"
    channels: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    stride_blocks: tuple[int, ...] = (4, 7)
    dropout: float = 0.0
    padded_people: int = 0
    norm_people: int = 1
