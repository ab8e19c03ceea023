"""`ReleasedPipeline`: an imported network sees exactly what its release's own loader feeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, DataError
from skelact.io.original import restore_bodies, split_info
from skelact.models.published.inputs.table import find_input, released_input


@dataclass
class ReleasedPipeline(Pipeline):
    """The pipeline of an imported checkpoint. Its other settings are the nearest of ours, to train on from.

    Args:
        release: a name of `skelact.models.published.PUBLISHED`.
        channels_in: values per joint that the network takes.

    Raises:
        CheckpointError, ConfigError: for an unknown release, or a stream that it does not have.
    """

    release: str = ""
    channels_in: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        self.released = find_input(self.release, self.streams[0])
        self._last: tuple[tuple, np.ndarray] | None = None

    def channels(self, dims: int) -> int:
        return self.channels_in

    def check(self, data: SkeletonSet, clips: Tensor) -> None:
        """Refuse a set that does not hold what the release reads, before anything is computed.

        Raises:
            DataError: naming the first such clip, and how many there are.
        """
        lacking = [i for i in clips.tolist() if split_info(data.infos[i])[1] is None]
        if not lacking:
            return
        try:
            restore_bodies(data.recording(lacking[0]))
        except DataError as error:
            raise DataError(
                f"the release '{self.release}' cannot be given its own input from {data.source or 'this set'} "
                f"({len(lacking)} of {len(clips)} clips): {error}"
            ) from None

    def unreadable(self, data: SkeletonSet, clips: Tensor) -> dict[int, str]:
        """The clips that the release cannot be given its own input from, and why."""
        reasons = {}
        for clip in clips.tolist():
            try:
                self._input(data, clip, None)
            except DataError as error:
                reasons[clip] = f"release '{self.release}': {error}"
        return reasons

    def __call__(
        self,
        data: SkeletonSet,
        clips: Tensor,
        *,
        training: bool = False,
        generator: torch.Generator | None = None,
        view: tuple[int, int] = (0, 1),
        crop: int | None = None,
    ) -> SkeletonBatch:
        """The batch that the network sees, absent people as the release made them; arguments as for `Pipeline`.

        Raises:
            ConfigError: for training, which a release's test input is not for.
            DataError: for a clip that does not hold what the release reads.
        """
        if training:
            raise ConfigError(
                "imported networks are fed for tests only; train on from one with train.init_from"
            )
        chosen = tuple(clips.tolist())
        key = (id(data), chosen, view[1])
        if self._last is None or self._last[0] != key:  # views of the same clips are asked for one by one
            self._last = key, np.stack([self._views(data, clip, view[1]) for clip in chosen])
        x = torch.from_numpy(self._last[1][:, view[0]]).to(data.device)
        n, label = len(clips), data.labels[clips.to(data.device)]
        if self.released.copies > 1:  # volumes
            every = torch.ones(n, device=x.device)
            return SkeletonBatch(x, every, torch.arange(n, device=x.device), label, data.layout)
        x = x.permute(0, 4, 2, 3, 1)  # [N, M, T, V, C]
        owner = torch.arange(n, device=x.device).repeat_interleave(x.shape[1])
        x = x.flatten(0, 1).contiguous()
        return SkeletonBatch(x, torch.ones_like(x[..., 0]), owner, label, data.layout)

    def _views(self, data: SkeletonSet, clip: int, views: int) -> np.ndarray:
        copies = self.released.copies
        if views > 1 and views % copies:
            raise ConfigError(
                f"the release '{self.release}' looks at each clip {copies} times; got {views} views"
            )
        return self._input(data, clip, max(1, views // copies))

    def _input(self, data: SkeletonSet, clip: int, n_samples: int | None) -> np.ndarray:
        bodies = restore_bodies(data.recording(clip))
        where = f"recording '{data.ids[clip]}'"
        return released_input(self.release, bodies, self.streams[0], n_samples, where)
