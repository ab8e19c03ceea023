"""`Pipeline`: from clip numbers to a network's input, the same in training, evaluation and use."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from skelact.datasets.augment import Augment
from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.gather import Sampling, gather, sample_positions
from skelact.datasets.pictures import PictureInput, check_pictures
from skelact.datasets.places import find_places
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, choices
from skelact.transforms import device, hands, normalise
from skelact.transforms.streams import check_streams, make_streams, stream_channels


@dataclass
class Normalise:
    """Normalisation of recordings per person and clip, never per frame.

    Args:
        centre: ``mean`` or ``first_frame`` puts the people's common centre (hips, over all frames or in the
            recording's first) at the origin; ``none``.
        scale: ``body`` divides a clip by its mean bone length; ``range`` stretches each axis to -1..1 over
            the clip, after the augmentation (see `skelact.transforms.normalise.scale_to_range`); ``none``.
        level: rotate each clip so that people stand upright, which removes the camera's tilt (3D only).
        align_view: rotate each clip so that the first person faces the camera (3D only).
        canonical: ``dominant_hand`` mirrors the clips whose left hand moves more, so that left-handed signers are
            right-handed (see `skelact.transforms.hands.canonical_dominance`); ``none``.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    centre: str = "mean"
    scale: str = "body"
    level: bool = False
    align_view: bool = False
    canonical: str = "none"

    def __post_init__(self) -> None:
        if self.centre not in ("mean", "first_frame", "none"):
            raise ConfigError(choices(self.centre, ("mean", "first_frame", "none"), "centre"))
        if self.scale not in ("body", "range", "none"):
            raise ConfigError(choices(self.scale, ("body", "range", "none"), "scale"))
        if self.canonical not in ("none", "dominant_hand"):
            raise ConfigError(choices(self.canonical, ("none", "dominant_hand"), "canonical"))


@dataclass
class Pipeline:
    """Sampling, normalisation, augmentation and streams of one network.

    Args:
        sampling: which moments of a clip.
        normalise: centre, scale, view.
        augment: random changes in training.
        streams: the network's input; several are concatenated along the channels.
        pictures: streams of pictures beside it (``rgb``, ``flow``, ``depth``, ...), by name.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    sampling: Sampling = field(default_factory=Sampling)
    normalise: Normalise = field(default_factory=Normalise)
    augment: Augment = field(default_factory=Augment)
    streams: list[str] = field(default_factory=lambda: ["joint"])
    pictures: dict[str, PictureInput] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_streams(self.streams)
        check_pictures(self.pictures)
        self.check_places()
        kinds = {seen.test_crops for seen in self.pictures.values() if seen.n_crops > 1}
        if len(kinds) > 1:
            raise ConfigError(
                f"streams of pictures that go together need the same test_crops, or centre; got {sorted(kinds)}"
            )

    @property
    def n_crops(self) -> int:
        """How many crops of a recording the network sees in evaluation."""
        return max((seen.n_crops for seen in self.pictures.values()), default=1)

    def check_places(self) -> None:
        """Raise `ConfigError` if joints would not be where the pictures show them."""
        turned = self.augment.mirror or self.normalise.canonical != "none"
        if turned and any(seen.places for seen in self.pictures.values()):
            raise ConfigError(
                "a mirrored skeleton's joints are not where its picture shows them: set augment.mirror to 0 and "
                "normalise.canonical to none (pictures may be mirrored: flip)"
            )

    def channels(self, dims: int) -> int:
        """The network's input channels for positions of ``dims`` coordinates."""
        return stream_channels(self.streams, dims)

    def picture_channels(self) -> dict[str, int]:
        """Channels of a moment of each stream of pictures."""
        return {name: seen.channels(name) for name, seen in self.pictures.items()}

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
        """Make a batch of the network's input; arguments as for `gather`, ``crop`` as for `PictureSet.look`."""
        where, moments = clips.to(data.device, non_blocking=True), None
        length, fps = data.n_frames[where], data.fps[where]
        frames = seen = sample_positions(self.sampling, length, fps, training, generator, view)
        if self.sampling.kind == "choice":  # made comparable as a whole clip, then sampled
            moments = seen.long()
            longest = int(length.max()) if device.may_look(data.device) else data.longest
            frames = torch.arange(longest, dtype=torch.float32, device=data.device).expand(len(clips), -1)
        batch = gather(
            data, clips, self.sampling, training=training, generator=generator, view=view, positions=frames
        )
        start = data.first_centres()[where] if self.normalise.centre == "first_frame" else None
        batch = self.prepare(batch, training=training, generator=generator, start=start, moments=moments)
        if not self.pictures:
            return batch
        return self.see_pictures(
            batch, data, clips, seen, training=training, generator=generator, view=view, crop=crop
        )

    def see_pictures(
        self,
        batch: SkeletonBatch,
        data: SkeletonSet,
        clips: Tensor,
        positions: Tensor,
        *,
        training: bool = False,
        generator: torch.Generator | None = None,
        view: tuple[int, int] = (0, 1),
        crop: int | None = None,
    ) -> SkeletonBatch:
        """The batch with its streams of pictures.

        Args:
            batch: of skeletons.
            data: the set.
            clips: ``[N]`` its clips, best on the CPU (see `PictureSet.take`).
            positions: ``[N, T]`` frame numbers that it holds; the pictures are seen from the first to the last.
            training, generator, view, crop: as for `PictureSet.look`.

        Raises:
            ConfigError: if the set's pictures have not been read.
            DataError: if joints' places in the picture are needed and not known.
        """
        pictures, there, places = {}, {}, {}
        window = torch.stack([positions[:, 0], positions[:, -1]], 1)
        where = clips.to(data.device, non_blocking=True)
        window = (window / (data.n_frames[where] - 1).clamp_min(1)[:, None]).clamp(0, 1)
        for name, seen in self.pictures.items():
            kept = data.pictures.get(seen.kept_as(name))
            if kept is None:
                raise ConfigError(
                    f"the pictures of the stream '{name}' have not been read; use "
                    "skelact.datasets.picture_files.attach_pictures(data, pipeline.pictures, FOLDER)"
                )
            look = kept.look(
                clips, seen, window, training=training, generator=generator, view=view, crop=crop
            )
            pictures[name], there[name] = look.x, look.there
            if seen.places:
                places[name] = find_places(data, batch, where, positions, kept, look)
        return batch.replace(pictures=pictures, there=there, places=places)

    def prepare(
        self,
        batch: SkeletonBatch,
        *,
        training: bool = False,
        generator: torch.Generator | None = None,
        start: Tensor | None = None,
        moments: Tensor | None = None,
    ) -> SkeletonBatch:
        """Normalise, augment and turn into streams.

        Args:
            batch: positions.
            training: augment, drawing from ``generator``.
            generator: where random numbers come from.
            start: see `normalise.centre`; None for windows of a long recording, which are clips of their own.
            moments: frames of the batch that the network sees ``[N, T]``, chosen after normalisation and
                augmentation; None: all.
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
        if self.normalise.canonical == "dominant_hand":
            x, score = hands.canonical_dominance(x, score, owner, n, layout)
        batch = batch.replace(x=x, score=score)
        if training:
            batch = self.augment(batch, generator)
        x, score = batch.x, batch.score
        if self.normalise.scale == "range":
            x = normalise.scale_to_range(x, score, owner, n)
        if moments is not None:
            people = torch.arange(len(x), device=x.device)[:, None]
            x, score = x[people, moments[owner]], score[people, moments[owner]]
        x = make_streams(x, score, layout, self.streams, owner, n, batch.origin)
        return batch.replace(x=x, score=score)
