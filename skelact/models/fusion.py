"""Networks of several streams: encoders of skeletons and of pictures, and a head that fuses them.

A single stream of pictures makes a network over video that is trained, evaluated and fused like one over skeletons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError, choices
from skelact.layouts import SkeletonLayout, get_layout
from skelact.models.base import SkeletonModel
from skelact.models.settings import FamilySettings, LayoutSettings, NetworkSettings
from skelact.models.video import VIDEO_MODELS, VideoModel, VideoSettings, find_video_settings
from skelact.nn.fusion import HEADS, ScoreFusion
from skelact.settings import Chosen

SKELETON = "skeleton"  # the name of the stream of joints
CHANNELS = {"rgb": 3, "grey": 1, "depth": 1, "flow": 2, "motion": 2, "depth_flow": 2}  # of a frame


class FusionNet(nn.Module):
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

    takes_pictures = True

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
        super().__init__()
        if not encoders:
            raise ConfigError("a fusion network needs streams: model.streams, by name")
        if mode not in HEADS:
            raise ConfigError(choices(mode, HEADS, "mode of fusion"))
        self.layout, self.n_classes, self.channels_in = get_layout(layout), n_classes, channels_in
        self.encoders = nn.ModuleDict(encoders)
        self.mode, self.width, self.drop, self.own_loss = mode, width, drop, own_loss
        self.n_features = sum(encoder.n_features for encoder in encoders.values())
        self.fuse = self._make_head()
        self._last: tuple[dict[str, Tensor], Tensor] | None = None

    @property
    def streams(self) -> list[str]:
        """The streams' names."""
        return list(self.encoders)

    def reset_classifier(self, n_classes: int) -> None:
        """Give the encoders and the head new, untrained output layers."""
        for encoder in self.encoders.values():
            encoder.reset_classifier(n_classes)  # type: ignore[operator]
        self.n_classes = n_classes
        head = self._make_head()
        self.fuse = head if head is None else head.to(self._like)

    def _make_head(self) -> ScoreFusion | None:
        """A new head; a single stream needs none."""
        if len(self.encoders) == 1:
            return None
        sizes = {name: int(encoder.n_features) for name, encoder in self.encoders.items()}  # type: ignore[arg-type]
        return HEADS[self.mode](sizes, self.n_classes, self.width, self.drop)

    @property
    def _like(self) -> Tensor:
        """A weight, for type and device."""
        return next(self.parameters())

    def forward(
        self,
        x: Tensor,
        owner: Tensor,
        score: Tensor,
        n_clips: int,
        pictures: Mapping[str, Tensor] | None = None,
        there: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """Fused logits ``[N, n_classes]``; arguments as for `answer`."""
        return self.answer(x, owner, score, n_clips, pictures, there)[0]

    def answer(
        self,
        x: Tensor,
        owner: Tensor,
        score: Tensor,
        n_clips: int,
        pictures: Mapping[str, Tensor] | None = None,
        there: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """What the clips show, and which streams say so.

        Args:
            x, owner, score, n_clips: skeletons, see `SkeletonModel.forward`.
            pictures: further streams, ``[N, C, T, H, W]``.
            there: ``[N]`` booleans by stream of pictures, which clips have it; a stream without an entry is there
                in all clips if it is among the pictures, and in none otherwise.

        Returns:
            fused logits ``[N, K]``, how much each stream weighed ``[N, S]``, and each stream's own logits.
        """
        pictures, there = pictures or {}, there or {}
        device = self._like.device
        features, logits, present = {}, {}, []
        for name, encoder in self.encoders.items():
            if name == SKELETON:
                seen = torch.zeros(n_clips, dtype=torch.bool, device=device)
                seen[owner[(score > 0).flatten(1).any(1)]] = True
                features[name] = encoder.clip_features(x, owner, score, n_clips)  # type: ignore[operator]
                logits[name] = encoder.head(features[name])  # type: ignore[operator]
            else:
                given = torch.full((n_clips,), name in pictures, device=device)
                seen = there.get(name, given) & given
                features[name], logits[name] = self._of_pictures(name, pictures.get(name), seen, n_clips)
            present.append(seen)
        if self.fuse is None:
            (alone,) = logits.values()
            weight = present[0].to(alone.dtype).unsqueeze(1)
            fused = torch.where(present[0].unsqueeze(1), alone, torch.zeros_like(alone))
        else:
            fused, weight = self.fuse(features, logits, torch.stack(present, 1))
        self._last = (logits, torch.stack(present, 1)) if self.training else None
        return fused, weight, logits

    def _of_pictures(self, name: str, x: Tensor | None, seen: Tensor, n_clips: int) -> tuple[Tensor, Tensor]:
        """Features and logits of a stream, 0 for the clips that lack it, which the encoder never sees."""
        encoder = self.encoders[name]
        like = self._like
        features = like.new_zeros(n_clips, encoder.n_features)  # type: ignore[arg-type]
        logits = like.new_zeros(n_clips, self.n_classes)
        if x is None or not bool(seen.any()):
            return features, logits
        whole = bool(seen.all())
        some, own = encoder.features_and_logits(x if whole else x[seen])  # type: ignore[operator]
        if whole:
            return some, own
        return features.to(some.dtype).index_put((seen,), some), logits.to(own.dtype).index_put((seen,), own)

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

    def set_progress(self, share: float) -> None:
        """Tell the encoders the completed share of training."""
        for encoder in self.encoders.values():
            if hasattr(encoder, "set_progress"):
                encoder.set_progress(share)  # type: ignore[operator]

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        """Named stages, the encoders' one after the other; the head of all is the last."""
        rows: list[tuple[str, list[nn.Module]]] = []
        for name, encoder in self.encoders.items():
            rows += [(f"{name}.{stage}", parts) for stage, parts in encoder.stages()]  # type: ignore[operator]
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
