"""DG-STGCN: dynamic group spatio-temporal graph convolution (Duan et al., arXiv 2210.05895)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.models.base import GraphModel
from skelact.models.settings import NetworkSettings
from skelact.nn.block import Block
from skelact.nn.spatial.dynamic import DynamicGraphConv
from skelact.nn.temporal.multibranch import MultiBranchConv


def dynamic_blocks(
    n_joints: int,
    channels: Sequence[int],
    stride_blocks: Sequence[int],
    kernels: Sequence[tuple[int, int]],
    n_partitions: int,
    ratio: float,
    subset_wise: bool,
    dropout: float,
) -> list[Block]:
    """The blocks of DG-STGCN and ProtoGCN; ``channels`` begins with the input's."""
    if len(channels) < 2 or min(channels[1:]) < 1:
        raise ConfigError(f"blocks need channels of at least 1, got channels={tuple(channels[1:])}")
    blocks = []
    for i, (c, d) in enumerate(pairwise(channels)):
        stride = 2 if i in stride_blocks else 1
        spatial = DynamicGraphConv(c, d, n_joints, n_partitions, ratio, subset_wise)
        temporal = MultiBranchConv(d, stride, kernels, n_joints=n_joints)
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
    return blocks


class DGSTGCN(GraphModel):
    """DG-STGCN for any layout, any number of people and frames.

    Args:
        layout: the skeleton layout or its name.
        n_classes: number of actions.
        channels_in: input channels per joint, such as 3 for positions.
        channels: output channels of each block.
        stride_blocks: blocks (0-based) with a temporal stride of 2.
        kernels: ``(kernel size, dilation)`` of the temporal branches.
        n_partitions, ratio, subset_wise: see `DynamicGraphConv`.
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
        kernels: Sequence[tuple[int, int]] = ((3, 1), (3, 2), (3, 3), (3, 4)),
        n_partitions: int = 8,
        ratio: float = 0.125,
        subset_wise: bool = False,
        dropout: float = 0.0,
        padded_people: int = 0,
    ) -> None:
        n_joints = len(get_layout(layout))
        blocks = dynamic_blocks(
            n_joints,
            (channels_in, *channels),
            stride_blocks,
            kernels,
            n_partitions,
            ratio,
            subset_wise,
            dropout,
        )
        super().__init__(layout, n_classes, channels_in, blocks, channels[-1], padded_people)


@dataclass
class DGSTGCNSettings(NetworkSettings):
    """Settings of `DGSTGCN`; see there."""

    network = DGSTGCN

    name: Literal["dgstgcn"] = "dgstgcn"
    channels: tuple[int, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    stride_blocks: tuple[int, ...] = (4, 7)
    kernels: tuple[tuple[int, int], ...] = ((3, 1), (3, 2), (3, 3), (3, 4))
    n_partitions: int = 8
    ratio: float = 0.125
    subset_wise: bool = False
    dropout: float = 0.0
    padded_people: int = 0
