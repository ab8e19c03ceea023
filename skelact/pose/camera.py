"""Camera coordinates: where people stand, from their pose in metres and their joints in the picture."""

from __future__ import annotations

import re

import numpy as np

from skelact.errors import ConfigError
from skelact.layouts import SkeletonLayout

ASSUMED_FOV = 60.0  # degrees across; what an unknown camera is taken to have
SMOOTH_SECONDS = 0.1  # standard deviation of the smoothing of the trajectory
# How much a joint says about where a person stands: head and limbs move, and their depth is uncertain.
_TRUNK, _HEAD, _LIMBS = 1.0, 0.02, 0.0005
_TRUNK_JOINTS = ("neck", "spine", "chest", "shoulder", "hip")
_HEAD_JOINTS = ("head", "nose", "eye", "ear", "mouth")
_NEAREST = 0.1  # metres in front of the camera at which a person can still be


def check_fov(fov: float) -> None:
    """Raise `ConfigError` unless ``fov`` is a horizontal field of view that a camera can have, in degrees."""
    if not 1 <= fov <= 170:
        raise ConfigError(
            f"the field of view must be 1 to 170 degrees across the picture, got {fov}; the Kinect v2's colour "
            "camera has 84.1, most webcams and telephones 55 to 75"
        )


def viewing_rays(xy: np.ndarray, size: tuple[int, int], fov: float) -> np.ndarray:
    """``x / z`` and ``y / z`` of what is seen at points of the picture.

    Args:
        xy: ``[..., 2]`` fractions of the picture's width and height.
        size: width and height of the picture in pixels (square pixels).
        fov: horizontal field of view in degrees.

    Returns:
        ``[..., 2]`` in a Kinect's axes: x to the picture's left, y up.
    """
    half = np.tan(np.radians(fov) / 2)
    return (0.5 - xy) * np.array([2 * half, 2 * half * size[1] / size[0]])


def joint_weights(layout: SkeletonLayout) -> np.ndarray:
    """How much each joint says about where a person stands, ``[V]``."""
    names = [re.sub("^(left|right|mid)_", "", joint) for joint in layout.joints]
    kinds = ((_TRUNK_JOINTS, _TRUNK), (_HEAD_JOINTS, _HEAD), (("",), _LIMBS))
    return np.array([next(w for part, w in kinds if name.startswith(part)) for name in names])


def turn_to_ray(xyz: np.ndarray, ray: np.ndarray) -> np.ndarray:
    """Turn poses from the axes of a camera that looks at the person into the axes of the real camera.

    A pose network sees a cut-out of the person, as if the camera pointed at them. The smallest turn that
    brings the optical axis onto the ray to the person undoes this.

    Args:
        xyz: ``[T, V, 3]`` about the hips.
        ray: ``[T, 2]`` ``x / z`` and ``y / z`` of the person's middle.
    """
    axis = np.concatenate([ray, np.ones((len(ray), 1))], 1)
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    x, y, z = axis.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, zero, x, zero, zero, y, -x, -y, zero], 1).reshape(-1, 3, 3)
    turn = np.eye(3) + cross + cross @ cross / (1 + z)[:, None, None]
    return xyz @ turn.transpose(0, 2, 1)


