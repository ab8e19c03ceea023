"""Pictures beside skeletons: each clip's video, decoded once at the size that is needed, and sampled in batches.

A stream of pictures is a table like the skeletons' own: all frames of all clips end to end, 8 bits a channel, and
where each clip begins. Samples are taken from it in a few tensor operations, in step with the skeletons' window.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.clip_reading import ClipSampling, Framing, follow_boxes
from skelact.errors import ConfigError, DataError, SkelactError, choices
from skelact.io.flow_cache import read_cached_flow
from skelact.io.video_frames import frame_times, read_frames
from skelact.io.workers import WorkerPool
from skelact.transforms import video as transforms

log = logging.getLogger(__name__)

LIMIT = 8 << 30  # bytes of decoded pictures in memory
MISSING_LISTED = 5


@dataclass(frozen=True)
class Kind:
    """One kind of stream.

    Args:
        channels: of a frame.
        video: whether the pictures are the colour or the depth video's (``video``, ``depth_video``).
        flow: how optical flow is found, see `skelact.io.flow.FLOWS`; empty: the pictures themselves.
    """

    channels: int
    video: str = "video"
    flow: str = ""


KINDS = {
    "rgb": Kind(3),
    "grey": Kind(1),
    "flow": Kind(2, flow="dis"),
    "motion": Kind(2, flow="motion"),
    "depth": Kind(1, video="depth_video"),
    "depth_flow": Kind(2, video="depth_video", flow="dis"),
}


@dataclass
class PictureInput:
    """What a network sees of one stream of pictures.

    Args:
        sampling: which moments, within the window that is seen of the skeletons.
        framing: which part of the picture, at the size in which it is kept in memory.
        fps: frames a second that are kept in memory.
        crop: side of the square that the network sees [pixels]: cut out at random in training, the middle otherwise.
        scales: sides of the random squares, as shares of the kept picture's shorter side.
        flip: probability of mirroring in training.
        jitter: amount of change of brightness and contrast (and of colours) in training, see `colour_jitter`.

    Raises:
        ConfigError: for values out of range.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    sampling: ClipSampling = field(default_factory=lambda: ClipSampling("segments", n_frames=1, segments=16))
    framing: Framing = field(default_factory=lambda: Framing((128, 128)))
    fps: float = 15.0
    crop: int = 112
    scales: tuple[float, ...] = (1.0, 0.875)
    flip: float = 0.0
    jitter: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.fps <= 1000 or not 1 <= self.crop <= min(self.framing.size):
            raise ConfigError(
                f"pictures need fps above 0 and a crop of 1 to {min(self.framing.size)} pixels (the kept size), got "
                f"{self.fps} and {self.crop}"
            )
        if not 0 <= self.flip <= 1 or not 0 <= self.jitter < 1:
            raise ConfigError(f"flip and jitter must lie in 0..1, got {self.flip} and {self.jitter}")
        if not self.scales or not all(0 < s <= 1 for s in self.scales):
            raise ConfigError(f"scales must be shares in 0..1, got {list(self.scales)}")

    def kept_as(self, name: str) -> str:
        """What a stream is known by in ``SkeletonSet.pictures``: networks may keep it differently."""
        return f"{name} {self.framing} {self.fps:g}"


def check_pictures(pictures: Mapping[str, PictureInput]) -> None:
    """Raise `ConfigError` for a stream of pictures that is not known."""
    for name in pictures:
        if name not in KINDS:
            raise ConfigError(choices(name, KINDS, "stream of pictures"))


