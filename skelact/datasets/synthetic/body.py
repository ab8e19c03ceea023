"""A kinematic human: bone lengths by subject, joint angles with limits, forward kinematics, floor contact.

Body frame, right-handed: x to the person's left, y up, z forward. Angles are radians, one column per
degree of freedom in `DOFS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skelact.layouts import get_layout

LAYOUT = get_layout("ntu25")
J = LAYOUT.index
SIDES = ("left", "right")

# Degrees of freedom with their limits in degrees (lowest, highest). A positive angle flexes, lifts
# sideways, or turns outwards; root_pitch leans forward, root_roll leans to the person's right, and turns
# (yaw, twist of spine and neck) go to the person's left.
_TRUNK_LIMITS = {
    "root_yaw": (-720, 720),
    "root_pitch": (-110, 110),
    "root_roll": (-110, 110),
    "spine_flex": (-30, 75),
    "spine_side": (-35, 35),
    "spine_twist": (-45, 45),
    "neck_flex": (-50, 55),
    "neck_side": (-40, 40),
    "neck_twist": (-75, 75),
}
_LIMB_LIMITS = {
    "shoulder_flex": (-60, 175),
    "shoulder_abduct": (-35, 175),
    "shoulder_twist": (-90, 90),
    "elbow": (0, 150),
    "wrist": (-70, 70),
    "hip_flex": (-30, 125),
    "hip_abduct": (-30, 60),
    "hip_twist": (-45, 45),
    "knee": (0, 150),
    "ankle": (-50, 35),
}
LIMITS: dict[str, tuple[float, float]] = {
    **_TRUNK_LIMITS,
    **{f"{side}_{name}": limit for side in SIDES for name, limit in _LIMB_LIMITS.items()},
}
DOFS: tuple[str, ...] = tuple(LIMITS)
DOF: dict[str, int] = {name: i for i, name in enumerate(DOFS)}
_LOW, _HIGH = np.radians(np.array(list(LIMITS.values()), float)).T

# How far the middle of each joint lies above the floor when that part of the body rests on it, metres.
_RADII = {
    "mid_hip": 0.10, "spine": 0.10, "mid_shoulder": 0.09, "neck": 0.07, "head": 0.10,
    "shoulder": 0.06, "elbow": 0.04, "wrist": 0.03, "hand": 0.025, "hand_tip": 0.015, "thumb": 0.015,
    "hip": 0.09, "knee": 0.055, "ankle": 0.075, "foot": 0.03,
}  # fmt: skip
RADII = np.array([_RADII[j.removeprefix("left_").removeprefix("right_")] for j in LAYOUT.joints])


@dataclass(frozen=True)
class Body:
    """One subject's body: segment lengths in metres."""

    height: float
    foot: float
    shin: float
    thigh: float
    hip_drop: float
    hip_half: float
    lower_spine: float
    upper_spine: float
    neck: float
    head: float
    shoulder_half: float
    upper_arm: float
    forearm: float
    hand: float
    girth: float


def make_body(rng: np.random.Generator, height: float | None = None) -> Body:
    """Draw a body: 1.5 to 1.95 m tall unless given, each segment within a few per cent of its usual share."""
    if height is None:
        height = float(np.clip(rng.normal(1.70, 0.10), 1.50, 1.95))
    share = dict(
        shin=0.236, thigh=0.236, lower_spine=0.150, upper_spine=0.136, neck=0.042, head=0.074,
        foot=0.075, hip_drop=0.018, hip_half=0.052, shoulder_half=0.100, upper_arm=0.165, forearm=0.147,
        hand=0.092,
    )  # fmt: skip
    parts = {name: value * rng.uniform(0.94, 1.06) for name, value in share.items()}
    standing = ("shin", "thigh", "hip_drop", "lower_spine", "upper_spine", "neck", "head")
    # The ankle's height and the crown above the head joint are fixed; the rest is scaled to the height.
    scale = (height - 0.075 - 0.062 * height) / sum(parts[name] for name in standing)
    parts = {n: v * (scale if n in standing else height) for n, v in parts.items()}
    return Body(height=height, girth=float(rng.uniform(0.9, 1.15)), **parts)


def limit_angles(angles: np.ndarray) -> np.ndarray:
    """Clip ``angles [T, D]`` (radians) to the limits of the joints."""
    return np.clip(angles, _LOW, _HIGH)


def _rotation(axis: int, angle: np.ndarray) -> np.ndarray:
    """Rotations ``[T, 3, 3]`` about one axis by ``angle [T]``."""
    c, s = np.cos(angle), np.sin(angle)
    out = np.zeros((len(angle), 3, 3))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    out[:, axis, axis] = 1
    out[:, i, i] = c
    out[:, j, j] = c
    out[:, i, j] = -s
    out[:, j, i] = s
    return out