def solve_translation(xyz: np.ndarray, rays: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The translation ``t`` that puts poses where the picture shows them.

    ``(X + t_x) / (Z + t_z) = r_x`` and ``(Y + t_y) / (Z + t_z) = r_y`` for every joint, multiplied out: least
    squares in three unknowns, weighted, in closed form.

    Args:
        xyz: ``[T, V, 3]`` joints in metres about any origin.
        rays: ``[T, V, 2]`` see `viewing_rays`.
        weight: ``[T, V]``, 0 for joints that do not count.

    Returns:
        ``[T, 3]``; NaN where the joints do not determine it (none, or all on one ray) or where it would put
        the person behind the camera.
    """
    total = weight.sum(1)
    share = (weight / np.where(total > 0, total, 1.0)[:, None])[..., None]
    gap = rays * xyz[..., 2:] - xyz[..., :2]  # = t_xy - ray * t_z
    ray_mean, gap_mean = (rays * share).sum(1), (gap * share).sum(1)
    spread = rays - ray_mean[:, None]
    below = (share * spread**2).sum((1, 2))
    above = -(share * spread * (gap - gap_mean[:, None])).sum((1, 2))
    fine = (total > 0) & (below > 1e-10)
    depth = above / np.where(fine, below, 1.0)
    fine &= depth > _NEAREST
    found = np.concatenate([gap_mean + ray_mean * depth[:, None], depth[:, None]], 1)
    return np.where(fine[:, None], found, np.nan)


def smooth_path(
    path: np.ndarray, weight: np.ndarray, time: np.ndarray, seconds: float = SMOOTH_SECONDS
) -> np.ndarray:
    """Mean of a path over time with Gaussian weights, which adds no delay.

    Args:
        path: ``[T, C]``; NaN where it is not known.
        weight: ``[T]`` of each moment.
        time: ``[T]`` seconds, increasing.
        seconds: standard deviation of the Gaussian.

    Returns:
        ``[T, C]``; where the path is not known, what its neighbours say; NaN if it is never known nearby.
    """
    known = np.isfinite(path).all(1) & (weight > 0)
    out = np.full_like(path, np.nan)
    reach = 4 * seconds
    first, last = np.searchsorted(time, time - reach), np.searchsorted(time, time + reach, side="right")
    for t in range(len(path)):
        near = np.flatnonzero(known[first[t] : last[t]]) + first[t]
        if len(near):
            part = weight[near] * np.exp(-0.5 * ((time[near] - time[t]) / seconds) ** 2)
            # A straight line through the neighbours, so that the ends of a path are not drawn inwards.
            step = time[near] - time[t]
            mean = (part * step).sum() / part.sum()
            spread = (part * (step - mean) ** 2).sum()
            level = (part[:, None] * path[near]).sum(0) / part.sum()
            slope = (part * (step - mean)) @ path[near] / spread if spread > 1e-12 else 0.0
            out[t] = level - mean * slope
    return out


def place_in_camera(
    xyz: np.ndarray,
    xy: np.ndarray,
    score: np.ndarray,
    layout: SkeletonLayout,
    size: tuple[int, int],
    fov: float,
    time: np.ndarray,
    smooth: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Give one person the trajectory that the picture shows.

    Args:
        xyz: ``[T, V, 3]`` metres about the person's own hips, in a Kinect's axes.
        xy: ``[T, V, 2]`` the same joints as fractions of the picture.
        score: ``[T, V]`` visibility, 0 = missing.
        layout: of the joints.
        size: width and height of the picture in pixels.
        fov: horizontal field of view in degrees.
        time: ``[T]`` seconds.
        smooth: smooth the trajectory.

    Returns:
        ``xyz`` in camera coordinates, and ``score``, all 0 in frames whose place is not known.
    """
    there = (score > 0).any(1)
    placed, new_score = np.zeros_like(xyz), np.zeros_like(score)
    if not there.any():
        return placed, new_score
    pose, seen = xyz[there].astype(np.float64), score[there].astype(np.float64)
    rays = viewing_rays(xy[there].astype(np.float64), size, fov)
    total = seen.sum(1)
    pose = turn_to_ray(pose, (rays * seen[..., None]).sum(1) / total[:, None])
    weight = seen * joint_weights(layout)
    path = solve_translation(pose, rays, weight)
    if smooth:
        path = smooth_path(path, total, time[there])
    known = np.isfinite(path).all(1)
    rows = np.flatnonzero(there)[known]
    placed[rows] = (pose[known] + path[known, None]) * (seen[known] > 0)[..., None]
    new_score[rows] = score[rows]
    return placed, new_score