class PictureSet:
    """One stream of pictures of all clips of a set.

    Args:
        name: one of `KINDS`.
        frames: ``[F, H, W, C]`` uint8, the clips end to end.
        length: ``[N]`` frames of each clip, 0 = the clip lacks the stream.
        fps: frames a second.
        bound: of flow, see `flow_to_float`.
        missing: why clips lack the stream, by their number.
    """

    def __init__(
        self,
        name: str,
        frames: Tensor,
        length: Tensor,
        fps: float,
        bound: float = 20.0,
        missing: Mapping[int, str] | None = None,
    ) -> None:
        self.name, self.kind, self.frames, self.fps, self.bound = name, KINDS[name], frames, fps, bound
        self.length, self.first = length, length.cumsum(0) - length
        self.missing = dict(missing or {})

    def sample(
        self,
        clips: Tensor,
        seen: PictureInput,
        window: Tensor,
        *,
        training: bool = False,
        generator: torch.Generator | None = None,
        view: tuple[int, int] = (0, 1),
    ) -> tuple[Tensor, Tensor]:
        """What a network sees of clips.

        Args:
            clips: ``[N]`` numbers.
            seen: which moments and which part of the picture.
            window: ``[N, 2]`` where in the clip the sample lies, from and to, as shares of it.
            training: draw moments, crops and colours from ``generator``.
            generator: on the device of ``window``.
            view: (i, n): the i-th of n samples in evaluation.

        Returns:
            ``[N, C, T, crop, crop]`` float32, normalised, and ``[N]`` booleans: which clips have the stream.
        """
        place = self.frames.device
        clips, window = clips.to(place), window.to(place)
        length, first = self.length[clips], self.first[clips]
        span = (length - 1).clamp_min(0).to(torch.float32) / self.fps
        sampling = seen.sampling
        if training:
            shares = torch.rand(
                len(clips), sampling.n_parts, generator=generator, device=_device(generator, place)
            )
        else:
            shares = torch.full((len(clips), sampling.n_parts), (view[0] + 0.5) / view[1])
        times = spread_moments(
            sampling, window[:, :1] * span[:, None], window[:, 1:] * span[:, None], shares.to(place)
        )
        number = (times * self.fps).round().long().minimum((length - 1)[:, None]).clamp_min(0)
        rows = (first[:, None] + number).clamp_max(len(self.frames) - 1)
        taken = self.frames[rows.flatten()].view(*rows.shape, *self.frames.shape[1:])
        flow = bool(self.kind.flow)
        x = transforms.flow_to_float(taken, self.bound) if flow else transforms.to_float(taken)
        size = (seen.crop, seen.crop)
        if training:
            x = transforms.multi_scale_crop(x, size, generator, seen.scales, square=True)
            if seen.flip:
                x = transforms.flip(x, seen.flip, generator, flow=flow)
            if seen.jitter and not flow:
                x = change_light(x, seen.jitter, generator)
        else:
            x = transforms.crop_views(x, size)[:, 0]
        return (x / 2 if flow else standardise(x)), length > 0

    def to(self, device: torch.device | str) -> PictureSet:
        """The stream in the memory of another device."""
        return PictureSet(
            self.name, self.frames.to(device), self.length.to(device), self.fps, self.bound, self.missing
        )


def _device(generator: torch.Generator | None, otherwise: torch.device) -> torch.device:
    return otherwise if generator is None else generator.device


