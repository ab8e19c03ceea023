"""`SkeletonBatch`: packed people, the input of every network."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from skelact.layouts import SkeletonLayout


@dataclass
class SkeletonBatch:
    """People of several clips, packed one after another; nobody is padded.

    Args:
        x: positions or streams ``[P, T, V, C]``.
        score: ``[P, T, V]``, 0 = missing.
        owner: ``[P]`` which clip each person belongs to (PyG's batch vector), not decreasing.
        label: ``[N]`` class per clip, -1 = unknown.
        layout: of the joints.
        origin: of the positions, see `Skeleton`.
        rgb, flow: optional ``[N, C, T, H, W]`` video of the same clips.
    """

    x: Tensor
    score: Tensor
    owner: Tensor
    label: Tensor
    layout: SkeletonLayout
    origin: str = "camera"
    rgb: Tensor | None = None
    flow: Tensor | None = None

    @property
    def n_clips(self) -> int:
        """N."""
        return len(self.label)

    @property
    def n_people(self) -> int:
        """P, over all clips."""
        return len(self.owner)

    def replace(self, **changes: object) -> SkeletonBatch:
        """A copy with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> SkeletonBatch:
        """The batch on another device."""
        moved = {
            name: value.to(device, non_blocking=non_blocking)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return self.replace(**moved)
