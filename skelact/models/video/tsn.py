"""Temporal segment networks (Wang et al., ECCV 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError, choices
from skelact.models.video.base import StepModel, VideoSettings, scale
from skelact.nn.consensus import Consensus
from skelact.nn.inception import BNInception
from skelact.nn.mobilenet import MobileNetV2

BACKBONES = {"bn_inception": BNInception, "mobilenet_v2": MobileNetV2}


class TSN(StepModel):
    """A 2D network on one snippet of each of K segments, and a consensus of their scores.

    The clip is cut into K equal parts, and the middle of each is its snippet; a loader that draws snippets at random
    gives clips of exactly ``n_segments · snippet_frames`` frames.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        n_segments: K.
        snippet_frames: successive frames whose channels are stacked: 1 for colour, 5 for flow.
        consensus: ``mean``, ``max`` or ``weighted``; see `skelact.nn.consensus.Consensus`.
        partial_norm: in training, keep the statistics of all batch norms but the first ("partial BN").
        backbone: the 2D network: ``bn_inception``, the paper's, or ``mobilenet_v2``, whose trained weights are in a
            package (`skelact.models.video.start_from_pictures`).
        width: multiplies all channels; 1: the paper's.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 3,
        n_segments: int = 3,
        snippet_frames: int = 1,
        consensus: str = "mean",
        partial_norm: bool = False,
        width: float = 1.0,
        dropout: float = 0.8,
        backbone: str = "bn_inception",
    ) -> None:
        if n_segments < 1 or snippet_frames < 1:
            raise ConfigError(
                f"TSN needs segments and frames, got n_segments={n_segments}, snippet_frames={snippet_frames}"
            )
        if channels_in < 1:
            raise ConfigError(f"channels_in must be at least 1, got {channels_in}")
        if backbone not in BACKBONES:
            raise ConfigError(choices(backbone, BACKBONES, "backbone"))
        tower = BACKBONES[backbone](channels_in * snippet_frames, lambda count: scale(count, width))
        super().__init__(n_classes, channels_in, tower.channels_out, dropout, least_size=7)
        self.n_segments, self.snippet_frames, self.partial_norm = n_segments, snippet_frames, partial_norm
        self.tower, self.map_channels = tower, tower.channels_out
        self.consensus = Consensus(consensus, n_segments)

    def snippets(self, x: Tensor) -> Tensor:
        """The snippets ``[N, K, C·frames, H, W]`` of clips; of clips too short for all, frames come twice."""
        t, k, length = x.shape[2], self.n_segments, self.snippet_frames
        starts = [int(i * t / k + max(0.0, (t / k - length) / 2)) for i in range(k)]
        index = torch.tensor([[min(s + j, t - 1) for j in range(length)] for s in starts], device=x.device)
        picked = x.transpose(1, 2)[:, index]  # [N, K, frames, C, H, W]
        return picked.flatten(2, 3)

    def step_features(self, x: Tensor) -> Tensor:
        snippets = self.snippets(x)
        return self.tower(snippets.flatten(0, 1)).unflatten(0, snippets.shape[:2])

    def maps(self, x: Tensor) -> Tensor:
        """The last map of every snippet, ``[N, D, K, H', W']``."""
        snippets = self.snippets(x)
        return self.tower.maps(snippets.flatten(0, 1)).unflatten(0, snippets.shape[:2]).transpose(1, 2)

    def combine(self, logits: Tensor) -> Tensor:
        return self.consensus(logits)

    def train(self, mode: bool = True) -> TSN:
        """As for every module; with ``partial_norm``, all batch norms but the first stay in evaluation mode."""
        super().train(mode)
        if mode and self.partial_norm:
            norms = [part for part in self.modules() if isinstance(part, nn.BatchNorm2d)]
            for norm in norms[1:]:
                norm.eval()
        return self

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        rows = [(f"rows.{i}", [row]) for i, row in enumerate(self.tower.rows)]
        return [("stem", [self.tower.stem]), *rows, ("head", [self.consensus, self.head])]


def adapt_first_conv(weight: Tensor, channels: int) -> Tensor:
    """Cross-modality initialisation: the first kernel of a colour network for another number of channels.

    The mean over the input channels is repeated, so that a network trained on pictures can begin on flow.

    Args:
        weight: ``[D, C, ...]``.
        channels: new number of input channels.

    Returns:
        ``[D, channels, ...]``.
    """
    return weight.mean(1, keepdim=True).repeat(1, channels, *[1] * (weight.ndim - 2))


@dataclass
class TSNSettings(VideoSettings):
    """Settings of `TSN`; see there."""

    network = TSN

    name: Literal["tsn"] = "tsn"
    n_segments: int = 3
    snippet_frames: int = 1
    consensus: Literal["mean", "max", "weighted"] = "mean"
    partial_norm: bool = False
    width: float = 1.0
    dropout: float = 0.8
    backbone: Literal["bn_inception", "mobilenet_v2"] = "bn_inception"
