"""What cameras and estimators make of synthetic gestures: views, sizes, errors of depth, lost joints, hands and frames.

Sizes of errors as in `skelact.datasets.synthetic.everyday.estimators`; hands shake by some hundredths of a palm.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.transforms.gesture_form import GESTURE_LAYOUT, LEFT_HAND, N_JOINTS, RIGHT_HAND, J, resample

_LEGS = [J[f"{s}_{j}"] for s in ("left", "right") for j in ("hip", "knee", "ankle")]
_LIMBS = [J[f"{s}_{j}"] for s in ("left", "right") for j in ("elbow", "wrist")]
_HANDS = (LEFT_HAND, RIGHT_HAND)
_POINTS = [
    J[f"{s}_{j}"]
    for s in ("left", "right")
    for j in ("elbow", "wrist", "hand_wrist", "middle_tip", "thumb_tip")
]
_KINECT_HANDS = [J[f"{s}_{j}"] for s in ("left", "right") for j in ("hand_wrist", "middle_mcp")]


def visible_joints(profile: str) -> Tensor:
    """Which joints an estimator of a profile gives, ``[V]`` of 0 and 1."""
    seen = torch.zeros(N_JOINTS)
    if profile == "holistic":
        seen[:] = 1
    elif profile == "hand":
        seen[RIGHT_HAND:] = 1
    elif profile == "points":
        seen[_POINTS] = 1
    else:
        seen[:LEFT_HAND] = 1
        seen[_KINECT_HANDS] = 1
    return seen


def see(
    xyz: Tensor, times: Tensor, profile: str, rng: torch.Generator | None, flat: bool = False
) -> tuple[Tensor, Tensor]:
    """Look at people and resample what was seen.

    Args:
        xyz: ``[N, T, V, 3]`` shoulder widths, facing the camera.
        times: ``[N, T]`` seconds.
        profile: what is seen, see `visible_joints`.
        rng: of the errors; None: there are none.
        flat: without depth.

    Returns:
        as `skelact.transforms.gesture_form.resample`.
    """
    n, t, v, _ = xyz.shape
    present = visible_joints(profile).expand(n, t, v).clone()
    if rng is not None:
        if profile == "holistic":
            present = present * _framed(xyz, rng)
        xyz = _view(xyz, rng)
        xyz = _estimate(xyz, rng)
        present = present * _lost(n, t, profile, times, rng)
        xyz = xyz * torch.exp(0.5 * torch.randn(n, 1, 1, 1, generator=rng))
    if flat:
        xyz = xyz * torch.tensor([1.0, 1.0, 0.0])
    xyz = xyz * present[..., None]
    return resample(xyz, present, times, times[:, 0], times[:, -1])


def _framed(xyz: Tensor, rng: torch.Generator) -> Tensor:
    """Whether joints are inside of the picture: hands that hang down often are below a web camera's."""
    edge = -0.6 - 1.1 * torch.rand(len(xyz), 1, 1, generator=rng)
    edge = torch.where(torch.rand(len(xyz), 1, 1, generator=rng) < 0.6, edge, torch.full_like(edge, -9.0))
    inside = (xyz[..., 1] > edge).float()
    for first in _HANDS:  # a hand that is half outside is not found
        inside[..., first : first + 21] = inside[..., first : first + 21].mean(-1, keepdim=True).round()
    return inside


def _view(xyz: Tensor, rng: torch.Generator) -> Tensor:
    """From anywhere before the person; pictures whose proportions are not known are a little too wide or too narrow."""
    n = len(xyz)
    yaw, pitch, roll = (torch.randn(3, n, generator=rng) * torch.tensor([[0.3], [0.15], [0.08]]))[
        ..., None, None
    ]
    x, y, z = xyz.unbind(-1)
    x, z = x * yaw.cos() + z * yaw.sin(), z * yaw.cos() - x * yaw.sin()
    y, z = y * pitch.cos() + z * pitch.sin(), z * pitch.cos() - y * pitch.sin()
    x, y = x * roll.cos() + y * roll.sin(), y * roll.cos() - x * roll.sin()
    wide = torch.exp(0.08 * torch.randn(n, 1, 1, generator=rng))
    return torch.stack([x * wide, y, z], -1)


