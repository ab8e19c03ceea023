"""`SkeletonBatch`: packed people, the input of every network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from skelact.layouts import SkeletonLayout

if TYPE_CHECKING:
    from torch_geometric.data import Batch, Data


@dataclass
class SkeletonBatch:
    """People of several clips, packed along one axis without padding.

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
        return replace(self, **changes)

    def graphs(self) -> list[Data]:
        """torch-geometric's ``Data``, a graph per clip, whose nodes are its people's joints.

        Nodes have ``x [T, C]`` over the frames, ``score [T]``, ``person`` (index in this batch) and ``joint``;
        edges are the skeleton's bones, both ways.
        """
        from torch_geometric.data import Data

        bones = torch.as_tensor(self.layout.edges, dtype=torch.int64, device=self.x.device).view(-1, 2).T
        both = torch.cat([bones, bones.flip(0)], 1)
        v = len(self.layout)
        graphs = []
        for clip in range(self.n_clips):
            people = (self.owner == clip).nonzero()[:, 0]
            first = v * torch.arange(len(people), device=self.x.device)
            graphs.append(
                Data(
                    x=self.x[people].transpose(1, 2).flatten(0, 1),
                    score=self.score[people].transpose(1, 2).flatten(0, 1),
                    edge_index=(both[:, None] + first[None, :, None]).flatten(1),
                    y=self.label[clip : clip + 1],
                    person=people.repeat_interleave(v),
                    joint=torch.arange(v, device=self.x.device).repeat(len(people)),
                    num_nodes=v * len(people),
                )
            )
        return graphs

    def to_pyg(self) -> Batch:
        """The `graphs` as torch-geometric's batch, whose ``batch`` says which clip a node belongs to."""
        from torch_geometric.data import Batch

        return Batch.from_data_list(list(self.graphs()))

    @classmethod
    def from_pyg(cls, graphs: Any, layout: SkeletonLayout) -> SkeletonBatch:
        """The inverse of `to_pyg`."""
        v = len(layout)
        x = graphs.x.view(-1, v, *graphs.x.shape[1:]).transpose(1, 2).contiguous()
        score = graphs.score.view(-1, v, graphs.score.shape[1]).transpose(1, 2).contiguous()
        return cls(x, score, graphs.batch[::v], graphs.y, layout)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> SkeletonBatch:
        """The batch on another device."""
        moved = {
            name: value.to(device, non_blocking=non_blocking)
            for name, value in vars(self).items()
            if isinstance(value, Tensor)
        }
        return self.replace(**moved)
