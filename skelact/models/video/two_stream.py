"""One stream of the two-stream networks, on pictures or on stacked flow (Simonyan and Zisserman, NIPS 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from skelact.errors import ConfigError
from skelact.models.video.base import VideoModel, VideoSettings, middle_frames, scale
from skelact.nn.image_towers import CNNM

FLOW_CHANNELS, FLOW_FRAMES = 2, 10


class TwoStreamTower(VideoModel):
    """CNN-M on one picture (spatial) or on the flow of L successive frames as channels (temporal).

    The paper's pictures have 224×224 pixels. Of longer clips the middle frames are taken; short ones repeat their last.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`; an even number is flow. The dropout follows fc6 and fc7.
        n_frames: L; 0: 10 for flow of 2 channels (20 as dx, dy, dx, dy, ...), otherwise 1, as for stacked flow.
        width: multiplies all channels; 1: the paper's.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 3,
        n_frames: int = 0,
        width: float = 1.0,
        dropout: float = 0.9,
    ) -> None:
        if n_frames < 0 or channels_in < 1:
            raise ConfigError(
                f"n_frames must be 0 (by the number of channels) or a number of frames and channels_in at least 1, "
                f"got {n_frames} and {channels_in}"
            )
        flow = channels_in % FLOW_CHANNELS == 0  # colour has three channels, grey and depth one
        frames = n_frames or (FLOW_FRAMES if channels_in == FLOW_CHANNELS else 1)
        super().__init__(n_classes, channels_in, scale(2048, width), dropout, least_size=33)
        self.n_frames = frames
        self.tower = CNNM(channels_in * frames, lambda count: scale(count, width), not flow, dropout)

    def features(self, x: Tensor) -> Tensor:
        return self.tower(middle_frames(x, self.n_frames).transpose(1, 2).flatten(1, 2))


@dataclass
class TwoStreamSettings(VideoSettings):
    """Settings of `TwoStreamTower`; see there."""

    network = TwoStreamTower

    name: Literal["two_stream"] = "two_stream"
    n_frames: int = 0
    width: float = 1.0
    dropout: float = 0.9
