"""Region-based action detection: what every person of a clip does (Gu et al., CVPR 2018, with RoIAlign)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.models.video.base import VideoModel, VideoSettings
from skelact.nn.region_proposal import RegionProposal
from skelact.nn.roi_align import roi_align
from skelact.settings import Chosen


@runtime_checkable
class MapModel(Protocol):
    """A network over video that gives its last map, before it is averaged over places.

    ``map_channels``: D of the map.
    """

    map_channels: int

    def maps(self, x: Tensor) -> Tensor:
        """The map ``[N, D, T', H', W']`` of clips ``[N, C, T, H, W]``."""
        ...


def map_families() -> list[str]:
    """Names of the families of networks over video whose networks are a `MapModel`."""
    from skelact.models.video import VIDEO_MODELS

    return [name for name, settings in VIDEO_MODELS.items() if hasattr(settings.network, "maps")]


class RegionNet(nn.Module):
    """A network over video that classifies the people of a clip by their boxes, each with any number of actions.

    A person's box at the clip's middle (the key frame) is taken for the whole clip: the map is averaged over time,
    RoIAlign gives 7×7 places of it, and their maximum goes to the classifier.

    Args:
        backbone: a network that gives its map; its own classifier is not used.
        n_classes: K, number of actions.
        bins: places along each side of a region.
        samples: RoIAlign's sampling points along each side of a place.
        dropout: before the classifier.
        proposals: whether it also finds boxes where none are given (`propose`).

    Raises:
        ConfigError: for a backbone that gives no map, or invalid settings.
    """

    def __init__(
        self,
        backbone: VideoModel,
        n_classes: int,
        bins: int = 7,
        samples: int = 2,
        dropout: float = 0.5,
        proposals: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(backbone, MapModel):
            raise ConfigError(
                f"{type(backbone).__name__} gives no map of places, so that regions cannot be taken from it; networks "
                f"that do: {', '.join(map_families())}"
            )
        if n_classes < 1 or bins < 1 or samples < 1 or not 0 <= dropout < 1:
            raise ConfigError(
                f"a region head needs classes, bins and samples of at least 1 and dropout in 0..1 (without 1), got "
                f"{n_classes}, {bins}, {samples} and {dropout}"
            )
        self.n_classes, self.bins, self.samples = n_classes, bins, samples
        self.backbone = backbone
        self.dropout = nn.Dropout(dropout)
        channels = cast(MapModel, backbone).map_channels
        self.head = nn.Linear(channels, n_classes)
        nn.init.normal_(self.head.weight, 0, 0.01)
        nn.init.zeros_(self.head.bias)
        self.proposal = RegionProposal(channels) if proposals else None

    def mean_map(self, x: Tensor) -> Tensor:
        """The backbone's map of clips ``[N, C, T, H, W]``, averaged over time: ``[N, D, H', W']``."""
        self.backbone.check_input(x)
        return cast(MapModel, self.backbone).maps(x).mean(2)

    def classify(self, maps: Tensor, boxes: Tensor) -> Tensor:
        """Logits ``[B, K]`` of boxes on maps of `mean_map`; see `forward`."""
        check_boxes(boxes, len(maps))
        regions = roi_align(maps, boxes[:, 0].long(), boxes[:, 1:], self.bins, self.samples)
        return self.head(self.dropout(regions.amax((2, 3))))

    def forward(self, x: Tensor, boxes: Tensor) -> Tensor:
        """Classify people.

        Args:
            x: ``[N, C, T, H, W]`` clips.
            boxes: ``[B, 5]``: the clip's index, then x1, y1, x2, y2 in fractions 0..1 of the picture.

        Returns:
            logits ``[B, K]``; their sigmoid is the probability of each action by itself.

        Raises:
            ConfigError: if clips or boxes do not fit.
        """
        return self.classify(self.mean_map(x), boxes)

    @torch.no_grad()
    def propose(self, x: Tensor, most: int = 20, least_score: float = 0.05) -> tuple[Tensor, Tensor]:
        """Where people are: boxes ``[B, 5]`` as `forward` takes them, and scores ``[B]``.

        Args:
            x: ``[N, C, T, H, W]`` clips.
            most: boxes of a clip at most.
            least_score: less sure boxes are left out.

        Raises:
            ConfigError: if the network was made without proposals, or clips do not fit.
        """
        clip, boxes, scores = need_proposal(self).propose(self.mean_map(x), most, least_score)
        return torch.cat([clip[:, None].to(boxes.dtype), boxes], 1), scores


def need_proposal(model: RegionNet) -> RegionProposal:
    """The proposal head of a network.

    Raises:
        ConfigError: if it has none.
    """
    if model.proposal is None:
        raise ConfigError("this network has no proposal head (proposals: false); give it boxes")
    return model.proposal


def check_boxes(boxes: Tensor, n_clips: int) -> None:
    """Raise `ConfigError` unless boxes are ``[B, 5]``, of clips that there are, not empty and within 0..1."""
    if boxes.ndim != 2 or boxes.shape[1] != 5:
        raise ConfigError(f"boxes must be [B, 5] (clip, x1, y1, x2, y2), got {list(boxes.shape)}")
    if not len(boxes):
        return
    clip, place = boxes[:, 0], boxes[:, 1:]
    if not ((clip >= 0) & (clip < n_clips) & (clip == clip.round())).all():
        raise ConfigError(f"boxes name clips {sorted(set(clip.tolist()))}, and there are 0 to {n_clips - 1}")
    if not ((place > -0.5) & (place < 1.5)).all() or not (place[:, :2] < place[:, 2:]).all():
        raise ConfigError(
            "boxes must be x1, y1, x2, y2 with x1 < x2 and y1 < y2 in fractions 0..1 of the picture; divide pixels by "
            "its width and height"
        )


def _find_backbone(values: Any) -> type:
    from skelact.models.video import find_video_settings

    return find_video_settings(values)


def _resnet() -> VideoSettings:
    from skelact.models.video.resnet3d import ResNet3dSettings

    return ResNet3dSettings()


@dataclass
class RegionSettings:
    """Settings of `RegionNet`; see there. ``backbone``: the settings of a network over video."""

    backbone: Annotated[VideoSettings, Chosen(_find_backbone)] = field(default_factory=_resnet)
    bins: int = 7
    samples: int = 2
    dropout: float = 0.5
    proposals: bool = True

    def build(self, n_classes: int, channels_in: int = 3) -> RegionNet:
        """Make the network for a number of actions and of channels of a frame."""
        backbone = self.backbone.build(1, channels_in)
        return RegionNet(backbone, n_classes, self.bins, self.samples, self.dropout, self.proposals)
