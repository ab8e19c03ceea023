"""Pictures beside skeletons: each clip's video, decoded once at the size that is needed, and sampled in batches.

A stream of pictures is a table like the skeletons' own: all frames of all clips end to end, 8 bits a channel, and
where each clip begins. Samples are taken from it in a few tensor operations, in step with the skeletons' window.
`skelact.datasets.picture_reading` fills it from files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from skelact.datasets.clip_sampling import ClipSampling, Framing
from skelact.errors import ConfigError, choices
from skelact.nn.present import Flags
from skelact.transforms import video as transforms
from skelact.transforms.flow import remove_camera, stack_flow


@dataclass(frozen=True)
class Kind:
    """One kind of stream.

    Args:
        channels: of a frame.
        video: whether the pictures are the colour or the depth video's (``video``, ``depth_video``).
        flow: how optical flow is found, see `skelact.io.flow.FLOWS`; empty: the pictures themselves.
        region: the one region that may be seen of it, see `Framing`; empty: any.
    """

    channels: int
    video: str = "video"
    flow: str = ""
    region: str = ""


KINDS = {
    "rgb": Kind(3),
    "rgb_left_hand": Kind(3, region="left_hand"),
    "rgb_right_hand": Kind(3, region="right_hand"),
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
        test_crops: a name of `skelact.transforms.video.CROPS`: where squares are cut out when a recording is evaluated
            (``skelact evaluate``, ``predict`` of a whole recording); the answers to them are averaged. ``centre``,
            ``three`` along the longer side, or ``ten``: corners, middle, and their mirror images.
        scales: sides of the random squares, as shares of the kept picture's shorter side.
        flip: probability of mirroring in training.
        jitter: amount of change of brightness and contrast (and of colours) in training, see `colour_jitter`.
        colours: whose mean and deviation the pictures are standardised by; ``imagenet`` for networks that begin with
            weights of networks over pictures.
        stack: L, of flow: every moment becomes the 2L channels of L successive fields (Simonyan and Zisserman, NIPS
            2014). With more than 1, every field of the flow is kept, whatever ``fps`` says.
        stacking: a name of `skelact.transforms.flow.STACKS`: fields at the same place, along trajectories, or to both
            sides of the moment.
        camera: ``median`` subtracts each field's common motion, which is the camera's; ``none``.
        places: find the joints' places in these pictures too, see `skelact.transforms.places.Places`.

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
    colours: Literal["kinetics", "imagenet"] = "kinetics"
    stack: int = 1
    stacking: Literal["stacked", "trajectory", "bidirectional"] = "stacked"
    camera: Literal["none", "median"] = "none"
    places: bool = False
    test_crops: Literal["centre", "three", "ten"] = "centre"

    def __post_init__(self) -> None:
        if not 0 < self.fps <= 1000 or not 1 <= self.crop <= min(self.framing.size):
            raise ConfigError(
                f"pictures need fps above 0 and a crop of 1 to {min(self.framing.size)} pixels (the kept size), got "
                f"{self.fps} and {self.crop}"
            )
        if self.colours not in ("kinetics", "imagenet"):
            raise ConfigError(choices(self.colours, ("kinetics", "imagenet"), "set of colours"))
        if not 0 <= self.flip <= 1 or not 0 <= self.jitter < 1:
            raise ConfigError(f"flip and jitter must lie in 0..1, got {self.flip} and {self.jitter}")
        if not self.scales or not all(0 < s <= 1 for s in self.scales):
            raise ConfigError(f"scales must be shares in 0..1, got {list(self.scales)}")
        if self.test_crops not in transforms.CROPS:
            raise ConfigError(choices(self.test_crops, tuple(transforms.CROPS), "kind of test_crops"))
        if self.test_crops == "three" and max(self.framing.size) == self.crop:
            raise ConfigError(
                "three crops along the longer side need kept pictures (framing.size) that are longer than the crop, "
                f"got {list(self.framing.size)} and {self.crop}"
            )
        if self.stack < 1:
            raise ConfigError(f"stack must be at least 1 field of flow, got {self.stack}")
        if self.stacking != "stacked" and self.framing.follows:
            raise ConfigError(
                f"stacking: {self.stacking} follows motion in pictures that stand still: use framing.region: whole, or "
                "stacking: stacked"
            )
        if self.stacking == "bidirectional" and self.stack % 2:
            raise ConfigError(
                f"stacking: bidirectional takes as many fields before a moment as after it: stack must be even, got "
                f"{self.stack}"
            )

    @property
    def before(self) -> int:
        """How many fields of a moment's stack lie before the moment."""
        return self.stack // 2 if self.stacking == "bidirectional" else 0

    @property
    def n_crops(self) -> int:
        """How many ``test_crops`` there are."""
        return transforms.CROPS[self.test_crops]

    def kept_as(self, name: str) -> str:
        """What a stream is known by in ``SkeletonSet.pictures``: networks may keep it differently."""
        return f"{name} {self.framing} {'every' if self.stack > 1 else f'{self.fps:g}'}"

    def channels(self, name: str) -> int:
        """Channels of a moment of the stream ``name``."""
        return KINDS[name].channels * self.stack


