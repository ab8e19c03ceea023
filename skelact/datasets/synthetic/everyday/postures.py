"""Postures of daily life, drawn anew each time: how people stand, sit, kneel, squat and lie.

A posture is a table of joint angles in degrees over standing at ease (see `motion.STANDING`); what it does not name
stays as in standing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Pose = dict[str, float]


def around(rng: np.random.Generator, pose: Mapping[str, float], spread: float = 6.0) -> Pose:
    """The pose with a normal error of ``spread`` degrees on every angle that it names."""
    return {name: value + rng.normal(0, spread) for name, value in pose.items()}


def pick(rng: np.random.Generator, choices: list[Pose]) -> Pose:
    """One of the poses."""
    return choices[int(rng.integers(len(choices)))]


# What arms do while the body does something else.
RESTING_ARMS: list[Pose] = [
    {},
    {},
    {"both_elbow": 25.0},
    {"both_shoulder_abduct": 35.0, "both_shoulder_twist": -45.0, "both_elbow": 95.0},  # hands on the hips
    {"both_shoulder_flex": 30.0, "both_shoulder_twist": -50.0, "both_elbow": 105.0},  # arms crossed
    {"both_shoulder_flex": 15.0, "both_shoulder_twist": -40.0, "both_elbow": 50.0},  # hands clasped in front
    {"both_shoulder_flex": -22.0, "both_shoulder_twist": -35.0, "both_elbow": 40.0},  # behind the back
    {"both_shoulder_abduct": 18.0, "both_elbow": 40.0, "both_shoulder_twist": -15.0},  # in the pockets
    {"both_shoulder_flex": 35.0, "both_elbow": 85.0},  # something carried in both hands
    {"main_shoulder_flex": 20.0, "main_elbow": 90.0},  # in one hand
]
SEATED_ARMS: list[Pose] = [
    {"both_shoulder_flex": 28.0, "both_elbow": 50.0},  # hands on the thighs
    {"both_shoulder_flex": 45.0, "both_elbow": 75.0, "both_shoulder_abduct": 15.0},  # on a table
    {"both_shoulder_flex": 20.0, "both_elbow": 75.0, "both_shoulder_abduct": 22.0},  # on armrests
    {"both_shoulder_flex": 30.0, "both_shoulder_twist": -50.0, "both_elbow": 105.0},  # crossed
    {"both_shoulder_flex": 10.0, "both_shoulder_twist": -30.0, "both_elbow": 60.0},  # in the lap
    {"main_shoulder_flex": 45.0, "main_elbow": 75.0, "off_shoulder_flex": 25.0, "off_elbow": 50.0},
]


def standing(rng: np.random.Generator) -> Pose:
    """Standing, arms anywhere."""
    pose = around(rng, pick(rng, RESTING_ARMS), 8)
    if rng.random() < 0.4:  # the weight on one leg
        pose |= {"off_knee": rng.uniform(5, 25), "off_hip_flex": rng.uniform(3, 18)}
    pose["both_hip_abduct"] = rng.uniform(1, 14)
    return pose | {"spine_flex": rng.uniform(-4, 14), "neck_flex": rng.uniform(-8, 25)}


def sitting(rng: np.random.Generator, on: str = "any") -> Pose:
    """Sitting on a chair or sofa (``chair``), on the floor (``floor``), or ``any``."""
    if on == "any":
        on = "floor" if rng.random() < 0.15 else "chair"
    arms = around(rng, pick(rng, SEATED_ARMS), 8)
    trunk = {"spine_flex": rng.uniform(0, 32), "neck_flex": rng.uniform(-12, 22)}
    if on == "floor":
        legs = pick(rng, [
            {"both_hip_flex": 92, "both_knee": 10, "both_hip_abduct": 8},
            {"both_hip_flex": 102, "both_knee": 125, "both_hip_abduct": 42, "both_hip_twist": 38},
            {"both_hip_flex": 112, "both_knee": 112},
        ])  # fmt: skip
        return around(rng, legs, 8) | arms | trunk | {"root_pitch": rng.uniform(-25, 3)}
    low = rng.uniform(-10, 22)  # how much lower than a chair the seat is
    lean = rng.uniform(-20, 14)
    legs = {"both_hip_flex": 86 + 0.6 * low + max(lean, 0), "both_knee": 92 + low, "both_hip_abduct": 9}
    pose = around(rng, legs, 6)
    if rng.random() < 0.25:  # legs crossed, or one stretched out
        pose |= {
            "main_hip_flex": rng.uniform(80, 112),
            "main_knee": rng.uniform(40, 100),
            "main_hip_abduct": -8,
        }
    return pose | arms | trunk | {"root_pitch": lean}


def kneeling(rng: np.random.Generator) -> Pose:
    """Kneeling on one knee or both, upright, on the heels, or bent over a shoe."""
    kind = rng.integers(4)
    arms = around(rng, pick(rng, RESTING_ARMS), 10)
    trunk = {"spine_flex": rng.uniform(0, 20), "root_pitch": rng.uniform(-4, 14)}
    if kind == 0:
        legs = {"both_hip_flex": rng.uniform(0, 18), "both_knee": rng.uniform(88, 108), "both_ankle": -42}
    elif kind == 1:  # sitting on the heels
        legs = {"both_hip_flex": rng.uniform(70, 95), "both_knee": rng.uniform(138, 150), "both_ankle": -45}
    else:
        legs = {"main_hip_flex": 90, "main_knee": 88, "off_hip_flex": -2, "off_knee": 92, "off_ankle": -35}
        if kind == 3:  # ties a shoe, or looks for something on the floor
            trunk = {"spine_flex": rng.uniform(30, 60), "root_pitch": rng.uniform(15, 40), "neck_flex": 15.0}
            arms = {"both_shoulder_flex": rng.uniform(45, 85), "both_elbow": rng.uniform(10, 50)}
            legs |= {"main_hip_flex": 112, "off_hip_flex": rng.uniform(8, 35)}
    return around(rng, legs, 5) | arms | trunk


def squatting(rng: np.random.Generator) -> Pose:
    """Squatting, on the soles or the toes."""
    deep = rng.uniform(0, 1)
    pose = around(
        rng,
        {
            "both_hip_flex": 92 + 30 * deep, "both_knee": 90 + 52 * deep, "both_ankle": 22 + 10 * deep,
            "both_hip_abduct": 12, "root_pitch": 32 - 8 * deep, "spine_flex": 18,
        },
        5,
    )  # fmt: skip
    arms = pick(rng, [
        {"both_shoulder_flex": 78, "both_elbow": 12},  # stretched out
        {"both_shoulder_flex": 50, "both_elbow": 45},  # on the knees
        {"both_shoulder_flex": 55, "both_elbow": 100},  # before the chest
        {"both_shoulder_abduct": 70, "both_elbow": 125, "both_shoulder_twist": 40},  # beside or behind the head
        {"both_shoulder_abduct": 85, "both_elbow": 15},
        {"both_shoulder_flex": 85, "both_shoulder_twist": -60, "both_elbow": 95},  # crossed on the shoulders
    ])  # fmt: skip
    return pose | around(rng, arms, 8) | {"neck_flex": rng.uniform(-25, 10)}


LYING = ("back", "side", "front")


def lying(rng: np.random.Generator, tidy: float = 1.0, on: str = "") -> Pose:
    """Lying on the back, side or front (``on``; drawn if not given); less ``tidy``: limbs as they happen to fall.

    Legs are bent only where there is room: on the back with the feet near the floor, on the front hardly at the hips.
    """
    on = on or str(rng.choice(LYING, p=[0.5, 0.3, 0.2]))
    loose, mess = 4 + 8 * (1 - tidy), rng.random() < 1.3 * (1 - tidy)
    arms = pick(rng, [
        {"both_shoulder_abduct": 16, "both_elbow": 14},
        {"both_shoulder_flex": 12, "both_shoulder_twist": -45, "both_elbow": 75},  # hands on the belly
        {"main_shoulder_abduct": 125, "main_elbow": 110, "off_shoulder_abduct": 15},  # under the head
        {"both_shoulder_abduct": 60, "both_elbow": 35},
    ])  # fmt: skip
    root: Pose = {"root_pitch": -90 + rng.uniform(0, 14)}
    legs: Pose = {}
    for side in ("left", "right"):
        if on == "back":
            knee = rng.uniform(60, 115) if rng.random() < (0.35 if mess else 0.2) else rng.uniform(2, 22)
            legs |= {f"{side}_knee": knee, f"{side}_hip_flex": 0.52 * knee, f"{side}_ankle": -20.0}
            legs[f"{side}_hip_abduct"] = rng.uniform(0, 40 if mess else 14)
        elif on == "front":
            legs |= {
                f"{side}_knee": rng.uniform(0, 70 if mess else 14),
                f"{side}_hip_flex": rng.uniform(-8, 4),
            }
            legs |= {f"{side}_ankle": -40.0, f"{side}_hip_abduct": rng.uniform(0, 45 if mess else 14)}
        else:
            bend = rng.uniform(0, 1)
            legs |= {f"{side}_hip_flex": 8 + 75 * bend, f"{side}_knee": 12 + 85 * bend}
    if on == "side":
        root = {
            "root_roll": (1.0 if rng.random() < 0.5 else -1.0) * rng.uniform(78, 90),
            "spine_flex": rng.uniform(0, 25),
        }
        arms = {"both_shoulder_flex": rng.uniform(20, 80), "both_elbow": rng.uniform(20, 110)}
        if not mess:  # both legs alike
            legs |= {
                k.replace("left", "right"): v + rng.normal(0, 6)
                for k, v in legs.items()
                if k.startswith("left")
            }
    elif on == "front":
        root = {"root_pitch": 88.0, "neck_twist": 45.0}
        arms = {
            "both_shoulder_abduct": rng.uniform(30, 110), "both_shoulder_flex": -5, "both_shoulder_twist": 70,
            "both_elbow": rng.uniform(20, 90),
        }  # fmt: skip
    if mess and on != "side":  # the arms do not agree either
        for side in ("left", "right"):
            arms |= {f"{side}_shoulder_abduct": rng.uniform(5, 140), f"{side}_elbow": rng.uniform(5, 95)}
    body = around(rng, arms, loose) | around(rng, legs, 0.5 * loose)
    return body | {k: v + rng.normal(0, 4) for k, v in root.items()}


def on_all_fours(rng: np.random.Generator) -> Pose:
    """Hands and knees on the floor."""
    return around(
        rng,
        {
            "root_pitch": 82, "both_hip_flex": 84, "both_knee": 88, "both_ankle": -40, "both_shoulder_flex": 84,
            "both_elbow": 10, "neck_flex": -28, "spine_flex": 4,
        },
        5,
    )  # fmt: skip
