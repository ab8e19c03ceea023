"""MS-G3D: disentangled multi-scale graph convolutions over space-time (Liu et al., CVPR 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout, hop_scales
from skelact.models.base import GraphModel
from skelact.models.settings import NetworkSettings
from skelact.nn.graph import SkeletonGraph
from skelact.nn.pathways import PathwayBlock, TemporalUnit
from skelact.nn.spatial.multiscale import MultiScaleGraphConv
from skelact.nn.spatial.window import WindowGraphConv, Windows
from skelact.nn.temporal.multibranch import MultiBranchConv


class MSG3D(GraphModel):
    """MS-G3D for any layout, any number of people and frames.

    Args:
        layout: the skeleton layout or its name.
        n_classes: number of actions.
        channels_in: input channels per joint, such as 3 for positions.
        channels: output channels of each block.
        stride_blocks: blocks (0-based) with a temporal stride of 2.
        n_scales: number of hop distances (from 0) of the graph convolutions within a frame.
        n_window_scales: number of hop distances of the graph convolutions over windows.
        windows: window sizes [frames]; odd.
        window_dilations: dilation of each window.
        dilations: of the temporal branches (kernel size 3).
        dropout: after every multi-branch temporal convolution.
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
        channels: Sequence[int] = (96, 192, 384),
        stride_blocks: Sequence[int] = (1, 2),
        n_scales: int = 13,
        n_window_scales: int = 6,
        windows: Sequence[int] = (3, 5),
        window_dilations: Sequence[int] = (1, 1),
        dilations: Sequence[int] = (1, 2, 3, 4),
        dropout: float = 0.0,
        padded_people: int = 0,
        norm_people: int = 1,
    ) -> None:
        if not channels or min(channels) < 1:
            raise ConfigError(f"MS-G3D needs channels of at least 1, got channels={tuple(channels)}")
        if n_scales < 1 or n_window_scales < 1:
            raise ConfigError(
                f"MS-G3D needs at least 1 scale, got {n_scales} and {n_window_scales} for windows"
            )
        if len(windows) != len(window_dilations) or any(w % 2 == 0 for w in windows):
            raise ConfigError(
                f"windows must be odd, each with a dilation, got windows={tuple(windows)} and "
                f"window_dilations={tuple(window_dilations)}"
            )
        layout = get_layout(layout)
        graph = SkeletonGraph(hop_scales(layout, n_scales))
        window_graphs = [SkeletonGraph(hop_scales(layout, n_window_scales, w)) for w in windows]
        kernels = [(3, dilation) for dilation in dilations]
        blocks = []
        for i, (c, d) in enumerate(pairwise([channels_in, *channels])):
            stride = 2 if i in stride_blocks else 1
            width = (
                d if i == 0 else c
            )  # channels increase in the first product of the first block, later in the collapse
            units = [
                TemporalUnit(
                    MultiBranchConv(d, s, kernels, transform=False, channels_in=e), e, d, s, active, dropout
                )
                for e, s, active in ((width, stride, True), (d, 1, False), (d, 1, True))
            ]
            over_time = [
                WindowGraphConv(c, d, g, Windows(w, stride, dilation), width)
                for g, w, dilation in zip(window_graphs, windows, window_dilations, strict=True)
            ]
            spatial = MultiScaleGraphConv(c, width, graph)
            blocks.append(PathwayBlock(spatial, width, over_time, units, d, stride))
        super().__init__(layout, n_classes, channels_in, blocks, channels[-1], padded_people, norm_people)


@dataclass
class MSG3DSettings(NetworkSettings):
    """Settings of `MSG3D`; see there."""

    network = MSG3D

    name: Literal["msg3d"] = "msg3d"
    channels: tuple[int, ...] = (96, 192, 384)
    stride_blocks: tuple[int, ...] = (1, 2)
    n_scales: int = 13
    n_window_scales: int = 6
    windows: tuple[int, ...] = (3, 5)
    window_dilations: tuple[int, ...] = (1, 1)
    dilations: tuple[int, ...] = (1, 2, 3, 4)
    dropout: float = 0.0
    padded_people: int = 0
    norm_people: int = 1