def check_pictures(pictures: Mapping[str, PictureInput]) -> None:
    """Raise `ConfigError` for a stream of pictures that is not known, or settings of flow for other streams."""
    for name, seen in pictures.items():
        if name not in KINDS:
            raise ConfigError(choices(name, KINDS, "stream of pictures"))
        if not KINDS[name].flow and (seen.stack > 1 or seen.camera != "none"):
            raise ConfigError(
                f"stack and camera are settings of flow, and the stream '{name}' is none; leave them out"
            )
        wanted = KINDS[name].region
        if wanted and seen.framing.region != wanted:
            raise ConfigError(
                f"the stream '{name}' follows that hand: set pipeline.pictures.{name}.framing.region to {wanted}, got "
                f"{seen.framing.region}"
            )


class Look(NamedTuple):
    """What a network sees of a stream, and where in the clips' pictures it is.

    Args:
        x: ``[N, C, T, crop, crop]`` float32, normalised.
        there: which of the N clips have the stream, on the host.
        share: ``[N, T]`` when the moments are, as shares of the clip from its first frame to its last.
        box: ``[N, 4]`` top, left, height and width of what is seen of the kept pictures, as shares of these.
        mirrored: ``[N]`` bool.
    """

    x: Tensor
    there: Flags
    share: Tensor
    box: Tensor
    mirrored: Tensor


