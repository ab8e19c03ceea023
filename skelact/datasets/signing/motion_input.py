"""What language networks see: one person's motion, sampled by time, normalised part by part, knowing no later frame."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.signing.utterance import seconds_of
from skelact.errors import ConfigError, LayoutError, choices
from skelact.layouts import SkeletonLayout, get_layout
from skelact.layouts.parts import regions
from skelact.skeleton import Skeleton
from skelact.transforms.frames import prepare_frames
from skelact.transforms.normalise import centre_joints

NORMALISE = ("signs", "body")
PICTURES = {"": 0, "mobilenet_v2": 1280}  # image networks and how many features they give
WEBCAM = 4 / 3  # width over height of a picture whose size the recording does not say
_KNUCKLES = ("index_mcp", "middle_mcp", "ring_mcp", "pinky_mcp")
# The joints of sign work that layouts with hands have: the face's centre, arms, hands.
UPPER_BODY = (
    "nose",
    "left_shoulder",
    "right_shoulder",
    "left_elbow",
    "right_elbow",
    "left_wrist",
    "right_wrist",
)


@dataclass
class MotionInput:
    """The input of a language network.

    Args:
        fps: frames per second at which recordings are sampled, by time.
        joints: ``all`` of the recording's layout, or ``signs``: `UPPER_BODY` and the hands (those of them that it has).
        normalise: ``signs``: the body about the middle of the shoulders, in shoulder widths; fingers about their own
            hand's wrist, in palm lengths, so that a hand's shape and its place are told apart. ``body``: about the
            hips, in bone lengths (`skelact.transforms.frames`).
        depth: use the third coordinate; estimators in a picture hardly know it.
        velocity: add each joint's change from the frame before, a second.
        seen: add whether each joint is seen.
        size: add the mean length of the bones so far, in metres × 5, which tells children from adults.
        gap: a joint that is missing for at most so many seconds is interpolated.
        pictures: the image network whose features of the person's square in the video go with the motion
            (``mobilenet_v2``), for the task ``text``; empty: none.
        picture_fps: how many pictures a second are looked at.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    fps: float = 15.0
    joints: str = "signs"
    normalise: str = "signs"
    depth: bool = False
    velocity: bool = True
    seen: bool = True
    size: bool = False
    gap: float = 0.0
    pictures: str = ""
    picture_fps: float = 4.0

    def __post_init__(self) -> None:
        if not 0 < self.fps < math.inf:
            raise ConfigError(f"input.fps must be above 0, got {self.fps}")
        if not 0 <= self.gap < math.inf:
            raise ConfigError(f"input.gap must not be negative, got {self.gap}")
        if self.pictures not in PICTURES:
            raise ConfigError(choices(self.pictures, [p for p in PICTURES if p], "input.pictures"))
        if not 0 < self.picture_fps < math.inf:
            raise ConfigError(f"input.picture_fps must be above 0, got {self.picture_fps}")
        if self.joints not in ("all", "signs"):
            raise ConfigError(choices(self.joints, ("all", "signs"), "input.joints"))
        if self.normalise not in NORMALISE:
            raise ConfigError(choices(self.normalise, NORMALISE, "input.normalise"))

    def dims(self, dims: int) -> int:
        """Coordinates that are used of ``dims``."""
        return dims if self.depth else 2

    def channels(self, dims: int) -> int:
        """Input channels of a joint for positions of ``dims`` coordinates."""
        return self.dims(dims) * (2 if self.velocity else 1) + self.seen + self.size

    def layout(self, layout: SkeletonLayout | str) -> SkeletonLayout:
        """The layout that the network sees of a recording's.

        Raises:
            LayoutError: if none of the joints is left.
        """
        layout = get_layout(layout)
        if self.joints == "all":
            return layout
        hands = {v for name, own in regions(layout).items() if "hand" in name for v in own}
        keep = [j for v, j in enumerate(layout.joints) if v in hands or j in UPPER_BODY]
        if not keep:
            raise LayoutError(
                f"layout '{layout.name}' has neither arms nor hands; signs need them: extract with --parts pose+hands"
            )
        return layout if len(keep) == len(layout) else layout.subset(keep, f"{layout.name}_signs")

    def prepare(self, xyz: np.ndarray, score: np.ndarray, layout: SkeletonLayout) -> Tensor:
        """Input ``[T, V, D]`` of sampled positions.

        Args:
            xyz: ``[T, V, C]``, with the coordinates that are used, at `fps`.
            score: ``[T, V]``, 0 = missing.
            layout: what the network sees.
        """
        seen = torch.from_numpy(np.ascontiguousarray(score > 0))
        x = torch.from_numpy(np.ascontiguousarray(xyz, np.float32)) * seen[..., None]
        if self.normalise == "body":
            streams = ("joint", "velocity") if self.velocity else ("joint",)
            out = [prepare_frames(x[None], seen[None].float(), layout, streams, "body", "body", self.fps)[0]]
        else:
            placed = place_parts(x, seen, layout)
            out = [placed]
            if self.velocity:
                both = seen & torch.cat([seen[:1], seen[:-1]])
                out.append((placed - torch.cat([placed[:1], placed[:-1]])) * both[..., None] * self.fps / 10)
        if self.seen:
            out.append(seen[..., None].float())
        if self.size:
            length = 5 * _running_size(x, seen, list(layout.bones))
            out.append(length[:, None, None].expand(-1, x.shape[1], 1) * seen[..., None])
        return torch.cat(out, -1)


