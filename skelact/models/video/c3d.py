"""C3D: features learned with 3D convolutions (Tran et al., ICCV 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from skelact.models.video.base import VideoModel, VideoSettings, scale
from skelact.nn.initialise import initialise_fan_in
from skelact.nn.modules import Modules

GRID = (1, 4, 4)  # what the last pooling leaves of 16 frames of 112×112 pixels


class C3D(VideoModel):
    """Eight 3×3×3 convolutions, five poolings and two fully connected layers.

    The paper's clips have 16 frames of 112×112 pixels; other sizes are averaged to its 4×4 grid before the first
    fully connected layer. Pooling rounds sizes up, as the released network's did.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`; the dropout follows both fully connected layers.
        width: multiplies all channels; 1: the paper's.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self, n_classes: int, channels_in: int = 3, width: float = 1.0, dropout: float = 0.5
    ) -> None:
        full = scale(4096, width)
        super().__init__(n_classes, channels_in, full, dropout)
        counts = [[64], [128], [256, 256], [512, 512], [512, 512]]
        c, rows = channels_in, []
        for i, row in enumerate(counts):
            parts: list[nn.Module] = []
            for before, after in pairwise([c, *(scale(count, width) for count in row)]):
                parts += [nn.Conv3d(before, after, 3, padding=1), nn.ReLU(inplace=True)]
                c = after
            frames = 1 if i == 0 else 2
            rows.append(nn.Sequential(*parts, nn.MaxPool3d((frames, 2, 2), ceil_mode=True)))
        self.rows = Modules(rows)
        self.map_channels = c
        self.grid = nn.AdaptiveAvgPool3d(GRID)
        self.fc6, self.fc7 = nn.Linear(16 * c, full), nn.Linear(full, full)
        initialise_fan_in(self.rows)
        initialise_fan_in(self.fc6)
        initialise_fan_in(self.fc7)

    def maps(self, x: Tensor) -> Tensor:
        """The output of the last convolution (conv5b), ``[N, D, T', H', W']``, before its pooling."""
        for row in self.rows[:-1]:
            x = row(x)
        return self.rows[-1][:-1](x)

    def fc6_features(self, x: Tensor) -> Tensor:
        """The descriptor of the paper, ``[N, 4096]``: fc6 after its ReLU."""
        x = self.rows[-1][-1](self.maps(x))
        return self.fc6(self.grid(x).flatten(1)).relu()

    def features(self, x: Tensor) -> Tensor:
        return self.fc7(self.dropout(self.fc6_features(x))).relu()

    def video_descriptor(self, clips: Tensor) -> Tensor:
        """Descriptor ``[4096]`` of a video: mean of fc6 over its clips ``[N, C, T, H, W]``, of length 1 (L2)."""
        self.check_input(clips)
        return torch.nn.functional.normalize(self.fc6_features(clips).mean(0), dim=0)

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        rows = [(f"rows.{i}", [row]) for i, row in enumerate(self.rows)]
        return [*rows, ("fc6", [self.fc6]), ("fc7", [self.fc7]), ("head", [self.head])]


@dataclass
class C3DSettings(VideoSettings):
    """Settings of `C3D`; see there."""

    network = C3D

    name: Literal["c3d"] = "c3d"
    width: float = 1.0
    dropout: float = 0.5
