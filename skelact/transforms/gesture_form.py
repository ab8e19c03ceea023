"""One form for the gestures of every layout: arms, head, legs and both hands, resampled in time.

Joints go by name: what a layout lacks is missing, and sparse hands (a tip, a thumb) keep what they have. The axes are a
Kinect's: x to the picture's left, y up, z away from the camera.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from skelact.errors import DataError, LayoutError
from skelact.layouts import SkeletonLayout, conversion, get_layout
from skelact.skeleton import Skeleton

_FINGERS = ("index", "middle", "ring", "pinky")
_HAND = (
    "hand_wrist", "thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip",
    *(f"{f}_{part}" for f in _FINGERS for part in ("mcp", "pip", "dip", "tip")),
)  # fmt: skip
_BODY = ("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def _gesture_layout() -> SkeletonLayout:
    joints = ["head"] + [f"{side}_{j}" for j in _BODY[1:] for side in ("left", "right")]
    joints += [f"{side}_{j}" for side in ("left", "right") for j in _HAND]
    place = {j: i for i, j in enumerate(joints)}
    parents = [-1] * len(joints)
    above = {"elbow": "shoulder", "wrist": "elbow", "hip": "shoulder", "knee": "hip", "ankle": "knee"}
    for side in ("left", "right"):
        for joint, parent in above.items():
            parents[place[f"{side}_{joint}"]] = place[f"{side}_{parent}"]
        parents[place[f"{side}_shoulder"]] = place["head"]
        parents[place[f"{side}_hand_wrist"]] = place[f"{side}_wrist"]
        for i, joint in enumerate(_HAND[1:]):
            parent = "hand_wrist" if i % 4 == 0 else _HAND[i]
            parents[place[f"{side}_{joint}"]] = place[f"{side}_{parent}"]
    return SkeletonLayout("gesture55", tuple(joints), tuple(parents), (), "arms, legs, head and both hands")


GESTURE_LAYOUT = _gesture_layout()
J = GESTURE_LAYOUT.index
N_JOINTS = len(GESTURE_LAYOUT)
LEFT_HAND, RIGHT_HAND = J["left_hand_wrist"], J["right_hand_wrist"]  # the first of 21 joints each
N_STEPS = 32  # steps that a gesture is resampled to
LEAST_SCORE = 0.25  # joints that an estimator is less sure of count as missing
BRIDGE = 0.35  # seconds without a joint that are bridged
EDGE = 0.15  # seconds before the first and after the last sight of a joint for which its place holds
ASPECT = 4 / 3  # width : height of a picture whose size is not known
# What stands for a joint that a layout and its virtual joints lack: the first that the layout has.
_STAND_INS: dict[str, tuple[str, ...]] = {
    "head": ("nose", "head_top", "neck"),
    **{
        f"{side}_{joint}": tuple(f"{side}_{name}" for name in names)
        for side in ("left", "right")
        for joint, names in {
            "wrist": ("hand",),
            "hand_wrist": ("wrist", "hand"),
            "middle_tip": ("hand_tip",),
            "thumb_tip": ("thumb",),
            "index_mcp": ("index",),
            "pinky_mcp": ("pinky",),
            "middle_mcp": ("hand",),
        }.items()
    },
}


def form_sources(layout: SkeletonLayout | str) -> list[tuple[int, ...]]:
    """For every joint of `GESTURE_LAYOUT` the joints of a layout whose mean it is; empty where it is missing.

    A layout of one hand without a side is taken as the right hand.

    Raises:
        LayoutError: if the layout has neither an arm nor a hand.
    """
    layout = get_layout(layout)
    names = set(layout.joints)
    lone = "index_tip" in names or "index_mcp" in names
    if lone:
        renamed = tuple(f"right_{'hand_wrist' if j == 'wrist' else j}" for j in layout.joints)
        layout = SkeletonLayout(layout.name, renamed, layout.parents, layout.extra_edges, layout.source)
    try:
        weight = conversion(layout, GESTURE_LAYOUT).weight
    except LayoutError:
        weight = np.zeros((N_JOINTS, len(layout)))
    found = []
    for joint, row in zip(GESTURE_LAYOUT.joints, weight, strict=True):
        source = tuple(int(i) for i in np.flatnonzero(row))
        if not source:
            source = tuple(layout.index[s] for s in _STAND_INS.get(joint, ()) if s in layout.index)[:1]
        found.append(source)
    if lone:
        for joint in ("left_wrist", "right_wrist"):
            found[J[joint]] = ()
    if not any(found[J[f"{s}_{j}"]] for s in ("left", "right") for j in ("wrist", "hand_wrist")):
        raise LayoutError(
            f"layout '{layout.name}' has no wrist or hand, so no gesture can be seen in it; use one with arms or "
            "hands, such as pose_hands75, pose33, kinect20 or hand21"
        )
    return found


def to_gesture_form(skeleton: Skeleton, person: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One person of a recording in `GESTURE_LAYOUT`.

    Args:
        skeleton: any layout with arms or hands; in metres, in the picture, in pixels, or without a known unit.
        person: which.

    Returns:
        joints ``[T, V, 3]`` (0 where missing; the third is 0 without depth), presence ``[T, V]`` of 0 and 1, and the
        time of every frame in seconds ``[T]`` from 0 on.

    Raises:
        LayoutError: if the layout has neither arm nor hand.
        DataError: if there is no such person.
    """
    if not 0 <= person < skeleton.n_people:
        raise DataError(
            f"recording '{skeleton.id}' has {skeleton.n_people} people, there is no number {person}"
        )
    xyz, score = skeleton.xyz[person], skeleton.score[person]
    aspect = picture_aspect(skeleton)
    times = (
        np.arange(skeleton.n_frames) / skeleton.fps
        if skeleton.time is None
        else skeleton.time - skeleton.time[0]
    )
    return *frame_form(xyz, score, skeleton.layout, skeleton.unit, aspect), times


