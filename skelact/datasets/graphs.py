"""`SkeletonGraphs`: the clips of a set as torch-geometric's ``Data``, for its loaders and networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.data import Dataset

from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet

if TYPE_CHECKING:
    from torch_geometric.data import Data


class SkeletonGraphs(Dataset):
    """One graph per clip, made when it is asked for; see `SkeletonBatch.graphs` for what a graph holds.

    All graphs have the pipeline's number of frames, so that ``torch_geometric.loader.DataLoader`` can join them;
    `SkeletonBatch.from_pyg` turns its batches back.

    Args:
        data: the set.
        clips: clip numbers ``[N]``, such as ``data.split(name)``; None: all.
        pipeline: sampling, normalisation and streams; None: `Pipeline`'s defaults.
        training: sample at random and augment.
        generator: for the random choices; on the set's device.

    Raises:
        IndexError: for a graph beyond the last.
    """

    def __init__(
        self,
        data: SkeletonSet,
        clips: Tensor | None = None,
        pipeline: Pipeline | None = None,
        training: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        self.data, self.pipeline = data, Pipeline() if pipeline is None else pipeline
        self.clips = torch.arange(len(data)) if clips is None else torch.as_tensor(clips)
        self.training, self.generator = training, generator

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Data:
        clip = self.clips[index].view(1)
        batch = self.pipeline(self.data, clip, training=self.training, generator=self.generator)
        return batch.graphs()[0]

    def __iter__(self) -> Iterator[Data]:
        return (self[i] for i in range(len(self)))
