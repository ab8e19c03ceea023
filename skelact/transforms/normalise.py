"""Normalisation per person and clip, never per frame, which would remove height and speed."""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.layouts import SkeletonLayout
from skelact.transforms import device
from skelact.transforms.device import index_tensor
from skelact.transforms.geometry import apply_matrices


def centre_joints(layout: SkeletonLayout) -> list[int]:
    """The joints whose mean is the body's centre: the hips if the layout has them, else the root."""
    for names in (("mid_hip",), ("left_hip", "right_hip"), ("spine",)):
        if all(name in layout.index for name in names):
            return layout.positions(*names)
    roots = [v for v, p in enumerate(layout.parents) if p < 0]
    return roots


def _first_people(owner: Tensor, n_clips: int) -> Tensor:
    """Index of the first person of each clip, ``[N]``."""
    people = torch.arange(owner.shape[0], device=owner.device)
    first = torch.full((n_clips,), owner.shape[0], device=owner.device, dtype=people.dtype)
    return first.scatter_reduce(0, owner, people, "amin")


def _centres(x: Tensor, score: Tensor, layout: SkeletonLayout, when: str) -> Tensor:
    """One centre per person, ``[P, C]``: mean over its frames, or its first frame."""
    joints = index_tensor(centre_joints(layout), x.device)
    weight = (score[:, :, joints] > 0).to(x.dtype)
    point = x[:, :, joints]
    absent = weight.flatten(1).sum(1) == 0
    if not device.may_look(x.device) or bool(
        absent.any()
    ):  # no hips in any frame: the mean of all present joints
        everything = (score > 0).to(x.dtype)
        total = everything.flatten(1).sum(1).clamp_min(1)[:, None]
        fallback = (x * everything[..., None]).sum((1, 2)) / total
    else:
        fallback = torch.zeros_like(x[:, 0, 0])
    if when == "first_frame":
        there = (weight.sum(2) > 0).to(x.dtype)
        frame = there.argmax(1)
        rows = torch.arange(x.shape[0], device=x.device)
        weight, point = weight[rows, frame][:, None], point[rows, frame][:, None]
    mean = (point * weight[..., None]).sum((1, 2)) / weight.sum((1, 2)).clamp_min(1)[:, None]
    return torch.where(absent[:, None], fallback, mean)


def centre(
    x: Tensor,
    score: Tensor,
    owner: Tensor,
    n_clips: int,
    layout: SkeletonLayout,
    when: str = "mean",
    start: Tensor | None = None,
) -> Tensor:
    """Move each clip so that its people's common centre is the origin.

    All people of a clip share one origin, the mean of their centres, so that relative positions, paths and
    changes of height are kept.

    Args:
        x, score, owner, n_clips, layout: the batch.
        when: ``mean`` (hips over all frames in which they are not missing) or ``first_frame``.
        start: for ``first_frame``, the centre of each clip in its recording's first frame ``[N, C]``; None:
            in the first frame of ``x``.
    """
    if when == "first_frame" and start is not None:
        return x - start[owner][:, None, None, :]
    people = _centres(x, score, layout, when)
    there = (score > 0).flatten(1).any(1).to(x.dtype)[:, None]
    total = torch.zeros(n_clips, x.shape[3], device=x.device, dtype=x.dtype).index_add(
        0, owner, people * there
    )
    count = torch.zeros(n_clips, 1, device=x.device, dtype=x.dtype).index_add(0, owner, there)
    return x - (total / count.clamp_min(1))[owner][:, None, None, :]


def body_size(x: Tensor, score: Tensor, layout: SkeletonLayout) -> Tensor:
    """Mean bone length of each person over all frames and bones with both ends, ``[P]``; 0 without any."""
    child, parent = (index_tensor(ends, x.device) for ends in zip(*layout.bones, strict=True))
    seen = ((score[:, :, child] > 0) & (score[:, :, parent] > 0)).to(x.dtype)
    length = (x[:, :, child] - x[:, :, parent]).square().sum(-1).sqrt()
    return (length * seen).sum((1, 2)) / seen.sum((1, 2)).clamp_min(1)


def scale_to_body(x: Tensor, score: Tensor, owner: Tensor, n_clips: int, layout: SkeletonLayout) -> Tensor:
    """Divide each clip by its people's mean bone length, times 5 (so that a body spans about 5 units).

    One factor per clip keeps relative sizes, heights and speeds.
    """
    size = body_size(x, score, layout)
    total = torch.zeros(n_clips, device=x.device, dtype=x.dtype).index_add(0, owner, size)
    count = torch.zeros(n_clips, device=x.device, dtype=x.dtype).index_add(0, owner, (size > 0).to(x.dtype))
    mean = total / count.clamp_min(1)
    factor = torch.where(mean > 0, 1 / (5 * mean.clamp_min(1e-12)), torch.ones_like(mean))
    return x * factor[owner][:, None, None, None]