def picture_aspect(skeleton: Skeleton) -> float:
    """Width : height of the picture that a recording was made from, or what is assumed."""
    width, height = (skeleton.info.get(name, 0) for name in ("width", "height"))
    known = all(isinstance(n, (int, float)) and n >= 16 for n in (width, height))
    return float(width) / float(height) if known else ASPECT


def frame_form(
    xyz: np.ndarray, score: np.ndarray, layout: SkeletonLayout | str, unit: str = "m", aspect: float = ASPECT
) -> tuple[np.ndarray, np.ndarray]:
    """Frames ``xyz [T, V, C]`` and ``score [T, V]`` of a layout as joints and presence of `GESTURE_LAYOUT`.

    Args:
        xyz: joints.
        score: 0 is missing.
        layout: of the joints.
        unit: of the joints: in pictures x grows to the right and y downwards.
        aspect: width : height of the picture, for unit ``image``.
    """
    sources = form_sources(layout)
    joints = np.zeros((len(xyz), N_JOINTS, 3), np.float32)
    present = np.zeros((len(xyz), N_JOINTS), np.float32)
    sure = np.where(score >= LEAST_SCORE, 1.0, 0.0)
    dims = xyz.shape[-1]
    for v, source in enumerate(sources):
        if source:
            joints[:, v, :dims] = xyz[:, list(source)].mean(1)
            present[:, v] = sure[:, list(source)].min(1)
    if all(sources[h] and sources[h] != sources[w] for h, w in _OWN_WRISTS):
        _put_hands_right(joints, present)
    if unit in ("px", "image"):
        joints[..., :2] *= -1
    if unit == "image":
        joints[..., 1] /= aspect
    return joints * present[..., None], present


_OWN_WRISTS = ((LEFT_HAND, J["left_wrist"]), (RIGHT_HAND, J["right_wrist"]))
_CLEARLY = 0.5  # a hand is the other's if that wrist is nearer than this share of its own wrist's distance


