"""PoseC3D: a 3D CNN on heatmap volumes of joints (Duan, Zhao, Chen, Lin and Dai, CVPR 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout
from skelact.models.base import SkeletonModel
from skelact.models.settings import NetworkSettings
from skelact.nn.conv3d import Bottleneck3d, ConvNorm3d
from skelact.nn.heatmap import crop_to_people, make_heatmaps
from skelact.transforms import device

CLIPS_AT_ONCE = 8  # in inference; 48 frames of 17 joints take 10 MB a clip, and as much in every layer


class PoseC3D(SkeletonModel):
    """A SlowOnly network on heatmap volumes of joints, one volume per clip for all its people.

    Heatmaps are drawn from the first two input channels, in any unit; further channels are ignored (3D skeletons
    are projected to the front). The crop is the square around all joints of all people in all frames. There is
    no gradient with respect to the input. Precomputed volumes (``[N, V, T, H, W]``) are accepted as input.

    Args:
        layout, n_classes, channels_in: see `SkeletonModel`; ``channels_in`` at least 2.
        width: channels of the first convolution.
        depths: blocks of each stage; temporal kernels are 1 in the first stage and 3 in the later ones.
        size: pixels along a side of the picture.
        sigma: standard deviation of a joint's Gaussian [pixels].
        margin: free space around the joints, as a share of their box.
        dropout: before the classifier.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        width: int = 32,
        depths: Sequence[int] = (4, 6, 3),
        size: int = 56,
        sigma: float = 0.6,
        margin: float = 0.125,
        dropout: float = 0.5,
    ) -> None:
        if channels_in < 2:
            raise ConfigError(f"PoseC3D draws joints in two coordinates, got channels_in={channels_in}")
        if not depths or min(depths) < 1 or width < 1:
            raise ConfigError(f"PoseC3D needs blocks and channels, got depths={depths}, width={width}")
        if size < 2 ** len(depths) or not sigma > 0 or margin < 0:
            raise ConfigError(
                f"PoseC3D needs size of at least {2 ** len(depths)} pixels for {len(depths)} stages, sigma above 0 "
                f"and margin of at least 0; got {size}, {sigma} and {margin}"
            )
        super().__init__(layout, n_classes, channels_in, 4 * width * 2 ** (len(depths) - 1))
        self.size, self.sigma, self.margin = size, sigma, margin
        self.stem = ConvNorm3d(len(self.layout), width, (1, 7))
        stages, channels = [], width
        for stage, depth in enumerate(depths):
            out = 4 * width * 2**stage
            stride = (2 if stage == len(depths) - 1 else 1, 2)
            blocks = []
            for i in range(depth):
                blocks.append(Bottleneck3d(channels, out, stride if i == 0 else (1, 1), temporal=stage > 0))
                channels = out
            stages.append(nn.Sequential(*blocks))
        self.rows = nn.ModuleList(stages)
        self.dropout = nn.Dropout(dropout)

    def draw(
        self, x: Tensor, owner: Tensor, score: Tensor | None = None, n_clips: int | None = None
    ) -> Tensor:
        """Heatmap volumes ``[N, V, T, size, size]``; arguments as for `forward`."""
        if x.ndim == 5:
            return x
        n_clips = int(owner.max()) + 1 if n_clips is None else n_clips
        exact = torch.promote_types(x.dtype, torch.float32)  # coordinates need full precision
        score = torch.ones_like(x[..., 0], dtype=exact) if score is None else score.to(exact)
        pixels = crop_to_people(x[..., :2].to(exact), score > 0, owner, n_clips, self.size, self.margin)
        return make_heatmaps(pixels, score, owner, n_clips, self.size, self.sigma)

    def check_input(
        self, x: Tensor, owner: Tensor | None = None, score: Tensor | None = None, n_clips: int | None = None
    ) -> None:
        if x.ndim != 5:
            super().check_input(x, owner, score, n_clips)
        elif x.shape[1] != len(self.layout):
            raise ConfigError(
                f"volumes must be [clips, {len(self.layout)} joints, T, H, W], got {list(x.shape)}"
            )

    def clip_features(
        self, x: Tensor, owner: Tensor | None = None, score: Tensor | None = None, n_clips: int | None = None
    ) -> Tensor:
        self.check_input(x, owner, score, n_clips)
        if owner is None:
            owner, n_clips = torch.arange(len(x), device=x.device), len(x)
        n_clips = int(owner.max()) + 1 if n_clips is None else n_clips
        if self.training or n_clips <= CLIPS_AT_ONCE:
            return self.volume_features(self.draw(x, owner, score, n_clips))
        features = []
        for start in range(0, n_clips, CLIPS_AT_ONCE):
            n = min(CLIPS_AT_ONCE, n_clips - start)
            features.append(self.volume_features(self._draw_some(x, owner, score, start, n)))
        return torch.cat(features)

    def _draw_some(self, x: Tensor, owner: Tensor, score: Tensor | None, start: int, n: int) -> Tensor:
        """The volumes of ``n`` clips from ``start`` on."""
        if x.ndim == 5:
            return x[start : start + n]
        inside = (owner >= start) & (owner < start + n)
        if device.may_look(x.device):
            part = None if score is None else score[inside]
            return self.draw(x[inside], owner[inside] - start, part, n)
        # To pick people, a GPU would have to be waited for: those of other clips are drawn into one more volume.
        return self.draw(x, torch.where(inside, owner - start, n), score, n + 1)[:n]

    def volume_features(self, volume: Tensor) -> Tensor:
        """Features ``[N, D]`` of heatmap volumes ``[N, V, T, size, size]``."""
        volume = volume.to(self.head.weight.dtype, memory_format=torch.channels_last_3d)
        out = self.stem(volume)
        out = functional.max_pool3d(out, (1, 3, 3), 1, (0, 1, 1))
        for stage in self.rows:
            out = stage(out)
        return self.dropout(out.mean((2, 3, 4)))

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        stages = [(f"rows.{i}", [stage]) for i, stage in enumerate(self.rows)]
        return [("stem", [self.stem]), *stages, ("head", [self.head])]


@dataclass
class PoseC3DSettings(NetworkSettings):
    """Settings of `PoseC3D`; see there."""

    network = PoseC3D

    name: Literal["posec3d"] = "posec3d"
    width: int = 32
    depths: tuple[int, ...] = (4, 6, 3)
    size: int = 56
    sigma: float = 0.6
    margin: float = 0.125
    dropout: float = 0.5
