"""Single frame, early, late and slow fusion of frames, with fovea and context (Karpathy et al., CVPR 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError, choices
from skelact.models.video.base import VideoModel, VideoSettings, middle_frames, scale
from skelact.nn.initialise import initialise_fan_in

FUSIONS = ("single", "early", "late", "slow")
GRID = 7  # pixels along a side of the last maps, of 170 pixels (multires: of 89 in each stream)
SLOW_KERNELS, SLOW_STRIDES = (4, 2, 2), (2, 2, 2)  # in frames, of the first three convolutions
APART = 15  # frames between the two that late fusion sees


def response_norm() -> nn.Module:
    """Local response norm over 5 channels: alpha 1e-4 for each, beta 0.5."""
    return nn.LocalResponseNorm(5, 5e-4, 0.5, 2.0)


class Tower(nn.Sequential):
    """The five convolutions, whose first three may span several frames.

    Args:
        channels_in: C.
        width: multiplies all channels.
        kernels, strides: in frames, of the first three convolutions.
        last_pool: pool after the last one.
    """

    def __init__(
        self, channels_in: int, width: float, kernels: Sequence[int], strides: Sequence[int], last_pool: bool
    ) -> None:
        pool = (1, 2, 2)
        a, b, c = (scale(count, width) for count in (96, 256, 384))

        def conv(
            c_in: int, c_out: int, i: int, pixels: int, stride: int = 1, pad: int = 0
        ) -> list[nn.Module]:
            t, s = (kernels[i], strides[i]) if i < len(kernels) else (1, 1)
            kernel, step = (t, pixels, pixels), (s, stride, stride)
            return [nn.Conv3d(c_in, c_out, kernel, step, (0, pad, pad)), nn.ReLU(inplace=True)]

        super().__init__(
            *conv(channels_in, a, 0, 11, 3),
            response_norm(),
            nn.MaxPool3d(pool, ceil_mode=True),
            *conv(a, b, 1, 5, 1, 2),
            response_norm(),
            nn.MaxPool3d(pool, ceil_mode=True),
            *conv(b, c, 2, 3, 1, 1),
            *conv(c, c, 3, 3, 1, 1),
            *conv(c, b, 4, 3, 1, 1),
            *([nn.MaxPool3d(pool, ceil_mode=True)] if last_pool else []),
        )


class KarpathyNet(VideoModel):
    """A picture network of Krizhevsky's kind that joins the frames of a clip early, late, slowly or not at all.

    The paper's pictures have 170×170 pixels (multires: 178×178); other sizes are averaged to its 7×7 grid before the
    first fully connected layer. Of longer clips the middle frames are taken.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`; the dropout follows both fully connected layers.
        fusion: ``single`` (the middle frame), ``early`` (the first kernels span ``n_frames`` frames), ``late``
            (two frames 15 apart, or the clip's first and last, through one tower; joined in the first fully
            connected layer) or ``slow`` (the first three kernels span 4, 2 and 2 frames, with strides of 2).
        n_frames: of early and slow fusion; short clips repeat their last frame.
        multires: two towers at half the size, one on the whole picture (context) and one on its middle (fovea).
        width: multiplies all channels; 1: the paper's.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 3,
        fusion: str = "single",
        n_frames: int = 10,
        multires: bool = False,
        width: float = 1.0,
        dropout: float = 0.5,
    ) -> None:
        if fusion not in FUSIONS:
            raise ConfigError(choices(fusion, FUSIONS, "fusion"))
        least = 10 if fusion == "slow" else 1
        if n_frames < least:
            raise ConfigError(f"{fusion} fusion needs n_frames of at least {least}, got {n_frames}")
        full = scale(4096, width)
        super().__init__(n_classes, channels_in, full, dropout, least_size=22 if multires else 11)
        self.fusion, self.n_frames, self.multires = fusion, n_frames, multires
        kernels, strides = SLOW_KERNELS, SLOW_STRIDES
        if fusion != "slow":
            kernels, strides = (n_frames if fusion == "early" else 1, 1, 1), (1, 1, 1)
        names = ("context", "fovea") if multires else ("whole",)
        self.towers = nn.ModuleDict(
            {name: Tower(channels_in, width, kernels, strides, not multires) for name in names}
        )
        joined = scale(256, width) * len(names) * (2 if fusion == "late" else 1)
        self.fc6, self.fc7 = nn.Linear(joined * GRID**2, full), nn.Linear(full, full)
        for part in (self.towers, self.fc6, self.fc7):
            initialise_fan_in(part)

    def choose_frames(self, x: Tensor) -> Tensor:
        """The frames of ``x [N, C, T, H, W]`` that the network sees."""
        if self.fusion == "late":
            x = middle_frames(x, min(x.shape[2], APART + 1))
            return x[:, :, [0, -1]]
        return middle_frames(x, 1 if self.fusion == "single" else self.n_frames)

    def features(self, x: Tensor) -> Tensor:
        views = self.views(self.choose_frames(x))
        maps = torch.cat([tower(views[name]) for name, tower in self.towers.items()], 1)
        frames = 2 if self.fusion == "late" else 1
        maps = functional.adaptive_avg_pool3d(maps, (frames, GRID, GRID))
        return self.fc7(self.dropout(self.fc6(maps.flatten(1)).relu())).relu()

    def views(self, x: Tensor) -> dict[str, Tensor]:
        """What each tower sees."""
        if not self.multires:
            return {"whole": x}
        t, h, w = x.shape[2], x.shape[3] // 2, x.shape[4] // 2
        top, left = (x.shape[3] - h) // 2, (x.shape[4] - w) // 2
        return {
            "context": functional.adaptive_avg_pool3d(x, (t, h, w)),
            "fovea": x[..., top : top + h, left : left + w],
        }


@dataclass
class SingleFrameSettings(VideoSettings):
    """Settings of `KarpathyNet` on single frames; see there."""

    network = KarpathyNet
    fixed: ClassVar = {"fusion": "single"}

    name: Literal["single_frame"] = "single_frame"
    multires: bool = False
    width: float = 1.0
    dropout: float = 0.5


@dataclass
class EarlyFusionSettings(VideoSettings):
    """Settings of `KarpathyNet` with early fusion; see there."""

    network = KarpathyNet
    fixed: ClassVar = {"fusion": "early"}

    name: Literal["early_fusion"] = "early_fusion"
    n_frames: int = 10
    multires: bool = False
    width: float = 1.0
    dropout: float = 0.5


@dataclass
class LateFusionSettings(VideoSettings):
    """Settings of `KarpathyNet` with late fusion; see there."""

    network = KarpathyNet
    fixed: ClassVar = {"fusion": "late"}

    name: Literal["late_fusion"] = "late_fusion"
    multires: bool = False
    width: float = 1.0
    dropout: float = 0.5


@dataclass
class SlowFusionSettings(VideoSettings):
    """Settings of `KarpathyNet` with slow fusion; see there."""

    network = KarpathyNet
    fixed: ClassVar = {"fusion": "slow"}

    name: Literal["slow_fusion"] = "slow_fusion"
    n_frames: int = 10
    multires: bool = False
    width: float = 1.0
    dropout: float = 0.5