def scale_to_range(x: Tensor, score: Tensor, owner: Tensor, n_clips: int) -> Tensor:
    """Stretch each axis of each clip to -1..1 over its people, frames and joints that are seen.

    Source: the NW-UCLA loader of CTR-GCN (Chen et al., ICCV 2021). Places and sizes are lost, and so are
    the proportions of the axes to each other. An axis without extent becomes 0.
    """
    there = (score > 0)[..., None]
    each = owner[:, None].expand(-1, x.shape[3])

    def outermost(of: str, filler: float) -> Tensor:
        people = getattr(torch.where(there, x, torch.full_like(x, filler)).flatten(1, 2), of)(1)
        return x.new_full((n_clips, x.shape[3]), filler).scatter_reduce(0, each, people, of)

    low, high = outermost("amin", torch.inf), outermost("amax", -torch.inf)
    extent = high - low
    flat = ~(extent > 0)
    factor = torch.where(flat, 0.0, 2 / torch.where(flat, torch.ones_like(extent), extent))
    low = torch.where(flat, torch.zeros_like(low), low)
    offset = torch.where(flat, torch.zeros_like(low), torch.ones_like(low))
    return (x - low[owner][:, None, None]) * factor[owner][:, None, None] - offset[owner][:, None, None]


def align_view(x: Tensor, score: Tensor, owner: Tensor, n_clips: int, layout: SkeletonLayout) -> Tensor:
    """Turn each clip about the vertical (second) axis so that its first person faces the camera.

    The horizontal line from the right to the left shoulder (else hip) becomes the first axis: its mean over
    the frames with both joints, or its value in the first of them where the person turns so much that the mean
    is short. One rotation per clip keeps turning. Clips in which both are never present are unchanged.
    """
    for part in ("shoulder", "hip"):
        if {f"left_{part}", f"right_{part}"} <= set(layout.index):
            left, right = layout.positions(f"left_{part}", f"right_{part}")
            break
    else:
        return x
    first = _first_people(owner, n_clips)
    seen = ((score[first][:, :, left] > 0) & (score[first][:, :, right] > 0)).to(x.dtype)
    across = (x[first][:, :, left] - x[first][:, :, right])[..., ::2] * seen[..., None]
    rows = torch.arange(n_clips, device=x.device)
    count = seen.sum(1).clamp_min(1)
    mean = across.sum(1) / count[:, None]
    usual = across.norm(dim=2).sum(1) / count
    start = across[rows, seen.argmax(1)]
    line = torch.where((mean.norm(dim=1) > 0.5 * usual)[:, None], mean, start)
    length = line.norm(dim=1)
    fine = length > 1e-6
    length = length.clamp_min(1e-6)
    cos = torch.where(fine, line[:, 0] / length, torch.ones_like(length))
    sin = torch.where(fine, line[:, 1] / length, torch.zeros_like(length))
    zero, one = torch.zeros_like(cos), torch.ones_like(cos)
    matrices = torch.stack([cos, zero, sin, zero, one, zero, -sin, zero, cos], 1).view(-1, 3, 3)
    return apply_matrices(x, owner, matrices)


def level(x: Tensor, score: Tensor, owner: Tensor, n_clips: int, layout: SkeletonLayout) -> Tensor:
    """Remove a camera's tilt: rotate each clip so that its people stand upright (3D only).

    The direction from feet to head, weighted towards the frames in which their distance is largest (people
    stand straight), becomes the second axis. One rotation per clip keeps bending. Clips in which head and feet
    are never present are unchanged. Not for people who lie in all frames.
    """
    top = [n for n in ("head", "neck", "mid_shoulder", "nose") if n in layout.index][:1]
    bottom = [n for n in ("left_ankle", "right_ankle") if n in layout.index]
    if not top or len(bottom) < 2:
        return x
    head, feet = (index_tensor(layout.positions(*names), x.device) for names in (top, bottom))
    seen = (score[:, :, torch.cat([head, feet])] > 0).all(2).to(x.dtype)
    up = (x[:, :, head].mean(2) - x[:, :, feet].mean(2)) * seen[..., None]
    length = up.norm(dim=2)
    weight = (length / length.amax(1, keepdim=True).clamp_min(1e-6)) ** 16
    total = torch.zeros(n_clips, 3, device=x.device, dtype=x.dtype).index_add(
        0, owner, (up * weight[..., None]).sum(1)
    )
    size = total.norm(dim=1, keepdim=True)
    upright = torch.eye(3, device=x.device, dtype=x.dtype)[1]
    y = torch.where(size > 1e-6, total / size.clamp_min(1e-6), upright)
    # the smallest rotation of y to the second axis (Rodrigues)
    vx, vz, cos = -y[:, 2], y[:, 0], y[:, 1]
    factor = 1 / (1 + cos).clamp_min(1e-3)
    zero = torch.zeros_like(cos)
    cross = torch.stack([zero, -vz, zero, vz, zero, -vx, zero, vx, zero], 1).view(-1, 3, 3)
    matrices = torch.eye(3, device=x.device, dtype=x.dtype) + cross + cross @ cross * factor[:, None, None]
    return apply_matrices(x, owner, matrices)