def _slow(n: int, t: int, k: int, rng: torch.Generator) -> Tensor:
    """Noise ``[N, T, K, 3]`` that wanders slowly, of size 1."""
    knots = torch.randn(n, k * 3, 5, generator=rng)
    return (
        torch.nn.functional.interpolate(knots, t, mode="linear", align_corners=True)
        .transpose(1, 2)
        .reshape(n, t, k, 3)
    )


def _estimate(xyz: Tensor, rng: torch.Generator) -> Tensor:
    """Errors of an estimator, larger in depth; each hand has its own."""
    n, t, v, _ = xyz.shape
    quality = torch.exp(0.5 * torch.randn(n, 1, 1, 1, generator=rng))
    size = torch.full((v,), 0.035)
    size[_LIMBS] = 0.06
    size[_LEGS] = 0.06
    size[LEFT_HAND:] = 0.016
    towards = torch.tensor([1.0, 1.0, 1.8])
    slow = _slow(n, t, v, rng) + 0.7 * torch.randn(n, 1, v, 3, generator=rng)
    fast = torch.randn(n, t, v, 3, generator=rng)
    error = (slow + 0.3 * fast) * size[:, None] * quality * towards
    out = xyz + error
    # depth is stretched or pressed, of the body and of each hand about its wrist
    stretch = 0.35 + 0.9 * torch.rand(n, 3, generator=rng)
    z = out[..., 2].clone()
    z[..., :LEFT_HAND] = z[..., :LEFT_HAND] * stretch[:, :1, None]
    for k, first in enumerate(_HANDS, 1):
        about = xyz[..., first : first + 1, 2]
        z[..., first : first + 21] = about + (z[..., first : first + 21] - about) * stretch[:, k, None, None]
    return torch.stack([out[..., 0], out[..., 1], z], -1)


def _lost(n: int, t: int, profile: str, times: Tensor, rng: torch.Generator) -> Tensor:
    """What is not seen: single joints, frames, hands for a while or for good, legs out of the picture."""

    def often(chance: float, *shape: int) -> Tensor:
        return (torch.rand(*shape, generator=rng) < chance).float()

    keep = 1 - often(1.0, n, 1, 1) * often(0.2, n, 1, 1) * often(0.25, n, t, 1)  # frames of some recordings
    keep = keep.expand(n, t, N_JOINTS).clone()
    joints = 1 - often(0.03, n, 1, N_JOINTS) * (torch.arange(N_JOINTS) < LEFT_HAND)
    if profile != "points":
        keep = keep * joints
    if profile in ("holistic", "body"):
        legs = 1 - often(0.75 if profile == "holistic" else 0.1, n, 1, 1)
        keep[..., _LEGS] = keep[..., _LEGS] * legs
    if profile == "holistic":
        for first in _HANDS:
            start = torch.rand(n, 1, generator=rng) * times[:, -1:]
            length = torch.rand(n, 1, generator=rng) * 0.6 * times[:, -1:]
            gone = ((times >= start) & (times < start + length)).float() * often(0.3, n, 1)
            gone = torch.maximum(gone, often(0.04, n, 1).expand(n, t))
            flicker = often(0.3, n, 1) * often(0.3, n, t)
            keep[..., first : first + 21] *= ((1 - gone) * (1 - flicker))[..., None]
    keep[:, t // 2] = torch.maximum(keep[:, t // 2], (keep.sum((1, 2)) == 0).float()[:, None])
    return keep


assert GESTURE_LAYOUT.joints[LEFT_HAND] == "left_hand_wrist"
