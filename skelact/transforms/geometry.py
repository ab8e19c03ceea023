"""Batched geometric transforms. Random ones draw once per clip, for all its people.

Tensors are ``x [P, T, V, C]``, ``score [P, T, V]`` and ``owner [P]`` throughout. Missing joints (score 0)
are transformed, too; `skelact.transforms.streams` sets them to 0 at the end.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.layouts import SkeletonLayout
from skelact.layouts.parts import regions
from skelact.transforms.device import index_tensor


def uniform(
    shape: tuple[int, ...], low: float, high: float, like: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Uniform random numbers on the device and in the type of ``like``."""
    return torch.empty(shape, device=like.device, dtype=like.dtype).uniform_(low, high, generator=generator)


def rotation_matrices(angles: Tensor) -> Tensor:
    """Rotations about x, then y, then z: ``[N, 3]`` radians to ``[N, 3, 3]``; ``[N, 1]`` to ``[N, 2, 2]``."""
    cos, sin = angles.cos(), angles.sin()
    zero, one = torch.zeros_like(cos[:, 0]), torch.ones_like(cos[:, 0])
    if angles.shape[1] == 1:
        return torch.stack([cos[:, 0], -sin[:, 0], sin[:, 0], cos[:, 0]], 1).view(-1, 2, 2)
    (cx, cy, cz), (sx, sy, sz) = cos.unbind(1), sin.unbind(1)
    rx = torch.stack([one, zero, zero, zero, cx, -sx, zero, sx, cx], 1).view(-1, 3, 3)
    ry = torch.stack([cy, zero, sy, zero, one, zero, -sy, zero, cy], 1).view(-1, 3, 3)
    rz = torch.stack([cz, -sz, zero, sz, cz, zero, zero, zero, one], 1).view(-1, 3, 3)
    return rz @ ry @ rx


def apply_matrices(x: Tensor, owner: Tensor, matrices: Tensor) -> Tensor:
    """Multiply every joint by its clip's matrix: ``matrices [N, C, C]``."""
    p, t, v, c = x.shape
    return torch.bmm(x.reshape(p, t * v, c), matrices[owner].transpose(1, 2)).view(p, t, v, c)


def rotate(
    x: Tensor, owner: Tensor, n_clips: int, angle: float, generator: torch.Generator | None = None
) -> Tensor:
    """Rotate each clip about each axis by up to ``angle`` radians (2D: in the plane).

    Source: the random rotation of CTR-GCN (Chen et al., ICCV 2021), about the origin.
    """
    axes = 3 if x.shape[3] == 3 else 1
    return apply_matrices(x, owner, rotation_matrices(uniform((n_clips, axes), -angle, angle, x, generator)))


def turn(
    x: Tensor, owner: Tensor, n_clips: int, angle: float, generator: torch.Generator | None = None
) -> Tensor:
    """Turn each clip about the vertical axis by up to ``angle`` radians: a change of viewpoint (3D only)."""
    return _rotate_about(1, x, owner, n_clips, angle, generator)


def tilt(
    x: Tensor, owner: Tensor, n_clips: int, angle: float, generator: torch.Generator | None = None
) -> Tensor:
    """Turn each clip about the horizontal axis of the image by up to ``angle`` radians (3D only)."""
    return _rotate_about(0, x, owner, n_clips, angle, generator)


def _rotate_about(
    axis: int, x: Tensor, owner: Tensor, n_clips: int, angle: float, generator: torch.Generator | None
) -> Tensor:
    angles = x.new_zeros(n_clips, 3)
    angles[:, axis : axis + 1] = uniform((n_clips, 1), -angle, angle, x, generator)
    return apply_matrices(x, owner, rotation_matrices(angles))


def scale(
    x: Tensor, owner: Tensor, n_clips: int, amount: float, generator: torch.Generator | None = None
) -> Tensor:
    """Stretch each axis of each clip by a factor in ``1 - amount .. 1 + amount``."""
    factors = uniform((n_clips, x.shape[3]), 1 - amount, 1 + amount, x, generator)
    return x * factors[owner][:, None, None, :]


def shear(
    x: Tensor, owner: Tensor, n_clips: int, amount: float, generator: torch.Generator | None = None
) -> Tensor:
    """Shear each clip: off-diagonal entries of the matrix up to ``amount`` (Li et al., CVPR 2021)."""
    c = x.shape[3]
    matrices = uniform((n_clips, c, c), -amount, amount, x, generator)
    matrices.diagonal(dim1=1, dim2=2).fill_(1)
    return apply_matrices(x, owner, matrices)


