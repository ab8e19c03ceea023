"""GRU-RCN: convolutional GRUs on the maps of several layers of VGG-16 (Ballas et al., ICLR 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.models.video.base import VideoModel, VideoSettings, frames_of, scale
from skelact.nn.consensus import mean_probability
from skelact.nn.conv_recurrent import ConvGRU
from skelact.nn.image_towers import VGG16Full, VGG16Maps
from skelact.nn.modules import Modules

HIDDEN = (64, 128, 256, 256, 512)  # channels of the states on pool2, pool3, pool4, pool5 and fc7


class LevelHeads(nn.Module):
    """One classifier for each level; the probabilities are the mean of theirs.

    Args:
        sizes: features of each level.
        n_classes: number of actions.
    """

    def __init__(self, sizes: Sequence[int], n_classes: int) -> None:
        super().__init__()
        self.sizes = list(sizes)
        self.levels = Modules(nn.Linear(size, n_classes) for size in sizes)

    def level_logits(self, features: Tensor) -> Tensor:
        """Features ``[N, D]`` of all levels to logits ``[N, levels, n_classes]``, for a loss at every level."""
        parts = features.split(self.sizes, 1)
        return torch.stack([level(part) for level, part in zip(self.levels, parts, strict=True)], 1)

    def forward(self, features: Tensor) -> Tensor:
        return mean_probability(self.level_logits(features), 1)


class GRURCN(VideoModel):
    """VGG-16 on every frame, a convolutional GRU on each of five layers, a classifier on each last state.

    The paper's clips have 10 frames of 224×224 pixels.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        stacked: every GRU but the lowest also sees the state of the one below, max-pooled to its size.
        bidirectional: a second set of GRUs runs backwards in time; the states are joined.
        hidden: channels of each level's state.
        width: multiplies all channels; 1: the paper's.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 3,
        stacked: bool = False,
        bidirectional: bool = False,
        hidden: Sequence[int] = HIDDEN,
        width: float = 1.0,
        dropout: float = 0.7,
    ) -> None:
        if len(hidden) != len(HIDDEN) or min(hidden) < 1:
            raise ConfigError(f"hidden needs {len(HIDDEN)} numbers of channels, got {list(hidden)}")
        sizes = [scale(count, width) for count in hidden]
        self.sizes = [size * (2 if bidirectional else 1) for size in sizes]
        super().__init__(n_classes, channels_in, sum(self.sizes), dropout)
        self.stacked = stacked
        self.tower = VGG16Maps(channels_in, lambda count: scale(count, width))
        self.full = VGG16Full(self.tower.channels_out[-1], lambda count: scale(count, width))
        seen = [*self.tower.channels_out[1:], self.full.channels_out]
        kernels = [3, 3, 3, 3, 1]
        below = [0, *sizes[:-1]] if stacked else [0] * len(sizes)

        def make() -> Modules[ConvGRU]:
            return Modules(ConvGRU(*row) for row in zip(seen, sizes, kernels, below, strict=True))

        self.forwards = make()
        self.backwards = make() if bidirectional else None

    def make_head(self, n_classes: int) -> nn.Module:
        return LevelHeads(self.sizes, n_classes)

    def run(self, cells: Modules[ConvGRU], maps: list[Tensor]) -> list[Tensor]:
        """Last states, averaged over places, ``[N, hidden]`` of each level."""
        last, states = [], None
        for cell, level in zip(cells, maps, strict=True):
            below = None
            if self.stacked and states is not None:
                pooled = functional.adaptive_max_pool2d(states.flatten(0, 1), level.shape[3:])
                below = pooled.unflatten(0, states.shape[:2])
            states = cell(level, below)
            last.append(states[:, -1].mean((2, 3)))
        return last

    def features(self, x: Tensor) -> Tensor:
        maps = self.tower(frames_of(x))[1:]
        maps.append(self.full(maps[-1])[:, :, None, None])
        maps = [level.unflatten(0, (len(x), -1)) for level in maps]
        last = self.run(self.forwards, maps)
        if self.backwards is not None:
            other = self.run(self.backwards, [level.flip(1) for level in maps])
            last = [part for pair in zip(last, other, strict=True) for part in pair]
        return torch.cat(last, 1)

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        cells: list[nn.Module] = (
            [self.forwards] if self.backwards is None else [self.forwards, self.backwards]
        )
        return [("tower", [self.tower, self.full]), ("recurrent", cells), ("head", [self.head])]


@dataclass
class GRURCNSettings(VideoSettings):
    """Settings of `GRURCN`; see there."""

    network = GRURCN

    name: Literal["gru_rcn"] = "gru_rcn"
    stacked: bool = False
    bidirectional: bool = False
    hidden: tuple[int, ...] = HIDDEN
    width: float = 1.0
    dropout: float = 0.7