_regions = cache(regions)


def place_parts(x: Tensor, seen: Tensor, layout: SkeletonLayout) -> Tensor:
    """Positions ``[T, V, C]``: body about the shoulders, fingers about their hand's wrist; missing joints are 0.

    Sizes (the shoulders' width, each palm) are means over the frames so far.
    """
    index, parts = layout.index, _regions(layout)
    shoulders = [index[j] for j in ("left_shoulder", "right_shoulder") if j in index]
    middle = shoulders if len(shoulders) == 2 else centre_joints(layout)
    centre = _held_mean(x, seen, list(middle))
    if len(shoulders) == 2:
        size = _running_size(x, seen, [(shoulders[0], shoulders[1])])
    else:
        size = 3 * _running_size(x, seen, list(layout.bones))
    out = (x - centre[:, None]) / size[:, None, None]
    for name, own in parts.items():
        wrist = next(
            (v for v in own if layout.joints[v].endswith("wrist") or layout.joints[v].endswith("palm")), None
        )
        if "hand" not in name or wrist is None:
            continue
        fingers = [v for v in own if v != wrist]
        knuckles = [(wrist, v) for v in fingers if layout.joints[v].endswith(_KNUCKLES)]
        palm = _running_size(x, seen, knuckles or [(wrist, v) for v in fingers])
        there = (seen[:, fingers] & seen[:, wrist, None])[..., None]
        out[:, fingers] = there * (x[:, fingers] - x[:, wrist, None]) / palm[:, None, None]
    return out * seen[..., None]


def _held_mean(x: Tensor, seen: Tensor, joints: list[int]) -> Tensor:
    """Mean of those of some joints that are seen ``[T, C]``; the last one known where none is (0 before)."""
    weight = seen[:, joints, None].float()
    mean = (x[:, joints] * weight).sum(1) / weight.sum(1).clamp_min(1)
    known = seen[:, joints].any(1)
    last = torch.where(known, torch.arange(len(x)), torch.zeros(len(x), dtype=torch.int64)).cummax(0).values
    return mean[last]


def _running_size(x: Tensor, seen: Tensor, pairs: list[tuple[int, int]]) -> Tensor:
    """Mean distance of joints over the frames so far, ``[T]``; 1 as long as none is known."""
    if not pairs:
        return x.new_ones(len(x))
    a, b = (list(ends) for ends in zip(*pairs, strict=True))
    both = (seen[:, a] & seen[:, b]).double()
    length = ((x[:, a] - x[:, b]).double().square().sum(-1).sqrt() * both).sum(1).cumsum(0)
    mean = length / both.sum(1).cumsum(0).clamp_min(1)
    return torch.where(mean > 1e-9, mean, torch.ones_like(mean)).to(x.dtype)


