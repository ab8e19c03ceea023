"""What people do with their hands and feet: wave, clap, kick, pick up, drink, telephone, and other things."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from skelact.datasets.synthetic.body import DOF, J, forward_kinematics, limit_angles
from skelact.datasets.synthetic.everyday.postures import Pose, around, pick, sitting, squatting
from skelact.datasets.synthetic.everyday.takes import Story, Take, fidget, times
from skelact.datasets.synthetic.motion import Actor, Motion, add_gait, minimum_jerk, window

ARM = ("shoulder_flex", "shoulder_abduct", "shoulder_twist", "elbow")
LOWEST, HIGHEST = np.array([-20.0, -10, -70, 40]), np.array([120.0, 100, 70, 150])
N_TRIALS = 250


def ground(rng: np.random.Generator, seated: float = 0.0) -> Pose:
    """What the rest of the body does: standing, or sitting with probability ``seated``."""
    if rng.random() < seated:
        return sitting(rng, "chair")
    legs = {
        "both_hip_abduct": rng.uniform(1, 12),
        "spine_flex": rng.uniform(-4, 12),
        "neck_flex": rng.uniform(-5, 18),
    }
    return legs | (around(rng, pick(rng, [{}, {}, {"off_elbow": 90.0, "off_shoulder_flex": 25.0}]), 5))


def reach(
    actor: Actor, base: Mapping[str, float], target: str, away: tuple[float, float, float], side: str
) -> Pose:
    """An arm's angles that bring the hand to a place at the head: the best of some drawn at random.

    Args:
        actor: whose arm.
        base: the pose of the rest of the body.
        target: joint that is reached for.
        away: place relative to it in metres: to the reaching side, up, forward.
        side: ``main`` or ``off``.
    """
    draws = actor.rng.uniform(LOWEST, HIGHEST, (N_TRIALS, 4))
    whole = np.tile(actor.pose(base), (N_TRIALS, 1))
    arm = actor.style.main if side == "main" else actor.style.off
    for i, name in enumerate(ARM):
        whole[:, DOF[f"{arm}_{name}"]] = np.radians(draws[:, i])
    joints = forward_kinematics(actor.body, limit_angles(whole))
    left = joints[:, J["left_shoulder"]] - joints[:, J["right_shoulder"]]
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    up = joints[:, J["head"]] - joints[:, J["mid_shoulder"]]
    up /= np.linalg.norm(up, axis=1, keepdims=True)
    ahead = np.cross(left, up)
    out = left if arm == "left" else -left
    place = joints[:, J[target]] + away[0] * out + away[1] * up + away[2] * ahead
    off = np.linalg.norm(joints[:, J[f"{arm}_hand"]] - place, axis=1)
    best = draws[int((off + 0.0006 * np.abs(draws[:, 1])).argmin())]  # an elbow that hangs is easier
    return {f"{side}_{name}": float(best[i]) for i, name in enumerate(ARM)}


def swing(
    motion: Motion, name: str, degrees: float, rate: float, t: np.ndarray, on: np.ndarray, phase: float = 0.0
) -> None:
    """Add an oscillation of one angle, while ``on`` is 1."""
    motion.add(name, np.radians(degrees) * np.sin(2 * np.pi * rate * t + phase) * on)


def wave(actor: Actor) -> Take:
    """Waving, with one hand or both, from the wrist, the elbow or the whole arm."""
    rng = actor.rng
    base = ground(rng, 0.2)
    both = rng.random() < 0.25
    side = "both" if both else "main"
    how = rng.choice(["side", "front", "whole"], p=[0.45, 0.35, 0.2])
    raised: Pose = {
        "side": {"shoulder_abduct": rng.uniform(50, 140), "elbow": rng.uniform(25, 110), "shoulder_twist": 70.0},
        "front": {"shoulder_flex": rng.uniform(55, 120), "elbow": rng.uniform(50, 125), "shoulder_twist": 15.0},
        "whole": {"shoulder_abduct": rng.uniform(115, 160), "elbow": rng.uniform(5, 35), "shoulder_twist": 20.0},
    }[str(how)]  # fmt: skip
    raised = around(rng, {f"{side}_{k}": v for k, v in raised.items()}, 8)
    story = (
        Story(actor)
        .start(base, hold=rng.uniform(0, 0.6))
        .starts()
        .move(rng.uniform(0.35, 0.8), base | raised)
    )
    a = story.now
    b = story.hold(rng.uniform(0.4, 1.2) if rng.random() < 0.5 else rng.uniform(1.0, 3.0)).now
    motion = story.move(rng.uniform(0.4, 0.8), base).ends().hold(rng.uniform(0, 0.5)).build()
    t = times(motion, actor)
    on, rate, size = window(t, a - 0.1, b + 0.1), rng.uniform(1.0, 3.0), rng.uniform(12, 42)
    for arm in ("left", "right") if both else (actor.style.main,):
        if how == "whole":
            swing(motion, f"{arm}_shoulder_abduct", size, 0.8 * rate, t, on)
            swing(motion, f"{arm}_elbow", 0.4 * size, 0.8 * rate, t, on)
        elif how == "front":
            swing(motion, f"{arm}_shoulder_twist", size, rate, t, on)
            swing(motion, f"{arm}_elbow", 0.25 * size, rate, t, on, 1)
        else:
            swing(motion, f"{arm}_elbow", size, rate, t, on)
            swing(motion, f"{arm}_shoulder_abduct", 0.25 * size, rate, t, on)
        swing(motion, f"{arm}_wrist", rng.uniform(0, 0.8) * size, rate, t, on)
    return story.take(motion)


def clap(actor: Actor) -> Take:
    """Clapping, low or high, fast or slow."""
    rng, body = actor.rng, actor.body
    base = ground(rng, 0.25)
    elbow = np.radians(rng.uniform(55, 112))
    across = (body.forearm + 0.7 * body.hand) * np.sin(elbow)
    inward = np.degrees(np.arcsin(np.clip((body.shoulder_half - 0.025) / across, 0.1, 0.95)))
    ready = {
        "both_shoulder_flex": rng.uniform(12, 80),
        "both_elbow": float(np.degrees(elbow)),
        "both_shoulder_abduct": 0.0,
    }
    ready = {k: v / actor.style.amplitude for k, v in ready.items()}  # hands must meet whatever the style
    story = (
        Story(actor).start(base, hold=rng.uniform(0, 0.4)).starts().move(rng.uniform(0.3, 0.7), base | ready)
    )
    a = story.now
    b = story.hold(rng.uniform(0.6, 3.0)).now
    motion = story.move(rng.uniform(0.4, 0.7), base).ends().hold(rng.uniform(0, 0.4)).build()
    t = times(motion, actor)
    on = window(t, a - 0.1, b + 0.1)
    apart = np.abs(np.sin(np.pi * rng.uniform(1.2, 3.8) * (t - a))) ** 1.3
    twist = np.radians(-inward + apart * rng.uniform(15, 60))
    for side in ("left", "right"):
        column = DOF[f"{side}_shoulder_twist"]
        motion.angles[:, column] += on * (twist - motion.angles[:, column])
    return story.take(motion)


def kick(actor: Actor) -> Take:
    """Kicking forward, sideways or with a swing, low or high, once or twice."""
    rng = actor.rng
    base = ground(rng)
    high = rng.uniform(0.4, 1.15)
    back = {"main_hip_flex": -18, "main_knee": 60, "off_knee": 12, "root_pitch": 5}
    through = {
        "main_hip_flex": 78 * high,
        "main_knee": 12,
        "root_pitch": -10 * high,
        "off_knee": 14,
        "main_ankle": -25,
    }
    kind = rng.random()
    if kind < 0.25:  # the knee first, then the foot
        back = {"main_hip_flex": 75 * high, "main_knee": 95, "off_knee": 14}
    elif kind < 0.45:  # to the side
        back = {"main_hip_abduct": 15, "main_hip_flex": 45 * high, "main_knee": 80}
        through = {
            "main_hip_abduct": 55,
            "main_hip_flex": 30 * high,
            "main_knee": 10,
            "root_roll": 0.0,
            "off_knee": 12,
        }
    arms = pick(rng, [{"off_shoulder_flex": 40, "main_shoulder_flex": -25}, {"both_shoulder_abduct": 35},
                      {"both_elbow": 95, "both_shoulder_flex": 30}, {}])  # fmt: skip
    story = Story(actor).start(base, hold=rng.uniform(0.1, 0.6)).starts()
    for _ in range(1 if rng.random() < 0.75 else 2):
        story.move(rng.uniform(0.25, 0.5), base | around(rng, back, 6))
        story.move(rng.uniform(0.15, 0.35), base | around(rng, through | arms, 6)).move(
            rng.uniform(0.35, 0.7), base
        )
    motion = story.ends().hold(rng.uniform(0.1, 0.6)).build()
    if rng.random() < 0.25:  # a run-up
        t = times(motion, actor)
        add_gait(motion, actor, rng.uniform() + t, minimum_jerk((story.begin + 0.2 - t) / 0.3))
    return story.take(motion)


def pick_up(actor: Actor) -> Take:
    """Picking something up from the floor: stooping, squatting or with a leg behind; with one hand or both."""
    rng = actor.rng
    base, straight = ground(rng), rng.uniform(0, 1)
    kind = rng.choice(["stoop", "squat", "lunge", "knee"], p=[0.48, 0.3, 0.12, 0.1])
    if kind == "stoop":
        pitch = rng.uniform(50, 88)
        knee = 90 * (1 - straight) * (1.3 - pitch / 100)
        legs = {
            "root_pitch": pitch,
            "both_hip_flex": pitch + 0.55 * knee,
            "both_knee": knee + 4,
            "spine_flex": rng.uniform(15, 60),
        }
    elif kind == "squat":
        legs = {k: v for k, v in squatting(rng).items() if "shoulder" not in k and "elbow" not in k}
        legs |= {"spine_flex": rng.uniform(15, 55), "root_pitch": rng.uniform(25, 55)}
    elif kind == "knee":
        legs = {"main_hip_flex": 20, "main_knee": 92, "main_ankle": -35, "off_hip_flex": 110, "off_knee": 88}
        legs |= {"root_pitch": rng.uniform(15, 35), "spine_flex": rng.uniform(25, 55)}
    else:
        legs = {
            "main_hip_flex": 62,
            "main_knee": 78,
            "off_hip_flex": 110,
            "off_knee": 95,
            "root_pitch": 45,
            "spine_flex": 35,
        }
    hands = {"main_shoulder_flex": 88, "main_elbow": 8, "neck_flex": rng.uniform(-25, 15)}
    if rng.random() < 0.4:
        hands = {"both_shoulder_flex": 85, "both_elbow": 12, "neck_flex": -8}
    elif rng.random() < 0.5:  # the other hand on the knee, or hanging
        hands |= {"off_shoulder_flex": rng.uniform(10, 60), "off_elbow": rng.uniform(5, 60)}
    aside = {"spine_twist": rng.normal(0, 14), "root_yaw": rng.normal(0, 15)}  # it lies before one, or beside
    down = base | around(rng, legs | hands, 6) | aside
    held = base | pick(
        rng, [{}, {"main_shoulder_flex": 25, "main_elbow": 85}, {"both_shoulder_flex": 30, "both_elbow": 80}]
    )
    story = Story(actor).start(base, hold=rng.uniform(0.1, 1.0)).starts()
    story.move(rng.uniform(0.45, 1.2), down).hold(rng.uniform(0, 0.7)).move(rng.uniform(0.45, 1.1), held)
    motion = story.ends().hold(rng.uniform(0.1, 0.9)).build()
    motion.flatten_feet()
    t = times(motion, actor)
    if rng.random() < 0.35:  # walks up to it, or away with it
        on = (
            minimum_jerk((story.begin + 0.1 - t) / 0.3)
            if rng.random() < 0.6
            else minimum_jerk((t - story.end + 0.1) / 0.3)
        )
        add_gait(motion, actor, rng.uniform() + t, on)
    return story.take(motion)


def drink(actor: Actor) -> Take:
    """Drinking: a cup or bottle is lifted to the mouth, held there, and lowered."""
    rng = actor.rng
    base = ground(rng, 0.45)
    held = [(28, 85), (45, 60), (5, 20)]  # the cup before the chest, on a table, in a hanging hand
    flex, elbow = held[int(rng.integers(3))]
    low = base | around(rng, {"main_shoulder_flex": flex, "main_elbow": elbow}, 8)
    tilt = {"neck_flex": rng.uniform(-28, 4)}
    cup = (
        base
        | tilt
        | reach(actor, base | tilt, "head", (0.02, rng.uniform(-0.1, 0.0), rng.uniform(0.12, 0.2)), "main")
    )
    story = Story(actor).start(low, hold=rng.uniform(0.1, 0.6)).starts()
    for _ in range(1 if rng.random() < 0.7 else 2):
        story.move(rng.uniform(0.5, 1.1), cup).hold(rng.uniform(0.4, 2.0)).move(rng.uniform(0.5, 1.1), low)
    return story.take(story.ends().hold(rng.uniform(0.1, 0.6)).build())


def telephone(actor: Actor) -> Take:
    """On the telephone: at the ear, or held before the chest and looked at."""
    rng = actor.rng
    base = ground(rng, 0.4)
    if rng.random() < 0.6:
        tilt = {"neck_side": rng.uniform(-5, 18) * (1 if actor.style.main == "right" else -1)}
        pose = (
            base
            | tilt
            | reach(
                actor, base | tilt, "head", (0.1, rng.uniform(-0.05, 0.04), rng.uniform(-0.02, 0.05)), "main"
            )
        )
    else:
        pose = base | {"main_shoulder_flex": rng.uniform(18, 48), "main_elbow": rng.uniform(80, 118),
                       "main_shoulder_twist": rng.uniform(-35, 0), "neck_flex": rng.uniform(18, 42)}  # fmt: skip
        if rng.random() < 0.5:
            pose |= {
                "off_shoulder_flex": pose["main_shoulder_flex"],
                "off_elbow": pose["main_elbow"],
                "off_shoulder_twist": -32.0,
            }
    story = Story(actor)
    if rng.random() < 0.4:
        story.start(base, hold=rng.uniform(0, 0.4)).starts().move(rng.uniform(0.5, 1.0), pose)
    else:
        story.start(pose, hold=0.2).starts()
    motion = story.hold(rng.uniform(1.5, 3.5)).ends().build()
    fidget(motion, actor, 0.6)
    if rng.random() < 0.2 and "both_knee" not in base:  # on the way
        add_gait(motion, actor, rng.uniform() + times(motion, actor), 0.7)
        arm = slice(DOF[f"{actor.style.main}_shoulder_flex"], DOF[f"{actor.style.main}_elbow"] + 1)
        motion.angles[:, arm] = actor.pose(pose)[arm]
    return story.take(motion, repeats=True)


def stumble(actor: Actor) -> Take:
    """Losing one's balance and keeping upright all the same: some quick steps, arms out, the trunk thrown about."""
    rng = actor.rng
    story = Story(actor).start(ground(rng), hold=rng.uniform(0.2, 1.0)).starts()
    for _ in range(int(rng.integers(1, 4))):
        off = {
            "root_pitch": rng.normal(12, 18), "root_roll": rng.normal(0, 12), "spine_flex": rng.uniform(-10, 40),
            "spine_side": rng.normal(0, 12), "both_knee": rng.uniform(10, 60), "both_hip_flex": rng.uniform(10, 60),
        }  # fmt: skip
        arms = {f"{side}_{name}": rng.uniform(0, high) for side in ("main", "off")
                for name, high in (("shoulder_abduct", 95), ("shoulder_flex", 60), ("elbow", 80))}  # fmt: skip
        story.move(rng.uniform(0.2, 0.6), off | arms).hold(rng.uniform(0, 0.2))
    motion = story.move(rng.uniform(0.4, 1.0), ground(rng)).ends().hold(rng.uniform(0.1, 0.8)).build()
    t = times(motion, actor)
    on = window(t, story.begin, story.end - 0.2)
    add_gait(motion, actor, rng.uniform() + rng.uniform(0.8, 1.6) * t, rng.uniform(0.4, 1.0) * on)
    motion.add("root_yaw", np.radians(rng.normal(0, 50)) * minimum_jerk((t - story.begin) / 1.0))
    return story.take(motion)


