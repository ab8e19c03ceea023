"""Reading a stream of pictures: into memory, or, where it is too large for that, for every batch."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.clip_sampling import Framing, follow_boxes, middle_box
from skelact.datasets.pictures import KINDS, PictureSet
from skelact.errors import ConfigError, DataError, SkelactError
from skelact.io.flow_cache import flow_info, read_cached_flow
from skelact.io.video import Video
from skelact.io.video_frames import frame_times, read_frames, stated_end
from skelact.io.workers import WorkerPool
from skelact.nn.present import Flags

log = logging.getLogger(__name__)

LIMIT = 8 << 30  # bytes of decoded pictures in memory
MISSING_LISTED = 5
AHEAD = 8  # clips that a process may be ahead of the oldest one that is not ready
USUAL_FPS = 25.0  # of a file of flow with one field


@dataclass(frozen=True)
class PictureTask:
    """The pictures of one clip: which file (and file of flow), from when to when, and how they are kept.

    Args:
        clip: its number.
        name: of the stream.
        path: the video.
        flow: file of its flow, to read instead.
        start, end: of the clip [s]; None: the video's end.
        boxes: of the people, ``[n, 5]`` (seconds, left, top, right, bottom as shares of the picture).
        framing: which part of the picture, at what size.
        fps: frames a second; 0: every field of the flow.
        number: ``[T]`` numbers of the frames to read; None: all.
        measure: say how many frames there are, and read none.
    """

    clip: int
    name: str
    path: str
    flow: str | None
    start: float
    end: float | None
    boxes: np.ndarray | None
    framing: Framing
    fps: float
    number: np.ndarray | None = None
    measure: bool = False


@dataclass(frozen=True)
class PictureResult:
    """What became of a task.

    Args:
        clip: its number.
        frames: ``[T, H, W, C]`` uint8; None: there are none, or they were only measured.
        why: there are none.
        n_frames: of the clip.
        fps: frames a second.
        end: of the clip [s].
        regions: ``[T, 4]``, see `PictureSet`.
        unit: across and down, see `PictureSet`.
    """

    clip: int
    frames: np.ndarray | None = None
    why: str = ""
    n_frames: int = 0
    fps: float = 1.0
    end: float = 0.0
    regions: np.ndarray | None = None
    unit: tuple[float, float] = (1.0, 1.0)


def read_pictures(task: PictureTask) -> PictureResult:
    """Read the pictures of a clip; whatever is wrong with its files becomes part of the result.

    Raises:
        ConfigError: what would go wrong with every other clip too.
    """
    try:
        return _read(task)
    except ConfigError:
        raise
    except SkelactError as error:
        return PictureResult(task.clip, why=str(error))
    except (OSError, ValueError, RuntimeError) as error:  # one bad file never stops the rest
        return PictureResult(task.clip, why=f"{task.path}: {type(error).__name__}: {error}")


def kept_times(task: PictureTask) -> tuple[np.ndarray, float, float]:
    """Seconds of the frames that are kept of a clip, how many a second, and when the clip ends."""
    if task.measure or task.number is not None:
        last = task.end if task.number is not None and task.end is not None else stated_end(task.path)
    else:
        last = float(frame_times(task.path)[-1])
    end = last if task.end is None else min(task.end, last)
    if end < task.start:
        raise DataError(f"{task.path} ends at {end:.3f} s, before its clip begins at {task.start:.3f} s")
    if task.fps or task.flow is None:
        n = max(1, int((end - task.start) * task.fps + 1e-6) + 1)
        return np.minimum(task.start + np.arange(n) / task.fps, end), task.fps, end
    known = frame_times(task.flow)
    inside = known[(known >= task.start - 1e-3) & (known <= end + 1e-3)]
    if not len(inside):
        raise DataError(f"{task.flow} has no field from {task.start:.3f} s to {end:.3f} s")
    fps = (len(inside) - 1) / (inside[-1] - inside[0]) if len(inside) > 1 else USUAL_FPS
    return inside, float(fps), end


def _read(task: PictureTask) -> PictureResult:
    times, fps, end = kept_times(task)
    n_frames, size = len(times), task.framing.size
    if task.number is not None:
        times = times[np.minimum(task.number, n_frames - 1)]
    follows = task.framing.follows
    if follows and task.boxes is None:
        raise DataError(
            f"{task.path}: nobody's place in the picture is known (or the hand was never seen), so there is nobody to "
            "follow; use framing.region: whole"
        )
    shown = shown_regions(task, times)
    unit = (1.0, 1.0)
    if task.flow is not None and not follows:
        info = flow_info(task.flow)
        wide, high = (1.0, 1.0) if shown is None else (shown[1][0, 2:] - shown[1][0, :2]).tolist()
        unit = (size[1] / (info.width * wide), size[0] / (info.height * high))
    known = PictureResult(task.clip, None, "", n_frames, fps, end, None, unit)
    if task.measure:
        return known
    box = None
    if shown is not None:
        box, regions = shown
        known = replace(known, regions=regions)
    if task.flow is not None:
        fields, _ = read_cached_flow(task.flow, times, size=size, box=box)
        return replace(known, frames=np.ascontiguousarray(fields.transpose(0, 2, 3, 1)))
    frames = read_frames(task.path, times, size=size, box=box)
    if KINDS[task.name].channels == 1:
        weights = np.array([0.299, 0.587, 0.114], np.float32)
        frames = np.rint(frames @ weights)[..., None].astype(np.uint8)
    return replace(known, frames=frames)


def shown_regions(task: PictureTask, times: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The part of the picture that is shown at ``times [T]``: ``[T, 4]`` in whole pixels, and as shares; None: all."""
    framing = task.framing
    if framing.region == "whole" and framing.aspect == "stretch":
        return None
    with Video(task.path, threads=1) as video:
        height, width = video.height, video.width
    size = np.array([width, height] * 2)
    if framing.region == "whole":
        box = np.tile(np.array(middle_box(height, width, framing.size), np.float64), (len(times), 1))
    else:
        assert task.boxes is not None
        boxes = np.column_stack([task.boxes[:, 0], task.boxes[:, 1:] * size])
        box = np.rint(follow_boxes(boxes, times, framing.margin, framing.smooth))
    return box, (box / size).astype(np.float32)


