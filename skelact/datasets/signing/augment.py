"""Random changes of signing in training: frame rate, lost frames, lost hands, view, size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout
from skelact.layouts.parts import regions


@dataclass
class SignAugment:
    """How recordings are changed in training.

    What mattered for a sign / not sign segmenter, and for isolated signs before, was to vary the frame rate between 25
    and 50 (where 30 is usual) and to lose frames and hands. Here a recording is sampled at a rate drawn at random
    while the network takes the frames for `MotionInput.fps`, so that signs are slower or faster by as much.

    Args:
        rate: least and largest frame rate, as factors of ``input.fps``; 1 and 1: no change.
        drop_frames: share of recordings in which frames are lost; up to a fifth of them, each as a frame without
            anybody.
        drop_hand: share of recordings in which one hand is not seen for some time, up to all of it.
        rotate: degrees about the line of sight, at most.
        scale: share by which width and height change, each on its own.
        jitter: standard deviation of joints' noise, in shoulder widths (or bone lengths × 3).
        mirror: share of recordings that are mirrored, left and right exchanged.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    rate: tuple[float, float] = (25 / 30, 50 / 30)
    drop_frames: float = 0.3
    drop_hand: float = 0.3
    rotate: float = 8.0
    scale: float = 0.15
    jitter: float = 0.01
    mirror: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.rate[0] <= self.rate[1] < math.inf:
            raise ConfigError(f"augment.rate must be two factors above 0, the lower first, got {self.rate}")
        for name in ("drop_frames", "drop_hand", "mirror"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"augment.{name} must lie in 0..1, got {getattr(self, name)}")
        if not 0 <= self.scale < 1:
            raise ConfigError(f"augment.scale must lie in 0..1 (1 excluded), got {self.scale}")
        for name in ("rotate", "jitter"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"augment.{name} must not be negative, got {getattr(self, name)}")

    def moments(self, last: float, fps: float, rng: np.random.Generator) -> np.ndarray:
        """Seconds ``[T]`` at which a recording that lasts until ``last`` is looked at, for a network of ``fps``."""
        rate = fps * rng.uniform(*self.rate)
        first = rng.uniform(0, 1 / rate)
        return first + np.arange(max(1, int((last - first) * rate + 1e-6) + 1)) / rate

    def change(
        self, xyz: np.ndarray, score: np.ndarray, layout: SkeletonLayout, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Change sampled positions ``xyz [T, V, C]`` and ``score [T, V]``; missing joints stay missing."""
        xyz, score = xyz.copy(), score.copy()
        if rng.random() < self.mirror:
            order = list(layout.mirror)
            xyz, score = xyz[:, order], score[:, order]
            xyz[..., 0] *= -1
        angle = np.radians(rng.uniform(-self.rotate, self.rotate))
        size = 1 + rng.uniform(-self.scale, self.scale, 2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * size
        xyz[..., :2] = xyz[..., :2] @ turn.T.astype(xyz.dtype)
        if self.jitter:
            xyz += rng.normal(0, self.jitter * _unit_of(xyz, score, layout), xyz.shape).astype(xyz.dtype)
        n = len(xyz)
        if rng.random() < self.drop_hand:
            hands = [own for name, own in regions(layout).items() if "hand" in name]
            if hands:
                own = hands[int(rng.integers(len(hands)))]
                length = int(np.ceil(n * rng.uniform(0.1, 1.0) ** 2))
                first = int(rng.integers(n - length + 1))
                score[first : first + length, own] = 0
        if rng.random() < self.drop_frames:
            lost = rng.random(n) < rng.uniform(0, 0.2)
            if not lost.all():
                score[lost] = 0
        return xyz * (score > 0)[..., None], score


def _unit_of(xyz: np.ndarray, score: np.ndarray, layout: SkeletonLayout) -> float:
    """Mean shoulder width of a recording, or three bone lengths."""
    index = layout.index
    pairs = list(layout.bones)
    factor = 3.0
    if "left_shoulder" in index and "right_shoulder" in index:
        pairs, factor = [(index["left_shoulder"], index["right_shoulder"])], 1.0
    a, b = (list(ends) for ends in zip(*pairs, strict=True)) if pairs else ([0], [0])
    both = (score[:, a] > 0) & (score[:, b] > 0)
    return factor * float(np.linalg.norm(xyz[:, a] - xyz[:, b], axis=-1)[both].mean()) if both.any() else 1.0