def other(actor: Actor) -> Take:
    """Anything else: gestures, exercises, boxing, handling things, scratching one's head, a stumble."""
    rng = actor.rng
    base = ground(rng, 0.35)
    kind = rng.choice(
        ["gesture", "cycle", "box", "exercise", "touch", "stumble"], p=[0.35, 0.22, 0.09, 0.14, 0.09, 0.11]
    )
    if kind == "stumble":
        return stumble(actor)
    side = str(rng.choice(["main", "off", "both"], p=[0.45, 0.2, 0.35]))

    def arm() -> Pose:
        low, high = np.array([-15.0, -5, -60, 5]), np.array([95.0, 75, 60, 130])
        return {f"{side}_{name}": float(v) for name, v in zip(ARM, rng.uniform(low, high), strict=True)}

    story = Story(actor).start(base, hold=rng.uniform(0, 0.5)).starts()
    if kind == "gesture":
        for _ in range(int(rng.integers(2, 6))):
            story.move(rng.uniform(0.3, 0.9), base | arm()).hold(rng.uniform(0, 0.4))
    elif kind == "cycle":  # the same again and again: wiping, knocking, circling, curling
        a, b = arm(), arm()
        b = {k: a[k] + np.clip(b[k] - a[k], -50, 50) for k in a}
        pace = rng.uniform(0.2, 0.7)
        for _ in range(int(rng.integers(2, 5))):
            story.move(pace, base | a).move(pace, base | b)
    elif kind == "box":
        guard = {"both_shoulder_flex": 45.0, "both_elbow": 125.0}
        for i in range(int(rng.integers(2, 7))):
            one = "main" if i % 2 else "off"
            punch = guard | {
                f"{one}_shoulder_flex": 88.0,
                f"{one}_elbow": 8.0,
                "spine_twist": 15.0 * (-1) ** i,
            }
            story.move(rng.uniform(0.15, 0.3), base | around(rng, punch, 6)).move(0.25, base | guard)
    elif kind == "exercise":
        pose = pick(rng, [
            {"main_hip_flex": 85, "main_knee": 88, "off_hip_flex": -15, "off_knee": 55},  # a lunge
            {"spine_side": 30, "main_shoulder_abduct": 150}, {"spine_twist": 40, "both_elbow": 90},
            {"both_shoulder_flex": 165}, {"both_shoulder_abduct": 90}, {"root_pitch": 35, "both_hip_flex": 36},
            {"both_shoulder_flex": 90, "both_elbow": 5},
        ])  # fmt: skip
        for _ in range(int(rng.integers(1, 4))):
            story.move(rng.uniform(0.5, 1.1), base | around(rng, pose, 8)).hold(rng.uniform(0, 0.5))
            story.move(rng.uniform(0.5, 1.0), base)
    else:
        away = (rng.uniform(-0.05, 0.1), rng.uniform(-0.02, 0.14), rng.uniform(-0.05, 0.1))
        touch = base | reach(actor, base, "head", away, "main")
        story.move(rng.uniform(0.4, 0.9), touch).hold(rng.uniform(0.2, 0.9)).move(rng.uniform(0.4, 0.9), base)
    motion = story.move(rng.uniform(0.3, 0.8), base).ends().hold(rng.uniform(0, 0.4)).build()
    if kind == "touch":
        t = times(motion, actor)
        swing(motion, f"{actor.style.main}_elbow", rng.uniform(0, 8), rng.uniform(1, 4), t, np.ones_like(t))
    if kind != "exercise":
        fidget(motion, actor, 0.7)
    return story.take(motion)
