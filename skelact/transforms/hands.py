"""Hands as parts of their own: shape apart from place, and which hand is the dominant one.

Parts are the regions of a layout (`skelact.layouts.parts.regions`): body, face and hands with fingers. Everything is
one batched computation, without reading a value on the host. Normalisation is per person and clip, as everywhere.

Source: hands and body are normalised apart in SPOTER (Boháček and Hrúz, WACVW 2022), there by boxes; here by wrist and
palm, and by the shoulders.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.layouts import SkeletonLayout
from skelact.layouts.parts import regions
from skelact.transforms.device import index_tensor

# What a clip is measured by if its layout has both: their middle is the origin and their distance, times the number,
# the unit. 4 outer eye corners apart, or 4 palms, make about a shoulder width.
_REFERENCES = (
    ("left_shoulder", "right_shoulder", 1.0),
    ("left_elbow", "right_elbow", 1.0),
    ("left_hip", "right_hip", 1.5),
    ("face_263", "face_033", 4.0),
)
_PALMS = 4.0
# A palm, which fingers do not bend, in palm lengths about the wrist: to the thumb's side, along the fingers.
PALM = {
    "thumb_cmc": (0.30, 0.20),
    "index_mcp": (0.27, 0.95),
    "middle_mcp": (0.05, 1.0),
    "ring_mcp": (-0.16, 0.94),
    "pinky_mcp": (-0.36, 0.83),
}
_RIDGE = 1e-3  # of the fit of a palm, so that a few joints do not give large weights
_ROOTS = {
    "left_hand": "left_hand_wrist", "right_hand": "right_hand_wrist", "hand": "wrist", "face": "face_001",
}  # fmt: skip


def part_joint(x: Tensor, score: Tensor, layout: SkeletonLayout) -> Tensor:
    """Each part in its own frame: hands by their wrists and palms, the body by the shoulders.

    A hand's joints are relative to its wrist in the same frame, divided by its palm (wrist to knuckle of the middle
    finger, the median over the clip); the face's to the nose's tip, divided by the distance of its eyes' outer corners.
    The body's are relative to the middle of the shoulders (the mean over the clip), divided by their distance (the
    median over the clip). A layout without shoulders has elbows, hips, eye corners or, for hands alone, wrists and
    palms instead. A hand's wrist that is missing is where the body's is, else where the rest of its palm says (see
    `wrist_of_palm`). Missing joints, and joints of a part whose root is missing, are 0.

    Args:
        x, score, layout: ``[P, T, V, C]``, ``[P, T, V]``.

    Returns:
        ``[P, T, V, C]``.
    """
    there = score > 0
    x, seen = _with_wrists(x, there, layout)
    centre, unit = _reference(x, seen, layout)
    out = (x - centre[:, None, None]) / unit[:, None, None, None]
    for region, joints in regions(layout).items():
        root = _root(layout, region)
        if root is None:
            continue
        rows = index_tensor(joints, x.device)
        size = _part_size(x, seen, layout, region, root)
        shape = (x[:, :, rows] - x[:, :, root : root + 1]) / size[:, None, None, None]
        out = out.index_copy(2, rows, shape)
        there = there.index_copy(2, rows, there[:, :, rows] & seen[:, :, root : root + 1])
    return out * there.unsqueeze(-1).to(x.dtype)


def part_place(x: Tensor, score: Tensor, layout: SkeletonLayout) -> Tensor:
    """Where each hand and the face are: every joint of a part has the place of the part's wrist or nose.

    Relative to the shoulders' middle, in shoulder widths (see `part_joint`). Joints of the body, which say it
    themselves, and missing joints are 0.

    Args:
        x, score, layout: ``[P, T, V, C]``, ``[P, T, V]``.

    Returns:
        ``[P, T, V, C]``.
    """
    there = score > 0
    x, seen = _with_wrists(x, there, layout)
    centre, unit = _reference(x, seen, layout)
    out = torch.zeros_like(x)
    for region, joints in regions(layout).items():
        root = _root(layout, region)
        if root is None:
            continue
        rows = index_tensor(joints, x.device)
        place = (x[:, :, root : root + 1] - centre[:, None, None]) / unit[:, None, None, None]
        shown = (there[:, :, rows] & seen[:, :, root : root + 1]).unsqueeze(-1)
        out = out.index_copy(2, rows, place * shown.to(x.dtype))
    return out


def wrist_of_palm(palm: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Where a wrist is by the other joints of its palm.

    A palm is rigid and nearly flat, so whatever the view its wrist is the same combination of the others, with weights
    that sum to 1: those of `PALM`, fitted by least squares to the joints that are there.

    Args:
        palm: ``[P, T, 5, C]`` joints in the order of `PALM`.
        seen: ``[P, T, 5]``.

    Returns:
        ``[P, T, C]``, and ``[P, T]`` whether it is known: by the thumb's base and two knuckles at least.
    """
    wide = torch.promote_types(palm.dtype, torch.float32)  # the fit sees no positions, and needs the digits
    flat = torch.tensor([[*place, 1.0] for place in PALM.values()], device=palm.device, dtype=wide)
    weight = seen.to(wide)
    ridge = _RIDGE * torch.eye(3, device=palm.device, dtype=wide)
    moment = torch.einsum("ptk,ki,kj->ptij", weight, flat, flat) + ridge
    a, b, c = moment.unbind(2)
    across = torch.linalg.cross(a, b)  # the last column of the inverse, but for the determinant
    solved = across / (c * across).sum(-1, keepdim=True)
    weight = weight * (solved @ flat.T)
    weight = weight / weight.sum(-1, keepdim=True).clamp_min(0.5)
    known = seen[:, :, 0] & (seen[:, :, 1:].sum(-1) >= 2)
    return (palm * weight.to(palm.dtype).unsqueeze(-1)).sum(2), known


