"""Maps of an image network, or how they change from frame to frame, pooled over places and time.

The plainest answer to a few clips of video. Temporal poolings of frames' features are compared by Ng et al. (CVPR
2015); rank pooling is Fernando et al.'s (CVPR 2015), correlation pooling Cherian and Gould's (IJCV 2019); networks on
changes of maps are Wang et al.'s (TDN, CVPR 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError, choices
from skelact.models.video.base import VideoModel, VideoSettings, frames_of, scale
from skelact.models.video.tsn import BACKBONES
from skelact.nn.inception import BNInception
from skelact.nn.mobilenet import MobileNetV2
from skelact.nn.temporal_pooling import TemporalPooling

SEEN, SPACES = ("maps", "changes"), ("mean", "max")


class PooledNet(VideoModel):
    """A 2D network on every frame, whose maps are pooled over places, then over time, and joined.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        sees: the ``maps``, or their ``changes``: how much each place differs from the frame before, which a scene
            that stands still does not show in.
        space: pooling over places: ``mean`` or ``max``.
        pools: poolings over time, some of `skelact.nn.temporal_pooling.POOLINGS`.
        rows: which rows of the 2D network give maps, from 0; none: the last. Later rows are not made.
        channels: of a learned projection before the pooling over time; 0: none.
        backbone: the 2D network, see `TSN`; ``mobilenet_v2`` has weights in a package.
        width: multiplies all channels of the 2D network; 1: the paper's.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 3,
        sees: str = "maps",
        space: str = "mean",
        pools: tuple[str, ...] = ("mean",),
        rows: tuple[int, ...] = (),
        channels: int = 0,
        width: float = 1.0,
        dropout: float = 0.5,
        backbone: str = "mobilenet_v2",
    ) -> None:
        named = ((backbone, BACKBONES, "backbone"), (sees, SEEN, "sees"), (space, SPACES, "space"))
        for got, allowed, what in named:
            if got not in allowed:
                raise ConfigError(choices(got, allowed, what))
        if not pools or channels < 0 or channels_in < 1:
            raise ConfigError(
                "a pooled network needs pools, channels of at least 0 and channels_in of at least 1, got "
                f"pools={list(pools)}, channels={channels}, channels_in={channels_in}"
            )
        tower = BACKBONES[backbone](channels_in, lambda count: scale(count, width))
        last = len(tower.rows) - 1
        chosen = sorted(set(rows)) or [last]
        if not 0 <= chosen[0] <= chosen[-1] <= last:
            raise ConfigError(f"rows of {backbone} are 0..{last}, got {list(rows)}")
        tower.rows = tower.rows[: chosen[-1] + 1]
        found = sum(m.shape[1] for m in _maps(tower.eval(), torch.zeros(1, channels_in, 64, 64), chosen))
        n_features = channels or found
        parts = [TemporalPooling(kind, n_features) for kind in pools]
        super().__init__(
            n_classes,
            channels_in,
            sum(part.channels_out for part in parts),
            dropout,
            least_frames=2 if sees == "changes" else 1,
            least_size=7,
        )
        self.sees, self.space, self.chosen = sees, space, chosen
        self.tower = tower.train()
        self.project = nn.Linear(found, channels) if channels else nn.Identity()
        self.pools = nn.ModuleList(parts)
        self.norm = nn.BatchNorm1d(self.n_features)

    def features(self, x: Tensor) -> Tensor:
        rows = []
        for maps in _maps(self.tower, frames_of(x), self.chosen):
            series = maps.unflatten(0, (len(x), -1))
            if self.sees == "changes":
                series = series.diff(dim=1).abs()
            rows.append(series.amax((3, 4)) if self.space == "max" else series.mean((3, 4)))
        frames = self.project(torch.cat(rows, 2))
        return self.norm(torch.cat([pool(frames) for pool in self.pools], 1))

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        rows = [(f"rows.{i}", [row]) for i, row in enumerate(self.tower.rows)]
        return [
            ("stem", [self.tower.stem]),
            *rows,
            ("head", [self.project, self.pools, self.norm, self.head]),
        ]


def _maps(tower: BNInception | MobileNetV2, x: Tensor, rows: list[int]) -> list[Tensor]:
    """Maps ``[N, D, H, W]`` of some rows of a 2D network."""
    x, found = tower.stem(x.contiguous(memory_format=torch.channels_last)), []
    for i, row in enumerate(tower.rows):
        x = row(x)
        if i in rows:
            found.append(x)
    return found


@dataclass
class PooledSettings(VideoSettings):
    """Settings of `PooledNet`; see there."""

    network = PooledNet

    name: Literal["pooled"] = "pooled"
    sees: Literal["maps", "changes"] = "maps"
    space: Literal["mean", "max"] = "mean"
    pools: tuple[str, ...] = ("mean",)
    rows: tuple[int, ...] = ()
    channels: int = 0
    width: float = 1.0
    dropout: float = 0.5
    backbone: Literal["bn_inception", "mobilenet_v2"] = "mobilenet_v2"
