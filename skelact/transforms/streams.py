"""Streams: input features of networks, computed from positions and scores.

Source: two-stream adaptive graph networks (Shi et al., CVPR 2019): bones and their motions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from skelact.errors import ConfigError, choices
from skelact.layouts import SkeletonLayout
from skelact.skeleton import need_trajectory
from skelact.transforms.device import index_tensor
from skelact.transforms.hands import part_joint, part_place


def _seen(score: Tensor, dtype: torch.dtype) -> Tensor:
    return (score > 0).to(dtype).unsqueeze(-1)


def joint(x: Tensor, score: Tensor, layout: SkeletonLayout) -> Tensor:
    """Positions; missing joints 0."""
    return x * _seen(score, x.dtype)


def bone(x: Tensor, score: Tensor, layout: SkeletonLayout) -> Tensor:
    """``x[v] - x[parent(v)]``; roots, and bones with a missing end, 0."""
    parent = index_tensor((p if p >= 0 else v for v, p in enumerate(layout.parents)), x.device)
    both = _seen(score, x.dtype) * _seen(score[:, :, parent], x.dtype)
    return (x - x[:, :, parent]) * both


def _motion(values: Tensor, seen: Tensor, frames: int = 1) -> Tensor:
    out = torch.zeros_like(values)
    if values.shape[1] > frames:
        out[:, :-frames] = (values[:, frames:] - values[:, :-frames]) * (seen[:, frames:] * seen[:, :-frames])
    return out


def joint_motion(x: Tensor, score: Tensor, layout: SkeletonLayout) -> Tensor:
    """``x[t+1] - x[t]``, 0 in the last frame and where either end is missing."""
    return _motion(x, _seen(score, x.dtype))


def joint_motion_2(x: Tensor, score: Tensor, layout: SkeletonLayout) -> Tensor:
    """``x[t+2] - x[t]``, 0 in the last two frames and where either end is missing."""
    return _motion(x, _seen(score, x.dtype), 2)


def bone_motion(x: Tensor, score: Tensor, layout: SkeletonLayout) -> Tensor:
    """``bone[t+1] - bone[t]``, 0 in the last frame and where either bone is missing."""
    parent = index_tensor((p if p >= 0 else v for v, p in enumerate(layout.parents)), x.device)
    both = _seen(score, x.dtype) * _seen(score[:, :, parent], x.dtype)
    return _motion(bone(x, score, layout), both)


def angles(x: Tensor, score: Tensor, layout: SkeletonLayout) -> Tensor:
    """Per joint, three cosines, invariant to rotation and scale.

    1. between the bone to the parent and the bone to the first child (elbow, knee, ... flexion);
    2. between the bone to the parent and the parent's own bone;
    3. between the bone to the parent and the line from the root's first child to the root (trunk).

    0 where a required joint is missing or does not exist.
    """
    n = len(layout)
    parents = layout.parents
    child = [next((w for w, p in enumerate(parents) if p == v), v) for v in range(n)]
    parent = [p if p >= 0 else v for v, p in enumerate(parents)]
    device = x.device
    child_of, parent_of = index_tensor(child, device), index_tensor(parent, device)
    bones = bone(x, score, layout)
    to_child = bones[:, :, child_of] * index_tensor((c != v for v, c in enumerate(child)), device)[:, None]
    trunk = bones[:, :, child[layout.root]].unsqueeze(2).expand_as(bones)

    def cosine(a: Tensor, b: Tensor) -> Tensor:
        norm = (a.square().sum(-1) * b.square().sum(-1)).sqrt()
        dot = (a * b).sum(-1)
        return torch.where(norm > 1e-12, dot / norm.clamp_min(1e-12), torch.zeros_like(dot))

    return torch.stack(
        [cosine(bones, to_child), cosine(bones, bones[:, :, parent_of]), cosine(bones, trunk)], -1
    )


def partner(x: Tensor, score: Tensor, owner: Tensor, n_clips: int) -> Tensor:
    """Mean position of the same joint of the clip's other people, relative to it: ``mean(x of others) - x``.

    0 for single people, and where the joint is missing in this person or in all others.

    Args:
        x, score, owner, n_clips: of the batch.
    """
    seen = _seen(score, x.dtype)
    own = x * seen
    total = torch.zeros(n_clips, *x.shape[1:], device=x.device, dtype=x.dtype).index_add(0, owner, own)
    count = torch.zeros(n_clips, *seen.shape[1:], device=x.device, dtype=x.dtype).index_add(0, owner, seen)
    others = count[owner] - seen
    return ((total[owner] - own) / others.clamp_min(1) - x) * (seen * (others > 0))


def nearest(x: Tensor, score: Tensor, owner: Tensor, n_clips: int) -> Tensor:
    """The way from each joint to the nearest joint of another person of the clip in the same frame.

    Contact and distance between people, which tell pushing from punching. 0 for who is alone, for missing
    joints, and in frames that show nobody else. On a GPU it waits for the number of pairs of people.

    Args:
        x, score, owner, n_clips: of the batch.

    Returns:
        ``[P, T, V, C]``.
    """
    pairs = (owner[:, None] == owner[None]).fill_diagonal_(False).nonzero()  # of different people of a clip
    source, target = pairs.unbind(1)
    there = (score > 0)[source]
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    distance = torch.cdist(wide[target], wide[source], compute_mode="donot_use_mm_for_euclid_dist")
    distance = distance.masked_fill(~there[:, :, None], torch.inf).to(x.dtype)
    apart, which = distance.min(3)  # [E, T, V]
    way = x[source].gather(2, which[..., None].expand(-1, -1, -1, x.shape[3])) - x[target]
    index = target[:, None, None].expand_as(apart)
    closest = torch.full_like(score, torch.inf, dtype=x.dtype).scatter_reduce(0, index, apart, "amin")
    chosen = (apart <= closest[target]) & apart.isfinite()
    ties = torch.zeros_like(closest).index_add(0, target, chosen.to(x.dtype)).clamp_min(1)
    ways = torch.zeros_like(x).index_add(0, target, way * chosen[..., None])
    return ways / ties[..., None] * _seen(score, x.dtype)


def confidence(x: Tensor, score: Tensor, layout: SkeletonLayout) -> Tensor:
    """The score itself, one channel."""
    return score.unsqueeze(-1).to(x.dtype)


@dataclass(frozen=True)
class Stream:
    """One kind of stream.

    Args:
        compute: ``[P, T, V, C]`` of (x, score, layout), or of (x, score, owner, n_clips) if ``of_clips``.
        channels: C; None: as many as coordinates.
        of_clips: it needs to know who is in the same clip, and where people are to each other.
    """

    compute: Callable[..., Tensor]
    channels: int | None = None
    of_clips: bool = False


STREAMS: dict[str, Stream] = {
    "joint": Stream(joint),
    "bone": Stream(bone),
    "joint_motion": Stream(joint_motion),
    "joint_motion_2": Stream(joint_motion_2),
    "bone_motion": Stream(bone_motion),
    "angles": Stream(angles, channels=3),
    "confidence": Stream(confidence, channels=1),
    "part_joint": Stream(part_joint),
    "part_place": Stream(part_place),
    "partner": Stream(partner, of_clips=True),
    "nearest": Stream(nearest, of_clips=True),
}


def stream_channels(streams: Sequence[str], dims: int) -> int:
    """Number of channels of the concatenated streams, for positions of ``dims`` coordinates."""
    return sum(STREAMS[name].channels or dims for name in streams)


def make_streams(
    x: Tensor,
    score: Tensor,
    layout: SkeletonLayout,
    streams: Sequence[str],
    owner: Tensor | None = None,
    n_clips: int | None = None,
    origin: str = "camera",
) -> Tensor:
    """Compute streams and concatenate their channels.

    Args:
        x: ``[P, T, V, C]``.
        score: ``[P, T, V]``.
        layout: for parents.
        streams: names from `STREAMS`.
        owner: ``[P]`` the clip of each person; None: one person per clip.
        n_clips: N; None: one more than the largest owner.
        origin: of ``x``, see `Skeleton`.

    Returns:
        ``[P, T, V, channels]``.

    Raises:
        ConfigError: for an unknown or empty list of streams.
        DataError: for origin ``hips`` and a stream that needs relative positions of people.
    """
    check_streams(streams, origin)
    if owner is None:
        owner = torch.arange(len(x), device=x.device)
    if n_clips is None:
        n_clips = int(owner.max()) + 1 if len(owner) else 0
    parts = [
        kind.compute(x, score, owner, n_clips) if kind.of_clips else kind.compute(x, score, layout)
        for kind in (STREAMS[name] for name in streams)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, -1)


def check_streams(streams: Sequence[str], origin: str = "camera", source: str = "the data") -> None:
    """Refuse unknown streams, and those that need relative positions of people for origin ``hips``.

    Raises:
        ConfigError: for an unknown or empty list of streams.
        DataError: for origin ``hips`` and a stream that needs it; ``source`` names the data.
    """
    if not streams:
        raise ConfigError(f"name at least one stream: {', '.join(STREAMS)}")
    for name in streams:
        if name not in STREAMS:
            raise ConfigError(choices(name, STREAMS, "stream"))
        if STREAMS[name].of_clips:
            need_trajectory(origin, f"the stream '{name}'", source)
