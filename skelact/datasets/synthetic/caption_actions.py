"""The actions of captions: short performances, from standing to standing but for sitting down, and their words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skelact.datasets.synthetic.body import DOF
from skelact.datasets.synthetic.everyday import gestures, moves
from skelact.datasets.synthetic.everyday.postures import Pose, around, squatting
from skelact.datasets.synthetic.everyday.takes import Story, fidget, times
from skelact.datasets.synthetic.motion import Actor, Motion, add_gait, seconds, window

HANDS, FEET = ("left", "right"), ("left", "right")
MANNERS: dict[str, tuple[float, float]] = {
    "slowly": (0.48, 0.6),
    "quickly": (1.5, 1.85),
}  # factors of the speed


def _base(rng: np.random.Generator) -> Pose:
    return {
        "both_hip_abduct": rng.uniform(1, 9), "spine_flex": rng.uniform(-3, 8), "neck_flex": rng.uniform(-5, 12),
    }  # fmt: skip


def _raised(actor: Actor, pose: Callable[[np.random.Generator], Pose], hold: tuple[float, float]) -> Story:
    rng = actor.rng
    base = _base(rng)
    story = Story(actor).start(base, hold=0.15).move(rng.uniform(0.5, 0.8), base | around(rng, pose(rng), 6))
    return story.hold(rng.uniform(*hold)).move(rng.uniform(0.5, 0.8), base).hold(0.15)


def _wave(actor: Actor) -> Motion:
    rng = actor.rng
    base = _base(rng)
    raised = around(rng, {
        "main_shoulder_abduct": rng.uniform(60, 125), "main_elbow": rng.uniform(40, 100), "main_shoulder_twist": 65.0,
    }, 6)  # fmt: skip
    story = Story(actor).start(base, hold=0.15).move(rng.uniform(0.4, 0.7), base | raised)
    a = story.now
    b = story.hold(rng.uniform(1.2, 1.8)).now
    motion = story.move(rng.uniform(0.4, 0.7), base).hold(0.15).build()
    t = times(motion, actor)
    gestures.swing(
        motion,
        f"{actor.style.main}_elbow",
        rng.uniform(18, 34),
        rng.uniform(1.5, 2.1),
        t,
        window(t, a - 0.1, b + 0.1),
    )
    return motion


def _raise_hand(actor: Actor) -> Motion:
    def pose(rng: np.random.Generator) -> Pose:
        return {"main_shoulder_flex": rng.uniform(140, 172), "main_elbow": rng.uniform(3, 25)}

    return _raised(actor, pose, (0.5, 1.0)).build()


def _point(actor: Actor) -> Motion:
    def pose(rng: np.random.Generator) -> Pose:
        return {"main_shoulder_flex": rng.uniform(72, 98), "main_elbow": rng.uniform(2, 14)}

    return _raised(actor, pose, (0.6, 1.1)).build()


def _drink(actor: Actor) -> Motion:
    rng = actor.rng
    base = _base(rng)
    tilt = {"neck_flex": rng.uniform(-25, -8)}
    cup = gestures.reach(actor, base | tilt, "head", (0.02, -0.06, 0.15), "main")
    low = base | around(rng, {"main_shoulder_flex": 25.0, "main_elbow": 80.0}, 6)
    story = Story(actor).start(base, hold=0.1).move(rng.uniform(0.4, 0.6), low)
    story.move(rng.uniform(0.5, 0.8), base | tilt | cup).hold(rng.uniform(0.6, 1.1))
    return story.move(rng.uniform(0.5, 0.8), low).move(0.5, base).hold(0.1).build()


def _punch(actor: Actor) -> Motion:
    rng = actor.rng
    base = _base(rng)
    guard = base | {"main_shoulder_flex": 25.0, "main_elbow": 120.0}
    out = guard | around(rng, {"main_shoulder_flex": 86.0, "main_elbow": 6.0}, 5)
    story = Story(actor).start(base, hold=0.15).move(0.4, guard)
    for _ in range(2):
        story.move(rng.uniform(0.25, 0.35), out).move(rng.uniform(0.3, 0.4), guard)
    return story.move(0.4, base).hold(0.15).build()


def _kick(actor: Actor) -> Motion:
    rng = actor.rng
    base, high = _base(rng), rng.uniform(0.7, 1.1)
    back = around(rng, {"main_hip_flex": -18.0, "main_knee": 60.0, "off_knee": 10.0}, 5)
    through = around(
        rng, {"main_hip_flex": 78 * high, "main_knee": 12.0, "root_pitch": -8 * high, "off_knee": 12.0}, 5
    )
    story = Story(actor).start(base, hold=0.2).move(rng.uniform(0.35, 0.5), base | back)
    story.move(rng.uniform(0.25, 0.35), base | through).move(rng.uniform(0.45, 0.6), base)
    return story.hold(0.2).build()


def _clap(actor: Actor) -> Motion:
    rng, body = actor.rng, actor.body
    base, elbow = _base(rng), np.radians(rng.uniform(70, 100))
    across = (body.forearm + 0.7 * body.hand) * np.sin(elbow)
    inward = np.degrees(np.arcsin(np.clip((body.shoulder_half - 0.025) / across, 0.1, 0.95)))
    ready = {
        "both_shoulder_flex": rng.uniform(25, 60),
        "both_elbow": float(np.degrees(elbow)),
        "both_shoulder_abduct": 0.0,
    }
    ready = {k: v / actor.style.amplitude for k, v in ready.items()}
    story = Story(actor).start(base, hold=0.15).move(0.5, base | ready)
    a = story.now
    b = story.hold(rng.uniform(1.2, 1.8)).now
    motion = story.move(0.5, base).hold(0.15).build()
    t = times(motion, actor)
    apart = np.abs(np.sin(np.pi * rng.uniform(1.6, 2.2) * (t - a))) ** 1.3
    twist, on = np.radians(-inward + apart * rng.uniform(35, 55)), window(t, a - 0.1, b + 0.1)
    for side in HANDS:
        column = motion.angles[:, DOF[f"{side}_shoulder_twist"]]
        column += on * (twist - column)
    return motion


def _walk(actor: Actor) -> Motion:
    rng = actor.rng
    t = seconds(rng.uniform(2.6, 3.4), actor.fps)
    motion = Motion(np.tile(actor.pose(_base(rng)), (len(t), 1)))
    add_gait(motion, actor, rng.uniform() + actor.vary(0.95, 0.05) * t, window(t, 0.0, float(t[-1]), 0.4))
    motion.flatten_feet(0.35)
    return motion


def _jump(actor: Actor) -> Motion:
    rng = actor.rng
    base = _base(rng)
    crouch = {"both_knee": 70.0, "both_hip_flex": 60.0, "root_pitch": 18.0, "both_shoulder_flex": -25.0}
    story, flights = Story(actor).start(base, hold=0.2), []
    for _ in range(2):
        story.move(rng.uniform(0.3, 0.4), base | crouch)
        begin = story.now + 0.05
        story.move(0.2, base | {"both_ankle": -25.0, "both_shoulder_flex": rng.uniform(30, 90)}).hold(0.15)
        flights.append((begin, story.now + 0.05, rng.uniform(0.12, 0.28)))
        story.move(0.25, base | {k: 0.6 * v for k, v in crouch.items()})
    motion = story.move(0.4, base).hold(0.2).build()
    t = times(motion, actor)
    motion.rise = np.zeros_like(t)
    for a, b, height in flights:
        share = np.clip((t - a) / (b - a), 0, 1)
        motion.rise += height * 4 * share * (1 - share)
    return motion


def _squat(actor: Actor) -> Motion:
    rng = actor.rng
    base, down = _base(rng), squatting(rng)
    story = Story(actor).start(base, hold=0.2).move(rng.uniform(0.7, 1.0), down).hold(rng.uniform(0.2, 0.5))
    motion = story.move(rng.uniform(0.7, 1.0), base).hold(0.2).build()
    motion.flatten_feet()
    return motion


def _bow(actor: Actor) -> Motion:
    rng = actor.rng
    base, pitch = _base(rng), rng.uniform(38, 62)
    down = base | {
        "root_pitch": pitch,
        "both_hip_flex": pitch + 4,
        "spine_flex": rng.uniform(8, 22),
        "neck_flex": 10.0,
    }
    story = Story(actor).start(base, hold=0.2).move(rng.uniform(0.6, 0.9), down).hold(rng.uniform(0.3, 0.7))
    motion = story.move(rng.uniform(0.6, 0.9), base).hold(0.2).build()
    motion.flatten_feet()
    return motion


def _stand(actor: Actor) -> Motion:
    motion = Story(actor).start(_base(actor.rng), hold=actor.rng.uniform(1.8, 3.0)).build()
    fidget(motion, actor, 0.5)
    return motion


def _sit_down(actor: Actor) -> Motion:
    rng = actor.rng
    seat = {"both_hip_flex": 88.0, "both_knee": 92.0, "both_shoulder_flex": 25.0, "both_elbow": 50.0}
    bend = moves.LEANING | {"both_hip_flex": 96 + rng.normal(0, 6)}
    story = Story(actor).start(_base(rng), hold=0.25).move(rng.uniform(0.6, 0.8), around(rng, bend, 6))
    motion = story.move(rng.uniform(0.4, 0.6), around(rng, seat, 5)).hold(rng.uniform(0.4, 0.8)).build()
    motion.flatten_feet()
    return motion


@dataclass(frozen=True)
class Action:
    """How an action is performed and said.

    Args:
        perform: makes the motion with the actor's main side.
        says: the words, with ``{limb}`` where the limb stands.
        limbs: that it can be done with; none: it has no limb.
        manners: that it can be done in; none: it has no manner.
        ends: nothing but standing up could follow it.
    """

    perform: Callable[[Actor], Motion]
    says: str
    limbs: tuple[str, ...] = ()
    manners: tuple[str, ...] = tuple(MANNERS)
    ends: bool = False


ACTIONS: dict[str, Action] = {
    "wave": Action(_wave, "waves with the {limb} hand", HANDS),
    "raise": Action(_raise_hand, "raises the {limb} hand", HANDS),
    "point": Action(_point, "points ahead with the {limb} hand", HANDS),
    "drink": Action(_drink, "drinks with the {limb} hand", HANDS),
    "punch": Action(_punch, "punches with the {limb} hand", HANDS),
    "kick": Action(_kick, "kicks with the {limb} foot", FEET),
    "clap": Action(_clap, "claps"),
    "walk": Action(_walk, "walks"),
    "jump": Action(_jump, "jumps"),
    "squat": Action(_squat, "squats"),
    "bow": Action(_bow, "bows"),
    "sit_down": Action(_sit_down, "sits down", ends=True),
    "stand": Action(_stand, "stands still", manners=()),
}