class DecodedPictures(PictureSet):
    """A stream of pictures that is decoded for every batch, in processes of its own; the numbers are the same.

    Args:
        name, bound, missing: see `PictureSet`.
        tasks: of the clips that have the stream.
        measured: what was found of them.
        n_clips: N of the set.
        pool: the processes.
    """

    def __init__(
        self, name: str, tasks: Sequence[PictureTask], measured: Mapping[int, PictureResult], n_clips: int,
        pool: _Pool, bound: float = 20.0, missing: Mapping[int, str] | None = None,
    ) -> None:  # fmt: skip
        self.tasks = {
            t.clip: replace(t, end=measured[t.clip].end, measure=False) for t in tasks if t.clip in measured
        }
        found = [measured.get(k, PictureResult(k)) for k in range(n_clips)]
        height, width = tasks[0].framing.size
        super().__init__(
            name, torch.empty(0, height, width, KINDS[name].channels, dtype=torch.uint8),
            torch.tensor([r.n_frames for r in found]), torch.tensor([r.fps for r in found]), bound, missing,
            unit=torch.tensor([r.unit for r in found]),
        )  # fmt: skip
        framing = tasks[0].framing
        self.whole = framing.region == "whole" and framing.aspect == "stretch"
        self.pool = pool

    def take(self, clips: Tensor, number: Tensor) -> tuple[Tensor, Flags]:
        wanted = [
            (row, replace(self.tasks[clip], number=number[row].cpu().numpy()))
            for row, clip in enumerate(clips.tolist())
            if clip in self.tasks
        ]
        height, width = self.size
        out = torch.zeros(*number.shape, height, width, self.kind.channels, dtype=torch.uint8)
        there = [False] * len(clips)
        for (row, task), result in zip(wanted, self.pool.read([t for _, t in wanted]), strict=True):
            if result.frames is None:
                log.warning("a clip is left out: %s", result.why)
                self.missing[task.clip] = result.why
                self.tasks.pop(task.clip, None)
            else:
                out[row], there[row] = torch.from_numpy(result.frames), True
        return out.to(self.device), tuple(there)

    def regions_at(self, clips: Tensor, share: Tensor) -> Tensor | None:
        if self.whole:
            return None
        out = torch.zeros(*share.shape, 4)
        number = (share * (self.length[clips] - 1).clamp_min(0)[:, None]).round().long().cpu().numpy()
        for row, clip in enumerate(clips.tolist()):
            if clip in self.tasks:
                task = replace(self.tasks[clip], number=number[row])
                times = kept_times(task)[0]
                shown = shown_regions(task, times[number[row]])
                assert shown is not None
                out[row] = torch.from_numpy(shown[1])
        return out.to(self.device)

    def to(self, device: torch.device | str) -> PictureSet:
        moved = object.__new__(DecodedPictures)
        moved.__dict__.update(self.__dict__)
        for name in ("length", "first", "fps", "unit"):
            setattr(moved, name, getattr(self, name).to(device))
        return moved