def dominant_side(x: Tensor, score: Tensor, layout: SkeletonLayout) -> Tensor:
    """Which hand signs: 0 for the left, 1 for the right, ``[P]``.

    It is the one that moves more: the way of its wrist and tips over consecutive frames in which they are seen,
    weighted by their scores, as estimators guess where an arm is that is out of the picture. A tie, and layouts
    without sides, are right.

    Args:
        x, score, layout: ``[P, T, V, C]``, ``[P, T, V]``.
    """
    left, right = _side_motion(x, score, layout)
    return (left <= right).to(torch.int64)


def canonical_dominance(
    x: Tensor, score: Tensor, owner: Tensor, n_clips: int, layout: SkeletonLayout
) -> tuple[Tensor, Tensor]:
    """Mirror the clips whose left hand is the dominant one, so that every signer is right-handed.

    The first coordinate is mirrored about the middle of the clip's people, and left and right joints change places.
    People of one clip are mirrored together, by the motion of all of them.

    Args:
        x, score, owner, n_clips, layout: the batch.

    Returns:
        positions and scores.
    """
    left, right = _side_motion(x, score, layout)
    zero = torch.zeros(n_clips, device=x.device, dtype=left.dtype)
    turned = (zero.index_add(0, owner, left) > zero.index_add(0, owner, right))[owner]
    centre, _ = _reference(x, score > 0, layout)
    there = (score > 0).flatten(1).any(1).to(x.dtype)
    none = torch.zeros(n_clips, device=x.device, dtype=x.dtype)
    middle = none.index_add(0, owner, centre[:, 0] * there) / none.index_add(0, owner, there).clamp_min(1)
    order = index_tensor(layout.mirror, x.device)
    flipped = x[:, :, order].clone()
    flipped[..., 0] = 2 * middle[owner][:, None, None] - flipped[..., 0]
    return (
        torch.where(turned[:, None, None, None], flipped, x),
        torch.where(turned[:, None, None], score[:, :, order], score),
    )


def _with_wrists(x: Tensor, seen: Tensor, layout: SkeletonLayout) -> tuple[Tensor, Tensor]:
    """Positions with the missing wrists of hands put where the body or the palm says, and which joints are known then.

    The body's wrist comes first, but at the depth of the knuckles: estimators give a hand's depth about its own wrist.
    """
    for region in regions(layout):
        root = _root(layout, region)
        side = region.removesuffix("hand")
        joints = [side + joint for joint in PALM]
        if root is None or side == region or not all(joint in layout.index for joint in joints):
            continue
        rows, place = (index_tensor(v, x.device) for v in (layout.positions(*joints), [root]))
        palm, there = x[:, :, rows], seen[:, :, rows]
        found, sure = wrist_of_palm(palm, there)
        body = layout.index.get(f"{side}wrist", root)
        if body != root:
            knuckles = there[:, :, 1:].to(x.dtype)
            n = knuckles.sum(2, keepdim=True)
            middle = (palm[:, :, 1:] * knuckles.unsqueeze(-1)).sum(2) / n.clamp_min(1)
            its = torch.cat([x[:, :, body, :2], middle[..., 2:]], -1)
            shown = seen[:, :, body] & (n[..., 0] >= 2)
            found, sure = torch.where(shown.unsqueeze(-1), its, found), shown | sure
        known = seen[:, :, root]
        at = torch.where(known.unsqueeze(-1), x[:, :, root], found)
        x = x.index_copy(2, place, at.unsqueeze(2))
        seen = seen.index_copy(2, place, (known | sure).unsqueeze(2))
    return x, seen


def _root(layout: SkeletonLayout, region: str) -> int | None:
    """The joint that a part is relative to; None for the body, and for parts without it."""
    return layout.index.get(_ROOTS.get(region, ""))


