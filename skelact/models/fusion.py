"""Networks of several streams: encoders of skeletons and of pictures, and a head that fuses them.

A single stream of pictures makes a network over video that is trained, evaluated and fused like one over skeletons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError, choices
from skelact.layouts import SkeletonLayout
from skelact.models.base import SkeletonModel
from skelact.models.settings import FamilySettings, LayoutSettings, NetworkSettings
from skelact.models.streams import StreamNetwork
from skelact.models.video import VIDEO_MODELS, VideoModel, VideoSettings, find_video_settings
from skelact.nn.fusion import HEADS, ScoreFusion
from skelact.nn.present import Flags, clips_with_people, put_present, to_mask, zero_of
from skelact.settings import Chosen
from skelact.transforms.places import Places

SKELETON = "skeleton"  # the name of the stream of joints
CHANNELS = {  # of a frame
    "rgb": 3, "rgb_left_hand": 3, "rgb_right_hand": 3, "grey": 1, "depth": 1, "flow": 2, "motion": 2, "depth_flow": 2,
}  # fmt: skip


class FusionNet(StreamNetwork):
    """Encoders of streams whose features and logits a head fuses.

    Args:
        layout, n_classes, channels_in: of the skeletons, see `SkeletonModel`.
        encoders: networks by stream: `SKELETON`, or a stream of pictures.
        mode: one of `skelact.nn.fusion.HEADS`.
        width: channels inside the head.
        drop: probability of leaving a stream out of a clip in training.
        own_loss: weight of the streams' own losses beside the fused answer's.

    Raises:
        ConfigError: for an unknown mode, or without encoders.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int,
        encoders: Mapping[str, SkeletonModel | VideoModel],
        mode: str = "gated",
        width: int = 128,
        drop: float = 0.2,
        own_loss: float = 0.5,
    ) -> None:
        if not encoders:
            raise ConfigError("a fusion network needs streams: model.streams, by name")
        if mode not in HEADS:
            raise ConfigError(choices(mode, HEADS, "mode of fusion"))
        super().__init__(layout, n_classes, channels_in, encoders)
        self.mode, self.width, self.drop, self.own_loss = mode, width, drop, own_loss
        self.n_features = sum(encoder.n_features for encoder in encoders.values())
        self.fuse = self._make_head()
        self._last: tuple[dict[str, Tensor], Tensor] | None = None

    def encoder(self, name: str) -> SkeletonModel | VideoModel:
        """The network that sees a stream."""
        return cast("SkeletonModel | VideoModel", self.encoders[name])

    def reset_classifier(self, n_classes: int) -> None:
        """Give the encoders and the head new, untrained output layers."""
        for name in self.encoders:
            self.encoder(name).reset_classifier(n_classes)
        self.n_classes = n_classes
        head = self._make_head()
        self.fuse = head if head is None else head.to(self.like)

    def _make_head(self) -> ScoreFusion | None:
        """A new head; a single stream needs none."""
        if len(self.encoders) == 1:
            return None
        sizes = {name: self.encoder(name).n_features for name in self.encoders}
        return HEADS[self.mode](sizes, self.n_classes, self.width, self.drop)

    def forward(
        self,
        x: Tensor,
        owner: Tensor,
        score: Tensor,
        n_clips: int,
        pictures: Mapping[str, Tensor] | None = None,
        there: Mapping[str, Sequence[bool]] | None = None,
        places: Mapping[str, Places] | None = None,
    ) -> Tensor:
        """Fused logits ``[N, n_classes]``; arguments as for `StreamNetwork.forward`, places are not needed."""
        return self.answer(x, owner, score, n_clips, pictures, there)[0]

    def answer(
        self,
        x: Tensor,
        owner: Tensor,
        score: Tensor,
        n_clips: int,
        pictures: Mapping[str, Tensor] | None = None,
        there: Mapping[str, Sequence[bool]] | None = None,
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """What the clips show, and which streams say so; arguments as for `StreamNetwork.forward`.

        Returns:
            fused logits ``[N, K]``, how much each stream weighed ``[N, S]``, and each stream's own logits.
        """
        features, logits, masks = {}, {}, []
        for name in self.encoders:
            if name == SKELETON:
                mask = clips_with_people(score, owner, n_clips)
                of_joints = cast(SkeletonModel, self.encoder(name))
                features[name] = of_joints.clip_features(x, owner, score, n_clips)
                logits[name] = of_joints.head(features[name])
            else:
                clips, flags = self.present(name, pictures, there, n_clips)
                mask = to_mask(flags, self.like.device)
                features[name], logits[name] = self._of_pictures(name, clips, flags)
            masks.append(mask)
        present = torch.stack(masks, 1)
        if self.fuse is None:
            (alone,) = logits.values()
            weight = present.to(alone.dtype)
            fused = torch.where(present, alone, torch.zeros_like(alone))
        else:
            fused, weight = self.fuse(features, logits, present)
        self._last = (logits, present) if self.training else None
        return fused, weight, logits

    def _of_pictures(self, name: str, clips: Tensor | None, flags: Flags) -> tuple[Tensor, Tensor]:
        """Features and logits of a stream, 0 for the clips that lack it, which the encoder never sees."""
        encoder = cast(VideoModel, self.encoder(name))
        if clips is None:
            zero = zero_of(encoder)
            shape = len(flags), encoder.n_features
            return self.like.new_zeros(shape) + zero, self.like.new_zeros(len(flags), self.n_classes) + zero
        features, logits = encoder.features_and_logits(clips)
        return put_present(features, flags), put_present(logits, flags)

    def extra_loss(self, label: Tensor) -> Tensor | None:
        """The streams' own cross-entropies (the mean over the clips that have them), times ``own_loss``."""
        if self._last is None or len(self.encoders) == 1 or not self.own_loss:
            return None
        logits, present = self._last
        total = label.new_zeros((), dtype=torch.float32)
        for i, alone in enumerate(logits.values()):
            each = functional.cross_entropy(alone.float(), label, reduction="none")
            weight = present[:, i].to(each.dtype)
            total = total + (torch.nan_to_num(each) * weight).sum() / weight.sum().clamp_min(1)
        return self.own_loss * total

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        """Named stages, the encoders' one after the other; the head of all is the last."""
        rows: list[tuple[str, list[nn.Module]]] = []
        for name in self.encoders:
            rows += [(f"{name}.{stage}", parts) for stage, parts in self.encoder(name).stages()]
        if self.fuse is None:
            name, parts = rows.pop()
            return [*rows, (name.rpartition(".")[2], parts)]
        return [*rows, ("head", [self.fuse])]


def find_stream_settings(values: Mapping) -> type[FamilySettings]:
    """The settings class of a stream's network, over pictures or skeletons.

    Raises:
        ConfigError: for a network that is not known.
    """
    from skelact.models import MODELS, find_settings

    name = str(values.get("name", ""))
    if name in MODELS or ":" in name:
        return find_settings(values)
    if name not in VIDEO_MODELS:
        raise ConfigError(choices(name, [*VIDEO_MODELS, *MODELS], "network of a stream"))
    return find_video_settings(values)


StreamSettings = Annotated[FamilySettings, Chosen(find_stream_settings)]


@dataclass
class FusionSettings(LayoutSettings):
    """Settings of `FusionNet`: its streams' networks by name, and how they are fused; see there."""

    name: Literal["fusion"] = "fusion"
    streams: dict[str, StreamSettings] = field(default_factory=dict)
    mode: Literal["score", "concat", "gated", "attention"] = "gated"
    width: int = 128
    drop: float = 0.2
    own_loss: float = 0.5

    def build(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int,
        pictures: Mapping[str, int] | None = None,
    ) -> FusionNet:
        """Make the network; arguments as for `LayoutSettings.build`."""
        channels = {**CHANNELS, **(pictures or {})}
        encoders: dict[str, SkeletonModel | VideoModel] = {}
        for name, settings in self.streams.items():
            if name == SKELETON and isinstance(settings, NetworkSettings):
                encoders[name] = settings.build(layout, n_classes, channels_in)
            elif name in CHANNELS and isinstance(settings, VideoSettings):
                encoders[name] = settings.build(n_classes, channels[name])
            elif name == SKELETON or name in CHANNELS:
                of = "skeletons" if name == SKELETON else "pictures"
                raise ConfigError(
                    f"model.streams.{name} must name a network over {of}, got '{settings.name}'"
                )
            else:
                raise ConfigError(choices(name, (SKELETON, *CHANNELS), "stream of a fusion network"))
        return FusionNet(
            layout, n_classes, channels_in, encoders, self.mode, self.width, self.drop, self.own_loss
        )
