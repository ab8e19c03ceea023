"""The slow pathway of SlowFast alone (Feichtenhofer, Fan, Malik and He, ICCV 2019: "Slow-only")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from skelact.models.video.base import VideoModel, VideoSettings, scale
from skelact.models.video.slowfast import DEPTHS, Pathway
from skelact.nn.residual3d import find_depths


class SlowOnly(VideoModel):
    """A 2D ResNet whose last two stages have kernels of 3 frames; no stride in time, so its map has every frame.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        depth: 50 or 101.
        width: multiplies all channels; 1: the paper's.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self, n_classes: int, channels_in: int = 3, depth: int = 50, width: float = 1.0, dropout: float = 0.5
    ) -> None:
        first = scale(64, width)
        super().__init__(n_classes, channels_in, 32 * first, dropout)
        depths = find_depths(depth, DEPTHS)
        self.slow = Pathway(channels_in, first, [0] * 4, depths, 1, (False, False, True, True))

    @property
    def map_channels(self) -> int:
        return self.n_features

    def maps(self, x: Tensor) -> Tensor:
        """The last stage's output ``[N, D, T, H', W']``."""
        x = self.slow.begin(x)
        for stage in self.slow.rows:
            x = stage(x)
        return x

    def features(self, x: Tensor) -> Tensor:
        return self.maps(x).mean((2, 3, 4))

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        rows = [(f"rows.{i}", [stage]) for i, stage in enumerate(self.slow.rows)]
        return [("stem", [self.slow.stem]), *rows, ("head", [self.head])]


@dataclass
class SlowOnlySettings(VideoSettings):
    """Settings of `SlowOnly`; see there."""

    network = SlowOnly
    depths = DEPTHS

    name: Literal["slowonly"] = "slowonly"
    depth: int = 50
    width: float = 1.0
    dropout: float = 0.5