def _median(values: Tensor, there: Tensor) -> Tensor:
    """Median over frames ``[P, T]`` in which it is known; NaN where it never is."""
    if not values.shape[1]:
        return values.new_full((len(values),), torch.nan)
    ordered = (
        values.masked_fill(~there, torch.inf).sort(1).values
    )  # as `nanmedian`, in operations that export
    n = there.sum(1)
    middle = ordered.gather(1, ((n - 1).clamp_min(0) // 2)[:, None])[:, 0]
    return torch.where(n > 0, middle, torch.full_like(middle, torch.nan))


def _positive(values: Tensor, otherwise: Tensor) -> Tensor:
    """``values`` where they are above 0, else the others, else 1."""
    values = torch.where(values > 1e-6, values, otherwise)
    return torch.where(values > 1e-6, values, torch.ones_like(values))


def _span(x: Tensor, seen: Tensor, a: int, b: int) -> Tensor:
    """Median distance of two joints over the frames with both, ``[P]``; NaN without any."""
    return _median((x[:, :, a] - x[:, :, b]).square().sum(-1).sqrt(), seen[:, :, a] & seen[:, :, b])


def _spread(x: Tensor, seen: Tensor, centre: Tensor) -> Tensor:
    """Mean distance of all joints from a centre ``[P, C]``, ``[P]``."""
    there = seen.to(x.dtype)
    away = (x - centre[:, None, None]).square().sum(-1).sqrt() * there
    return away.sum((1, 2)) / there.sum((1, 2)).clamp_min(1)


def _part_size(x: Tensor, seen: Tensor, layout: SkeletonLayout, region: str, root: int) -> Tensor:
    """The size of a hand's palm or of a face, ``[P]``; where it is not known, the mean distance of its joints."""
    joints = regions(layout)[region]
    side = region.partition("_")[0] + "_" if region not in ("hand", "face") else ""
    ends = ("face_263", "face_033") if region == "face" else (layout.joints[root], f"{side}middle_mcp")
    rows = index_tensor(joints, x.device)
    there = (seen[:, :, rows] & seen[:, :, root : root + 1]).to(x.dtype)
    away = (x[:, :, rows] - x[:, :, root : root + 1]).square().sum(-1).sqrt() * there
    spread = away.sum((1, 2)) / there.sum((1, 2)).clamp_min(1)
    if all(end in layout.index for end in ends):
        return _positive(_span(x, seen, *layout.positions(*ends)), spread)
    return _positive(spread, spread)


def _reference(x: Tensor, seen: Tensor, layout: SkeletonLayout) -> tuple[Tensor, Tensor]:
    """Origin ``[P, C]`` and unit ``[P]`` of each person for the clip."""
    there = seen.to(x.dtype).unsqueeze(-1)
    mean = (x * there).sum((1, 2)) / there.sum((1, 2)).clamp_min(1)
    spread = _spread(x, seen, mean)
    for left, right, factor in _REFERENCES:
        if left in layout.index and right in layout.index:
            a, b = layout.positions(left, right)
            both = (seen[:, :, a] & seen[:, :, b]).to(x.dtype)
            middle = ((x[:, :, a] + x[:, :, b]) / 2 * both.unsqueeze(-1)).sum(1)
            known = both.sum(1)
            centre = torch.where(known[:, None] > 0, middle / known.clamp_min(1)[:, None], mean)
            return centre, _positive(factor * _span(x, seen, a, b), spread)
    roots = [(name, _root(layout, name)) for name in regions(layout) if name.endswith("hand")]
    hands = [(name, root) for name, root in roots if root is not None]
    if not hands:
        return mean, _positive(spread, spread)
    wrists = index_tensor([root for _, root in hands], x.device)
    known = there[:, :, wrists].sum((1, 2))
    centre = torch.where(known > 0, (x * there)[:, :, wrists].sum((1, 2)) / known.clamp_min(1), mean)
    palms = torch.stack([_part_size(x, seen, layout, name, root) for name, root in hands], 1)
    # A hand that is never seen has no size (1 by default): it does not count.
    shown = torch.stack([seen[:, :, root].any(1) for _, root in hands], 1).to(x.dtype)
    palm = (palms * shown).sum(1) / shown.sum(1).clamp_min(1)
    return centre, _positive(_PALMS * palm, spread)


def _side_motion(x: Tensor, score: Tensor, layout: SkeletonLayout) -> tuple[Tensor, Tensor]:
    """The way that the joints of the left and of the right hand make over the clip, ``[P]`` each."""
    ways = []
    for side in ("left", "right"):
        joints = [
            v
            for v, joint in enumerate(layout.joints)
            if joint in (f"{side}_wrist", f"{side}_hand", f"{side}_hand_wrist")
            or (joint.startswith(f"{side}_") and joint.endswith("_tip"))
        ]
        if not joints:
            ways.append(x.new_zeros(len(x)))
            continue
        rows = index_tensor(joints, x.device)
        sure = score[:, :, rows].to(x.dtype)
        both = torch.minimum(sure[:, 1:], sure[:, :-1])
        step = (x[:, 1:, rows] - x[:, :-1, rows]).square().sum(-1).sqrt()
        ways.append((step * both).sum((1, 2)) / len(joints))
    return ways[0], ways[1]
