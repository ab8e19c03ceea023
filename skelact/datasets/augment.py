"""Augmentation: random changes of a batch in training, drawn per clip with an explicit generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from skelact.datasets.batch import SkeletonBatch
from skelact.errors import ConfigError
from skelact.transforms import geometry

Change = Callable[[SkeletonBatch, float, "torch.Generator | None"], SkeletonBatch]


@dataclass
class Augment:
    """How much of each of `AUGMENTATIONS` there is in training; 0 turns one off.

    Args:
        rotate: radians about each axis.
        turn: radians about the vertical axis, on top of ``rotate``: other viewpoints (3D).
        scale: stretch of each axis, as a share.
        bones: stretch of each bone, as a share: other people's proportions.
        shear: off-diagonal entries of the shear matrix.
        jitter: standard deviation of Gaussian noise, in normalised units.
        wander: standard deviation of a slow drift of each joint, in normalised units.
        mirror: probability of left-right mirroring; leave 0 where handedness is meaning.
        drop_joints: probability that a joint is missing for the whole clip.
        drop_frames: probability that a person is missing in a frame.
        drop_hands: probability that a hand is missing for the whole clip, of layouts with fingers.
        tilt: radians about the picture's horizontal axis, after ``turn`` (3D).
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    rotate: float = 0.3
    turn: float = 0.0
    scale: float = 0.1
    bones: float = 0.0
    shear: float = 0.0
    jitter: float = 0.0
    wander: float = 0.0
    mirror: float = 0.0
    drop_joints: float = 0.0
    drop_frames: float = 0.0
    tilt: float = 0.0
    drop_hands: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise ConfigError(f"augment.{name} must not be negative, got {value}")
            if value > AUGMENTATIONS[name].most:
                raise ConfigError(f"augment.{name} is a probability, got {value}")

    def __call__(self, batch: SkeletonBatch, generator: torch.Generator | None = None) -> SkeletonBatch:
        """The changed batch of positions, drawing from ``generator`` on its device."""
        for name, kind in AUGMENTATIONS.items():
            amount = getattr(self, name)
            if amount:
                batch = kind.change(batch, amount, generator)
        return batch


@dataclass(frozen=True)
class Augmentation:
    """One kind of random change.

    Args:
        change: makes the changed batch of (batch of positions, amount, generator).
        most: the largest amount; 1 for a probability.
    """

    change: Change
    most: float = math.inf


def _about(name: str, change: Callable[..., Tensor]) -> Change:
    """A rotation about one axis of space."""

    def apply(b: SkeletonBatch, amount: float, g: torch.Generator | None) -> SkeletonBatch:
        if b.x.shape[3] != 3:
            raise ConfigError(f"augment.{name} needs 3D joints; these are 2D: set it to 0")
        return b.replace(x=change(b.x, b.owner, b.n_clips, amount, g))

    return apply


def _mirror(b: SkeletonBatch, amount: float, g: torch.Generator | None) -> SkeletonBatch:
    x, score = geometry.mirror(b.x, b.score, b.owner, b.n_clips, b.layout, amount, g)
    return b.replace(x=x, score=score)


# By the name of their field in `Augment`, in the order in which they are applied.
AUGMENTATIONS: dict[str, Augmentation] = {
    "bones": Augmentation(lambda b, a, g: b.replace(x=geometry.stretch_bones(b.x, b.score, b.layout, a, g))),
    "turn": Augmentation(_about("turn", geometry.turn)),
    "tilt": Augmentation(_about("tilt", geometry.tilt)),
    "rotate": Augmentation(lambda b, a, g: b.replace(x=geometry.rotate(b.x, b.owner, b.n_clips, a, g))),
    "scale": Augmentation(lambda b, a, g: b.replace(x=geometry.scale(b.x, b.owner, b.n_clips, a, g))),
    "shear": Augmentation(lambda b, a, g: b.replace(x=geometry.shear(b.x, b.owner, b.n_clips, a, g))),
    "mirror": Augmentation(_mirror, most=1.0),
    "wander": Augmentation(lambda b, a, g: b.replace(x=geometry.wander(b.x, a, g))),
    "jitter": Augmentation(lambda b, a, g: b.replace(x=geometry.jitter(b.x, a, g))),
    "drop_joints": Augmentation(
        lambda b, a, g: b.replace(score=geometry.drop_joints(b.score, b.owner, b.n_clips, a, g)), most=1.0
    ),
    "drop_frames": Augmentation(
        lambda b, a, g: b.replace(score=geometry.drop_frames(b.score, a, g)), most=1.0
    ),
    "drop_hands": Augmentation(
        lambda b, a, g: b.replace(score=geometry.drop_hands(b.score, b.layout, a, g)), most=1.0
    ),
}
