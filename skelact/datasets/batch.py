"""`SkeletonBatch`: packed people, the input of every network."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from skelact.errors import DataError, choices, counted
from skelact.layouts import SkeletonLayout
from skelact.nn.present import Flags, read_flags, to_mask
from skelact.transforms.places import Places

if TYPE_CHECKING:
    from torch_geometric.data import Batch, Data


@dataclass(repr=False)
class SkeletonBatch:
    """People of several clips, packed along one axis without padding.

    Args:
        x: positions or streams ``[P, T, V, C]``.
        score: ``[P, T, V]``, 0 = missing.
        owner: ``[P]`` which clip each person belongs to (PyG's batch vector), not decreasing.
        label: ``[N]`` class per clip, -1 = unknown.
        layout: of the joints.
        origin: of the positions, see `Skeleton`.
        pictures: further streams of the same clips by name (``rgb``, ``flow``, ``depth``), ``[N, C, T, H, W]``; clips
            that lack a stream hold any numbers there.
        there: by the name of a stream, which of the N clips have it, booleans on the host (a tensor is made one); a
            stream without an entry is there in all.
        places: by the name of a stream, where the joints are in its pictures, if that was asked for.
        track: ``[P]`` row of each person in the set's table of tracks; None: not from a set.
    """

    x: Tensor
    score: Tensor
    owner: Tensor
    label: Tensor
    layout: SkeletonLayout
    origin: str = "camera"
    pictures: dict[str, Tensor] = field(default_factory=dict)
    there: dict[str, Flags] = field(default_factory=dict)
    places: dict[str, Places] = field(default_factory=dict)
    track: Tensor | None = None

    def __repr__(self) -> str:
        p, t, v, c = self.x.shape
        more = f", pictures {', '.join(self.pictures)}" if self.pictures else ""
        return (
            f"SkeletonBatch({counted(len(self.label), 'clip')}, {counted(p, 'person', 'people')}, "
            f"{counted(t, 'frame')}, {counted(v, 'joint')} ({self.layout.name}), {c} "
            f"channels, on {self.x.device}{more})"
        )

    def __post_init__(self) -> None:
        self.there = {name: read_flags(flags) for name, flags in self.there.items()}
        for name in self.there:
            if name not in self.pictures:
                raise DataError(choices(name, self.pictures, "stream that is said to be there"))
        for name, value in [*self.pictures.items(), *self.there.items()]:
            if len(value) != len(self.label):
                raise DataError(f"stream '{name}' has {len(value)} clips, and the batch {len(self.label)}")

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

        def move(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: move(inner) for name, inner in value.items()}
            if isinstance(value, Places):
                return Places(*(move(inner) for inner in value))
            return value.to(device, non_blocking=non_blocking) if isinstance(value, Tensor) else value

        return self.replace(**{name: move(value) for name, value in vars(self).items()})

    def tensors(self) -> list[Tensor]:
        """Everything that lies on the batch's device."""
        inner = [*self.pictures.values(), *chain(*self.places.values())]
        return [v for v in [*vars(self).values(), *inner] if isinstance(v, Tensor)]

    def has(self, name: str) -> Tensor:
        """``[N]`` bool: which clips have a stream."""
        if name in self.there:
            return to_mask(self.there[name], self.label.device)
        return torch.full((self.n_clips,), name in self.pictures, device=self.label.device)
