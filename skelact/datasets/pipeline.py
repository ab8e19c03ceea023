"""`Pipeline`: from clip numbers to a network's input, the same in training, evaluation and use."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.gather import Sampling, gather
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, choices
from skelact.transforms import geometry, normalise
from skelact.transforms.streams import check_streams, make_streams, stream_channels


@dataclass
class Normalise:
    """Normalisation of recordings per person and clip, never per frame.

    Args:
        centre: ``mean`` or ``first_frame`` puts the people's common centre (hips, over all frames or in the
            recording's first) at the origin; ``none``.
        scale: ``body`` divides a clip by its mean bone length; ``none``.
        level: rotate each clip so that people stand upright, which removes the camera's tilt (3D only).
        align_view: rotate each clip so that the first person faces the camera (3D only).
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    centre: str = "mean"
    scale: str = "body"
    level: bool = False
    align_view: bool = False

    def __post_init__(self) -> None:
        if self.centre not in ("mean", "first_frame", "none"):
            raise ConfigError(choices(self.centre, ("mean", "first_frame", "none"), "centre"))
        if self.scale not in ("body", "none"):
            raise ConfigError(choices(self.scale, ("body", "none"), "scale"))


@dataclass
class Augment:
    """Data augmentation in training, drawn per clip; 0 turns one off.

    Args:
        rotate: radians about each axis.
        turn: radians about the vertical axis, in addition to ``rotate`` (3D).
        scale: stretch of each axis, as a share.
        bones: stretch of each bone, as a share.
        shear: off-diagonal entries of the shear matrix.
        jitter: standard deviation of Gaussian noise, in normalised units.
        wander: standard deviation of a slow drift of each joint, in normalised units.
        mirror: probability of left-right mirroring; leave 0 where left and right distinguish classes.
        drop_joints: probability that a joint is missing for the whole clip.
        drop_frames: probability that a person is missing in a frame.
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

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0:
                raise ConfigError(f"augment.{name} must not be negative, got {value}")
        for name in ("mirror", "drop_joints", "drop_frames"):
            if getattr(self, name) > 1:
                raise ConfigError(f"augment.{name} is a probability, got {getattr(self, name)}")


@dataclass
class Pipeline:
    """Sampling, normalisation, augmentation and streams of one network.

    Args:
        sampling: which moments of a clip.
        normalise: centre, scale, view.
        augment: random changes in training.
        streams: the network's input; several are concatenated along the channels.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    sampling: Sampling = field(default_factory=Sampling)
    normalise: Normalise = field(default_factory=Normalise)
    augment: Augment = field(default_factory=Augment)
    streams: list[str] = field(default_factory=lambda: ["joint"])

    def __post_init__(self) -> None:
        check_streams(self.streams)

    def channels(self, dims: int) -> int:
        """The network's input channels for positions of ``dims`` coordinates."""
        return stream_channels(self.streams, dims)

    def __call__(
        self,
        data: SkeletonSet,
        clips: Tensor,
        *,
        training: bool = False,
        generator: torch.Generator | None = None,
        view: tuple[int, int] = (0, 1),
    ) -> SkeletonBatch:
        """Make a batch of the network's input; arguments as for `gather`."""
        batch = gather(data, clips, self.sampling, training=training, generator=generator, view=view)
        start = (
            data.first_centres()[clips.to(data.device, non_blocking=True)]
            if self.normalise.centre == "first_frame"
            else None
        )
        return self.prepare(batch, training=training, generator=generator, start=start)

    def prepare(
        self,
        batch: SkeletonBatch,
        *,
        training: bool = False,
        generator: torch.Generator | None = None,
        start: Tensor | None = None,
    ) -> SkeletonBatch:
        """Normalise, augment and turn into streams.

        Args:
            batch: positions.
            training: augment, drawing from ``generator``.
            generator: where random numbers come from.
            start: see `normalise.centre`; None for windows of a long recording, which are clips of their own.
        """
        x, score, owner, n, layout = batch.x, batch.score, batch.owner, batch.n_clips, batch.layout
        if self.normalise.centre != "none":
            x = normalise.centre(x, score, owner, n, layout, self.normalise.centre, start)
        if self.normalise.level:
            if x.shape[3] != 3:
                raise ConfigError("normalise.level needs 3D joints; these are 2D: turn it off")
            x = normalise.level(x, score, owner, n, layout)
        if self.normalise.align_view:
            if x.shape[3] != 3:
                raise ConfigError("normalise.align_view needs 3D joints; these are 2D: turn it off")
            x = normalise.align_view(x, score, owner, n, layout)
        if self.normalise.scale == "body":
            x = normalise.scale_to_body(x, score, owner, n, layout)
        if training:
            x, score = self._augment(x, score, owner, n, batch, generator)
        return batch.replace(
            x=make_streams(x, score, layout, self.streams, owner, n, batch.origin), score=score
        )

    def _augment(
        self,
        x: Tensor,
        score: Tensor,
        owner: Tensor,
        n: int,
        batch: SkeletonBatch,
        generator: torch.Generator | None,
    ) -> tuple[Tensor, Tensor]:
        a = self.augment
        if a.bones:
            x = geometry.stretch_bones(x, score, batch.layout, a.bones, generator)
        if a.turn:
            if x.shape[3] != 3:
                raise ConfigError("augment.turn needs 3D joints; these are 2D: set it to 0")
            x = geometry.turn(x, owner, n, a.turn, generator)
        if a.rotate:
            x = geometry.rotate(x, owner, n, a.rotate, generator)
        if a.scale:
            x = geometry.scale(x, owner, n, a.scale, generator)
        if a.shear:
            x = geometry.shear(x, owner, n, a.shear, generator)
        if a.mirror:
            x, score = geometry.mirror(x, score, owner, n, batch.layout, a.mirror, generator)
        if a.wander:
            x = geometry.wander(x, a.wander, generator)
        if a.jitter:
            x = geometry.jitter(x, a.jitter, generator)
        if a.drop_joints:
            score = geometry.drop_joints(score, owner, n, a.drop_joints, generator)
        if a.drop_frames:
            score = geometry.drop_frames(score, a.drop_frames, generator)
        return x, score
