"""LRCN: long-term recurrent convolutional networks (Donahue et al., CVPR 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from skelact.models.video.base import StepModel, VideoSettings, frames_of, scale
from skelact.nn.image_towers import CaffeNet
from skelact.nn.recurrent import Recurrent


class LRCN(StepModel):
    """CaffeNet to fc6 on every frame, an LSTM, a softmax at every step; a clip's probabilities are their mean.

    The paper's clips have 16 frames of 227×227 pixels.

    Args:
        n_classes, channels_in: see `VideoModel`.
        hidden: channels of the LSTM: 256 for colour, 1024 for flow.
        width: multiplies the channels of CaffeNet; 1: the paper's.
        dropout: of fc6.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 3,
        hidden: int = 256,
        width: float = 1.0,
        dropout: float = 0.9,
    ) -> None:
        super().__init__(n_classes, channels_in, hidden, dropout, least_size=39)
        self.tower = CaffeNet(channels_in, lambda count: scale(count, width))
        self.recurrent = Recurrent("lstm", self.tower.channels_out, hidden)

    def step_features(self, x: Tensor) -> Tensor:
        frames = self.tower(frames_of(x)).unflatten(0, (len(x), -1))
        return self.recurrent(self.dropout(frames))

    def step_logits(self, x: Tensor) -> Tensor:
        """Logits of every frame, ``[N, T, n_classes]``; the dropout is before the LSTM."""
        self.check_input(x)
        return self.head(self.step_features(x))

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        return [("tower", [self.tower]), ("recurrent", [self.recurrent]), ("head", [self.head])]


@dataclass
class LRCNSettings(VideoSettings):
    """Settings of `LRCN`; see there."""

    network = LRCN

    name: Literal["lrcn"] = "lrcn"
    hidden: int = 256
    width: float = 1.0
    dropout: float = 0.9
