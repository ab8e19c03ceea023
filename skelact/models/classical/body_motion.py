"""How a body is held and moved: by frame (Jalal et al., 2014), and by window (Cong et al., 2011).

Everything is measured in lengths of the trunk and along the axes of the body (to its left, up, forward), so that
neither the size of people nor where the camera stands matters.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from skelact.errors import DataError, LayoutError
from skelact.layouts import SkeletonLayout
from skelact.skeleton import Skeleton

UP = np.array([0.0, 1.0, 0.0])
# Of each part the first joint that the layout has.
PARTS: dict[str, tuple[str, ...]] = {
    "head": ("head", "nose"),
    "left_elbow": ("left_elbow",), "left_hand": ("left_wrist", "left_hand"),
    "right_elbow": ("right_elbow",), "right_hand": ("right_wrist", "right_hand"),
    "left_knee": ("left_knee",), "left_foot": ("left_ankle", "left_foot"),
    "right_knee": ("right_knee",), "right_foot": ("right_ankle", "right_foot"),
}  # fmt: skip
_NAMES = list(PARTS)
GROUPS: dict[str, tuple[str, ...]] = {
    "trunk": ("head",),
    "left arm": ("left_elbow", "left_hand"), "right arm": ("right_elbow", "right_hand"),
    "left leg": ("left_knee", "left_foot"), "right leg": ("right_knee", "right_foot"),
}  # fmt: skip


@dataclass(frozen=True)
class BodyMotion:
    """Somebody at even times, as their body sees it.

    Args:
        rate: frames a second.
        position: ``[T, 9, 3]`` of `PARTS` from the hips: left, up, forward; trunk lengths.
        velocity: ``[T, 9, 3]`` of the same; trunk lengths a second.
        path: ``[T, 3]`` velocity of the hips.
        lean: ``[T, 3]`` the trunk's direction.
        seen: ``[T]`` whether hips and shoulders were there.
    """

    rate: float
    position: np.ndarray
    velocity: np.ndarray
    path: np.ndarray
    lean: np.ndarray
    seen: np.ndarray

    def __len__(self) -> int:
        return len(self.position)


def body_motion(skeleton: Skeleton, person: int = 0, rate: float = 15.0, up: np.ndarray = UP) -> BodyMotion:
    """The motion of one person of a recording.

    Args:
        skeleton: three coordinates in any unit. With origin ``hips`` the path is 0.
        person: which one.
        rate: frames a second to resample to, by linear interpolation; missing joints are interpolated too.
        up: ``[3]`` against gravity in the recording's coordinates.

    Raises:
        DataError: for two coordinates, or if hips and shoulders are never there.
        LayoutError: if the layout lacks hips or shoulders, or has none of `PARTS`.
    """
    if skeleton.xyz.shape[3] != 3:
        raise DataError(f"recording '{skeleton.id}' has two coordinates; motion about a body needs three")
    times = np.arange(skeleton.n_frames) / skeleton.fps if skeleton.time is None else skeleton.time
    return motion_of(
        skeleton.xyz[person], skeleton.score[person], times, skeleton.layout, rate, up, skeleton.id
    )


def motion_of(
    xyz: np.ndarray,
    score: np.ndarray,
    times: np.ndarray,
    layout: SkeletonLayout,
    rate: float = 15.0,
    up: np.ndarray = UP,
    name: str = "",
) -> BodyMotion:
    """As `body_motion`, of joints ``[T, V, 3]`` and scores ``[T, V]`` at increasing times ``[T]`` seconds."""
    joints = _anchors(layout)
    n = max(2, int((times[-1] - times[0]) * rate + 1e-6) + 1)
    at = times[0] + np.arange(n) / rate
    wanted = [[j] for j in joints.parts] + joints.hips + joints.shoulders
    tracks, there = [], []
    for group in wanted:
        track, known = _at_times(xyz[:, group].mean(1), score[:, group].min(1) > 0, times, at)
        tracks.append(track)
        there.append(known)
    points = np.stack(tracks, 1)
    parts, (lh, rh, ls, rs) = points[:, : len(joints.parts)], points[:, len(joints.parts) :].swapaxes(0, 1)
    hips, shoulders = (lh + rh) / 2, (ls + rs) / 2
    seen = np.all(there[len(joints.parts) :], 0)
    if not seen.any():
        raise DataError(f"recording '{name}': hips and shoulders are never there together")
    trunk = shoulders - hips
    size = max(float(np.median(np.linalg.norm(trunk[seen], axis=1))), 1e-6)
    axes = _axes(ls - rs + lh - rh, trunk, np.asarray(up, np.float64))
    held = np.zeros((n, len(_NAMES), 3))
    held[:, joints.places] = np.einsum("tij,tvj->tvi", axes, _smoothed(parts - hips[:, None])) / size
    moved = np.zeros_like(held)
    moved[:, joints.places] = (
        np.einsum("tij,tvj->tvi", axes, np.gradient(_smoothed(parts - hips[:, None]), 1 / rate, axis=0))
        / size
    )
    never = [k for k, known in zip(joints.places, there, strict=False) if not known.any()]
    held[:, never] = moved[:, never] = 0.0
    path = np.einsum("tij,tj->ti", axes, np.gradient(_smoothed(hips), 1 / rate, axis=0)) / size
    lean = np.einsum("tij,tj->ti", axes, trunk)
    lean /= np.maximum(np.linalg.norm(lean, axis=1, keepdims=True), 1e-9)
    return BodyMotion(rate, held, moved, path, lean, seen)


@dataclass(frozen=True)
class _Anchors:
    parts: list[int]
    places: list[int]
    hips: list[list[int]]
    shoulders: list[list[int]]


def _anchors(layout: SkeletonLayout) -> _Anchors:
    index = layout.index
    found = [(k, next((index[j] for j in names if j in index), -1)) for k, names in enumerate(PARTS.values())]
    found = [(k, joint) for k, joint in found if joint >= 0]
    sides: dict[str, list[list[int]]] = {}
    for part in ("hip", "shoulder"):
        pair = [f"{side}_{part}" for side in ("left", "right")]
        if not all(j in index for j in pair):
            raise LayoutError(
                f"layout '{layout.name}' lacks {' or '.join(pair)}; motion about a body needs them"
            )
        sides[part] = [[index[j]] for j in pair]
    if not found:
        raise LayoutError(f"layout '{layout.name}' has no head, elbow, hand, knee or foot")
    return _Anchors([j for _, j in found], [k for k, _ in found], sides["hip"], sides["shoulder"])


def _at_times(
    values: np.ndarray, known: np.ndarray, times: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values ``[T, 3]`` at other times, across frames where they are not known; and whether they are known there."""
    if not known.any():
        return np.zeros((len(at), 3)), np.zeros(len(at), bool)
    near = np.interp(at, times, known.astype(float)) > 0.5
    return np.stack([np.interp(at, times[known], values[known, c]) for c in range(3)], 1), near


