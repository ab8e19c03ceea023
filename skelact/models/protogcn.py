"""ProtoGCN: prototype reconstruction of topologies and contrastive learning (Liu et al., CVPR 2025)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.models.base import GraphModel
from skelact.models.dgstgcn import dynamic_blocks
from skelact.models.settings import NetworkSettings
from skelact.nn.block import Block
from skelact.nn.pooling import pool_clips
from skelact.nn.spatial.dynamic import DynamicGraphConv
from skelact.nn.spatial.prototype import ClassContrast, PrototypeReconstruction


class ProtoGCN(GraphModel):
    """ProtoGCN for any layout, any number of people and frames.

    The blocks are DG-STGCN's. In training, the last block's topology refinement is reconstructed from prototypes
    for a class-specific contrastive loss (`extra_loss`), on which the logits do not depend.

    Args:
        layout: the skeleton layout or its name.
        n_classes: number of actions.
        channels_in: input channels per joint, such as 3 for positions.
        channels: output channels of each block.
        stride_blocks: blocks (0-based) with a temporal stride of 2.
        kernels: ``(kernel size, dilation)`` of the temporal branches.
        n_partitions, ratio: see `DynamicGraphConv`.
        n_prototypes: number of prototypes.
        contrast: weight of the contrastive loss; 0: without.
        dropout: in every block after the first.
        padded_people: 0, or the people per clip of published weights (see `SkeletonModel`).

    Raises:
        ConfigError: for invalid settings.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        channels: Sequence[int] = (96, 96, 96, 96, 192, 192, 192, 384, 384, 384),
        stride_blocks: Sequence[int] = (4, 7),
        kernels: Sequence[tuple[int, int]] = ((3, 1), (3, 2), (3, 3), (3, 4)),
        n_partitions: int = 8,
        ratio: float = 0.125,
        n_prototypes: int = 400,
        contrast: float = 0.2,
        dropout: float = 0.0,
        padded_people: int = 0,
    ) -> None:
        n_joints = len(get_layout(layout))
        blocks = dynamic_blocks(
            n_joints, (channels_in, *channels), stride_blocks, kernels, n_partitions, ratio, False, dropout
        )
        if n_prototypes < 1 or contrast < 0:
            raise ConfigError(
                f"ProtoGCN needs at least 1 prototype and a contrast of at least 0, got "
                f"n_prototypes={n_prototypes}, contrast={contrast:g}"
            )
        last = blocks[-1].spatial
        assert isinstance(last, DynamicGraphConv)
        self.contrast_weight = contrast
        super().__init__(layout, n_classes, channels_in, blocks, channels[-1], padded_people)
        self.prototypes = PrototypeReconstruction(last.post.in_features, n_prototypes)
        self.contrast = ClassContrast(n_joints * n_joints, n_classes) if contrast else None
        last.keep_topology = contrast > 0
        self.prototypes.requires_grad_(contrast > 0)  # unused without the contrastive loss
        self._kept: tuple[Tensor, Tensor] | None = None  # topologies of clips and logits of the last step

    @property
    def _last(self) -> DynamicGraphConv:
        block = self.blocks[-1]
        assert isinstance(block, Block) and isinstance(block.spatial, DynamicGraphConv)
        return block.spatial

    def reset_classifier(self, n_classes: int) -> None:
        super().reset_classifier(n_classes)
        old = getattr(self, "contrast", None)
        if isinstance(old, ClassContrast):
            features, hidden = old.project.in_features, old.project.out_features
            self.contrast = ClassContrast(features, n_classes, hidden).to(old.memory)
            self.contrast.project.load_state_dict(old.project.state_dict())

    def forward(
        self, x: Tensor, owner: Tensor | None = None, score: Tensor | None = None, n_clips: int | None = None
    ) -> Tensor:
        logits = super().forward(x, owner, score, n_clips)
        if self.training and self.contrast is not None:
            topology, self._last.kept = self._last.kept, None
            if topology is not None:
                present = None if score is None else (score > 0).flatten(1).any(1)
                self._kept = _of_clips(topology, owner, len(logits), present), logits.detach()
        return logits

    def extra_loss(self, label: Tensor) -> Tensor | None:
        if self.contrast is None or self._kept is None:
            return None
        (topology, logits), self._kept = self._kept, None
        return self.contrast_weight * self.contrast(self.prototypes(topology), label, logits)


def _of_clips(topology: Tensor, owner: Tensor | None, n_clips: int, present: Tensor | None) -> Tensor:
    """Mean of the topologies ``[P, C, V, V]`` of the people of each clip."""
    if owner is None:
        return topology
    flat = topology[: len(owner)].flatten(1)  # padded networks have absent people at the end
    return pool_clips(flat, owner, n_clips, present).view(n_clips, *topology.shape[1:])


@dataclass
class ProtoGCNSettings(NetworkSettings):
    """Settings of `ProtoGCN`; see there."""

    network = ProtoGCN

    name: Literal["protogcn"] = "protogcn"
    channels: tuple[int, ...] = (96, 96, 96, 96, 192, 192, 192, 384, 384, 384)
    stride_blocks: tuple[int, ...] = (4, 7)
    kernels: tuple[tuple[int, int], ...] = ((3, 1), (3, 2), (3, 3), (3, 4))
    n_partitions: int = 8
    ratio: float = 0.125
    n_prototypes: int = 400
    contrast: float = 0.2
    dropout: float = 0.0
    padded_people: int = 0
