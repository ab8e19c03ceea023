"""Ways of throwing, from a toss to a hard throw."""

from __future__ import annotations

import numpy as np

from skelact.datasets.synthetic.everyday.gestures import ground, reach
from skelact.datasets.synthetic.everyday.postures import Pose, around
from skelact.datasets.synthetic.everyday.takes import Story, Take
from skelact.datasets.synthetic.motion import Actor


def toss(actor: Actor) -> Take:
    """A light throw, the trunk nearly still: the hand goes to the ear or the side and stretches away, or swings up."""
    rng = actor.rng
    base = ground(rng, 0.08)
    lean = {"spine_flex": base.get("spine_flex", 0.0) + rng.uniform(-3, 10), "spine_twist": rng.normal(0, 6)}
    wind = reach(
        actor,
        base,
        "head",
        (rng.uniform(0.08, 0.45), rng.uniform(-0.25, 0.15), rng.uniform(-0.2, 0.2)),
        "main",
    )
    away: Pose = {
        "main_shoulder_flex": rng.uniform(70, 140), "main_elbow": rng.uniform(3, 30),
        "main_shoulder_abduct": rng.uniform(-10, 25), "main_wrist": rng.uniform(0, 30),
    }  # fmt: skip
    if rng.random() < 0.25:  # from below
        wind = around(rng, {"main_shoulder_flex": rng.uniform(-45, -5), "main_elbow": rng.uniform(8, 40)}, 5)
        away["main_shoulder_flex"] = rng.uniform(35, 100)
    first = (
        base
        if rng.random() < 0.7
        else base | {"main_elbow": rng.uniform(60, 100), "main_shoulder_flex": 20.0}
    )
    story = Story(actor).start(first, hold=rng.uniform(0.1, 0.7)).starts()
    story.move(rng.uniform(0.3, 0.9), base | wind).hold(rng.uniform(0, 0.4))
    story.move(rng.uniform(0.14, 0.4), base | lean | around(rng, away, 6))
    if rng.random() < 0.6:  # the arm follows through, or stays out for a moment
        story.hold(rng.uniform(0.05, 0.6))
    else:
        story.move(
            rng.uniform(0.15, 0.35),
            base | lean | {"main_shoulder_flex": rng.uniform(10, 60), "main_elbow": 15.0},
        )
    motion = story.move(rng.uniform(0.3, 0.8), base).ends().hold(rng.uniform(0.05, 0.5)).build()
    return story.take(motion)


def throw(actor: Actor) -> Take:
    """Throwing: overarm, from the ear, underarm, sidearm, or with both hands; hard, gently, or a toss."""
    rng = actor.rng
    if rng.random() < 0.45:
        return toss(actor)
    base, turn = ground(rng, 0.08), 1.0 if actor.style.main == "left" else -1.0
    gentle = rng.uniform(0.35, 1.1)
    kind = rng.choice(["over", "ear", "under", "side", "both"], p=[0.3, 0.25, 0.2, 0.15, 0.1])
    wind, release, follow = {
        "over": (
            {"main_shoulder_abduct": 95, "main_shoulder_twist": 70, "main_elbow": 100, "off_shoulder_flex": 45},
            {"main_shoulder_abduct": 50, "main_shoulder_flex": 110, "main_elbow": 18, "main_wrist": 25},
            {"main_shoulder_flex": 45, "main_shoulder_twist": -35, "main_elbow": 30},
        ),
        "ear": (
            {"main_shoulder_flex": 60, "main_elbow": 128, "main_shoulder_abduct": 30},
            {"main_shoulder_flex": 92, "main_elbow": 10, "main_wrist": 20},
            {"main_shoulder_flex": 60, "main_elbow": 15},
        ),
        "under": (
            {"main_shoulder_flex": -38, "main_elbow": 15},
            {"main_shoulder_flex": 78, "main_elbow": 14, "main_wrist": 10},
            {"main_shoulder_flex": 105, "main_elbow": 40},
        ),
        "side": (
            {"main_shoulder_abduct": 72, "main_shoulder_flex": -20, "main_elbow": 50, "spine_twist": 30 * turn},
            {"main_shoulder_abduct": 55, "main_shoulder_flex": 60, "main_elbow": 15},
            {"main_shoulder_abduct": 20, "main_shoulder_flex": 75, "main_shoulder_twist": -50, "main_elbow": 35},
        ),
        "both": (
            {"both_shoulder_flex": 155, "both_elbow": 80, "spine_flex": -12},
            {"both_shoulder_flex": 100, "both_elbow": 15, "spine_flex": 12},
            {"both_shoulder_flex": 55, "both_elbow": 15, "spine_flex": 20},
        ),
    }[str(kind)]  # fmt: skip
    trunk = {"spine_twist": 30 * turn * gentle, "root_yaw": 12 * turn * gentle, "spine_flex": -8 * gentle}
    after = {
        "spine_twist": -20 * turn * gentle,
        "spine_flex": 18 * gentle,
        "root_pitch": 9 * gentle,
        "both_hip_flex": 14 * gentle,
    }
    if rng.random() < 0.5 and gentle > 0.5:  # a step forward with the other leg
        trunk |= {"off_hip_flex": 30.0 * gentle, "off_knee": 25.0}
        after |= {"off_hip_flex": 28.0, "off_knee": 18.0, "main_hip_flex": -12.0}
    first = base
    if kind != "both" and rng.random() < 0.35:  # held in both hands before
        first = base | around(
            rng, {"both_shoulder_flex": 22, "both_shoulder_twist": -25, "both_elbow": 85}, 8
        )
    story = Story(actor).start(first, hold=rng.uniform(0.1, 0.9)).starts()
    story.move(rng.uniform(0.35, 0.9), base | around(rng, trunk | wind, 8)).hold(rng.uniform(0, 0.25))
    fast = rng.uniform(0.16, 0.3) / np.sqrt(gentle)
    story.move(fast, base | around(rng, after | release, 8)).move(0.25, base | around(rng, after | follow, 8))
    motion = story.move(rng.uniform(0.4, 0.9), base).ends().hold(rng.uniform(0.1, 0.5)).build()
    motion.flatten_feet()
    return story.take(motion)
