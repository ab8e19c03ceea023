"""GRU over frames: the baseline of temporal segmentation and online detection.

Source: An et al., "MiniROAD: minimal RNN framework for online action detection", ICCV 2023.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from skelact.layouts import SkeletonLayout
from skelact.models.segmentation.base import SegmentationModel, SegmentationSettings
from skelact.nn.recurrent import Recurrent


class GRUSegmenter(SegmentationModel):
    """Joined joints through a linear layer, a layer norm and ReLU into a GRU; a linear layer on its states.

    Args:
        layout, n_classes, channels_in, causal: see `SegmentationModel`; not causal: both directions.
        hidden, layers: see `Recurrent`.
        dropout: before the GRU and the classifier.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        hidden: int = 128,
        layers: int = 1,
        dropout: float = 0.3,
        causal: bool = True,
    ) -> None:
        super().__init__(layout, n_classes, channels_in, causal)
        self.recurrent = Recurrent("gru", hidden, hidden, layers, not causal, dropout)
        self.embed = nn.Sequential(
            nn.Linear(len(self.layout) * channels_in, hidden),
            nn.LayerNorm(hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.recurrent.channels_out, n_classes)

    def frame_features(self, x: Tensor) -> Tensor:
        return self.recurrent(self.embed(x.flatten(2)))

    def frame_logits(self, x: Tensor, real: Tensor | None) -> list[Tensor]:
        return [self.head(self.dropout(x))]


@dataclass
class GRUSegmenterSettings(SegmentationSettings):
    """Settings of `GRUSegmenter`; see there."""

    network = GRUSegmenter

    name: Literal["gru"] = "gru"
    hidden: int = 128
    layers: int = 1
    dropout: float = 0.3
    causal: bool = True
