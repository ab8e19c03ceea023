"""SkateFormer: partitioned skeletal-temporal attention (Do and Kim, ECCV 2024), for any layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import nn

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.layouts.parts import part_table
from skelact.models.base import GraphModel
from skelact.models.settings import NetworkSettings
from skelact.nn.partition_attention import MergeFrames, PartitionBlock, SkateEmbedding


class SkateFormer(GraphModel):
    """Stages of partition blocks, with a temporal stride of 2 between stages.

    Unlike in the released network, people are processed separately and then pooled, and limbs are derived from
    the layout, so that no number of people, frames or joints is fixed.

    Args:
        layout, n_classes, channels_in: see `SkeletonModel`.
        channels: of each stage.
        depth: blocks of each stage.
        window, heads, kernel, mlp_ratio, attention_dropout, dropout: see `PartitionBlock`.
        drop_path: of the last block; rises to it linearly from 0.
        largest_part: joints of a limb, at most.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        channels: Sequence[int] = (96, 192, 192, 192),
        depth: int = 2,
        window: int = 8,
        heads: int = 32,
        kernel: int = 7,
        mlp_ratio: float = 4.0,
        attention_dropout: float = 0.5,
        dropout: float = 0.0,
        drop_path: float = 0.2,
        largest_part: int = 6,
    ) -> None:
        if not channels or min(channels) < 1 or depth < 1:
            raise ConfigError(
                f"SkateFormer needs channels and depth of at least 1, got {channels} and {depth}"
            )
        if kernel % 2 == 0:
            raise ConfigError(f"kernel must be odd so that frames stay centred, got {kernel}")
        if window < 1:
            raise ConfigError(f"window must be at least 1 frame, got {window}")
        layout = get_layout(layout)
        table = part_table(layout, largest_part)
        blocks: list[nn.Module] = [SkateEmbedding(channels_in, channels[0], len(layout))]
        n_blocks = depth * len(channels)
        for stage, width in enumerate(channels):
            if stage > 0:
                blocks.append(MergeFrames(channels[stage - 1], width, kernel))
            for i in range(depth):
                share = drop_path * (stage * depth + i) / max(1, n_blocks - 1)
                blocks.append(
                    PartitionBlock(
                        width, table, window, heads, kernel, mlp_ratio, attention_dropout, dropout, share
                    )
                )
        super().__init__(layout, n_classes, channels_in, blocks, channels[-1])


@dataclass
class SkateFormerSettings(NetworkSettings):
    """Settings of `SkateFormer`; see there."""

    network = SkateFormer

    name: Literal["skateformer"] = "skateformer"
    channels: tuple[int, ...] = (96, 192, 192, 192)
    depth: int = 2
    window: int = 8
    heads: int = 32
    kernel: int = 7
    mlp_ratio: float = 4.0
    attention_dropout: float = 0.5
    dropout: float = 0.0
    drop_path: float = 0.2
    largest_part: int = 6
