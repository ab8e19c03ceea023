"""`VideoClips`: batches of video, decoded ahead of their use by worker processes."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.clip_reading import ClipResult, ClipSampling, ClipTask, Framing, read_clip
from skelact.datasets.clip_table import ClipTable
from skelact.datasets.prefetch import Prefetcher
from skelact.errors import ConfigError, DataError
from skelact.io.flow_cache import flow_path
from skelact.io.workers import WorkerPool

logger = logging.getLogger(__name__)


@dataclass
class ClipBatch:
    """Clips of video as they were decoded.

    Args:
        frames: ``[N, T, H, W, C]`` uint8; a clip with several views has as many rows, one after the other.
        row: ``[N]`` of the clip in its table.
        label: ``[N]`` class, -1 = unknown.
    """

    frames: Tensor
    row: Tensor
    label: Tensor

    def __len__(self) -> int:
        return len(self.row)

    def tensors(self) -> list[Tensor]:
        """Everything that lies on the batch's device."""
        return [self.frames, self.row, self.label]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> ClipBatch:
        """The batch on another device."""
        return ClipBatch(*(tensor.to(device, non_blocking=non_blocking) for tensor in self.tensors()))


class VideoClips:
    """Reads the clips of a table in batches. Use it with ``with``, or `close` it.

    A clip that cannot be read is listed in ``failed`` with the reason, and left out from then on. A worker process
    that dies is replaced, and its clip tried once more.

    Args:
        table: the clips.
        sampling: which moments.
        framing: which part of the picture, at what size.
        flow: folder of the videos' flow, as ``skelact extract --flow`` made it: it is read instead of the pictures,
            C = 2 and 128 is 0 (`skelact.transforms.video.flow_to_float`). With equal generators, pictures and flow
            are of the same moments.
        workers: processes that decode; 0: none, it is done when a batch is asked for.
        ahead: batches that are ready or in the making, at most, before they are asked for.

    Attributes:
        failed: row and reason of every clip that could not be read.
        waited: seconds that the last iteration has waited for batches.
    """

    def __init__(
        self,
        table: ClipTable,
        sampling: ClipSampling | None = None,
        framing: Framing | None = None,
        *,
        flow: str | Path | None = None,
        workers: int = 2,
        ahead: int = 2,
    ) -> None:
        if workers < 0 or ahead < 1:
            raise ConfigError(f"workers must be 0 or more, and ahead 1 or more; got {workers} and {ahead}")
        self.table = table
        self.sampling, self.framing = sampling or ClipSampling(), framing or Framing()
        self.failed: dict[int, str] = {}
        self.waited = 0.0
        self._ahead = ahead
        self._flow = None if flow is None else Path(flow)
        self._pool = WorkerPool[ClipTask, ClipResult](read_clip, workers, _failed) if workers else None

    def __len__(self) -> int:
        return len(self.table)

    def __enter__(self) -> VideoClips:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes; harmless when called twice."""
        if self._pool is not None:
            self._pool.close()

    def batches(
        self,
        rows: Sequence[int] | Tensor,
        batch_size: int,
        *,
        training: bool = False,
        generator: torch.Generator | None = None,
    ) -> Iterator[ClipBatch]:
        """Batches of clips in this order.

        Args:
            rows: of the table; shuffle them for training.
            batch_size: clips in a batch, fewer where some cannot be read; each is ``sampling.views`` rows in testing.
            training: one sample of each clip, at moments drawn from ``generator``, whatever the workers do.
            generator: where random numbers come from, on the CPU.

        Raises:
            DataError: if none of the clips can be read.
        """
        tasks = [self._task(int(k), training, generator) for k in rows if int(k) not in self.failed]
        n_batches = -(-len(tasks) // batch_size)
        n_read = 0
        results = (
            map(read_clip, tasks)
            if self._pool is None
            else self._pool.in_order(tasks, ahead=batch_size * self._ahead)
        )

        def make(k: int) -> ClipBatch | None:
            n = min(batch_size, len(tasks) - k * batch_size)
            return self._collect([next(results) for _ in range(n)])

        ready = Prefetcher(make, n_batches, ahead=0 if self._pool is None else self._ahead)
        batches = iter(ready)
        try:
            for batch in batches:
                self.waited = ready.waited
                if batch is not None:
                    n_read += len(batch)
                    yield batch
        finally:
            batches.close()
            if isinstance(results, Generator):
                results.close()
        if not n_read:
            raise DataError(self._nothing(rows))

    def _task(self, row: int, training: bool, generator: torch.Generator | None) -> ClipTask:
        if training:
            shares = torch.rand(1, self.sampling.n_parts, generator=generator, dtype=torch.float64).numpy()
        else:
            shares = self.sampling.test_shares()
        path = str(self.table.path(row))
        clip = self.table[row]
        flow = None if self._flow is None else str(flow_path(self._flow, clip.video))
        return ClipTask(row, path, clip, shares, self.sampling, self.framing, flow)

    def _collect(self, results: Sequence[ClipResult]) -> ClipBatch | None:
        good: list[tuple[int, np.ndarray]] = []
        for result in results:
            if result.frames is None:
                self.failed[result.row] = str(result.error)
                logger.warning("a clip is left out: %s", result.error)
            else:
                good.append((result.row, result.frames))
        if not good:
            return None
        views = len(good[0][1])
        rows = np.repeat([row for row, _ in good], views)
        return ClipBatch(
            torch.from_numpy(np.concatenate([frames for _, frames in good])),
            torch.from_numpy(rows),
            torch.from_numpy(self.table.labels[rows]),
        )

    def _nothing(self, rows: Sequence[int] | Tensor) -> str:
        if not len(rows):
            return "no clips were asked for; name rows of the table"
        reasons = [self.failed[int(k)] for k in rows if int(k) in self.failed]
        return f"none of {len(rows)} clips can be read: {'; '.join(reasons[:3])}"


def _failed(task: ClipTask, why: str) -> ClipResult:
    return ClipResult(task.row, error=f"{task.path}: {why}")
