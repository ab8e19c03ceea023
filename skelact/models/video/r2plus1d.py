"""R(2+1)D: 3D convolutions as spatial and temporal ones (Tran et al., CVPR 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from skelact.errors import ConfigError, choices
from skelact.models.video.base import VideoSettings, scale
from skelact.models.video.resnet3d import ResidualVideoModel
from skelact.nn.conv3d import ConvNorm3d
from skelact.nn.factorised3d import Conv2Plus1d, middle_of_2plus1
from skelact.nn.residual3d import ResidualBlock3d, find_depths, make_shortcut

DEPTHS = (18, 34)
MIDDLES = ("convolution", "block")


class R2Plus1d(ResidualVideoModel):
    """A ResNet of (2+1)D convolutions; the paper's clips have 8 or 32 frames of 112×112 pixels.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        depth: 18 or 34.
        width: multiplies all channels; 1: the paper's.
        middle: the rule for the channels between spatial and temporal convolution is applied to every
            ``convolution``, as the paper states it, or once to every ``block``, as in torchvision's ``r2plus1d_18``.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 3,
        depth: int = 18,
        width: float = 1.0,
        middle: str = "convolution",
        dropout: float = 0.0,
    ) -> None:
        if middle not in MIDDLES:
            raise ConfigError(choices(middle, MIDDLES, "rule for the middle channels"))

        def make_block(c: int, d: int, stride: int) -> nn.Module:
            first = middle_of_2plus1(c, d)
            second = first if middle == "block" else middle_of_2plus1(d, d)
            path = [Conv2Plus1d(c, d, stride, True, first), Conv2Plus1d(d, d, 1, False, second)]
            return ResidualBlock3d(path, make_shortcut("B", c, d, stride))

        first = scale(64, width)
        between = scale(45, width)
        stem = nn.Sequential(
            ConvNorm3d(channels_in, between, (1, 7), (1, 2)), ConvNorm3d(between, first, (3, 1))
        )
        channels = [first * 2**i for i in range(4)]
        super().__init__(
            n_classes,
            channels_in,
            stem,
            first,
            make_block,
            channels,
            find_depths(depth, DEPTHS),
            False,
            dropout,
        )


@dataclass
class R2Plus1dSettings(VideoSettings):
    """Settings of `R2Plus1d`; see there."""

    network = R2Plus1d
    depths = DEPTHS

    name: Literal["r2plus1d"] = "r2plus1d"
    depth: int = 18
    width: float = 1.0
    middle: Literal["convolution", "block"] = "convolution"
    dropout: float = 0.0
