"""Synthetic actions: one function per action, and their table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skelact.datasets.synthetic.body import DOF
from skelact.datasets.synthetic.motion import (
    Actor,
    Motion,
    Script,
    add_gait,
    blend,
    minimum_jerk,
    seconds,
    topple,
    window,
)


@dataclass(frozen=True)
class Meeting:
    """How two people are placed: joint ``first`` of one reaches joint ``second`` of the other at a time.

    ``when`` is the share of the clip, ``gap`` the metres left between the two joints.
    """

    when: float
    first: str
    second: str
    gap: float


@dataclass(frozen=True)
class Scene:
    """The motions of all people of a clip, and how two of them meet."""

    motions: tuple[Motion, ...]
    meeting: Meeting | None = None


SEATED = {
    "both_hip_flex": 88, "both_knee": 92, "both_hip_abduct": 8, "both_shoulder_flex": 28, "both_elbow": 55,
    "root_pitch": -3, "spine_flex": 8, "both_shoulder_abduct": 6,
}  # fmt: skip
_RISING = {
    "both_hip_flex": 112, "both_knee": 84, "both_hip_abduct": 8, "root_pitch": 34, "spine_flex": 20,
    "both_shoulder_flex": 45, "both_elbow": 45, "neck_flex": -15,
}  # fmt: skip
# Face down, arms beside the head (arms before the chest would prop the body up).
PRONE = {
    "both_shoulder_abduct": 100, "both_shoulder_flex": 8, "both_shoulder_twist": 82, "both_elbow": 65,
    "neck_flex": -10, "neck_twist": 35, "both_ankle": -45,
}  # fmt: skip
_SUPINE = {
    "root_pitch": -90, "both_hip_flex": 4, "both_knee": 8, "both_shoulder_abduct": 22, "both_elbow": 15,
    "both_hip_abduct": 7, "spine_flex": 2, "both_ankle": -20,
}  # fmt: skip


def _walk(actor: Actor) -> Motion:
    t = seconds(actor.vary(2.8, 0.15), actor.fps)
    motion = Motion(np.tile(actor.pose({}), (len(t), 1)))
    rate = actor.vary(0.92, 0.06) * actor.style.tempo
    add_gait(motion, actor, actor.rng.uniform() + rate * t, 1.0)
    motion.add("root_yaw", np.radians(actor.rng.normal(0, 12)) * t)
    motion.flatten_feet(0.35)
    return motion


def _sit_down(actor: Actor) -> Motion:
    script = Script(actor).start(hold=0.4)
    script.move(0.75, _RISING | {"both_knee": 70, "both_hip_flex": 95}).move(0.65, SEATED).hold(0.6)
    motion = script.build()
    motion.flatten_feet()
    return motion


def _stand_up(actor: Actor) -> Motion:
    script = Script(actor).start(SEATED, hold=0.5).move(0.6, _RISING).move(0.8).hold(0.5)
    motion = script.build()
    motion.flatten_feet()
    return motion


def _lie_down(actor: Actor) -> Motion:
    side = {f"{actor.style.main}_shoulder_flex": -35, f"{actor.style.main}_shoulder_abduct": 30}
    squat = {
        "root_pitch": 15, "both_hip_flex": 105, "both_knee": 128, "both_shoulder_flex": 35, "both_elbow": 25,
        "spine_flex": 25, "both_ankle": 30,
    }  # fmt: skip
    floor = {
        "root_pitch": -22,
        "both_hip_flex": 80,
        "both_knee": 75,
        "spine_flex": 22,
        "both_elbow": 12,
        **side,
    }
    leaning = {
        "root_pitch": -52,
        "both_hip_flex": 45,
        "both_knee": 45,
        "spine_flex": 18,
        "both_elbow": 45,
        **side,
    }
    script = Script(actor).start(hold=0.3).move(1.0, squat).move(0.8, floor).hold(0.2)
    return script.move(0.8, leaning).move(0.8, _SUPINE).hold(0.5).build()


def _pick_up(actor: Actor) -> Motion:
    down = {
        "root_pitch": 58, "both_hip_flex": 116, "both_knee": 92, "spine_flex": 45, "main_shoulder_flex": 88,
        "main_elbow": 6, "off_shoulder_flex": 70, "off_elbow": 60, "neck_flex": -10,
    }  # fmt: skip
    hold = {"main_shoulder_flex": 25, "main_elbow": 85, "main_shoulder_twist": -20, "neck_flex": 15}
    script = Script(actor).start(hold=0.3).move(1.0, down).hold(0.2).move(0.95, hold).hold(0.4)
    motion = script.build()
    motion.flatten_feet()
    return motion


def _fall_forward(actor: Actor) -> Motion:
    brace = {
        "both_shoulder_flex": 95, "both_elbow": 45, "both_shoulder_abduct": 15,
        "both_knee": 48, "both_hip_flex": 22,
        "neck_flex": -25, "both_ankle": -10,
    }  # fmt: skip
    landed = PRONE | {"both_knee": 10, "both_hip_flex": -2}
    motion = topple(actor, "root_pitch", 1, 88, {}, brace, landed)[0]
    if actor.rng.random() < 0.5:  # a trip: it begins in a step
        t = np.arange(len(motion)) / actor.fps
        add_gait(motion, actor, actor.rng.uniform() + 1.0 * t, minimum_jerk((0.55 - t) / 0.3))
    return motion


def _fall_backward(actor: Actor) -> Motion:
    brace = {
        "both_shoulder_flex": 55, "both_elbow": 40, "both_shoulder_abduct": 45,
        "both_knee": 45, "both_hip_flex": 40,
        "spine_flex": 20, "neck_flex": 28, "both_ankle": 20,
    }  # fmt: skip
    landed = {
        "both_shoulder_abduct": 55, "both_elbow": 30, "both_knee": 30, "both_hip_flex": 20, "neck_flex": 5,
        "both_ankle": -15,
    }  # fmt: skip
    return topple(actor, "root_pitch", -1, 88, {}, brace, landed, 0.95)[0]


def _fall_sideways(actor: Actor) -> Motion:
    to_right = actor.rng.random() < (0.65 if actor.style.main == "right" else 0.35)
    near, far = ("right", "left") if to_right else ("left", "right")
    brace = {
        f"{near}_shoulder_abduct": 75, f"{near}_elbow": 20, f"{far}_shoulder_abduct": 60,
        f"{far}_shoulder_flex": 30,
        "both_knee": 35, "both_hip_flex": 25, "spine_side": -18 if to_right else 18,
        "neck_side": -20 if to_right else 20,
    }  # fmt: skip
    landed = {
        f"{near}_shoulder_flex": 80, f"{near}_elbow": 70, f"{near}_shoulder_abduct": 5,
        f"{far}_shoulder_flex": 45,
        f"{far}_elbow": 50, "both_knee": 45, "both_hip_flex": 38, "spine_flex": 15,
    }  # fmt: skip
    return topple(actor, "root_roll", 1 if to_right else -1, 84, {}, brace, landed)[0]


def _fall_from_chair(actor: Actor) -> Motion:
    forward = actor.rng.random() < 0.4
    sign = 1.0 if actor.rng.random() < 0.6 else -1.0
    near, far = ("right", "left") if sign > 0 else ("left", "right")
    brace = SEATED | {
        "both_shoulder_flex": 60, f"{near}_shoulder_abduct": 65, f"{far}_shoulder_abduct": 40,
        "both_elbow": 30,
        "both_knee": 80, "both_hip_flex": 75,
    }  # fmt: skip
    landed = {
        "both_hip_flex": 48, "both_knee": 60, "both_shoulder_flex": 55, "both_elbow": 55, "spine_flex": 25,
        "both_ankle": -10,
    }  # fmt: skip
    if forward:
        landed = PRONE | {"both_hip_flex": 8, "both_knee": 30}
        return topple(actor, "root_pitch", 1, 86, SEATED, brace, landed, 0.6)[0]
    return topple(actor, "root_roll", sign, 82, SEATED, brace, landed, 0.6)[0]


def _wave(actor: Actor) -> Motion:
    high = actor.rng.random() < 0.5
    raised = (
        {"main_shoulder_abduct": 135, "main_elbow": 35, "main_shoulder_twist": 60}
        if high
        else {"main_shoulder_abduct": 62, "main_elbow": 108, "main_shoulder_twist": 82}
    )
    script = Script(actor).start().move(0.6, raised)
    start = script.now
    script.hold(1.5)
    end = script.now
    motion = script.move(0.6).hold(0.2).build()
    t = np.arange(len(motion)) / actor.fps
    wave = np.sin(2 * np.pi * actor.vary(1.9, 0.15) * (t - start)) * window(t, start - 0.1, end + 0.1)
    side, size = actor.style.main, np.radians(actor.vary(24)) * actor.style.amplitude
    motion.add(f"{side}_elbow", size * wave)
    motion.add(f"{side}_shoulder_abduct", 0.25 * size * wave)
    motion.add(f"{side}_wrist", 0.6 * size * wave)
    return motion


def _clap(actor: Actor) -> Motion:
    body = actor.body
    elbow = np.radians(actor.vary(82, 0.06))
    reach = (body.forearm + 0.7 * body.hand) * np.sin(elbow)
    inward = np.degrees(np.arcsin(np.clip((body.shoulder_half - 0.025) / reach, 0.1, 0.95)))
    ready = {
        "both_shoulder_flex": actor.vary(32, 0.15),
        "both_elbow": np.degrees(elbow),
        "both_shoulder_abduct": 0.0,
    }
    scale = 1 / actor.style.amplitude  # hands must meet whatever the style
    ready = {k: v * scale for k, v in ready.items()}
    script = Script(actor).start(hold=0.2).move(0.5, ready)
    start = script.now
    script.hold(1.6)
    end = script.now
    motion = script.move(0.5).hold(0.2).build()
    t = np.arange(len(motion)) / actor.fps
    on = window(t, start - 0.1, end + 0.1)
    # Hands rest together a moment and fly apart: a cosine sharpened towards the closed side.
    open_share = np.abs(np.sin(np.pi * actor.vary(2.1, 0.12) * (t - start))) ** 1.3
    twist = np.radians(-inward + open_share * actor.vary(38) * actor.style.amplitude)
    for side in ("left", "right"):
        column = DOF[f"{side}_shoulder_twist"]
        motion.angles[:, column] += on * (twist - motion.angles[:, column])
    return motion


def _kick(actor: Actor) -> Motion:
    back = {
        "main_hip_flex": -18, "main_knee": 65, "main_shoulder_flex": 25,
        "off_shoulder_flex": -15, "root_pitch": 6,
        "off_knee": 12, "off_hip_flex": 10,
    }  # fmt: skip
    through = {
        "main_hip_flex": 72, "main_knee": 14, "root_pitch": -9,
        "off_shoulder_flex": 45, "main_shoulder_flex": -25,
        "spine_flex": 15, "off_knee": 14, "off_hip_flex": -4, "main_ankle": -25, "off_shoulder_abduct": 30,
    }  # fmt: skip
    script = Script(actor).start(hold=0.35).move(0.45, back).move(0.28, through).move(0.6).hold(0.35)
    return script.build()


def _throw(actor: Actor) -> Motion:
    turn = 1.0 if actor.style.main == "left" else -1.0
    wind_up = {
        "main_shoulder_abduct": 95, "main_shoulder_twist": 70, "main_elbow": 100, "spine_twist": 32 * turn,
        "off_shoulder_flex": 55, "off_elbow": 30, "spine_flex": -10,
        "root_yaw": 14 * turn, "off_hip_flex": 15,
        "off_knee": 15,
    }  # fmt: skip
    release = {
        "main_shoulder_abduct": 60, "main_shoulder_flex": 105, "main_elbow": 18, "spine_twist": -18 * turn,
        "spine_flex": 20, "root_pitch": 10, "both_hip_flex": 14, "off_elbow": 50, "main_wrist": 25,
    }  # fmt: skip
    follow = {
        "main_shoulder_flex": 45, "main_shoulder_twist": -35, "main_elbow": 30, "spine_twist": -28 * turn,
        "spine_flex": 30, "root_pitch": 14, "both_hip_flex": 18, "root_yaw": -10 * turn,
    }  # fmt: skip
    script = Script(actor).start(hold=0.25).move(0.65, wind_up).hold(0.08).move(0.24, release)
    motion = script.move(0.22, follow).move(0.7).hold(0.25).build()
    motion.flatten_feet()
    return motion


def _shake_hands(first: Actor, second: Actor) -> Scene:
    rate, shaken = first.vary(2.3, 0.12), first.vary(1.2, 0.2)
    lead, reach = first.vary(0.3, 0.3), first.vary(0.6, 0.1)
    size = np.radians(first.vary(13))
    motions = []
    for actor in (first, second):
        lag = abs(actor.rng.normal(0, 0.08)) if actor is second else 0.0
        pose = actor.pose({
            "right_shoulder_flex": 38, "right_elbow": 42, "right_shoulder_twist": -12, "root_pitch": 4,
            "right_shoulder_abduct": 4, "both_hip_flex": 7,
        })  # fmt: skip
        t = seconds(lead + 2 * reach + shaken + 0.4, first.fps)
        share = minimum_jerk((t - lead - lag) / reach) * (
            1 - minimum_jerk((t - lead - reach - shaken) / reach)
        )
        motion = Motion(np.tile(actor.pose({}), (len(t), 1)))
        blend(motion, pose, share)
        shake = np.sin(2 * np.pi * rate * t) * window(t, lead + 0.8 * reach, lead + reach + shaken)
        motion.add("right_shoulder_flex", 0.5 * size * shake)
        motion.add("right_elbow", size * shake)
        motions.append(motion)
    n = len(motions[0])
    middle = (lead + reach + 0.5 * shaken) * first.fps / n
    return Scene(tuple(motions), Meeting(middle, "right_hand", "right_hand", 0.02))


def _push(first: Actor, second: Actor) -> Scene:
    ready = {"both_shoulder_flex": 40, "both_elbow": 110, "both_shoulder_abduct": 18, "both_wrist": -30}
    thrust = {
        "both_shoulder_flex": 82, "both_elbow": 14, "root_pitch": 13, "both_hip_flex": 16, "off_hip_flex": 34,
        "off_knee": 32, "both_wrist": -50, "both_shoulder_twist": -8,
    }  # fmt: skip
    script = Script(first).start(hold=0.3).move(0.5, ready).move(0.25, thrust)
    contact = script.now - 0.06
    pusher = script.hold(0.15).move(0.7).hold(0.5).build()
    pusher.flatten_feet()
    t = np.arange(len(pusher)) / first.fps
    pushed = Motion(np.tile(second.pose({}), (len(t), 1)))
    after = t - contact
    reel = np.where(after > 0, after, 0)
    lean = minimum_jerk(reel / 0.3) * np.exp(-reel / 0.55)
    pushed.add("root_pitch", np.radians(-second.vary(34, 0.15)) * lean)
    pushed.add("spine_flex", np.radians(second.vary(22)) * lean)
    for side in ("left", "right"):
        pushed.add(f"{side}_shoulder_flex", np.radians(second.vary(60)) * lean)
        pushed.add(f"{side}_shoulder_abduct", np.radians(second.vary(30)) * lean)
    stepping = window(t, contact + 0.1, contact + second.vary(1.0, 0.15), 0.18)
    add_gait(pushed, second, second.rng.uniform() - 1.5 * reel, stepping)
    pushed.flatten_feet(0.6)
    return Scene(
        (pusher, pushed), Meeting(contact * first.fps / len(t), "right_hand_tip", "right_shoulder", 0.10)
    )


def _alone(function: Callable[[Actor], Motion]) -> Callable[..., Scene]:
    def scene(actor: Actor) -> Scene:
        return Scene((function(actor),))

    return scene


@dataclass(frozen=True)
class Action:
    """One action: how many people it takes and the function that moves them."""

    n_people: int
    perform: Callable[..., Scene]


# The order gives the action numbers (A001, A002, ...).
ACTIONS: dict[str, Action] = {
    "walk": Action(1, _alone(_walk)),
    "sit_down": Action(1, _alone(_sit_down)),
    "stand_up": Action(1, _alone(_stand_up)),
    "lie_down": Action(1, _alone(_lie_down)),
    "pick_up": Action(1, _alone(_pick_up)),
    "fall_forward": Action(1, _alone(_fall_forward)),
    "fall_backward": Action(1, _alone(_fall_backward)),
    "fall_sideways": Action(1, _alone(_fall_sideways)),
    "fall_from_chair": Action(1, _alone(_fall_from_chair)),
    "wave": Action(1, _alone(_wave)),
    "clap": Action(1, _alone(_clap)),
    "kick": Action(1, _alone(_kick)),
    "throw": Action(1, _alone(_throw)),
    "shake_hands": Action(2, _shake_hands),
    "push": Action(2, _push),
}
ACTION_NAMES: tuple[str, ...] = tuple(ACTIONS)