def mirror(
    x: Tensor,
    score: Tensor,
    owner: Tensor,
    n_clips: int,
    layout: SkeletonLayout,
    probability: float = 1.0,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Mirror clips left to right: negate the first coordinate and swap left and right joints.

    Positions must be relative (the mirror plane is x = 0). Do not use it where left and right distinguish classes.
    """
    chosen = torch.rand(n_clips, generator=generator, device=x.device) < probability
    chosen = chosen[owner]
    order = index_tensor(layout.mirror, x.device)
    flipped = x[:, :, order].clone()
    flipped[..., 0].neg_()
    return (
        torch.where(chosen[:, None, None, None], flipped, x),
        torch.where(chosen[:, None, None], score[:, :, order], score),
    )


def stretch_bones(
    x: Tensor,
    score: Tensor,
    layout: SkeletonLayout,
    amount: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Change each person's proportions: scale each bone by a factor in ``1 - amount .. 1 + amount``.

    Left and right bones share a factor; directions are kept. Bones with a missing end keep their length.
    """
    n = len(layout)
    parent = index_tensor((p if p >= 0 else v for v, p in enumerate(layout.parents)), x.device)
    factors = uniform((len(x), 1, n, 1), -amount, amount, x, generator)
    first = index_tensor((min(v, w) for v, w in enumerate(layout.mirror)), x.device)
    seen = (score > 0) & (score[:, :, parent] > 0)
    change = (x - x[:, :, parent]) * factors[:, :, first] * seen.unsqueeze(-1).to(x.dtype)
    path = torch.zeros(
        n, n, dtype=x.dtype, device=x.device
    )  # the bones on the path from the root to each joint
    for v in range(n):
        u = v
        while u >= 0:
            path[v, u] = 1
            u = layout.parents[u]
    return x + path @ change


def wander(x: Tensor, deviation: float, generator: torch.Generator | None = None, knots: int = 4) -> Tensor:
    """Add a slow random drift to every joint, like the errors of sensors.

    Args:
        x: ``[P, T, V, C]``.
        deviation: standard deviation of the drift, in the unit of ``x``.
        generator: where random numbers come from.
        knots: points in time per clip between which the drift is interpolated.
    """
    p, t, v, c = x.shape
    drawn = torch.randn((p, v * c, knots), generator=generator, device=x.device, dtype=x.dtype)
    smooth = torch.nn.functional.interpolate(drawn, size=t, mode="linear", align_corners=True)
    return x + deviation * smooth.transpose(1, 2).reshape(p, t, v, c)


def jitter(x: Tensor, deviation: float, generator: torch.Generator | None = None) -> Tensor:
    """Add Gaussian noise of this standard deviation, in the unit of ``x``."""
    return x + deviation * torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)


def drop_joints(
    score: Tensor, owner: Tensor, n_clips: int, probability: float, generator: torch.Generator | None = None
) -> Tensor:
    """Mark whole joints missing for a clip, each with this probability; at least one joint stays."""
    drawn = torch.rand((n_clips, score.shape[2]), generator=generator, device=score.device)
    keep = (drawn >= probability) | (drawn == drawn.max(1, keepdim=True).values)
    return score * keep[owner][:, None, :].to(score.dtype)


def drop_frames(score: Tensor, probability: float, generator: torch.Generator | None = None) -> Tensor:
    """Mark all joints of a frame missing, each frame of each person with this probability."""
    drawn = torch.rand(score.shape[:2], generator=generator, device=score.device)
    keep = (drawn >= probability) | (drawn == drawn.max(1, keepdim=True).values)
    return score * keep[..., None].to(score.dtype)


def drop_hands(
    score: Tensor, layout: SkeletonLayout, probability: float, generator: torch.Generator | None = None
) -> Tensor:
    """Mark each hand of each person missing for the whole clip with this probability; who has nothing else keeps it.

    Hands are the regions of that name (see `skelact.layouts.parts.regions`); other layouts are left as they are.
    """
    kept = score
    for name, joints in regions(layout).items():
        if name.endswith("hand"):
            drawn = torch.rand((len(score), 1, 1), generator=generator, device=score.device)
            hand = torch.zeros(len(layout), dtype=torch.bool)
            hand[joints] = True
            kept = torch.where((drawn < probability) & hand.to(score.device), torch.zeros_like(kept), kept)
    return torch.where((kept > 0).flatten(1).any(1)[:, None, None], kept, score)