def _smoothed(x: np.ndarray) -> np.ndarray:
    """Mean of three frames, ``[T, ...]``: what estimators shake is left out."""
    wide = np.concatenate([x[:1], x, x[-1:]])
    return (wide[:-2] + wide[1:-1] * 2 + wide[2:]) / 4


def _axes(across: np.ndarray, trunk: np.ndarray, up: np.ndarray) -> np.ndarray:
    """Rows left, up, forward ``[T, 3, 3]`` of bodies whose left is ``across [T, 3]``; of who lies, too."""
    up = up / max(np.linalg.norm(up), 1e-9)
    flat = across - (across @ up)[:, None] * up
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    lying = np.cross(trunk, up)  # on one side, left is up: take the trunk's own direction over the floor
    flat = np.where(length > 0.2 * np.linalg.norm(across, axis=1, keepdims=True), flat, lying)
    left = flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
    return np.stack([left, np.broadcast_to(up, left.shape), np.cross(left, up)], 1)


def frame_features(motion: BodyMotion) -> dict[str, np.ndarray]:
    """What Jalal et al. quantise, by group of joints: ``[T, D]`` each.

    Of every joint: how far it is from the hips and in which direction, how fast it moves and in which direction
    (cosines against the body's axes, times the distance and the root of the speed). Of the trunk its lean and its path.
    """
    out = {}
    for name, parts in GROUPS.items():
        places = [_NAMES.index(p) for p in parts]
        held, moved = motion.position[:, places], _compress(motion.velocity[:, places])
        columns = [held.reshape(len(motion), -1), 0.5 * moved.reshape(len(motion), -1)]
        if name == "trunk":
            columns = [motion.lean * 2, 0.5 * _compress(motion.path)]
        out[name] = np.concatenate(columns, 1)
    return out


