"""Ways of falling, from each posture, and of lying afterwards."""

from __future__ import annotations

import numpy as np

from skelact.datasets.synthetic.everyday.postures import (
    Pose,
    around,
    kneeling,
    lying,
    pick,
    sitting,
    squatting,
    standing,
)
from skelact.datasets.synthetic.everyday.takes import Story, Take, fidget, times
from skelact.datasets.synthetic.motion import Actor, Motion, add_gait, minimum_jerk, topple

# What the arms do on the way down; a person who faints does nothing.
BRACES: list[Pose] = [
    {"both_shoulder_flex": 95, "both_elbow": 40, "both_shoulder_abduct": 15},
    {"both_shoulder_abduct": 75, "both_elbow": 30},
    {"main_shoulder_abduct": 80, "off_shoulder_flex": 60, "both_elbow": 40},
    {},
]


def fall_over(actor: Actor) -> Take:
    """Tipping over like a pendulum, from standing, a chair, the knees; forward, backward or to a side; or a trip."""
    rng = actor.rng
    first = pick(rng, [standing(rng), standing(rng), sitting(rng, "chair"), kneeling(rng), squatting(rng)])
    upright = "both_knee" not in first and "main_knee" not in first
    way = rng.choice(["forward", "backward", "side"], p=[0.4, 0.25, 0.35])
    dof, sign = ("root_pitch", 1.0) if way == "forward" else ("root_pitch", -1.0)
    if way == "side":
        dof, sign = "root_roll", float(rng.choice([-1, 1]))
    brace = first | around(rng, pick(rng, BRACES), 12)
    brace |= {"both_knee": rng.uniform(10, 65), "both_hip_flex": rng.uniform(5, 50)} if upright else {}
    on = {"forward": "front", "backward": "back", "side": "side"}[str(way)]
    landed = {k: v for k, v in lying(rng, 0.4, on).items() if not k.startswith("root")}
    length = rng.uniform(0.85, 1.15) if upright else rng.uniform(0.5, 0.7)
    motion, start, impact = topple(actor, dof, sign, rng.uniform(78, 90), first, brace, landed, length)
    motion.add("root_yaw", np.radians(rng.normal(0, 40)) * minimum_jerk((times(motion, actor) - start) / 0.8))
    if upright and rng.random() < 0.4:  # in the middle of a step
        t = times(motion, actor)
        strength = minimum_jerk((start + 0.15 - t) / 0.3)
        add_gait(motion, actor, rng.uniform() + actor.style.tempo * t, strength)
    return Take(motion, start, min(impact + 0.25, len(motion) / actor.fps))


def collapse(actor: Actor) -> Take:
    """Fainting, slipping and slumping: the knees give way, or the seat, or a wall is slid down."""
    rng = actor.rng
    kind = rng.choice(["faint", "slip", "slump", "miss", "knees"], p=[0.25, 0.2, 0.15, 0.12, 0.28])
    down = lying(rng, 0.4)
    if kind == "slump":  # out of a chair
        story = Story(actor).start(sitting(rng, "chair"), hold=rng.uniform(0.2, 0.9)).starts()
        bent = {
            "both_hip_flex": 70.0,
            "both_knee": 115.0,
            "root_pitch": rng.choice([-30.0, 35.0]),
            "spine_flex": 30.0,
        }
        story.move(rng.uniform(0.35, 0.7), around(rng, bent, 8)).move(rng.uniform(0.3, 0.55), down)
    else:
        story = Story(actor).start(standing(rng), hold=rng.uniform(0.2, 0.9)).starts()
        if kind == "faint":
            buckled = {
                "both_hip_flex": 45.0,
                "both_knee": 100.0,
                "spine_flex": 25.0,
                "neck_flex": 30.0,
                "both_ankle": 10.0,
            }
            story.move(rng.uniform(0.3, 0.55), around(rng, buckled, 10)).move(rng.uniform(0.3, 0.6), down)
        elif kind == "knees":  # onto the knees, then on forward or to a side, hands first or not
            hands = around(rng, pick(rng, BRACES), 12)
            low = {k: v for k, v in kneeling(rng).items() if "shoulder" not in k and "elbow" not in k}
            story.move(rng.uniform(0.3, 0.6), low | hands | {"root_pitch": rng.uniform(0, 35)})
            story.hold(rng.uniform(0, 0.15)).move(rng.uniform(0.3, 0.6), down)
        else:  # the feet slide away, or the chair is not there: onto the seat, then the back
            away = (
                sitting(rng, "floor")
                | {"root_pitch": rng.uniform(-40, -10)}
                | around(rng, pick(rng, BRACES), 10)
            )
            if kind == "miss":
                story.move(rng.uniform(0.4, 0.7), sitting(rng, "chair"))
            story.move(rng.uniform(0.3, 0.5), away)
            if rng.random() < 0.7:
                story.move(rng.uniform(0.3, 0.6), down)
    story.ends().hold(rng.uniform(0.3, 1.2))
    return story.take()


def out_of_bed(actor: Actor) -> Take:
    """Rolling off a bed."""
    rng = actor.rng
    sign = float(rng.choice([-1, 1]))
    bed, landed = rng.uniform(0.3, 0.6), lying(rng, 0.4)
    rest = {k: v for k, v in landed.items() if not k.startswith("root")}
    story = Story(actor).start(lying(rng), hold=rng.uniform(0.3, 1.0)).starts()
    story.move(rng.uniform(0.4, 0.8), rest | {"root_roll": sign * 80.0}).move(rng.uniform(0.3, 0.5), landed)
    motion = story.ends().hold(rng.uniform(0.3, 1.0)).build()
    t = times(motion, actor)
    motion.rise = bed * (1 - np.clip((t - (story.end - 0.5)) / 0.35, 0, 1) ** 2)
    away = sign * 0.5 * minimum_jerk((t - story.begin) / max(story.end - story.begin, 0.1))
    motion.drive = np.stack([away, np.zeros_like(t)], 1)
    return story.take(motion)


def fall(actor: Actor) -> Take:
    """Any fall."""
    return [fall_over, fall_over, collapse, collapse, out_of_bed][int(actor.rng.integers(5))](actor)


def fallen(actor: Actor) -> Take:
    """On the floor after a fall: still, or trying to move."""
    rng = actor.rng
    pose = lying(rng, rng.uniform(0, 0.5))
    if rng.random() < 0.25:  # half sitting, propped on an arm
        pose = sitting(rng, "floor") | {"root_pitch": rng.uniform(-50, -25), "root_roll": rng.normal(0, 20)}
    story = Story(actor).start(pose, hold=rng.uniform(0.8, 2.5))
    for _ in range(int(rng.integers(0, 3))):
        tries = {k: v + rng.normal(0, 4 if k.startswith("root") else 18) for k, v in pose.items()}
        story.move(rng.uniform(0.4, 1.2), tries).hold(rng.uniform(0.1, 1))
    motion: Motion = story.hold(0.5).build()
    fidget(motion, actor, rng.uniform(0, 0.8))
    return story.take(motion, repeats=True)