class PictureSet:
    """One stream of pictures of all clips of a set.

    Args:
        name: one of `KINDS`.
        frames: ``[F, H, W, C]`` uint8, the clips end to end.
        length: ``[N]`` frames of each clip, 0 = the clip lacks the stream.
        fps: frames a second, of all clips or ``[N]`` of each.
        bound: of flow, see `flow_to_float`.
        missing: why clips lack the stream, by their number.
        regions: ``[F, 4]`` the part of the video's picture that each frame shows (left, top, right, bottom, as shares
            of the picture), or None: the whole.
        unit: ``[N, 2]`` of flow: how many pixels of a kept picture (across, down) a pixel of its file is.
    """

    def __init__(
        self,
        name: str,
        frames: Tensor,
        length: Tensor,
        fps: float | Tensor,
        bound: float = 20.0,
        missing: Mapping[int, str] | None = None,
        regions: Tensor | None = None,
        unit: Tensor | None = None,
    ) -> None:
        self.name, self.kind, self.frames, self.bound = name, KINDS[name], frames, bound
        self.length, self.first = length, length.cumsum(0) - length
        self.has = (length > 0).tolist()  # on the host: no batch waits for a GPU to tell
        self.fps = torch.as_tensor(fps, dtype=torch.float32, device=length.device).expand(len(length))
        self.missing, self.regions = dict(missing or {}), regions
        self.unit = torch.ones(len(length), 2, device=length.device) if unit is None else unit

    @property
    def device(self) -> torch.device:
        """Where samples are made."""
        return self.length.device

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the kept pictures."""
        return self.frames.shape[1], self.frames.shape[2]

    @property
    def n_bytes(self) -> int:
        """Of the pictures in memory."""
        return self.frames.numel()

    def take(self, clips: Tensor, number: Tensor) -> tuple[Tensor, Flags]:
        """Pictures ``[N, T, H, W, C]`` uint8 by their numbers ``[N, T]`` within the clips ``[N]``.

        Args:
            clips: best on the CPU; on a GPU they are waited for.
            number: where samples are made.

        Returns:
            the pictures, and which clips have them.
        """
        there = tuple(self.has[clip] for clip in clips.tolist())
        clips = clips.to(self.device, non_blocking=True)
        rows = (self.first[clips][:, None] + number).clamp_max(len(self.frames) - 1)
        taken = self.frames[rows.flatten()].view(*rows.shape, *self.frames.shape[1:])
        return taken, there

    def regions_at(self, clips: Tensor, share: Tensor) -> Tensor | None:
        """``[N, T, 4]``, see ``regions``, of the frames nearest to shares ``[N, T]`` of the clips; None: the whole."""
        if self.regions is None:
            return None
        number = (share * (self.length[clips] - 1).clamp_min(0)[:, None]).round().long()
        rows = self.first[clips][:, None] + number
        return self.regions[rows.clamp_max(len(self.regions) - 1)]

    def sample(
        self,
        clips: Tensor,
        seen: PictureInput,
        window: Tensor,
        *,
        training: bool = False,
        generator: torch.Generator | None = None,
        view: tuple[int, int] = (0, 1),
        crop: int | None = None,
    ) -> tuple[Tensor, Flags]:
        """``x`` and ``there`` of a `look`."""
        found = self.look(clips, seen, window, training=training, generator=generator, view=view, crop=crop)
        return found.x, found.there

    def look(
        self,
        clips: Tensor,
        seen: PictureInput,
        window: Tensor,
        *,
        training: bool = False,
        generator: torch.Generator | None = None,
        view: tuple[int, int] = (0, 1),
        crop: int | None = None,
    ) -> Look:
        """What a network sees of clips.

        Args:
            clips: ``[N]`` numbers, best on the CPU (see `take`).
            seen: which moments and which part of the picture.
            window: ``[N, 2]`` where in the clip the sample lies, from and to, as shares of it.
            training: draw moments, crops and colours from ``generator``.
            generator: on the device of ``window``.
            view: (i, n): the i-th of n samples in evaluation.
            crop: which of the ``test_crops`` in evaluation; None: the middle.
        """
        place, host = self.device, clips
        clips, window = clips.to(place, non_blocking=True), window.to(place)
        number = self._choose(clips, seen, window, training, generator, view)
        steps = torch.arange(seen.stack, device=place)
        last = (self.length[clips] - 1).clamp_min(0)[:, None]
        taken, there = self.take(host, (number[..., None] + steps).flatten(1).minimum(last))
        flow, n = bool(self.kind.flow), len(clips)
        x = transforms.flow_to_float(taken, self.bound) if flow else transforms.to_float(taken)
        if flow and (seen.stack > 1 or seen.camera != "none"):
            x = stack_moments(x, seen, self.unit[clips])
        size, (height, width) = (seen.crop, seen.crop), self.size
        mirrored = torch.zeros(n, dtype=torch.bool, device=place)
        if training:
            box = transforms.multi_scale_boxes(
                n, (height, width), generator, seen.scales, square=True, device=place
            )
            x = transforms.crop_resize(x, box, size)
            if seen.flip:
                mirrored = transforms.draw_mirrored(n, seen.flip, generator, place)
                x = transforms.mirror(x, mirrored, flow=flow)
            if seen.jitter and not flow:
                x = change_light(x, seen.jitter, generator)
        else:
            crops, which = ("centre", 0) if crop is None else (seen.test_crops, crop % seen.n_crops)
            x, corner, turned = transforms.cut_test_crop(x, size, crops, which, flow=flow)
            box = (
                torch.tensor([*corner, *size], dtype=torch.float32).to(place, non_blocking=True).expand(n, 4)
            )
            mirrored = torch.full_like(mirrored, turned)
        whole = torch.tensor([height, width, height, width]).to(place, non_blocking=True)
        return Look(
            x / 2 if flow else standardise(x, seen.colours),
            there,
            (number + seen.before).minimum(last) / last.clamp_min(1),
            box / whole,
            mirrored,
        )

    def _choose(
        self, clips: Tensor, seen: PictureInput, window: Tensor, training: bool,
        generator: torch.Generator | None, view: tuple[int, int],
    ) -> Tensor:  # fmt: skip
        """``[N, T]`` numbers of the frames at which the moments are, or their stacks begin."""
        length, fps = self.length[clips][:, None], self.fps[clips][:, None]
        span = (length - 1).clamp_min(0).to(torch.float32) / fps
        sampling = seen.sampling
        if training:
            shares = torch.rand(
                len(clips), sampling.n_parts, generator=generator, device=_device(generator, self.device)
            )
        else:
            share = (view[0] + 0.5) / view[1]
            shares = torch.full((len(clips), sampling.n_parts), share, device=self.device)
        times = spread_moments(sampling, window[:, :1] * span, window[:, 1:] * span, shares.to(self.device))
        first = (times * fps).round().long() - seen.before
        return first.minimum(length - seen.stack).clamp_min(0)

    def to(self, device: torch.device | str) -> PictureSet:
        """The stream in the memory of another device."""
        regions = None if self.regions is None else self.regions.to(device)
        return PictureSet(
            self.name, self.frames.to(device), self.length.to(device), self.fps.to(device), self.bound,
            self.missing, regions, self.unit.to(device),
        )  # fmt: skip


def stack_moments(x: Tensor, seen: PictureInput, unit: Tensor) -> Tensor:
    """Flow ``[N, 2, T·L, H, W]`` of T moments of L fields as ``[N, 2L, T, H, W]``; ``unit``: see `PictureSet`."""
    n, length = len(x), seen.stack
    fields = x.unflatten(2, (-1, length)).permute(0, 2, 3, 1, 4, 5).flatten(0, 1)  # [N·T, L, 2, H, W]
    if seen.camera != "none":
        fields = remove_camera(fields, seen.camera)
    if seen.stacking != "stacked":  # which leads over kept pixels
        unit = unit.repeat_interleave(len(fields) // n, 0)[:, None, :, None, None]
        along = stack_flow(fields * unit, seen.stacking).unflatten(1, (length, 2))
        fields = along / unit
    return stack_flow(fields).unflatten(0, (n, -1)).transpose(1, 2)


def _device(generator: torch.Generator | None, otherwise: torch.device) -> torch.device:
    return otherwise if generator is None else generator.device


def spread_moments(sampling: ClipSampling, start: Tensor, end: Tensor, shares: Tensor) -> Tensor:
    """Seconds ``[N, T]`` of samples of clips from ``start [N, 1]`` to ``end [N, 1]``; beyond the end it is held."""
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


COLOURS = {
    "kinetics": (transforms.KINETICS_MEAN, transforms.KINETICS_STD),
    "imagenet": (transforms.IMAGENET_MEAN, transforms.IMAGENET_STD),
}


def standardise(x: Tensor, colours: str = "kinetics") -> Tensor:
    """Pictures in 0..1 by the means and deviations of a set's colours; grey ones by those of its red."""
    mean, deviation = COLOURS[colours]
    return transforms.normalise(x, mean[: x.shape[1]], deviation[: x.shape[1]])
