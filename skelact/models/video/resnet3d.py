"""3D residual networks (Hara, Kataoka and Satoh, ICCV workshops 2017 and CVPR 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from skelact.models.video.base import VideoModel, VideoSettings, scale
from skelact.nn.conv3d import ConvNorm3d
from skelact.nn.residual3d import (
    DEPTHS,
    MakeBlock,
    ResidualBlock3d,
    find_depths,
    make_shortcut,
    residual_stages,
)


class ResidualVideoModel(VideoModel):
    """A stem, four residual stages, the mean over frames and pixels, and a classifier.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        stem: maps the clip to the first stage's input; its stride is 2 in pixels.
        stem_channels: channels of the stem's output.
        make_block: makes a block from (channels in, channels out, stride).
        channels: output channels of each stage.
        depths: blocks of each stage.
        pool: 3×3×3 maximum pooling with a stride of 2 after the stem.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int,
        stem: nn.Module,
        stem_channels: int,
        make_block: MakeBlock,
        channels: Sequence[int],
        depths: Sequence[int],
        pool: bool,
        dropout: float,
    ) -> None:
        super().__init__(n_classes, channels_in, channels[-1], dropout)
        self.stem, self.pool = stem, pool
        self.rows = nn.ModuleList(residual_stages(make_block, stem_channels, channels, depths))

    @property
    def map_channels(self) -> int:
        return self.n_features

    def maps(self, x: Tensor) -> Tensor:
        """The last stage's output ``[N, D, T', H', W']``."""
        x = self.stem(x)
        if self.pool:
            x = functional.max_pool3d(x, 3, 2, 1)
        for stage in self.rows:
            x = stage(x)
        return x

    def features(self, x: Tensor) -> Tensor:
        return self.maps(x).mean((2, 3, 4))

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        rows = [(f"rows.{i}", [stage]) for i, stage in enumerate(self.rows)]
        return [("stem", [self.stem]), *rows, ("head", [self.head])]


class ResNet3d(ResidualVideoModel):
    """A ResNet with 3×3×3 kernels; the paper's clips have 16 frames of 112×112 pixels.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        depth: 18 or 34 (basic blocks), 50 or 101 (bottlenecks).
        shortcut: ``A`` (subsampled, new channels 0), ``B`` (1×1×1 convolution) or ``auto``: A for 18 and 34,
            B for the deeper ones, as published.
        width: multiplies all channels; 1: the paper's.
        stem_frames: frames that the first kernel (of 7×7 pixels) spans: 7, or 3 as in torchvision's ``r3d_18``.
        stem_pool: maximum pooling after the first convolution; ``r3d_18`` has none.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 3,
        depth: int = 18,
        shortcut: str = "auto",
        width: float = 1.0,
        stem_frames: int = 7,
        stem_pool: bool = True,
        dropout: float = 0.0,
    ) -> None:
        depths = find_depths(depth, DEPTHS)
        deep = depth >= 50
        kind = ("B" if deep else "A") if shortcut == "auto" else shortcut

        def make_block(c: int, d: int, stride: int) -> nn.Module:
            if not deep:
                path = [ConvNorm3d(c, d, (3, 3), (stride, stride)), ConvNorm3d(d, d, (3, 3), activate=False)]
            else:
                path = [
                    ConvNorm3d(c, d // 4, (1, 1)),
                    ConvNorm3d(d // 4, d // 4, (3, 3), (stride, stride)),
                    ConvNorm3d(d // 4, d, (1, 1), activate=False),
                ]
            return ResidualBlock3d(path, make_shortcut(kind, c, d, stride))

        first = scale(64, width)
        channels = [first * 2**i * (4 if deep else 1) for i in range(4)]
        stem = ConvNorm3d(channels_in, first, (stem_frames, 7), (1, 2))
        super().__init__(
            n_classes, channels_in, stem, first, make_block, channels, depths, stem_pool, dropout
        )


@dataclass
class ResNet3dSettings(VideoSettings):
    """Settings of `ResNet3d`; see there."""

    network = ResNet3d
    depths = tuple(DEPTHS)

    name: Literal["resnet3d"] = "resnet3d"
    depth: int = 18
    shortcut: Literal["auto", "A", "B"] = "auto"
    width: float = 1.0
    stem_frames: int = 7
    stem_pool: bool = True
    dropout: float = 0.0
