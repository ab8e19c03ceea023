"""Patch as node: features of the picture at each joint are further channels of the skeleton graph's nodes.

The cheapest early fusion of pictures and skeletons, after the idea of PAN ("patch as node"): an image backbone's map
is sampled at every joint, projected, and given to the graph network beside the coordinates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Literal, cast

import torch
from torch import Tensor, nn

from skelact.errors import CheckpointError, ConfigError, choices
from skelact.layouts import SkeletonLayout
from skelact.models.base import SkeletonModel
from skelact.models.fusion import CHANNELS, SKELETON, StreamSettings
from skelact.models.settings import LayoutSettings, NetworkSettings
from skelact.models.stgcn import STGCNSettings
from skelact.models.streams import StreamNetwork
from skelact.models.video import VIDEO_MODELS, ResNet3dSettings, VideoModel, VideoSettings
from skelact.nn.patches import JointPatches
from skelact.nn.present import put_present, to_mask, zero_of
from skelact.transforms.places import Places


class PictureMap(nn.Module):
    """A network over video of which only the last map is used.

    Args:
        network: one that gives ``maps``.
        frozen: keep its weights and statistics as they are.

    Raises:
        ConfigError: for a network without such maps.
    """

    def __init__(self, network: VideoModel, frozen: bool = False) -> None:
        super().__init__()
        if not hasattr(network, "maps"):
            families = [n for n, settings in VIDEO_MODELS.items() if hasattr(settings.network, "maps")]
            raise ConfigError(choices(type(network).__name__, families, "network that gives maps"))
        self.network, self.frozen = network, frozen
        self.network.head = nn.Identity()
        if frozen:
            self.network.requires_grad_(False)

    def train(self, mode: bool = True) -> PictureMap:
        """As for every module; a frozen network stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.network.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """The map ``[N, D, T', H', W']`` of clips ``[N, C, T, H, W]``."""
        self.network.check_input(x)
        with torch.no_grad() if self.frozen else nullcontext():
            return self.network.maps(x)  # type: ignore[operator]


class PatchAsNode(StreamNetwork):
    """A graph network whose nodes see the picture at their joints.

    Args:
        layout, n_classes, channels_in: of the skeletons, see `SkeletonModel`.
        graph: network over skeletons of ``channels_in + width`` channels.
        picture: network over video that gives maps; its own classifier is not used.
        stream: name of its stream of pictures.
        width: channels that the picture adds to every node.
        drop: probability of leaving the picture out of a clip in training.
        frozen: train the graph network and the projection alone.

    Raises:
        ConfigError: for a network without maps, or values out of range.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int,
        graph: SkeletonModel,
        picture: VideoModel,
        stream: str = "rgb",
        width: int = 32,
        drop: float = 0.2,
        frozen: bool = False,
    ) -> None:
        if width < 1 or not 0 <= drop < 1:
            raise ConfigError(
                f"patch_as_node needs a width of at least 1 and drop in 0..1, got {width} and {drop}"
            )
        if graph.channels_in != channels_in + width:
            raise ConfigError(
                f"the graph network must take {channels_in} + {width} channels, got {graph.channels_in}"
            )
        encoders = {SKELETON: graph, stream: PictureMap(picture, frozen)}
        super().__init__(layout, n_classes, channels_in, encoders)
        self.stream, self.drop = stream, drop
        self.patches = JointPatches(picture.n_features, width)

    @property
    def head(self) -> nn.Module:
        """The classifier."""
        return self.graph.head

    @property
    def graph(self) -> SkeletonModel:
        """The network over joints."""
        return cast(SkeletonModel, self.encoders[SKELETON])

    @property
    def backbone(self) -> VideoModel:
        """The network over pictures."""
        return cast(PictureMap, self.encoders[self.stream]).network

    def start_stream(self, name: str, state: Mapping[str, Tensor], where: str) -> None:
        """Begin the network over pictures with the weights that it had alone.

        Raises:
            ConfigError: for another stream; the graph network sees more channels than one alone.
            CheckpointError: if the weights are of another network.
        """
        if name != self.stream:
            raise ConfigError(
                choices(name, [self.stream], "stream that can start alone (train.init_streams)")
            )
        state = {key: value for key, value in state.items() if not key.startswith("head.")}
        try:
            self.backbone.load_state_dict(state)
        except RuntimeError as error:
            raise CheckpointError(f"the weights of {where} do not fit model.picture: {error}") from None

    def reset_classifier(self, n_classes: int) -> None:
        """Give the network a new, untrained output layer."""
        self.n_classes = n_classes
        self.graph.reset_classifier(n_classes)

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
        """Logits ``[N, n_classes]``; arguments as for `StreamNetwork.forward`. Without pictures the nodes see 0."""
        clips, flags = self.present(self.stream, pictures, there, n_clips)
        if clips is None:
            nodes = x.new_zeros(*x.shape[:3], self.patches.project.out_features)
            nodes = nodes + zero_of(self.encoders[self.stream], self.patches)
        elif self.stream not in (places or {}):
            raise ConfigError(
                "patch_as_node needs to know where the joints are in the pictures: set "
                f"pipeline.pictures.{self.stream}.places to true"
            )
        else:
            at = (places or {})[self.stream]
            seen = to_mask(flags, x.device)
            if self.training and self.drop:
                seen = seen & (torch.rand(n_clips, device=x.device) >= self.drop)
            visible = at.there & seen[owner][:, None, None]
            maps = put_present(self.encoders[self.stream](clips), flags)
            nodes = self.patches(maps, owner, at.xy, visible, at.nearest)
        joined = torch.cat([x, nodes.to(x.dtype)], -1)
        return self.graph(joined, owner, score, n_clips)

    def extra_loss(self, label: Tensor) -> Tensor | None:
        """The graph network's own, see `SkeletonModel.extra_loss`."""
        return self.graph.extra_loss(label)

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        """Named stages: the picture's, the projection, the graph's."""
        rows = [(f"{self.stream}.{n}", p) for n, p in self.backbone.stages() if n != "head"]
        rows.append(("patches", [self.patches]))
        return rows + list(self.graph.stages())


@dataclass
class PatchAsNodeSettings(LayoutSettings):
    """Settings of `PatchAsNode`: its two networks, and how they are joined; see there."""

    needs_places = True

    name: Literal["patch_as_node"] = "patch_as_node"
    graph: StreamSettings = field(default_factory=STGCNSettings)
    picture: StreamSettings = field(default_factory=ResNet3dSettings)
    stream: str = "rgb"
    width: int = 32
    drop: float = 0.2
    frozen: bool = False

    @property
    def streams(self) -> dict[str, StreamSettings]:
        """The networks' settings by stream."""
        return {SKELETON: self.graph, self.stream: self.picture}

    def build(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int,
        pictures: Mapping[str, int] | None = None,
    ) -> PatchAsNode:
        """Make the network; arguments as for `LayoutSettings.build`."""
        channels = {**CHANNELS, **(pictures or {})}
        if self.stream not in channels:
            raise ConfigError(choices(self.stream, channels, "stream of pictures (model.stream)"))
        if not isinstance(self.graph, NetworkSettings):
            raise ConfigError(f"model.graph must name a network over skeletons, got '{self.graph.name}'")
        if not isinstance(self.picture, VideoSettings):
            raise ConfigError(f"model.picture must name a network over pictures, got '{self.picture.name}'")
        graph = self.graph.build(layout, n_classes, channels_in + self.width)
        picture = self.picture.build(n_classes, channels[self.stream])
        return PatchAsNode(
            layout, n_classes, channels_in, graph, picture, self.stream, self.width, self.drop, self.frozen
        )
