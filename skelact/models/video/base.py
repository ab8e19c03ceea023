"""Base classes of networks over video: one stream of pictures in, logits of clips out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.models.settings import FamilySettings
from skelact.nn.consensus import mean_probability


class VideoModel(nn.Module):
    """Base class: a network over clips ``[N, C, T, H, W]`` of one stream (colour 3, flow 2, grey or depth 1).

    A family overrides `features`.

    Args:
        n_classes: number of actions.
        channels_in: C, channels of a frame.
        n_features: D, channels of a clip's features.
        dropout: before the classifier.
        least_frames: least T.
        least_size: least H and W [pixels].

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        n_classes: int,
        channels_in: int,
        n_features: int,
        dropout: float = 0.0,
        least_frames: int = 1,
        least_size: int = 1,
    ) -> None:
        super().__init__()
        if n_classes < 1 or channels_in < 1 or n_features < 1:
            raise ConfigError(
                f"a network needs channels and classes, got n_classes={n_classes}, channels_in={channels_in}, "
                f"n_features={n_features}"
            )
        if not 0 <= dropout < 1:
            raise ConfigError(f"dropout must be at least 0 and less than 1, got {dropout}")
        self.n_classes, self.channels_in, self.n_features = n_classes, channels_in, n_features
        self.least_frames, self.least_size = least_frames, least_size
        self.dropout = nn.Dropout(dropout)
        self.head = self.make_head(n_classes)

    def make_head(self, n_classes: int) -> nn.Module:
        """A new output layer: features ``[..., D]`` to logits ``[..., n_classes]``."""
        head = nn.Linear(self.n_features, n_classes)
        nn.init.normal_(head.weight, 0, 0.01)
        nn.init.zeros_(head.bias)
        return head

    def reset_classifier(self, n_classes: int) -> None:
        """Give the network a new, untrained output layer."""
        if n_classes < 1:
            raise ConfigError(f"n_classes must be at least 1, got {n_classes}")
        self.n_classes = n_classes
        self.head = self.make_head(n_classes).to(next(self.head.parameters()))

    def check_input(self, x: Tensor) -> None:
        """Raise `ConfigError` if axes, channels, frames or the size of the pictures are not what is needed."""
        if x.ndim != 5 or x.shape[1] != self.channels_in or not x.is_floating_point():
            raise ConfigError(
                f"this network takes floating-point clips [N, {self.channels_in} channels, T, H, W], got "
                f"{list(x.shape)} of {x.dtype}"
            )
        n, _, t, h, w = x.shape
        if n < 1 or t < self.least_frames or min(h, w) < self.least_size:
            raise ConfigError(
                f"this network needs at least 1 clip of {self.least_frames} frames and {self.least_size} x "
                f"{self.least_size} pixels, got {n} of {t} frames and {h} x {w} pixels"
            )

    def features(self, x: Tensor) -> Tensor:
        """Features ``[N, D]`` of clips that have been checked."""
        raise NotImplementedError

    def forward_features(self, x: Tensor) -> Tensor:
        """Features ``[N, D]`` of clips ``[N, C, T, H, W]``, before the classifier."""
        self.check_input(x)
        return self.features(x)

    def forward_head(self, features: Tensor) -> Tensor:
        """Logits ``[N, n_classes]`` of what `forward_features` gives."""
        return self.head(self.dropout(features))

    def __repr__(self) -> str:
        """One line; ``torch.nn.Module.__repr__(model)`` lists all parts."""
        n = sum(p.numel() for p in self.parameters())
        name = type(self).__name__
        return (
            f"{name}({self.n_classes} classes, {self.channels_in} channels a pixel, {n / 1e6:.2f} M weights)"
        )

    def forward(self, x: Tensor) -> Tensor:
        """Classify clips.

        Args:
            x: ``[N, C, T, H, W]`` floating point, normalised as in training.

        Returns:
            logits ``[N, n_classes]``.

        Raises:
            ConfigError: if channels, frames or picture size do not fit.
        """
        return self.features_and_logits(x)[1]

    def features_and_logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features ``[N, D]`` and logits ``[N, n_classes]`` of clips, computed once."""
        features = self.forward_features(x)
        return features, self.forward_head(features)

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        """Named stages from input to output, for freezing and layer-wise learning rates."""
        parts = [(name, [part]) for name, part in self.named_children() if name not in ("head", "dropout")]
        return [*parts, ("head", [self.head])]


class StepModel(VideoModel):
    """Base class of networks that classify every step (a frame or a snippet) and then agree on an answer.

    The clip's probabilities are the mean of the steps' (its logits are their logarithms), unless a family
    overrides `combine`. A family overrides `step_features`.
    """

    def step_features(self, x: Tensor) -> Tensor:
        """Features ``[N, steps, D]`` of clips that have been checked."""
        raise NotImplementedError

    def features(self, x: Tensor) -> Tensor:
        return self.step_features(x).mean(1)

    def combine(self, logits: Tensor) -> Tensor:
        """Logits ``[N, n_classes]`` of a clip from those of its steps ``[N, steps, n_classes]``."""
        return mean_probability(logits, 1)

    def step_logits(self, x: Tensor) -> Tensor:
        """Logits of every step, ``[N, steps, n_classes]``, for a loss at every step as the papers have it."""
        self.check_input(x)
        return self.head(self.dropout(self.step_features(x)))

    def forward_features(self, x: Tensor) -> Tensor:
        """Features ``[N, steps, D]`` of the steps of clips ``[N, C, T, H, W]``."""
        self.check_input(x)
        return self.step_features(x)

    def forward_head(self, features: Tensor) -> Tensor:
        return self.combine(self.head(self.dropout(features)))

    def features_and_logits(self, x: Tensor) -> tuple[Tensor, Tensor]:
        steps = self.forward_features(x)
        return steps.mean(1), self.forward_head(steps)


def scale(channels: int, width: float, multiple: int = 4) -> int:
    """A number of channels times a network's width, rounded to a multiple; unchanged for a width of 1.

    Raises:
        ConfigError: for a width that is not above 0.
    """
    if not width > 0:
        raise ConfigError(f"width must be above 0 (1: the paper's number of channels), got {width}")
    return channels if width == 1 else max(multiple, round(channels * width / multiple) * multiple)


def middle_frames(x: Tensor, n_frames: int) -> Tensor:
    """``n_frames`` successive frames from the middle of ``x [N, C, T, H, W]``; short clips repeat their last."""
    t = x.shape[2]
    first = max(0, (t - n_frames) // 2)
    if t >= n_frames:
        return x[:, :, first : first + n_frames]
    return torch.cat([x, x[:, :, -1:].expand(-1, -1, n_frames - t, -1, -1)], 2)


def frames_of(x: Tensor) -> Tensor:
    """Clips ``[N, C, T, H, W]`` as pictures ``[N·T, C, H, W]``."""
    return x.transpose(1, 2).flatten(0, 1)


@dataclass
class VideoSettings(FamilySettings):
    """Settings of a network over video; ``depths``: the sizes that a family is listed with."""

    network: ClassVar[type[VideoModel]]
    depths: ClassVar[tuple[int, ...]] = ()

    def build(self, n_classes: int, channels_in: int = 3) -> VideoModel:
        """Make the network for a number of classes and of channels of a frame."""
        make: Any = self.network
        return make(n_classes, channels_in, **self.arguments())
