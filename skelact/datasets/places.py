"""Where joints are in the pictures that a network sees: through regions, crops and mirrors, exactly."""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.gather import rows_at
from skelact.datasets.pictures import Look, PictureSet
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import DataError
from skelact.nn.present import to_mask
from skelact.transforms.places import Places


def find_places(
    data: SkeletonSet, batch: SkeletonBatch, clips: Tensor, positions: Tensor, kept: PictureSet, look: Look
) -> Places:
    """The places of a batch's people in a stream.

    Args:
        data: the set, which says where joints are in the picture (`SkeletonSet.read_places`).
        batch: gathered from it.
        clips: ``[N]`` its clips.
        positions: ``[N, S]`` frame numbers that the batch holds.
        kept: the stream.
        look: what the network sees of it.

    Raises:
        DataError: if the set does not know any place.
    """
    if data.places is None or batch.track is None:
        raise DataError(
            f"{data.source or 'the set'} does not say where its joints are in the picture, which the network needs: "
            "extract the videos again, or convert NTU's raw files again"
        )
    place = data.device
    last = (data.n_frames[clips] - 1).clamp_min(1)[:, None]
    share = positions / last
    found = []
    for at in (look.share.to(place), share.clamp(0, 1)):
        xy, there = raw_places(data, batch.owner, batch.track, clips, at * last)
        found += through_look(xy, there, batch.owner, at, clips, kept, look)
    apart = (share[:, :, None] - look.share.to(place)[:, None, :]).abs()
    return Places(found[0], found[1], apart.argmin(2), found[2], found[3])


def raw_places(
    data: SkeletonSet, owner: Tensor, track: Tensor, clips: Tensor, positions: Tensor
) -> tuple[Tensor, Tensor]:
    """Places ``[P, T, V, 2]`` as shares of the whole picture, and where they are known ``[P, T, V]``.

    Between two frames they are interpolated linearly; where a joint is missing in one of them the other's is taken,
    and it is missing if it is in the nearer one.

    Args:
        data: the set.
        owner, track: ``[P]`` of the people, see `SkeletonBatch`.
        clips: ``[N]``.
        positions: ``[N, T]`` frame numbers.
    """
    assert data.places is not None
    lower, upper, weight, present = rows_at(data, owner, track, clips, positions)
    n, t = present.shape
    a, b = (data.places.take(rows.reshape(-1)).view(n, t, -1, 2) for rows in (lower, upper))
    seen_a, seen_b = (
        (data.score.take(rows.reshape(-1)).view(n, t, -1) > 0) & xy.isfinite().all(-1)
        for rows, xy in ((lower, a), (upper, b))
    )
    w = weight[..., None]
    there = torch.where(w < 0.5, seen_a, seen_b) & present[..., None]
    w = torch.where(seen_a, torch.where(seen_b, w, torch.zeros_like(w)), torch.ones_like(w))
    xy = torch.lerp(a.nan_to_num(), b.nan_to_num(), w[..., None])
    return xy * there[..., None], there


def through_look(
    xy: Tensor, there: Tensor, owner: Tensor, share: Tensor, clips: Tensor, kept: PictureSet, look: Look
) -> tuple[Tensor, Tensor]:
    """Places in the whole picture as places in what a network sees of it.

    Args:
        xy, there: ``[P, T, V, 2]`` and ``[P, T, V]``.
        owner: ``[P]``.
        share: ``[N, T]`` when, as shares of the clips.
        clips: ``[N]``.
        kept, look: the stream, and what is seen of it.
    """
    regions = kept.regions_at(clips.to(kept.device), share.to(kept.device))
    if regions is not None:
        region = regions.to(xy)[owner][:, :, None]
        xy = (xy - region[..., :2]) / (region[..., 2:] - region[..., :2]).clamp_min(1e-6)
    top, left, height, width = look.box.to(xy)[owner].unbind(1)
    corner, sides = torch.stack([left, top], 1), torch.stack([width, height], 1)
    xy = (xy - corner[:, None, None]) / sides[:, None, None]
    mirrored = look.mirrored.to(xy.device)[owner][:, None, None]
    xy = torch.stack([torch.where(mirrored, 1 - xy[..., 0], xy[..., 0]), xy[..., 1]], -1)
    there = there & to_mask(look.there, xy.device)[owner][:, None, None] & ((xy >= 0) & (xy <= 1)).all(-1)
    return torch.where(there[..., None], xy, torch.zeros_like(xy)), there
