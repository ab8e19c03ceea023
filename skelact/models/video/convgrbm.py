"""Convolutional learning of spatio-temporal features: convGRBM and 3D convolutions (Taylor et al., ECCV 2010)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.models.video.base import VideoModel, VideoSettings, frames_of, scale
from skelact.nn.contrast import normalise_contrast
from skelact.nn.gated_boltzmann import ConvGRBM, probabilistic_max_pool


class ConvGRBMNet(VideoModel):
    """Pooled hidden maps of a convGRBM on every pair of frames, one 3D convolution, and a small classifier.

    After the 3D convolution come tanh, the absolute value, local contrast normalisation, average pooling in pixels, the
    maximum over time and one fully connected layer. The paper trains `pretraining_loss` first (without labels); its
    frames are grey, normalised, about 60×80 pixels.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        n_maps: hidden maps of the convGRBM.
        window: side of its windows [pixels].
        pool: side of the blocks of probabilistic maximum pooling.
        filters: of the 3D convolution.
        kernel: of the 3D convolution, in frames and pooled pixels.
        grid: pixels along a side after average pooling.
        hidden: channels of the fully connected layer; the paper does not say.
        visible: ``gaussian`` or ``binary`` frames.
        width: multiplies ``n_maps``, ``filters`` and ``hidden``.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 1,
        n_maps: int = 32,
        window: int = 16,
        pool: int = 4,
        filters: int = 128,
        kernel: int = 9,
        grid: int = 2,
        hidden: int = 256,
        visible: str = "gaussian",
        width: float = 1.0,
        dropout: float = 0.0,
    ) -> None:
        sizes = (n_maps, window, pool, filters, kernel, grid, hidden)
        if min(sizes) < 1:
            raise ConfigError(
                "convGRBM needs n_maps, window, pool, filters, kernel, grid and hidden of at least 1, got "
                + ", ".join(map(str, sizes))
            )
        n_maps, filters, hidden = scale(n_maps, width), scale(filters, width), scale(hidden, width)
        super().__init__(n_classes, channels_in, hidden, dropout, kernel + 1, window - 1 + pool * kernel)
        self.pool, self.grid = pool, grid
        self.grbm = ConvGRBM(channels_in, n_maps, window, visible)
        self.conv = nn.Conv3d(n_maps, filters, kernel)
        self.full = nn.Linear(filters * grid**2, hidden)

    def pairs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """All pairs of successive frames, each ``[N·(T-1), C, H, W]``."""
        return frames_of(x[:, :, :-1]), frames_of(x[:, :, 1:])

    def pretraining_loss(self, x: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Contrastive divergence on all pairs of clips ``[N, C, T, H, W]``; see `ConvGRBM.contrastive_divergence`."""
        self.check_input(x)
        return self.grbm.contrastive_divergence(*self.pairs(x), generator=generator)

    def hidden_maps(self, x: Tensor) -> Tensor:
        """Pooled hidden maps ``[N, K, T-1, h, w]``."""
        _, pooled = probabilistic_max_pool(self.grbm.hidden_input(*self.pairs(x)), self.pool)
        return pooled.unflatten(0, (len(x), -1)).transpose(1, 2)

    def features(self, x: Tensor) -> Tensor:
        maps = normalise_contrast(self.conv(self.hidden_maps(x)).tanh().abs())
        maps = functional.adaptive_avg_pool3d(maps, (maps.shape[2], self.grid, self.grid))
        return self.full(maps.amax(2).flatten(1)).tanh()


@dataclass
class ConvGRBMSettings(VideoSettings):
    """Settings of `ConvGRBMNet`; see there."""

    network = ConvGRBMNet

    name: Literal["convgrbm"] = "convgrbm"
    n_maps: int = 32
    window: int = 16
    pool: int = 4
    filters: int = 128
    kernel: int = 9
    grid: int = 2
    hidden: int = 256
    visible: Literal["gaussian", "binary"] = "gaussian"
    width: float = 1.0
    dropout: float = 0.0