class _Pool:
    """Processes that read pictures, started when they are first needed and ended with their owner."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: WorkerPool[PictureTask, PictureResult] | None = None
        self._lock = threading.Lock()

    def read(self, tasks: Sequence[PictureTask]) -> Iterator[PictureResult]:
        """The results in the order of the tasks."""
        if not self.workers:
            yield from map(read_pictures, tasks)
            return
        with self._lock:  # training and validation may ask from two threads
            if self._pool is None:
                self._pool = WorkerPool(read_pictures, self.workers, _failed)
                self._end = weakref.finalize(self, self._pool.close)
            yield from self._pool.in_order(tasks, ahead=AHEAD * self.workers)

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._end()


def load_pictures(
    tasks: Sequence[PictureTask],
    name: str,
    n_clips: int,
    reasons: Mapping[int, str] | None = None,
    *,
    workers: int = 0,
    bound: float = 20.0,
    progress: Callable[[int, int, str], None] | None = None,
    limit: int | None = None,
) -> PictureSet:
    """Make a stream of a set ready: decoded into memory, or for every batch if that takes more than ``limit``.

    Args:
        tasks: one for each clip that has a video.
        name: of the stream.
        n_clips: N of the set.
        reasons: why other clips have none.
        workers: processes that decode; 0: this one.
        bound: of flow.
        progress: called with (done, total, what).
        limit: bytes in memory; None: `LIMIT`.

    Raises:
        DataError: if no clip has the stream.
    """
    missing = dict(reasons or {})
    with ExitStack() as stack:
        pool = stack.enter_context(_Pool(workers))

        def run(tasks: Sequence[PictureTask], what: str) -> dict[int, PictureResult]:
            good: dict[int, PictureResult] = {}
            for k, result in enumerate(pool.read(tasks)):
                if result.why:
                    missing[result.clip] = result.why
                else:
                    good[result.clip] = result
                if progress:
                    progress(k + 1, len(tasks), f"{what} {name}")
            if not good:
                why = "; ".join(list(dict.fromkeys(missing.values()))[:MISSING_LISTED])
                raise DataError(f"no clip has the stream {name}: {why}")
            return good

        measured = run([replace(task, measure=True) for task in tasks], "measuring")
        tasks = [task for task in tasks if task.clip in measured]
        each = int(np.prod(tasks[0].framing.size)) * KINDS[name].channels
        total = each * sum(result.n_frames for result in measured.values())
        resident = total <= (LIMIT if limit is None else limit)
        found = run(tasks, "reading") if resident else {}
        if not resident:  # its processes go on
            stack.pop_all()
    for clip in list(missing)[:MISSING_LISTED]:
        log.warning("a clip has no %s: %s", name, missing[clip])
    if len(missing) > MISSING_LISTED:
        log.warning("and %d more clips have no %s", len(missing) - MISSING_LISTED, name)
    if not resident:
        log.warning(
            "the stream %s would take %.1f GiB in memory and is decoded for every batch; fewer or smaller frames "
            "(pipeline.pictures.%s.fps and framing.size) would fit",
            name, total / (1 << 30), name,
        )  # fmt: skip
        return DecodedPictures(name, tasks, measured, n_clips, pool, bound, missing)
    return _join(name, found, n_clips, bound, missing)


def _join(
    name: str, found: dict[int, PictureResult], n_clips: int, bound: float, missing: Mapping[int, str]
) -> PictureSet:
    """Results as one table; they are let go one by one."""
    length = torch.zeros(n_clips, dtype=torch.int64)
    fps, unit = torch.ones(n_clips), torch.ones(n_clips, 2)
    for clip, result in found.items():
        length[clip], fps[clip], unit[clip] = result.n_frames, result.fps, torch.tensor(result.unit)
    frames = None
    row, regions = 0, []
    for clip in sorted(found):
        result = found.pop(clip)
        assert result.frames is not None
        if frames is None:
            frames = torch.empty(int(length.sum()), *result.frames.shape[1:], dtype=torch.uint8)
        frames[row : row + result.n_frames] = torch.from_numpy(result.frames)
        row += result.n_frames
        regions += [] if result.regions is None else [torch.from_numpy(result.regions)]
    assert frames is not None
    return PictureSet(
        name, frames, length, fps, bound, missing, torch.cat(regions) if regions else None, unit
    )


def _failed(task: PictureTask, why: str) -> PictureResult:
    return PictureResult(task.clip, why=f"{task.path}: {why}")
