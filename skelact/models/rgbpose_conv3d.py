"""RGBPose-Conv3D: pictures and heatmaps of joints in two 3D pathways with lateral links (Duan et al., CVPR 2022)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import CheckpointError, ConfigError, choices
from skelact.layouts import SkeletonLayout
from skelact.models.fusion import SKELETON
from skelact.models.settings import LayoutSettings
from skelact.models.streams import StreamNetwork
from skelact.models.video.slowfast import Pathway
from skelact.nn.conv3d import Bottleneck3d, ConvNorm3d
from skelact.nn.heatmap import crop_to_people, make_heatmaps
from skelact.nn.modules import Modules
from skelact.nn.present import Flags, clips_with_people, put_present, take_present, to_mask, zero_of
from skelact.transforms.places import Places

RGB = "rgb"
STREAMS = (SKELETON, RGB)
STAGES = 4  # of the pictures' pathway; the heatmaps' has one fewer and meets it from its second stage on
LINKED = 2  # stages of both that get what the other pathway found


class _Link(nn.Sequential):
    """Base class of the links between the pathways' frames, in the type of the arithmetic around them."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(self.get_parameter("0.weight"))).to(x)


class SlowerLink(_Link):
    """From the heatmaps' frames to the pictures': a convolution over time with a stride, and nothing else.

    Args:
        channels: C, in and out.
        ratio: of the frames.
        kernel: frames, odd.
    """

    def __init__(self, channels: int, ratio: int, kernel: int) -> None:
        conv = nn.Conv3d(channels, channels, (kernel, 1, 1), (ratio, 1, 1), (kernel // 2, 0, 0), bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        super().__init__(conv)


class FasterLink(_Link):
    """From the pictures' frames to the heatmaps': a transposed convolution over time, batch norm and ReLU.

    Args:
        channels: C of the pictures' pathway.
        out: channels that the heatmaps' pathway gets.
        ratio, kernel: as for `SlowerLink`.
    """

    def __init__(self, channels: int, out: int, ratio: int, kernel: int) -> None:
        padding, more = (kernel // 2, 0, 0), (ratio - 1, 0, 0)
        conv = nn.ConvTranspose3d(channels, out, (kernel, 1, 1), (ratio, 1, 1), padding, more, bias=False)
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        super().__init__(conv, nn.BatchNorm3d(out), nn.ReLU(inplace=True))


class RGBPoseConv3d(StreamNetwork):
    """A slow pathway for pictures and a fast, narrow one for heatmaps of joints, linked in both directions.

    Heatmaps are drawn where the joints are in the very pictures that the network sees; recordings that do not say
    that are drawn in the square around their people, as `PoseC3D` does. The pictures' side is four times the
    heatmaps', as stem and pooling divide it by 4, so that both pathways are equally large where they meet.

    The pathways meet after the pictures' second and third stage (the heatmaps' first and second). As in the released
    code, the link to the pictures keeps the heatmaps' channels (128 and 256) and has neither norm nor ReLU; the link to
    the heatmaps has a quarter of their channels (32 and 64), norm and ReLU.

    The answer is the mean of both heads' probabilities, in training too; trained is each head by itself
    (`heads_loss`). Where a clip lacks the pictures or the people, the answer is the other head's. The pictures' pathway
    sees only the clips that have pictures, and the others get 0 from it.

    Args:
        layout, n_classes, channels_in: of the skeletons; their first two channels are drawn if places are unknown.
        width: channels of the pictures' stem; the paper's 64.
        pose_width: of the heatmaps' stem; the paper's 32.
        depths: blocks of the pictures' stages.
        pose_depths: of the heatmaps', which have no first stage of their own.
        ratio: frames of the skeletons for one picture (32 : 8).
        link_frames: kernel of the links, odd.
        size: side of the heatmaps [pixels], a quarter of the pictures'.
        sigma: of a joint's Gaussian [pixels].
        dropout: before the classifiers.

    Raises:
        ConfigError: for values out of range.
    """

    def __init__(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int = 3,
        width: int = 64,
        pose_width: int = 32,
        depths: Sequence[int] = (3, 4, 6, 3),
        pose_depths: Sequence[int] = (4, 6, 3),
        ratio: int = 4,
        link_frames: int = 7,
        size: int = 56,
        sigma: float = 0.7,
        dropout: float = 0.5,
    ) -> None:
        if channels_in < 2 or n_classes < 1 or min(width, pose_width, ratio) < 1:
            raise ConfigError(
                f"RGBPose-Conv3D needs classes, positions of two coordinates, widths and a ratio of at least 1, got "
                f"{n_classes}, {channels_in}, {width}, {pose_width} and {ratio}"
            )
        if len(depths) != STAGES or len(pose_depths) != STAGES - 1 or min(*depths, *pose_depths) < 1:
            raise ConfigError(f"RGBPose-Conv3D has 4 and 3 stages of blocks, got {depths} and {pose_depths}")
        if link_frames < 1 or link_frames % 2 == 0 or size < 8 or size % 8 or not sigma > 0:
            raise ConfigError(
                f"RGBPose-Conv3D needs odd link_frames, a size that 8 divides and sigma above 0, got {link_frames}, "
                f"{size} and {sigma}"
            )
        super().__init__(layout, n_classes, channels_in)  # no stream is seen by a network of its own
        self.ratio, self.size, self.sigma = ratio, size, sigma
        slow = [4 * width * 2**i for i in range(STAGES)]
        fast = [4 * pose_width * 2**i for i in range(STAGES - 1)]
        self.slow = Pathway(3, width, [0, 0, fast[0], fast[1]], depths, 1, (False, False, True, True))
        self.stem = ConvNorm3d(len(self.layout), pose_width, (1, 7))
        rows, channels = [], pose_width
        for i, depth in enumerate(pose_depths):
            linked = 0 if i == 0 else fast[i - 1] // 4
            blocks = [Bottleneck3d(channels + linked, fast[i], (1, 2), temporal=i > 0)]
            blocks += [Bottleneck3d(fast[i], fast[i], temporal=i > 0) for _ in range(depth - 1)]
            rows.append(nn.Sequential(*blocks))
            channels = fast[i]
        self.rows = Modules(rows)
        self.to_slow = Modules(SlowerLink(fast[i], ratio, link_frames) for i in range(LINKED))
        self.to_fast = Modules(
            FasterLink(slow[i + 1], fast[i] // 4, ratio, link_frames) for i in range(LINKED)
        )
        self.dropout = nn.Dropout(dropout)
        self.sizes = {RGB: slow[-1], SKELETON: fast[-1]}
        self.n_features = sum(self.sizes.values())
        self.reset_classifier(n_classes)
        self._last: tuple[dict[str, Tensor], Flags, Tensor] | None = None

    @property
    def streams(self) -> Sequence[str]:
        return STREAMS

    def reset_classifier(self, n_classes: int) -> None:
        """Give both pathways new, untrained classifiers."""
        self.n_classes = n_classes
        like = self.stem.get_parameter("0.weight")
        heads = {n: nn.Linear(d, n_classes).to(like.device) for n, d in self.sizes.items()}
        for head in heads.values():
            nn.init.normal_(head.weight, 0, 0.01)
            nn.init.zeros_(head.bias)
        self.heads = nn.ModuleDict(heads)

    def draw(
        self, x: Tensor, owner: Tensor, score: Tensor, n_clips: int, places: Places | None = None
    ) -> Tensor:
        """Heatmap volumes ``[N, V, S, size, size]`` of skeletons ``[P, S, V, C]``; arguments as for `forward`."""
        exact = torch.promote_types(x.dtype, torch.float32)
        score = score.to(exact)
        pixels = crop_to_people(x[..., :2].to(exact), score > 0, owner, n_clips, self.size)
        if places is not None:
            known = places.there_frames.flatten(1).any(1)  # people whose places are known at all
            in_picture = places.xy_frames.to(exact) * self.size - 0.5  # pixel centres are at whole numbers
            score = torch.where(known[:, None, None], score * places.there_frames, score)
            pixels = torch.where(known[:, None, None, None], in_picture, pixels)
        return make_heatmaps(pixels, score, owner, n_clips, self.size, self.sigma)

    def pathways(self, clips: Tensor | None, volume: Tensor, there: Flags) -> tuple[Tensor, Tensor]:
        """Features ``[N, D]`` of both pathways.

        Args:
            clips: ``[M, 3, T, H, W]`` of the clips that have pictures; None: no clip has.
            volume: ``[N, V, S, size, size]``.
            there: which clips have pictures.

        Raises:
            ConfigError: if frames or sizes of the two do not fit each other.
        """
        fast = self.rows[0](functional.max_pool3d(self.stem(volume), (1, 3, 3), 1, (0, 1, 1)))
        if clips is None:  # the weights of the pictures' pathway get a gradient of 0
            zero = zero_of(self.slow, self.to_slow, self.to_fast)
            for i in range(LINKED):
                n, _, *rest = fast.shape
                nothing = fast.new_zeros(n, self.to_fast[i].get_parameter("0.weight").shape[1], *rest)
                fast = self.rows[i + 1](torch.cat([fast, nothing], 1))
            fast = fast.mean((2, 3, 4))
            return fast.new_zeros(len(there), self.sizes[RGB]) + zero, fast
        t, frames, side = clips.shape[2], volume.shape[2], clips.shape[3]
        if frames != self.ratio * t or side != 4 * self.size:
            raise ConfigError(
                f"this network takes {self.ratio} frames of the skeletons for one picture, and pictures of "
                f"{4 * self.size} pixels (4 × size); got {frames} frames, {t} pictures of {side} pixels: set "
                "pipeline.sampling.n_frames, the pictures' sampling and crop, or model.size"
            )
        slow = self.slow.rows[1](self.slow.rows[0](self.slow.begin(clips)))
        for i in range(LINKED):
            found = self.to_slow[i](take_present(fast, there)), put_present(self.to_fast[i](slow), there)
            slow = self.slow.rows[i + 2](torch.cat([slow, found[0]], 1))
            fast = self.rows[i + 1](torch.cat([fast, found[1]], 1))
        return put_present(slow.mean((2, 3, 4)), there), fast.mean((2, 3, 4))

    def forward(
        self,
        x: Tensor,
        owner: Tensor,
        score: Tensor,
        n_clips: int,
        pictures: Mapping[str, Tensor] | None = None,
        there: Mapping[str, Sequence[bool]] | None = None,
        places: Mapping[str, Places] | None = None,
    ) -> Tensor:
        """Log-probabilities ``[N, n_classes]``; arguments as for `StreamNetwork.forward`."""
        logits, flags, people = self.answer(x, owner, score, n_clips, pictures, there, places)
        self._last = (logits, flags, people) if self.training else None
        seen = torch.stack([to_mask(flags, x.device), people], 1)
        shares = seen.to(logits[RGB].dtype)
        shares = shares / shares.sum(1, keepdim=True).clamp_min(1)
        both = torch.stack([logits[name].softmax(1) for name in (RGB, SKELETON)], 1)
        mean = (both * shares.unsqueeze(2)).sum(1)
        return torch.where(seen.any(1, keepdim=True), mean.clamp_min(1e-12).log(), 0)

    def answer(
        self,
        x: Tensor,
        owner: Tensor,
        score: Tensor,
        n_clips: int,
        pictures: Mapping[str, Tensor] | None = None,
        there: Mapping[str, Sequence[bool]] | None = None,
        places: Mapping[str, Places] | None = None,
    ) -> tuple[dict[str, Tensor], Flags, Tensor]:
        """Both heads' logits ``[N, K]``, which clips have pictures, and ``[N]`` bool: which have people."""
        clips, flags = self.present(RGB, pictures, there, n_clips)
        volume = self.draw(x, owner, score, n_clips, (places or {}).get(RGB))
        like = self.heads[RGB].get_parameter("weight")
        features = self.pathways(None if clips is None else clips.to(like), volume.to(like), flags)
        names = (RGB, SKELETON)
        logits = {n: self.heads[n](self.dropout(f.to(like))) for n, f in zip(names, features, strict=True)}
        return logits, flags, clips_with_people(score, owner, n_clips)

    def heads_loss(self, label: Tensor, criterion: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The paper's loss, the sum of both heads', instead of one of the answer; of the last `forward` in training.

        Args:
            label: ``[N]`` classes.
            criterion: of logits and labels. The pictures' head counts for the clips that have pictures; a clip
                without people adds a constant to the heatmaps' head's.
        """
        assert self._last is not None, "the loss is of a forward pass in training mode"
        logits, flags, people = self._last
        rgb, pose = logits[RGB].float(), logits[SKELETON].float()
        first = (
            criterion(take_present(rgb, flags), take_present(label, flags)) if any(flags) else 0 * rgb.sum()
        )
        return first + criterion(pose * people.unsqueeze(1), label)

    def start_stream(self, name: str, state: Mapping[str, Tensor], where: str) -> None:
        """Begin a pathway with the weights that it had alone: `SlowOnly`'s (rgb) or `PoseC3D`'s (skeleton).

        What the other pathway's links add to a kernel's input begins with 0, so that the network begins as the two.

        Raises:
            ConfigError: for another stream.
            CheckpointError: if the weights are of another network, or other widths.
        """
        if name not in STREAMS:
            raise ConfigError(choices(name, STREAMS, "stream of the network (train.init_streams)"))
        own = self.state_dict()
        wanted = {f"heads.{name}.weight": "head.weight", f"heads.{name}.bias": "head.bias"}
        parts = ("slow.",) if name == RGB else ("stem.", "rows.")
        wanted |= {key: key for key in own if key.startswith(parts)}
        new = {}
        for key, theirs in wanted.items():
            old = state.get(theirs)
            mine = own[key].shape
            if old is None or not _begins(old.shape, mine):
                alone = "slowonly" if name == RGB else "posec3d"
                raise CheckpointError(
                    f"{where} does not fit the {name} pathway at '{theirs}': it must be a '{alone}' of the same width, "
                    "blocks and joints"
                )
            new[key] = torch.zeros_like(own[key])
            if old.ndim > 1:
                new[key][:, : old.shape[1]] = old
            else:
                new[key].copy_(old)
        self.load_state_dict(new, strict=False)

    def stages(self) -> list[tuple[str, list[nn.Module]]]:
        """Named stages; those of both pathways that are linked go together."""
        rows = [("stem", [self.slow.stem, self.stem]), ("rows.0", [self.slow.rows[0]])]
        for i in range(STAGES - 1):
            links = [] if i == 0 else [self.to_slow[i - 1], self.to_fast[i - 1]]
            rows.append((f"rows.{i + 1}", [self.slow.rows[i + 1], self.rows[i], *links]))
        return [*rows, ("head", [self.heads])]


def _begins(old: torch.Size, new: torch.Size) -> bool:
    """Whether a weight is a larger one's, but for channels of its input."""
    fewer = len(old) < 2 or old[1] <= new[1] if len(old) == len(new) else False
    return fewer and old[:1] + old[2:] == new[:1] + new[2:]


@dataclass
class RGBPoseConv3dSettings(LayoutSettings):
    """Settings of `RGBPoseConv3d`; see there."""

    needs_places = True

    name: Literal["rgbpose_conv3d"] = "rgbpose_conv3d"
    width: int = 64
    pose_width: int = 32
    depths: tuple[int, ...] = (3, 4, 6, 3)
    pose_depths: tuple[int, ...] = (4, 6, 3)
    ratio: int = 4
    link_frames: int = 7
    size: int = 56
    sigma: float = 0.7
    dropout: float = 0.5

    @property
    def streams(self) -> dict[str, None]:
        """The streams' names."""
        return dict.fromkeys(STREAMS)

    def build(
        self,
        layout: SkeletonLayout | str,
        n_classes: int,
        channels_in: int,
        pictures: Mapping[str, int] | None = None,
    ) -> RGBPoseConv3d:
        """Make the network; arguments as for `LayoutSettings.build`."""
        return RGBPoseConv3d(layout, n_classes, channels_in, **self.arguments())
