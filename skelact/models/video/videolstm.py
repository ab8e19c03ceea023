"""ConvLSTM over VGG-16's maps, and VideoLSTM, which attends by motion (Li et al., CVIU 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.models.video.base import StepModel, VideoSettings, frames_of, scale
from skelact.nn.conv_recurrent import ConvLSTMCell, MapAttention
from skelact.nn.image_towers import VGG16Maps


class ConvLSTMNet(StepModel):
    """VGG-16's pool5 of every frame, a convolutional LSTM (Shi et al., NIPS 2015), a softmax at every step.

    A step's features are the mean of the state over places; a clip's probabilities are the mean of its steps'.
    VideoLSTM's clips have 30 frames of 224×224 pixels.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        hidden: channels of the state.
        width: multiplies the channels of VGG-16 and of the state; 1: the paper's.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 3,
        hidden: int = 512,
        width: float = 1.0,
        dropout: float = 0.5,
    ) -> None:
        self.hidden = scale(hidden, width)
        super().__init__(n_classes, channels_in, self.hidden, dropout)
        self.tower = VGG16Maps(channels_in, lambda count: scale(count, width))
        self.cell = ConvLSTMCell(self.tower.channels_out[-1], self.hidden)

    def step_features(self, x: Tensor) -> Tensor:
        maps = self.tower(frames_of(x))[-1].unflatten(0, (len(x), -1))
        state, steps = self.cell.begin(maps[:, 0]), []
        for i in range(maps.shape[1]):
            state = self.cell(maps[:, i], state)
            steps.append(state[0].mean((2, 3)))
        return torch.stack(steps, 1)


class VideoLSTM(StepModel):
    """A convolutional LSTM that sees VGG-16's maps weighted by an attention over places.

    Without motion, the attention depends on the LSTM's own state. With motion, a first LSTM runs over the maps of
    flow; its gates see the state of the upper one too, and the attention depends on its state in the same frame.

    After every forward pass, ``attention_map [N, T, h, w]`` holds the attention of every frame (of sum 1), a weak
    localisation of the action.

    Args:
        n_classes, channels_in, dropout: see `VideoModel`.
        motion_channels: channels of the motion input, 2 for flow; 0: no motion.
        hidden: channels of the states.
        width: multiplies the channels of VGG-16 and of the states; 1: the paper's.

    Raises:
        ConfigError: for invalid settings.
    """

    attention_map: Tensor | None

    def __init__(
        self,
        n_classes: int,
        channels_in: int = 3,
        motion_channels: int = 0,
        hidden: int = 512,
        width: float = 1.0,
        dropout: float = 0.5,
    ) -> None:
        if motion_channels < 0:
            raise ConfigError(f"motion_channels must be 0 (no motion) or more, got {motion_channels}")
        hidden = scale(hidden, width)
        super().__init__(n_classes, channels_in, hidden, dropout)
        self.motion_channels = motion_channels
        self.tower = VGG16Maps(channels_in, lambda count: scale(count, width))
        seen = self.tower.channels_out[-1]
        self.motion_tower = self.motion_cell = None
        if motion_channels:
            self.motion_tower = VGG16Maps(motion_channels, lambda count: scale(count, width))
            self.motion_cell = ConvLSTMCell(seen, hidden, channels_extra=hidden)
        self.attention = MapAttention(seen, hidden)
        self.cell = ConvLSTMCell(seen, hidden)
        self.attention_map = None

    def check_motion(self, x: Tensor, motion: Tensor | None) -> None:
        """Raise `ConfigError` if the motion is missing, not wanted or of another shape than ``x``."""
        if (motion is not None) != bool(self.motion_channels):
            wanted = (
                f"motion of {self.motion_channels} channels" if self.motion_channels else "no motion input"
            )
            raise ConfigError(
                f"this VideoLSTM takes {wanted}; got {'none' if motion is None else list(motion.shape)} (its setting "
                "motion_channels decides)"
            )
        if motion is not None and motion.shape != (len(x), self.motion_channels, *x.shape[2:]):
            raise ConfigError(
                f"motion must be {[len(x), self.motion_channels, *x.shape[2:]]}, as the pictures are, got "
                f"{list(motion.shape)}"
            )

    def step_features(self, x: Tensor, motion: Tensor | None = None) -> Tensor:
        self.check_motion(x, motion)
        n = len(x)
        maps = self.tower(frames_of(x))[-1].unflatten(0, (n, -1))
        state = self.cell.begin(maps[:, 0])
        moved, motion_state = None, state
        if motion is not None and self.motion_tower is not None:
            moved = self.motion_tower(frames_of(motion))[-1].unflatten(0, (n, -1))
        steps, attention = [], []
        for i in range(maps.shape[1]):
            guide = state[0]
            if moved is not None and self.motion_cell is not None:
                motion_state = self.motion_cell(moved[:, i], motion_state, state[0])
                guide = motion_state[0]
            weights = self.attention(maps[:, i], guide)
            state = self.cell(weights * maps[:, i], state)
            steps.append(state[0].mean((2, 3)))
            attention.append(weights.detach()[:, 0])
        if not torch.compiler.is_exporting():
            self.attention_map = torch.stack(attention, 1)
        return torch.stack(steps, 1)

    def step_logits(self, x: Tensor, motion: Tensor | None = None) -> Tensor:
        """Logits of every frame, ``[N, T, n_classes]``; arguments as for `forward`."""
        return self.head(self.dropout(self.forward_features(x, motion)))

    def forward_features(self, x: Tensor, motion: Tensor | None = None) -> Tensor:
        self.check_input(x)
        return self.step_features(x, motion)

    def forward(self, x: Tensor, motion: Tensor | None = None) -> Tensor:
        """Classify clips ``[N, C, T, H, W]``, with ``motion [N, motion_channels, T, H, W]`` if the network uses it."""
        return self.combine(self.step_logits(x, motion))

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        towers = [part for part in (self.tower, self.motion_tower) if part is not None]
        cells = [part for part in (self.motion_cell, self.attention, self.cell) if part is not None]
        return [("tower", [*towers]), ("recurrent", [*cells]), ("head", [self.head])]


@dataclass
class ConvLSTMSettings(VideoSettings):
    """Settings of `ConvLSTMNet`; see there."""

    network = ConvLSTMNet

    name: Literal["convlstm"] = "convlstm"
    hidden: int = 512
    width: float = 1.0
    dropout: float = 0.5


@dataclass
class VideoLSTMSettings(VideoSettings):
    """Settings of `VideoLSTM`; see there."""

    network = VideoLSTM

    name: Literal["videolstm"] = "videolstm"
    motion_channels: int = 0
    hidden: int = 512
    width: float = 1.0
    dropout: float = 0.5
