"""Two recordings of the same motion by different sensors: how far apart are their joints?"""

from __future__ import annotations

from typing import Any

import numpy as np

from skelact.errors import DataError
from skelact.layouts import conversion
from skelact.skeleton import Skeleton


def align_similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Move, turn and scale points ``a`` onto ``b`` in the least-squares sense (Umeyama, PAMI 1991).

    Args:
        a: ``[N, C]`` points.
        b: ``[N, C]`` the points that they should meet.

    Returns:
        ``a`` after alignment, ``[N, C]``; without mirroring.
    """
    mean_a, mean_b = a.mean(0), b.mean(0)
    a0, b0 = a - mean_a, b - mean_b
    u, sizes, vt = np.linalg.svd(b0.T @ a0 / len(a0))
    sign = np.ones(len(sizes))
    if np.linalg.det(u @ vt) < 0:
        sign[-1] = -1
    turn = u @ np.diag(sign) @ vt
    spread = float((a0**2).sum() / len(a0))
    scale = float((sizes * sign).sum()) / spread if spread > 0 else 1.0
    return scale * a0 @ turn.T + mean_b


def align_and_compare(
    a: Skeleton, b: Skeleton, *, person_a: int = 0, person_b: int = 0, min_score: float = 0.0
) -> dict[str, Any]:
    """Compare the joints of two recordings of one motion after Procrustes alignment.

    ``a`` is converted to the joints of ``b`` by name and brought onto its frames by time (linear
    interpolation), then every frame of ``a`` is moved, turned and scaled onto ``b`` over the joints that both
    have.

    Args:
        a: for instance MediaPipe's joints.
        b: the reference, for instance Kinect's, in the unit in which the error is wanted.
        person_a: which person of ``a``.
        person_b: which person of ``b``.
        min_score: joints below it in either recording are left out (0.6: without Kinect's own guesses).

    Returns:
        ``mean`` and ``median`` error and ``per_joint`` (a mean per joint name), each frame aligned by itself;
        ``mean_whole``: with one alignment for the whole recording; ``n_frames`` and ``n_joints`` compared;
        ``unit`` of the errors.

    Raises:
        DataError: if the recordings share no joints or no moment, or their dimensions differ.
        LayoutError: if the layouts share no joint.
    """
    if a.xyz.shape[3] != b.xyz.shape[3]:
        raise DataError(
            f"'{a.id}' has {a.xyz.shape[3]} coordinates and '{b.id}' {b.xyz.shape[3]}; compare like with like"
        )
    xyz, score = conversion(a.layout, b.layout).apply(a.xyz[person_a], a.score[person_a])
    time_a, time_b = _times(a), _times(b)
    near = _nearest(time_a, time_b)
    aligned, reference, joints, frames = [], [], [], []
    pooled_a, pooled_b = [], []
    for t, i in enumerate(near):
        common = (b.score[person_b, t] > max(min_score, 0)) & (score[i] > max(min_score, 0))
        if i < 0 or common.sum() < 4:
            continue
        points = _at(xyz, score, time_a, float(time_b[t]), i)[common].astype(float)
        wanted = b.xyz[person_b, t, common].astype(float)
        aligned.append(align_similarity(points, wanted))
        reference.append(wanted)
        joints.append(np.flatnonzero(common))
        frames.append(t)
        pooled_a.append(points)
        pooled_b.append(wanted)
    if not aligned:
        raise DataError(f"'{a.id}' and '{b.id}' share no frame with at least four joints")
    error = np.concatenate([np.linalg.norm(p - q, axis=1) for p, q in zip(aligned, reference, strict=True)])
    which = np.concatenate(joints)
    whole_a, whole_b = np.concatenate(pooled_a), np.concatenate(pooled_b)
    # A sensor that places everyone at its own origin cannot be aligned as a whole: compare about the middle.
    starts = np.cumsum([0] + [len(p) for p in pooled_a])
    for k in range(len(pooled_a)):
        rows = slice(starts[k], starts[k + 1])
        whole_a[rows] -= whole_a[rows].mean(0)
        whole_b[rows] -= whole_b[rows].mean(0)
    whole = np.linalg.norm(align_similarity(whole_a, whole_b) - whole_b, axis=1)
    return {
        "mean": float(error.mean()),
        "median": float(np.median(error)),
        "mean_whole": float(whole.mean()),
        "per_joint": {b.layout.joints[v]: float(error[which == v].mean()) for v in np.unique(which).tolist()},
        "n_frames": len(frames),
        "n_joints": len(np.unique(which)),
        "unit": b.unit,
    }


def _times(skeleton: Skeleton) -> np.ndarray:
    if skeleton.time is not None:
        return np.asarray(skeleton.time) - skeleton.time[0]
    return np.arange(skeleton.n_frames) / skeleton.fps


def _nearest(time_a: np.ndarray, time_b: np.ndarray) -> list[int]:
    """For each moment of ``b`` the nearest frame of ``a``, -1 if none is near."""
    if not len(time_a):
        return [-1] * len(time_b)
    pause = float(np.median(np.diff(time_a))) if len(time_a) > 1 else 1.0
    index = np.abs(time_b[:, None] - time_a[None]).argmin(1)
    return [int(i) if abs(time_a[i] - t) <= pause else -1 for i, t in zip(index, time_b, strict=True)]


def _at(xyz: np.ndarray, score: np.ndarray, time: np.ndarray, when: float, i: int) -> np.ndarray:
    """Joints at a moment, between the nearest frame and its neighbour on the other side where it is there."""
    j = min(i + 1, len(time) - 1) if when > time[i] else max(i - 1, 0)
    if i == j:
        return xyz[i]
    share = (when - time[i]) / (time[j] - time[i])
    mixed = xyz[i] + share * (xyz[j] - xyz[i])
    return np.where((score[j] > 0)[:, None], mixed, xyz[i])
