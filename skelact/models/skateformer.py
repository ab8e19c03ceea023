"""SkateFormer: partitioned skeletal-temporal attention (Do and Kim, ECCV 2024), for any layout."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.layouts.parts import part_table
from skelact.models.base import GraphModel
from skelact.models.settings import NetworkSettings
from skelact.nn.norm import ChannelNorm
from skelact.nn.partition_attention import PartitionBlock, SkateEmbedding
from skelact.nn.temporal.conv import TemporalConv


class MergeFrames(nn.Module):
    """A strided convolution over time and a norm: half the frames, other channels."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__()
        self.conv = TemporalConv(channels_in, channels_out, kernel, stride=2)
        self.norm = ChannelNorm(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class SkateFormer(GraphModel):
    """Stages of partition blocks; every stage after the first halves the frames.

    Unlike the released network, people are understood one by one and then pooled, and limbs are found from
    the layout, so that neither people, nor frames, nor joints are fixed.

    Args:
        layout, n_classes, channels_in: see `SkeletonModel`.
        channels: of each stage.
        depth: blocks of each stage.
        window, heads, kernel, mlp_ratio, attention_dropout, dropout: see `PartitionBlock`.
        drop_path: of the last block; rises to it linearly from 0.
        largest_part: joints of a limb.

    Raises:
        ConfigError: for settings that make no network.
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
        rows: list[nn.Module] = [SkateEmbedding(channels_in, channels[0], len(layout))]
        n_blocks = depth * len(channels)
        for stage, width in enumerate(channels):
            if stage > 0:
                rows.append(MergeFrames(channels[stage - 1], width, kernel))
            for i in range(depth):
                share = drop_path * (stage * depth + i) / max(1, n_blocks - 1)
                rows.append(
                    PartitionBlock(
                        width, table, window, heads, kernel, mlp_ratio, attention_dropout, dropout, share
                    )
                )
        super().__init__(layout, n_classes, channels_in, rows, channels[-1])

    def fold_blocks(self, dtype: torch.dtype) -> list[Callable[[Tensor], Tensor]]:
        rows: list[Callable[[Tensor], Tensor]] = []
        for row in self.blocks:
            if isinstance(row, MergeFrames):
                rows.append(row.conv.folded(row.norm, dtype))
            elif isinstance(row, PartitionBlock):
                rows.append(FoldedPartitionBlock(row, dtype))
            else:
                rows.append(copy.deepcopy(row).eval().requires_grad_(False).to(dtype))
        return rows

    def widest(self) -> int:
        return max(1, self.n_features // 5)  # nine people of NTU: measured; attention needs no small packs


class FoldedPartitionBlock:
    """The inference form of a `PartitionBlock`: its own copy, norms' factors in the products that follow."""

    def __init__(self, block: PartitionBlock, dtype: torch.dtype) -> None:
        exact = copy.deepcopy(block).eval().requires_grad_(False)
        for norm, linear in ((exact.norm_mix, exact.mapping), (exact.norm_mlp, exact.widen)):
            linear.bias.add_(linear.weight @ norm.bias)
            linear.weight.mul_(norm.weight)
            norm.register_parameter("weight", None)
            norm.register_parameter("bias", None)
        self.block = exact.to(dtype)
        self._biases: dict[int, list[Tensor]] = {}

    def __call__(self, x: Tensor) -> Tensor:
        n_frames = x.shape[2]
        if n_frames not in self._biases:
            self._biases = {n_frames: [a.bias(n_frames) for a in self.block.attentions]}  # type: ignore[operator]
        return self.block(x, self._biases[n_frames])


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