def _put_hands_right(joints: np.ndarray, present: np.ndarray) -> None:
    """Exchange the hands of frames ``[T, V, 3]`` in which they clearly are at each other's wrists, in place."""
    hands = (slice(LEFT_HAND, RIGHT_HAND), slice(RIGHT_HAND, RIGHT_HAND + 21))
    far = np.zeros((len(joints), 2, 2))
    for h, (hand, _) in enumerate(_OWN_WRISTS):
        for w, (_, wrist) in enumerate(_OWN_WRISTS):
            far[:, h, w] = np.linalg.norm(joints[:, hand, :2] - joints[:, wrist, :2], axis=1)
    seen = np.stack([present[:, hand] for hand, _ in _OWN_WRISTS], 1)[..., None]
    far = far * seen
    own, crossed = far[:, 0, 0] + far[:, 1, 1], far[:, 0, 1] + far[:, 1, 0]
    wrists = present[:, _OWN_WRISTS[0][1]] * present[:, _OWN_WRISTS[1][1]] > 0
    wrong = wrists & (seen.sum((1, 2)) > 0) & (crossed < _CLEARLY * own)
    for values in (joints, present):
        left, right = values[wrong, hands[0]].copy(), values[wrong, hands[1]].copy()
        values[wrong, hands[0]], values[wrong, hands[1]] = right, left


def resample(
    xyz: Tensor, present: Tensor, times: Tensor, start: Tensor, end: Tensor, n_steps: int = N_STEPS
) -> tuple[Tensor, Tensor]:
    """Joints at even steps from ``start`` to ``end``, between the two nearest sights of each joint.

    Args:
        xyz: ``[B, T, V, 3]``.
        present: ``[B, T, V]`` of 0 and 1.
        times: ``[B, T]`` increasing seconds.
        start: ``[B]`` seconds.
        end: ``[B]`` seconds.
        n_steps: of the result.

    Returns:
        ``[B, n_steps, V, 3]`` and ``[B, n_steps, V]``; a joint is missing where it was not seen for more than `BRIDGE`
        seconds, or `EDGE` before its first and after its last sight.
    """
    b, t, v, _ = xyz.shape
    at = start[:, None] + (end - start)[:, None] * torch.linspace(0, 1, n_steps)
    number = torch.arange(t)[None, :, None].expand(b, t, v)
    seen = present > 0
    before = torch.where(seen, number, -1).cummax(1).values
    after = torch.where(seen, number, t).flip(1).cummin(1).values.flip(1)
    right = torch.searchsorted(times.contiguous(), at.contiguous()).clamp(
        max=t - 1
    )  # the first frame not before
    exact = torch.gather(times, 1, right) < at  # only past the last frame
    left = torch.where(exact, right, (right - 1).clamp(min=0))
    wide = left[..., None].expand(b, n_steps, v)
    low = torch.gather(before, 1, wide)
    high = torch.gather(after, 1, right[..., None].expand(b, n_steps, v))
    has_low, has_high = low >= 0, high < t
    low_time = torch.gather(times[..., None].expand(b, t, v), 1, low.clamp(min=0))
    high_time = torch.gather(times[..., None].expand(b, t, v), 1, high.clamp(max=t - 1))
    now = at[..., None]
    has_low = has_low & (low_time <= now + 1e-6)
    between = has_low & has_high & (high_time - low_time <= BRIDGE)
    near_low = has_low & (now - low_time <= EDGE)
    near_high = has_high & (high_time - now <= EDGE)
    share = torch.where(between, (now - low_time) / (high_time - low_time).clamp(min=1e-6), 0.0).clamp(0, 1)
    share = torch.where(~between & ~near_low & near_high, 1.0, share)
    low_xyz = torch.gather(xyz, 1, low.clamp(min=0)[..., None].expand(b, n_steps, v, 3))
    high_xyz = torch.gather(xyz, 1, high.clamp(max=t - 1)[..., None].expand(b, n_steps, v, 3))
    there = (between | near_low | near_high).to(xyz.dtype)
    share = share.to(xyz.dtype)[..., None]
    return (low_xyz * (1 - share) + high_xyz * share) * there[..., None], there


def mirrored_form(xyz: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same motion made by the other side of the body."""
    order = list(GESTURE_LAYOUT.mirror)
    return xyz[..., order, :] * np.array([-1, 1, 1], np.float32), present[..., order]