def _turn(x: np.ndarray, y: np.ndarray, z: np.ndarray, order: str) -> np.ndarray:
    """Product of three axis rotations in the given order, e.g. ``xzy`` = X(x) Z(z) Y(y)."""
    by_axis = {"x": (0, x), "y": (1, y), "z": (2, z)}
    a, b, c = (_rotation(*by_axis[name]) for name in order)
    return a @ b @ c


def forward_kinematics(body: Body, angles: np.ndarray) -> np.ndarray:
    """Joint positions relative to the middle of the hips.

    Args:
        body: the segment lengths.
        angles: ``[T, D]`` radians in the order of `DOFS`; clip them with `limit_angles` first.

    Returns:
        ``[T, 25, 3]`` metres in NTU order, body axes turned by the root angles.
    """
    a = {name: angles[:, i] for name, i in DOF.items()}
    out = np.zeros((len(angles), len(LAYOUT), 3))
    root = _turn(a["root_pitch"], a["root_yaw"], a["root_roll"], "yxz")
    bend = _turn(a["spine_flex"] / 2, a["spine_twist"] / 2, a["spine_side"] / 2, "xzy")
    lower = root @ bend
    upper = lower @ bend
    skull = upper @ _turn(a["neck_flex"], a["neck_twist"], a["neck_side"], "yxz")

    def put(joint: str, origin: str, frame: np.ndarray, offset: tuple[float, float, float]) -> None:
        out[:, J[joint]] = out[:, J[origin]] + frame @ np.array(offset)

    put("spine", "mid_hip", lower, (0, body.lower_spine, 0))
    put("mid_shoulder", "spine", upper, (0, body.upper_spine, 0))
    put("neck", "mid_shoulder", upper, (0, body.neck, 0.1 * body.neck))
    put("head", "neck", skull, (0, body.head, 0.15 * body.head))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        put(f"{side}_shoulder", "mid_shoulder", upper, (sign * body.shoulder_half, -0.025, 0))
        arm = upper @ _turn(
            -a[f"{side}_shoulder_flex"],
            sign * a[f"{side}_shoulder_twist"],
            sign * a[f"{side}_shoulder_abduct"],
            "xzy",
        )
        put(f"{side}_elbow", f"{side}_shoulder", arm, (0, -body.upper_arm, 0))
        forearm = arm @ _rotation(0, -a[f"{side}_elbow"])
        put(f"{side}_wrist", f"{side}_elbow", forearm, (0, -body.forearm, 0))
        hand = forearm @ _rotation(0, -a[f"{side}_wrist"])
        put(f"{side}_hand", f"{side}_wrist", hand, (0, -0.45 * body.hand, 0))
        put(f"{side}_hand_tip", f"{side}_wrist", hand, (0, -body.hand, 0.01))
        put(f"{side}_thumb", f"{side}_wrist", hand, (0, -0.5 * body.hand, 0.3 * body.hand))
        put(f"{side}_hip", "mid_hip", root, (sign * body.hip_half, -body.hip_drop, 0))
        leg = root @ _turn(
            -a[f"{side}_hip_flex"], sign * a[f"{side}_hip_twist"], sign * a[f"{side}_hip_abduct"], "xzy"
        )
        put(f"{side}_knee", f"{side}_hip", leg, (0, -body.thigh, 0))
        shin = leg @ _rotation(0, a[f"{side}_knee"])
        put(f"{side}_ankle", f"{side}_knee", shin, (0, -body.shin, 0))
        foot = shin @ _rotation(0, -a[f"{side}_ankle"])
        drop = RADII[J["left_ankle"]] - RADII[J["left_foot"]]
        put(f"{side}_foot", f"{side}_ankle", foot, (0, -drop, body.foot))
    return out


def stand_on_floor(
    relative: np.ndarray, drive: np.ndarray | None = None, rise: np.ndarray | None = None
) -> np.ndarray:
    """Place a moving body on the floor (y = 0).

    The lowest part of the body touches the floor in every frame, and what touches it does not slide: the
    body moves by pushing on its supports, so that a gait's swing of the legs is what carries it forward.

    Args:
        relative: ``[T, V, 3]`` joints relative to the root.
        drive: extra horizontal displacement ``[T, 2]`` (x, z) in metres, or None.
        rise: height of the lowest part of the body above the floor ``[T]`` in metres, or None.

    Returns:
        ``[T, V, 3]`` with the root starting above the origin.
    """
    height = (RADII - relative[..., 1]).max(1)
    clearance = height[:, None] + relative[..., 1] - RADII
    support = np.exp(-clearance / 0.012)
    support = support[1:] + support[:-1]
    support /= support.sum(1, keepdims=True)
    step = -(support[..., None] * np.diff(relative[..., [0, 2]], axis=0)).sum(1)
    root = np.zeros((len(relative), 3))
    root[1:, [0, 2]] = np.cumsum(step, axis=0)
    root[:, 1] = height
    if drive is not None:
        root[:, [0, 2]] += drive
    if rise is not None:
        root[:, 1] += rise
    return relative + root[:, None]