def positions_of(
    skeleton: Skeleton, shown: MotionInput, layout: SkeletonLayout
) -> tuple[np.ndarray, np.ndarray]:
    """``xyz [T, V, C]`` and ``score [T, V]`` of a recording's person as they are sampled from.

    In a picture both axes get the same measure by the picture's width over its height (`WEBCAM` if unknown).
    """
    xyz, score = skeleton.xyz[0], skeleton.score[0]
    if len(layout) != len(skeleton.layout):
        keep = [skeleton.layout.index[j] for j in layout.joints]
        xyz, score = xyz[:, keep], score[:, keep]
    xyz = np.array(xyz[..., : shown.dims(xyz.shape[2])], np.float32)
    if skeleton.unit == "image":
        info = skeleton.info
        known = float(info.get("width", 0) or 0) > 0 and float(info.get("height", 0) or 0) > 0
        xyz[..., 0] *= float(info["width"]) / float(info["height"]) if known else WEBCAM
        if xyz.shape[2] == 3:
            xyz[..., 2] *= float(info["width"]) / float(info["height"]) if known else WEBCAM
    return xyz, np.array(score, np.float32)


def sample(
    xyz: np.ndarray, score: np.ndarray, times: np.ndarray, at: np.ndarray, gap: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Positions at moments, linear between frames.

    A joint is missing at a moment if it is in either of the frames around it, unless both its last and its next
    frame with it lie within ``gap`` seconds of each other.

    Args:
        xyz, score: ``[T, V, C]`` and ``[T, V]``.
        times: ``[T]`` increasing seconds.
        at: ``[S]`` seconds, within them.
        gap: see above.
    """
    n = len(times)
    later = np.clip(np.searchsorted(times, at, side="left"), min(1, n - 1), n - 1)
    earlier = np.maximum(later - 1, 0)
    low, high = (np.repeat(i[:, None], score.shape[1], 1) for i in (earlier, later))
    if gap > 0:
        frames = np.arange(n)[:, None]
        before = np.maximum.accumulate(np.where(score > 0, frames, -1))
        after = np.minimum.accumulate(np.where(score > 0, frames, n)[::-1])[::-1]
        a, b = before[earlier], after[later]
        near = (a >= 0) & (b < n) & (times[np.clip(b, 0, n - 1)] - times[np.clip(a, 0, n - 1)] <= gap)
        low, high = np.where(near, a, low), np.where(near, b, high)
    joints = np.arange(score.shape[1])
    span = np.maximum(times[high] - times[low], 1e-9)
    share = np.clip((at[:, None] - times[low]) / span, 0, 1)
    # exactly on a frame, only that frame counts
    low, high = np.where(share >= 1 - 1e-6, high, low), np.where(share <= 1e-6, low, high)
    out = xyz[low, joints] * (1 - share[..., None]) + xyz[high, joints] * share[..., None]
    found = np.minimum(score[low, joints], score[high, joints])
    return out * (found > 0)[..., None], found


def whole_input(skeleton: Skeleton, shown: MotionInput) -> tuple[Tensor, Tensor, np.ndarray]:
    """A recording of one person as a network's input.

    Returns:
        ``x [T, V, D]``, ``score [T, V]``, and the seconds ``[T]`` of the samples from the first frame on.
    """
    layout = shown.layout(skeleton.layout)
    xyz, score = positions_of(skeleton, shown, layout)
    times = seconds_of(skeleton)
    at = np.arange(int(times[-1] * shown.fps + 1e-6) + 1) / shown.fps
    xyz, score = sample(xyz, score, times, at, shown.gap)
    return shown.prepare(xyz, score, layout), torch.from_numpy(score.astype(np.float32)), at
