"""SlowFast networks (Feichtenhofer, Fan, Malik and He, ICCV 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.models.video.base import VideoModel, VideoSettings, scale
from skelact.nn.conv3d import Bottleneck3d, ConvNorm3d
from skelact.nn.modules import Modules
from skelact.nn.residual3d import find_depths

DEPTHS = (50, 101)


class Pathway(nn.Module):
    """One pathway: stem and pooling, then four stages of bottlenecks.

    Args:
        channels_in: of the clip.
        first: channels of the stem.
        lateral: channels that the other pathway adds to the input of each stage.
        depths: blocks of each stage.
        stem_frames: frames that the stem's kernel spans.
        temporal: for each stage, whether its blocks have kernels of 3 frames.
    """

    def __init__(
        self,
        channels_in: int,
        first: int,
        lateral: Sequence[int],
        depths: Sequence[int],
        stem_frames: int,
        temporal: Sequence[bool],
    ) -> None:
        super().__init__()
        self.stem = ConvNorm3d(channels_in, first, (stem_frames, 7), (1, 2))
        rows, channels = [], first
        for i, depth in enumerate(depths):
            out = 4 * first * 2**i
            stride = (1, 1) if i == 0 else (1, 2)
            blocks = [Bottleneck3d(channels + lateral[i], out, stride, temporal[i])]
            blocks += [Bottleneck3d(out, out, temporal=temporal[i]) for _ in range(depth - 1)]
            rows.append(nn.Sequential(*blocks))
            channels = out
        self.rows = Modules(rows)

    def begin(self, x: Tensor) -> Tensor:
        """Stem and spatial pooling."""
        return functional.max_pool3d(self.stem(x), (1, 3, 3), (1, 2, 2), (0, 1, 1))


class SlowFast(VideoModel):
    """A slow pathway for what is seen and a light, fast one for how it moves, joined by lateral convolutions.

    The fast pathway takes every (tau/alpha)-th frame of the clip and the slow one every tau-th. With the default
    the clip is what the fast pathway takes (32 frames for the paper's 4×16); ``tau`` 16 takes 64 successive frames.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        depth: 50 or 101.
        alpha: the fast pathway's frames for one of the slow one.
        beta: the fast pathway's channels as a share of the slow one's.
        tau: stride of the slow pathway's frames; a multiple of alpha.
        lateral_frames: frames that the lateral kernels span; odd (5; 7 in released models of 8×8).
        width: multiplies all channels; 1: the paper's.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 3,
        depth: int = 50,
        alpha: int = 8,
        beta: float = 1 / 8,
        tau: int = 8,
        lateral_frames: int = 5,
        width: float = 1.0,
        dropout: float = 0.5,
    ) -> None:
        if alpha < 1 or tau < 1 or tau % alpha:
            raise ConfigError(
                f"tau must be a multiple of alpha, both at least 1, got tau={tau}, alpha={alpha}"
            )
        if not 0 < beta <= 1 or lateral_frames < 1 or lateral_frames % 2 == 0:
            raise ConfigError(
                f"SlowFast needs beta above 0 and at most 1, and odd lateral_frames; got {beta} and {lateral_frames}"
            )
        depths = find_depths(depth, DEPTHS)
        slow, fast = scale(64, width), scale(max(1, round(64 * beta)), width, 2)
        super().__init__(n_classes, channels_in, 32 * (slow + fast), dropout)
        self.alpha, self.tau = alpha, tau
        seen = [fast, *(4 * fast * 2**i for i in range(3))]  # by the lateral convolutions
        self.slow = Pathway(channels_in, slow, [2 * c for c in seen], depths, 1, (False, False, True, True))
        self.fast = Pathway(channels_in, fast, [0] * 4, depths, 5, (True,) * 4)
        self.lateral = Modules(
            ConvNorm3d(c, 2 * c, (lateral_frames, 1, 1), (alpha, 1, 1), padding=(lateral_frames // 2, 0, 0))
            for c in seen
        )

    @property
    def map_channels(self) -> int:
        return self.n_features

    def pathways(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The last maps of the slow and of the fast pathway."""
        fast = self.fast.begin(x[:, :, :: self.tau // self.alpha])
        slow = self.slow.begin(x[:, :, :: self.tau])
        for lateral, slow_stage, fast_stage in zip(self.lateral, self.slow.rows, self.fast.rows, strict=True):
            slow = slow_stage(torch.cat([slow, lateral(fast)], 1))
            fast = fast_stage(fast)
        return slow, fast

    def maps(self, x: Tensor) -> Tensor:
        """Both pathways' last maps ``[N, D, T', H', W']`` at the slow one's rate, the fast one averaged over time."""
        slow, fast = self.pathways(x)
        return torch.cat([slow, functional.avg_pool3d(fast, (self.alpha, 1, 1), ceil_mode=True)], 1)

    def features(self, x: Tensor) -> Tensor:
        return torch.cat([path.mean((2, 3, 4)) for path in self.pathways(x)], 1)

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        rows = [
            (f"rows.{i}", [self.lateral[i], self.slow.rows[i], self.fast.rows[i]])
            for i in range(len(self.lateral))
        ]
        return [("stem", [self.slow.stem, self.fast.stem]), *rows, ("head", [self.head])]


@dataclass
class SlowFastSettings(VideoSettings):
    """Settings of `SlowFast`; see there."""

    network = SlowFast
    depths = DEPTHS

    name: Literal["slowfast"] = "slowfast"
    depth: int = 50
    alpha: int = 8
    beta: float = 1 / 8
    tau: int = 8
    lateral_frames: int = 5
    width: float = 1.0
    dropout: float = 0.5