def spread_moments(sampling: ClipSampling, start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    """Seconds ``[N, T]``, as `ClipSampling.moments`, of clips from ``start [N, 1]`` to ``end [N, 1]``."""
    part = (end - start) / sampling.n_parts
    room = (part - (sampling.n_frames - 1) * sampling.stride).clamp_min(0)
    begin = start + part * torch.arange(sampling.n_parts, device=start.device) + room * shares
    steps = sampling.stride * torch.arange(sampling.n_frames, device=start.device)
    return (begin[..., None] + steps).flatten(1).minimum(end)


def change_light(x: Tensor, amount: float, generator: torch.Generator | None) -> Tensor:
    """`colour_jitter` of colour pictures; of others ``[N, 1, T, H, W]`` brightness and contrast alone."""
    if x.shape[1] == 3:
        return transforms.colour_jitter(x, generator, amount, amount, amount)
    return transforms.colour_jitter(x.expand(-1, 3, -1, -1, -1), generator, amount, amount, 0.0)[:, :1]


def standardise(x: Tensor) -> Tensor:
    """Pictures in 0..1 by the means and deviations of Kinetics' colours; grey ones by those of its red."""
    if x.shape[1] == 3:
        return transforms.normalise(x)
    return transforms.normalise(x, transforms.KINETICS_MEAN[:1], transforms.KINETICS_STD[:1])


@dataclass(frozen=True)
class PictureTask:
    """The pictures of one clip: which file (and file of flow), from when to when, and how they are kept."""

    clip: int
    name: str
    path: str
    flow: str | None
    start: float
    end: float | None
    boxes: np.ndarray | None
    framing: Framing
    fps: float


PictureResult = tuple[int, "np.ndarray | None", str]


def read_pictures(task: PictureTask) -> PictureResult:
    """(clip, frames ``[T, H, W, C]`` uint8 or None, why there are none)."""
    try:
        return task.clip, _read(task), ""
    except ConfigError:
        raise
    except SkelactError as error:
        return task.clip, None, str(error)
    except (OSError, ValueError, RuntimeError) as error:  # one bad file never stops the rest
        return task.clip, None, f"{task.path}: {type(error).__name__}: {error}"


def _read(task: PictureTask) -> np.ndarray:
    known = frame_times(task.path)
    end = float(known[-1]) if task.end is None else min(task.end, float(known[-1]))
    if end < task.start:
        raise DataError(f"{task.path} ends at {end:.3f} s, before its clip begins at {task.start:.3f} s")
    n = max(1, int((end - task.start) * task.fps + 1e-6) + 1)
    times = np.minimum(task.start + np.arange(n) / task.fps, end)
    box = None
    if task.framing.region == "person":
        if task.boxes is None:
            raise DataError(
                f"{task.path}: nobody's place in the picture is known, so there is no person to follow; use "
                "framing.region: whole"
            )
        box = follow_boxes(task.boxes, times, task.framing.margin, task.framing.smooth)
    if task.flow is not None:
        fields, _ = read_cached_flow(task.flow, times, size=task.framing.size, box=box)
        return np.ascontiguousarray(fields.transpose(0, 2, 3, 1))
    frames = read_frames(task.path, times, size=task.framing.size, box=box)
    if KINDS[task.name].channels == 1:
        weights = np.array([0.299, 0.587, 0.114], np.float32)
        return np.rint(frames @ weights)[..., None].astype(np.uint8)
    return frames


def load_pictures(
    tasks: Sequence[PictureTask],
    name: str,
    n_clips: int,
    reasons: Mapping[int, str] | None = None,
    *,
    workers: int = 0,
    bound: float = 20.0,
    progress: Callable[[int, int, str], None] | None = None,
) -> PictureSet:
    """Decode a stream of a set into memory.

    Args:
        tasks: one for each clip that has a video.
        name: of the stream.
        n_clips: N of the set.
        reasons: why other clips have none.
        workers: processes that decode; 0: this one.
        bound: of flow.
        progress: called with (done, total, what).

    Raises:
        DataError: if no clip has the stream, or the pictures would take more than `LIMIT`.
    """
    missing = dict(reasons or {})
    found: dict[int, np.ndarray] = {}
    n_bytes = 0

    def take(results: object) -> None:
        nonlocal n_bytes
        for k, (clip, frames, why) in enumerate(results):  # type: ignore[arg-type]
            if frames is None:
                missing[clip] = why
            else:
                found[clip] = frames
                n_bytes += frames.nbytes
            if n_bytes > LIMIT:
                raise DataError(
                    f"the stream {name} takes more than {LIMIT >> 30} GiB after {k + 1} of {len(tasks)} clips; keep "
                    f"fewer frames or smaller ones: pipeline.pictures.{name}.fps and framing.size"
                )
            if progress:
                progress(k + 1, len(tasks), f"reading {name}")

    if workers:
        with WorkerPool[PictureTask, PictureResult](read_pictures, workers, _failed) as pool:
            take(result for _, result in pool.run(tasks))
    else:
        take(map(read_pictures, tasks))
    if not found:
        why = "; ".join(list(dict.fromkeys(missing.values()))[:MISSING_LISTED])
        raise DataError(f"no clip has the stream {name}: {why}")
    for clip in list(missing)[:MISSING_LISTED]:
        log.warning("a clip has no %s: %s", name, missing[clip])
    if len(missing) > MISSING_LISTED:
        log.warning("and %d more clips have no %s", len(missing) - MISSING_LISTED, name)
    length = torch.tensor([len(found[k]) if k in found else 0 for k in range(n_clips)])
    frames = torch.from_numpy(np.concatenate([found.pop(k) for k in sorted(found)]))
    fps = tasks[0].fps
    return PictureSet(name, frames, length, fps, bound, missing)


def _failed(task: PictureTask, why: str) -> PictureResult:
    return task.clip, None, f"{task.path}: {why}"
