"""Shift-GCN: shifts over joints and frames instead of graph products (Cheng et al., CVPR 2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.models.base import GraphModel
from skelact.models.settings import NetworkSettings
from skelact.nn.shift_block import ShiftBlock


class ShiftGCN(GraphModel):
    """Shift-GCN (one stream) for any layout, any number of people and frames.

    Its shifts over joints take no graph: every joint hears every other in the order of the layout.

    Args:
        layout: the skeleton layout or its name.
        n_classes: number of actions.
        channels_in: values per joint, such as 3 for positions.
        channels: output channels of each block.
        strided: the blocks (0-based) that halve the frames.
        dropout: in every block after the first.
        padded_people: 0, or the people per clip of published weights (see `SkeletonModel`).
        norm_people: 1; more only for published weights (see `JointNorm`).

    Raises:
        ConfigError: for settings that make no network.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        channels: Sequence[int] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256),
        strided: Sequence[int] = (4, 7),
        dropout: float = 0.0,
        padded_people: int = 0,
        norm_people: int = 1,
    ) -> None:
        if not channels or min(channels) < 1:
            raise ConfigError(f"Shift-GCN needs channels of at least 1, got channels={tuple(channels)}")
        layout = get_layout(layout)
        rows = [
            ShiftBlock(c, d, len(layout), 2 if i in strided else 1, i > 0, dropout if i > 0 else 0.0)
            for i, (c, d) in enumerate(pairwise([channels_in, *channels]))
        ]
        super().__init__(layout, n_classes, channels_in, rows, channels[-1], padded_people, norm_people)

    def run_blocks(self, x: Tensor) -> Tensor:
        x = _frames_innermost(x)
        for block in self.blocks:
            x = block(x)
        return _channels_innermost(x)

    def fold_blocks(self, dtype: torch.dtype) -> list[Callable[[Tensor], Tensor]]:
        folded = [block.folded(dtype) for block in self.blocks]  # type: ignore[operator]
        return [_frames_innermost, *folded, _channels_innermost]

    def widest(self) -> int:
        return 2 * self.blocks[0].spatial.weight.shape[0]  # type: ignore[union-attr]


def _frames_innermost(x: Tensor) -> Tensor:
    """``[V, P, T, C]`` to ``[V, C, P, T]``, in which shifts are copies of rows."""
    return x.permute(0, 3, 1, 2).contiguous()


def _channels_innermost(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


@dataclass
class ShiftGCNSettings(NetworkSettings):
    """Settings of `ShiftGCN`; see there."""

    network = ShiftGCN

    name: Literal["shiftgcn"] = "shiftgcn"
    channels: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    strided: tuple[int, ...] = (4, 7)
    dropout: float = 0.0
    padded_people: int = 0
    norm_people: int = 1
