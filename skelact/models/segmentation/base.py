"""Base class of segmentation networks: logits for every frame of untrimmed recordings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.models.settings import FamilySettings
from skelact.nn.norm import JointNorm


class SegmentationModel(nn.Module):
    """Base class: people's features in every frame, their mean over the people who are there, logits.

    A family overrides `frame_features` and `frame_logits`.

    Args:
        layout: the skeleton layout or its name.
        n_classes: K, labels of a frame.
        channels_in: input channels per joint.
        causal: a frame's logits depend on it and earlier frames alone.

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(self, layout: SkeletonLayout | str, n_classes: int, channels_in: int, causal: bool) -> None:
        super().__init__()
        if n_classes < 1 or channels_in < 1:
            raise ConfigError(f"a network needs channels and classes, got {channels_in} and {n_classes}")
        self.layout, self.n_classes, self.channels_in = get_layout(layout), n_classes, channels_in
        self.causal = causal
        self.norm = JointNorm(len(self.layout), channels_in)

    def frame_features(self, x: Tensor) -> Tensor:
        """Features ``[P, T, D]`` of people's normalised input ``x [P, T, V, C]``, 0 where they are not there."""
        raise NotImplementedError

    def frame_logits(self, x: Tensor, real: Tensor | None) -> list[Tensor]:
        """Logits ``[N, T, K]`` of every stage for recordings' features ``x [N, T, D]``."""
        raise NotImplementedError

    def forward(
        self,
        x: Tensor,
        owner: Tensor | None = None,
        score: Tensor | None = None,
        n_clips: int | None = None,
        real: Tensor | None = None,
    ) -> Tensor:
        """Label frames.

        Args:
            x: ``[P, T, V, C]`` packed people.
            owner: ``[P]`` the recording of each person; None: everybody is a recording.
            score: ``[P, T, V]``, 0 = missing; None: all there.
            n_clips: N; None: one more than the largest owner.
            real: ``[N, T]`` booleans, False for frames beyond a recording's end; None: all are real.

        Returns:
            logits ``[S, N, T, K]`` of every stage; the last one's are the answer.

        Raises:
            ConfigError: if joints or channels are not those of the network.
        """
        if x.ndim != 4 or x.shape[2] != len(self.layout) or x.shape[3] != self.channels_in:
            raise ConfigError(
                f"this network takes [people, frames, {len(self.layout)} joints ({self.layout.name}), "
                f"{self.channels_in} channels], got {list(x.shape)}"
            )
        present = None
        if score is not None:
            x = x * (score > 0)[..., None].to(x.dtype)
            present = (score > 0).any(-1)
        x = self.norm(x, present)
        there = None if present is None else present.to(x.dtype)[..., None]
        if there is not None:
            x = x * there[..., None]
        features = self.frame_features(x)
        if there is not None:
            features = features * there
        if owner is not None:
            n_clips = int(owner.max()) + 1 if n_clips is None else n_clips
            total = features.new_zeros(n_clips, *features.shape[1:]).index_add(0, owner, features)
            weight = torch.ones_like(features[..., :1]) if there is None else there
            count = features.new_zeros(n_clips, *weight.shape[1:]).index_add(0, owner, weight)
            features = total / count.clamp_min(1)
        return torch.stack(self.frame_logits(features, real))


@dataclass
class SegmentationSettings(FamilySettings):
    """Settings of a segmentation network; see `FamilySettings`."""

    network: ClassVar[type[SegmentationModel]]

    def build(self, layout: SkeletonLayout | str, n_classes: int, channels_in: int) -> SegmentationModel:
        """Make the network for a layout, a number of labels and of input channels."""
        return self.network(layout, n_classes, channels_in, **self.arguments())
