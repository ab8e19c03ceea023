"""3D residual networks of FAST convolutions (Stergiou and Poppe, ICMLA 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from skelact.models.video.base import VideoSettings, scale
from skelact.models.video.resnet3d import ResidualVideoModel
from skelact.nn.conv3d import ConvNorm3d
from skelact.nn.factorised3d import FastConv3d
from skelact.nn.residual3d import ResidualBlock3d, find_depths, make_shortcut

DEPTHS = (18, 34)


class Fast3d(ResidualVideoModel):
    """A 3D ResNet whose 3×3×3 convolutions are FAST ones with about as many weights.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        depth: 18 or 34.
        variant: ``sequential`` or ``parallel``; see `skelact.nn.factorised3d.FastConv3d`.
        width: multiplies all channels; 1: the paper's.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 3,
        depth: int = 18,
        variant: str = "sequential",
        width: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        def make_block(c: int, d: int, stride: int) -> nn.Module:
            path = [
                FastConv3d(c, d, stride, variant=variant),
                FastConv3d(d, d, activate=False, variant=variant),
            ]
            return ResidualBlock3d(path, make_shortcut("A", c, d, stride))

        first = scale(64, width)
        channels = [first * 2**i for i in range(4)]
        stem = ConvNorm3d(channels_in, first, (7, 7), (1, 2))
        super().__init__(
            n_classes,
            channels_in,
            stem,
            first,
            make_block,
            channels,
            find_depths(depth, DEPTHS),
            True,
            dropout,
        )


@dataclass
class Fast3dSettings(VideoSettings):
    """Settings of `Fast3d`; see there."""

    network = Fast3d
    depths = DEPTHS

    name: Literal["fast3d"] = "fast3d"
    depth: int = 18
    variant: Literal["sequential", "parallel"] = "sequential"
    width: float = 1.0
    dropout: float = 0.0
