"""Untrimmed recordings as a network's input, with a label for every frame: windows in training, wholes otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.augment import Augment
from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.gather import Sampling, gather
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, DataError
from skelact.transforms.frames import check_frames, prepare_frames
from skelact.transforms.streams import stream_channels

_WHOLE = Sampling("seconds")


@dataclass
class FrameTarget:
    """What a network is asked for in every frame.

    Args:
        background: the label of frames in which nothing happens; empty: there is none.
        before, after: seconds around a labelled frame that get its label too, where they are background: for
            recordings in which only the moments are labelled.
        delay: seconds after a frame at which its label is asked for: how far a causal network may look ahead.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    background: str = ""
    before: float = 0.0
    after: float = 0.0
    delay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("before", "after", "delay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"target.{name} must not be negative, got {getattr(self, name)}")
        if (self.before or self.after) and not self.background:
            raise ConfigError("target.before and after widen moments into target.background; name that label")


@dataclass
class FrameInput:
    """What a segmentation network sees; nothing in it depends on later frames.

    Args:
        fps: frames per second at which recordings are sampled, by time.
        window: seconds of a recording that a training sample shows.
        streams, centre, scale: see `skelact.transforms.frames.FrameStream`.
        gap: a pause between two frames is taken for at most so many seconds; nothing is known of what happened in it.
        stretch: share by which time is stretched or shortened at random in training.
        augment: other random changes in training.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    fps: float = 30.0
    window: float = 16.0
    streams: tuple[str, ...] = ("joint", "velocity")
    centre: str = "body"
    scale: str = "body"
    gap: float = 1.0
    stretch: float = 0.2
    augment: Augment = field(default_factory=lambda: Augment(rotate=0.0, turn=0.3, scale=0.1))

    def __post_init__(self) -> None:
        check_frames(self.streams, self.centre, self.scale)
        for name in ("fps", "window", "gap"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"input.{name} must be above 0, got {getattr(self, name)}")
        if not 0 <= self.stretch < 1:
            raise ConfigError(f"input.stretch must lie in 0..1 (1 excluded), got {self.stretch}")

    def channels(self, dims: int) -> int:
        """Input channels for positions of ``dims`` coordinates."""
        return stream_channels(["joint"], dims) * len(self.streams)


@dataclass
class FrameBatch:
    """Windows of recordings, or one whole recording.

    Args:
        skeletons: the network's input; ``label`` is not used.
        label: ``[N, T]`` label of every frame, -1: none.
        real: ``[N, T]`` False beyond a recording's end.
    """

    skeletons: SkeletonBatch
    label: Tensor
    real: Tensor

    def to(self, device: torch.device | str) -> FrameBatch:
        """The batch on another device."""
        return FrameBatch(self.skeletons.to(device), self.label.to(device), self.real.to(device))


class FrameLabels:
    """Targets of a set's recordings.

    Args:
        data: the set.
        target: what is asked for.

    Raises:
        DataError: if the set has no labels by frame, or not the background.
    """

    def __init__(self, data: SkeletonSet, target: FrameTarget) -> None:
        self.data, self.target = data, target
        if data.frame_codes is None:
            where = data.source or "the set"
            raise DataError(
                f"{where} has no recording with a label for every frame; recordings of such formats (gesture_phase, "
                "msrc12, ur_fall; a store written from Skeletons with frame_labels) have them"
            )
        self.names = data.frame_label_names
        if target.background and target.background not in self.names:
            raise DataError(
                f"no frame has the background's label '{target.background}'; there are: {', '.join(self.names)}"
            )
        self._codes: dict[int, Tensor] = {}

    def times(self, clip: int) -> Tensor:
        """Seconds of every frame of a recording, from 0 on."""
        return clip_times(self.data, clip)

    def of_frames(self, clip: int) -> Tensor:
        """Labels ``[T]`` of a recording's own frames, as they are stored; -1: none."""
        first, n = int(self.data.frame_first[clip]), int(self.data.n_frames[clip])
        if first < 0:
            return torch.full((n,), -1)
        assert self.data.frame_codes is not None
        return self.data.frame_codes[first : first + n].cpu()

    def wide(self, clip: int) -> Tensor:
        """Labels ``[T]`` with moments widened; where two meet, each frame has that of the nearer one."""
        if clip not in self._codes:
            codes = self.of_frames(clip)
            if self.target.before or self.target.after:
                background = self.names.index(self.target.background)
                times, moments = self.times(clip), (codes != background).nonzero()[:, 0]
                wide, nearest = codes.clone(), torch.full((len(codes),), math.inf, dtype=torch.float64)
                for m in moments.tolist():
                    apart = times - times[m]
                    inside = (apart >= -self.target.before) & (apart <= self.target.after)
                    inside &= apart.abs() < nearest
                    wide[inside] = codes[m]
                    nearest[inside] = apart[inside].abs()
                codes = wide
            self._codes[clip] = codes
        return self._codes[clip]

    def at(self, clip: int, seconds: Tensor, times: Tensor | None = None) -> Tensor:
        """What is asked for at moments: the label of the frame nearest to ``delay`` before each; -1 outside.

        Args:
            clip: of the set.
            seconds: ``[T]``.
            times: of its frames, if not `clip_times`.
        """
        times = self.times(clip) if times is None else times
        asked = seconds.double() - self.target.delay
        later = torch.searchsorted(times, asked).clamp_max(len(times) - 1)
        earlier = (later - 1).clamp_min(0)
        nearer = torch.where((asked - times[earlier]) <= (times[later] - asked), earlier, later)
        inside = (asked >= -1e-9) & (asked <= times[-1] + 1e-9)
        return torch.where(inside, self.wide(clip)[nearer], torch.full_like(nearer, -1))


def clip_times(data: SkeletonSet, clip: int) -> Tensor:
    """Seconds of every frame of a recording, from 0 on, float64 on the host."""
    n = int(data.n_frames[clip])
    if data.timeline is not None and int(data.timeline[clip]) >= 0:
        assert data.time_key is not None
        first = int(data.timeline[clip])
        return data.time_key[first : first + n].cpu()
    return torch.arange(n, dtype=torch.float64) / float(data.fps[clip])


def played_times(data: SkeletonSet, clip: int, gap: float) -> Tensor:
    """`clip_times` with every pause between two frames shortened to ``gap`` seconds at most."""
    times = clip_times(data, clip)
    return torch.cat([times[:1], times[:1] + times.diff().clamp_max(gap).cumsum(0)])


def sample_frames(
    data: SkeletonSet,
    clips: Tensor,
    seconds: Tensor,
    times: Sequence[Tensor],
    shown: FrameInput,
    generator: torch.Generator | None = None,
) -> SkeletonBatch:
    """The input of recordings at moments; the augmentation is applied if a generator is given.

    Args:
        data: the set.
        clips: ``[N]``.
        seconds: ``[N, T]``, evenly spaced; nobody is there after a recording's last frame.
        times: of each recording's frames (`played_times`).
        shown: what the network sees.
        generator: of random changes; None: there are none.
    """
    positions = []
    for row, when in zip(seconds.numpy(), times, strict=True):
        frames = np.interp(row, when.numpy(), np.arange(len(when)))
        beyond = (
            np.maximum(row - float(when[-1]), 0) * shown.fps
        )  # in samples, so that rounding is no absence
        positions.append(torch.from_numpy(frames + beyond))
    batch = gather(
        data, clips, _WHOLE, positions=torch.stack(positions).float().to(data.device), by_time=False
    )
    if generator is not None:
        batch = shown.augment(batch, generator)
    x = prepare_frames(
        batch.x, batch.score, batch.layout, shown.streams, shown.centre, shown.scale, shown.fps
    )
    return batch.replace(x=x)


def whole_recording(data: SkeletonSet, clip: int, shown: FrameInput) -> tuple[SkeletonBatch, Tensor]:
    """A recording's input from its first frame to its last, and the moments ``[T]`` (see `played_times`) in seconds."""
    times = played_times(data, clip, shown.gap)
    seconds = torch.arange(int(float(times[-1]) * shown.fps + 1e-6) + 1, dtype=torch.float64) / shown.fps
    return sample_frames(data, torch.tensor([clip]), seconds[None], [times], shown), seconds


def training_windows(
    data: SkeletonSet, clips: Tensor, labels: FrameLabels, shown: FrameInput, generator: torch.Generator
) -> FrameBatch:
    """A window of each recording at a random place, with time stretched and the joints changed at random."""
    n = max(2, round(shown.window * shown.fps))
    speed = 1 + shown.stretch * (2 * torch.rand(len(clips), generator=generator) - 1)
    place = torch.rand(len(clips), generator=generator)
    rows, label, real = [], [], []
    times = [played_times(data, clip, shown.gap) for clip in clips.tolist()]
    for k, clip in enumerate(clips.tolist()):
        last = float(times[k][-1])
        step = float(speed[k]) / shown.fps
        begin = float(place[k]) * max(0.0, last - (n - 1) * step)
        seconds = begin + torch.arange(n, dtype=torch.float64) * step
        rows.append(seconds)
        label.append(labels.at(clip, seconds, times[k]))
        real.append(seconds <= last + 0.5 / shown.fps)
    batch = sample_frames(data, clips, torch.stack(rows), times, shown, generator)
    inside = torch.stack(real)
    return FrameBatch(batch, torch.where(inside, torch.stack(label), -1), inside)


def draw_windows(data: SkeletonSet, clips: Tensor, shown: FrameInput, generator: torch.Generator) -> Tensor:
    """The recordings of an epoch's windows, in random order: as many windows as cover all of them once on average."""
    lengths = np.array([float(played_times(data, int(c), shown.gap)[-1]) for c in clips])
    counts = np.maximum(1, np.ceil(lengths / shown.window)).astype(int)
    order = torch.from_numpy(np.repeat(clips.cpu().numpy(), counts))
    return order[torch.randperm(len(order), generator=generator)]
