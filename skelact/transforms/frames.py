"""Normalisation and streams of untrimmed recordings that know a frame and those before it alone.

`skelact.transforms.normalise` and `streams` take a clip as a whole, and motion as the way to the next frame; live use
knows neither. `prepare_frames` takes whole recordings, `FrameStream` a frame at a time with the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from skelact.errors import ConfigError, choices
from skelact.layouts import SkeletonLayout
from skelact.transforms.device import index_tensor
from skelact.transforms.normalise import centre_joints

FRAME_STREAMS = ("joint", "bone", "velocity")
CENTRES, SCALES = ("body", "none"), ("body", "none")
_SPAN = 5  # bones' mean length becomes 1 / _SPAN, as in `skelact.transforms.normalise.scale_to_body`


def check_frames(streams: Sequence[str], centre: str, scale: str) -> None:
    """Raise `ConfigError` for a stream, centre or scale that there is not."""
    if not streams:
        raise ConfigError(f"at least one stream is needed: {', '.join(FRAME_STREAMS)}")
    for name in streams:
        if name not in FRAME_STREAMS:
            raise ConfigError(choices(name, FRAME_STREAMS, "stream"))
    if centre not in CENTRES:
        raise ConfigError(choices(centre, CENTRES, "centre"))
    if scale not in SCALES:
        raise ConfigError(choices(scale, SCALES, "scale"))


class FrameStream:
    """Input of a network, a few frames at a time; what must be remembered of earlier frames is inside.

    Args:
        layout: of the joints.
        streams: of `FRAME_STREAMS`, concatenated along the channels: ``joint`` (positions after centring), ``bone``
            (from the parent), ``velocity`` (way from the frame before, of the body's place too, in units a second).
        centre: ``body``: the hips of every frame are the origin (the last that were seen, where they are missing).
        scale: ``body``: divide by the mean bone length seen so far, times 5.
        fps: frames per second.

    Raises:
        ConfigError: for an unknown stream, centre or scale.
    """

    def __init__(
        self, layout: SkeletonLayout, streams: Sequence[str], centre: str, scale: str, fps: float
    ) -> None:
        check_frames(streams, centre, scale)
        self.layout, self.streams, self.fps = layout, tuple(streams), fps
        self.centre, self.scale = centre == "body", scale == "body"
        self._before: tuple[Tensor, Tensor] | None = None  # the last frame, scaled, and its scores
        self._middle: Tensor | None = None
        self._length: Tensor | None = None  # sum of bone lengths and their number so far

    def __call__(self, x: Tensor, score: Tensor) -> Tensor:
        """``x [P, T, V, C]`` and ``score [P, T, V]`` of the next T frames of the same people to ``[P, T, V, D]``."""
        seen = (score > 0).to(x.dtype)[..., None]
        x = x * seen
        if self.scale:
            x = x * self._factor(x, score)[..., None, None]
        out = []
        placed = (x - self._centres(x, seen)[:, :, None]) * seen if self.centre else x
        for name in self.streams:
            if name == "joint":
                out.append(placed)
            elif name == "bone":
                parent = index_tensor(
                    (p if p >= 0 else v for v, p in enumerate(self.layout.parents)), x.device
                )
                out.append((placed - placed[:, :, parent]) * seen * seen[:, :, parent])
            else:
                out.append(self._velocity(x, seen))
        self._before = x[:, -1:], seen[:, -1:]
        return torch.cat(out, -1)

    def _velocity(self, x: Tensor, seen: Tensor) -> Tensor:
        before, known = self._before or (x[:, :1], seen[:, :1])
        earlier, there = torch.cat([before, x[:, :-1]], 1), torch.cat([known, seen[:, :-1]], 1)
        return (x - earlier) * seen * there * self.fps

    def _factor(self, x: Tensor, score: Tensor) -> Tensor:
        """What positions are multiplied by, ``[P, T]``."""
        child, parent = (index_tensor(ends, x.device) for ends in zip(*self.layout.bones, strict=True))
        both = ((score[:, :, child] > 0) & (score[:, :, parent] > 0)).double()
        length = (x[:, :, child] - x[:, :, parent]).double().square().sum(-1).sqrt() * both
        sums = torch.stack([length.sum(-1), both.sum(-1)], -1).cumsum(1)  # [P, T, 2]
        if self._length is not None:
            sums = sums + self._length
        self._length = sums[:, -1:]
        mean = sums[..., 0] / sums[..., 1].clamp_min(1)
        return torch.where(mean > 0, 1 / (_SPAN * mean.clamp_min(1e-12)), torch.ones_like(mean)).to(x.dtype)

    def _centres(self, x: Tensor, seen: Tensor) -> Tensor:
        """The body's centre in every frame, ``[P, T, C]``; 0 until it was seen for the first time."""
        joints = index_tensor(centre_joints(self.layout), x.device)
        weight = seen[:, :, joints]
        middle = (x[:, :, joints] * weight).sum(2) / weight.sum(2).clamp_min(1)
        first = torch.zeros_like(middle[:, :1]) if self._middle is None else self._middle
        middle = torch.cat([first, middle], 1)
        there = torch.cat([torch.ones_like(weight[:, :1, 0, 0]), weight.sum((2, 3))], 1) > 0
        frame = torch.arange(there.shape[1], device=x.device).expand_as(there)
        last = torch.where(there, frame, torch.zeros_like(frame)).cummax(1).values
        held = middle.gather(1, last[..., None].expand_as(middle))
        self._middle = held[:, -1:]
        return held[:, 1:]


def prepare_frames(
    x: Tensor,
    score: Tensor,
    layout: SkeletonLayout,
    streams: Sequence[str],
    centre: str,
    scale: str,
    fps: float,
) -> Tensor:
    """Whole recordings ``x [P, T, V, C]`` as a network's input ``[P, T, V, D]``; arguments as for `FrameStream`."""
    return FrameStream(layout, streams, centre, scale, fps)(x, score)