def _compress(velocity: np.ndarray) -> np.ndarray:
    """The same directions, with the root of the speeds."""
    speed = np.linalg.norm(velocity, axis=-1, keepdims=True)
    return velocity / np.sqrt(np.maximum(speed, 1e-9))


_OCTANTS = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))
N_BINS = 2 * len(_OCTANTS)


def motion_histogram(velocity: np.ndarray, fast: float = 1.0) -> np.ndarray:
    """Motion in 8 directions and 2 bands of speed, as Cong et al.'s multi-scale histogram of optical flow.

    The directions are the octants about a body; a velocity belongs to each by ``prod_i (1 + s_i u_i) / 2`` (u: its
    direction, s: the octant's signs), which sum to 1 and change without a step. Its speed up to ``fast`` is counted in
    the slow band, what is beyond in the fast one, both in units of ``fast``.

    Args:
        velocity: ``[..., 3]``, trunk lengths a second.
        fast: where the bands meet.

    Returns:
        ``[..., 16]``: the slow band's octants, then the fast one's.
    """
    speed = np.linalg.norm(velocity, axis=-1, keepdims=True)
    direction = velocity / np.maximum(speed, 1e-9)
    share = np.prod((1 + _OCTANTS * direction[..., None, :]) / 2, -1)
    share = share / np.maximum(share.sum(-1, keepdims=True), 1e-9)
    return np.concatenate([share * np.minimum(speed, fast), share * np.maximum(speed - fast, 0)], -1) / fast


def window_features(
    motion: BodyMotion, seconds: float = 2.0, step: float = 0.5, n_parts: int = 1, fast: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Histograms of motion, stacked over the body's groups (space) and parts of a window (time).

    Args:
        motion: of somebody.
        seconds: of a window; a shorter recording is one window.
        step: seconds between the beginnings of two.
        n_parts: equal parts of a window.
        fast: see `motion_histogram`.

    Returns:
        ``[N, n_parts · 6 · 16]`` (in a part: the path, then `GROUPS`), and the seconds from the beginning of the
        recording at which each window begins, ``[N]``. Windows in which the body is mostly not seen are left out.
    """
    groups = [motion.path[:, None]] + [
        motion.velocity[:, [_NAMES.index(p) for p in parts]] for parts in GROUPS.values()
    ]
    frames = np.stack([motion_histogram(g, fast).mean(1) for g in groups], 1)  # [T, 6, 16]
    total = np.concatenate([np.zeros((1, *frames.shape[1:])), np.cumsum(frames, 0)])
    length = min(max(n_parts, round(seconds * motion.rate)), len(motion))
    firsts = np.arange(0, len(motion) - length + 1, max(1, round(step * motion.rate)))
    edges = firsts[:, None] + np.linspace(0, length, n_parts + 1).round().astype(int)
    sums = total[edges[:, 1:]] - total[edges[:, :-1]]
    counts = np.maximum(np.diff(edges, axis=1), 1)[..., None, None]
    known = np.concatenate([[0], np.cumsum(motion.seen)])
    seen = (known[firsts + length] - known[firsts]) >= 0.5 * length
    return (sums / counts).reshape(len(firsts), -1)[seen], (firsts / motion.rate)[seen]
