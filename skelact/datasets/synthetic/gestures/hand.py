"""Synthetic hands: 21 joints from curls, spread and the thumb, in proportions that differ from person to person."""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.transforms.hands import PALM

# Right hands, in palm lengths (wrist to the base of the middle finger): sidewards to the thumb, along the fingers.
_THUMB, *_BASES = PALM.values()
_BONES = ((0.46, 0.27, 0.22), (0.51, 0.32, 0.24), (0.47, 0.30, 0.24), (0.37, 0.22, 0.20))
_FAN = (0.30, 0.05, -0.18, -0.42)  # radians that a finger goes sidewards with full spread
_THUMB_BONES = (0.42, 0.34, 0.28)


def hand_joints(curl: Tensor, spread: Tensor, thumb: Tensor, sizes: Tensor) -> Tensor:
    """Joints of right hands in the palm's frame.

    Args:
        curl: ``[..., 5, 2]`` of thumb to little finger, at the base and beyond, 0 (straight) to 1.
        spread: ``[...]`` 0..1.
        thumb: ``[..., 2]`` opposition (0 beside the palm, 1 in front) and direction (0 away, 1 along the fingers).
        sizes: ``[..., 5]`` of the fingers, about 1.

    Returns:
        ``[..., 21, 3]`` about the wrist in palm lengths: to the thumb's side, along the fingers, out of the palm.
    """
    joints = [torch.zeros((*spread.shape, 3))]
    joints += _thumb(curl[..., 0, :], thumb, sizes[..., 0])
    for k, (base, bones, fan) in enumerate(zip(_BASES, _BONES, _FAN, strict=True), 1):
        bend = curl[..., k, :]
        side = fan * (0.15 + spread) * (1 - 0.7 * bend[..., 0])
        at = torch.stack([*(torch.full_like(spread, b) for b in base), torch.zeros_like(spread)], -1)
        joints.append(at)
        angle = 1.45 * bend[..., 0]
        turns = (torch.zeros_like(angle), 1.8 * bend[..., 1], 1.1 * bend[..., 1])
        for bone, turn in zip(bones, turns, strict=True):
            angle = angle + turn
            along = torch.stack([side.sin() * angle.cos(), side.cos() * angle.cos(), angle.sin()], -1)
            at = at + along * (bone * sizes[..., k])[..., None]
            joints.append(at)
    return torch.stack(joints, -2)


def _thumb(curl: Tensor, thumb: Tensor, size: Tensor) -> list[Tensor]:
    opposed, along = thumb[..., 0], thumb[..., 1]
    zero = torch.zeros_like(opposed)
    at = torch.stack([zero + _THUMB[0], zero + _THUMB[1], zero], -1)
    joints = [at]
    tilt, ahead = 1.3 * opposed, 0.25 + 1.15 * along
    direction = torch.stack(
        [
            tilt.cos() * ahead.cos() - 0.5 * opposed * along,
            tilt.cos() * ahead.sin() + 0.25 * opposed,
            tilt.sin(),
        ],
        -1,
    )
    inwards = torch.stack([zero - 1.0, zero + 0.15, zero + 0.35], -1)
    bends = (zero, 0.7 * curl[..., 0] + 0.4 * curl[..., 1], 0.9 * curl[..., 0] + 1.2 * curl[..., 1])
    for bone, bend in zip(_THUMB_BONES, bends, strict=True):
        way = torch.nn.functional.normalize(direction + bend[..., None] * inwards, dim=-1)
        at = at + way * (bone * size)[..., None]
        joints.append(at)
    return joints
