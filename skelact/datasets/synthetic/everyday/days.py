"""Days of somebody at home: activities one after the other before one camera, and oddities planted among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from skelact.datasets.synthetic.body import Body, J, forward_kinematics, limit_angles, stand_on_floor
from skelact.datasets.synthetic.everyday import gestures, moves
from skelact.datasets.synthetic.everyday.falls import fall_over
from skelact.datasets.synthetic.everyday.generate import ACTIVITIES, FPS, make_person
from skelact.datasets.synthetic.everyday.takes import Take
from skelact.datasets.synthetic.generate import turn_about_vertical
from skelact.datasets.synthetic.motion import Actor, minimum_jerk
from skelact.datasets.synthetic.sensor import CAMERAS, SensorNoise, sense
from skelact.errors import ConfigError, choices
from skelact.skeleton import Skeleton

_JOIN, _RECOVER = (
    0.6,
    2.5,
)  # seconds from the end of one activity, or of an oddity, to the beginning of the next
RECOVERING = "recovering"  # the label of the latter
_STEPS: dict[str, tuple[str, ...]] = {  # what usually follows what
    "walk": ("standing", "sit_down", "pick_up", "walk", "drink"),
    "standing": ("walk", "drink", "phone", "pick_up"),
    "sit_down": ("sitting",),
    "sitting": ("sitting", "stand_up"),
    "stand_up": ("walk", "standing"),
    "pick_up": ("walk", "standing"),
    "drink": ("walk", "standing"),
    "phone": ("walk", "standing"),
}
USUAL = tuple(_STEPS)


def _shake(actor: Actor) -> Take:
    """A seizure of the arms and the trunk."""
    take = moves.stay(lambda rng: {})(actor)
    t = np.arange(len(take.motion)) / actor.fps
    for name, degrees in (("spine_flex", 14), ("left_elbow", 35), ("right_elbow", 35), ("neck_flex", 18)):
        rate, phase = actor.rng.uniform(3.0, 5.0), actor.rng.uniform(0, 6)
        take.motion.add(name, np.radians(degrees) * np.sin(2 * np.pi * rate * t + phase))
    return take


ODDITIES: dict[str, Callable[[Actor], Take]] = {
    "fall": fall_over,
    "stumble": gestures.stumble,
    "crawl": moves.crawl,
    "hop": moves.hop,
    "kick": gestures.kick,
    "shake": _shake,
}


def make_day(
    resident: int,
    day: int,
    *,
    minutes: float = 10.0,
    oddities: Sequence[str] = (),
    seed: int = 0,
    camera: int = 2,
) -> Skeleton:
    """A recording of somebody at home.

    Args:
        resident: number of the person; body and style are theirs on all days.
        day: number of the day.
        minutes: how long it is at least.
        oddities: names of `ODDITIES`, planted at even distances among the usual activities, in this order.
        seed: of everything; the same arguments give the same day.
        camera: a number of `CAMERAS`.

    Returns:
        one person, ``ntu25``, metres, in the camera's coordinates with the sensor's errors, 20 frames a second; a label
        for each frame.

    Raises:
        ConfigError: for an unknown oddity or camera, or a length that is not above 0.
    """
    for name in oddities:
        if name not in ODDITIES:
            raise ConfigError(choices(name, ODDITIES, "oddity"))
    if camera not in CAMERAS:
        raise ConfigError(choices(camera, CAMERAS, "camera"))
    if not minutes > 0:
        raise ConfigError(f"minutes must be above 0, got {minutes}")
    rng = np.random.default_rng([seed, 71, resident, day])
    actor = replace(make_person(np.random.default_rng([seed, 70, resident])), rng=rng)
    wanted = round(60 * minutes * FPS)
    due = [(k + 0.5) / max(len(oddities), 1) * wanted for k in range(len(oddities))]
    view, noise = CAMERAS[camera], SensorNoise(swap=0.0, id_change=0.0)
    frames: list[np.ndarray] = []
    scores: list[np.ndarray] = []
    labels: list[str] = []
    last: np.ndarray | None = None
    now, heading, planted, was_odd = "walk", float(rng.uniform(-np.pi, np.pi)), 0, False
    while len(labels) < wanted or planted < len(oddities):
        odd = planted < len(oddities) and len(labels) >= due[planted]
        name = oddities[planted] if odd else now
        planted += odd
        take = ODDITIES[name](actor) if odd else ACTIVITIES[now](actor)
        if now in ("walk", "standing"):
            heading += float(rng.normal(0, 0.8))
        joints = _placed(take, actor.body, last, heading)
        join = 0 if last is None else round((_RECOVER if was_odd else _JOIN) * FPS)
        if last is not None:
            share = minimum_jerk(np.linspace(0, 1, join + 2)[1:-1])[:, None, None]
            joints = np.concatenate([last + share * (joints[0] - last), joints])
        last = joints[-1]
        xyz, score = sense(view.view(joints)[None], noise, rng, FPS)
        frames.append(xyz[0].astype(np.float32))
        scores.append(score[0])
        labels += [RECOVERING if was_odd else name] * join + [name] * (len(joints) - join)
        was_odd = odd
        now = "walk" if odd else str(rng.choice(_STEPS[now]))
    return Skeleton(
        np.concatenate(frames)[None], np.concatenate(scores)[None], "ntu25", FPS, id=f"resident {resident} day {day}",
        frame_labels=labels, info={"subject": resident, "day": day, "source": "synthetic"},
    )  # fmt: skip


def _placed(take: Take, body: Body, last: np.ndarray | None, heading: float) -> np.ndarray:
    """The joints ``[T, 25, 3]`` of the action, where the one before has ended, inside the room."""
    part = slice(round(take.begin * FPS), max(round(take.end * FPS), round(take.begin * FPS) + 4))
    relative = forward_kinematics(body, limit_angles(take.motion.angles))
    joints = stand_on_floor(relative, take.motion.drive, take.motion.rise)[part]
    joints = turn_about_vertical(joints, heading)
    here = np.zeros(2) if last is None else last[J["mid_hip"], [0, 2]]
    away = np.linalg.norm(here)
    here = here if away < 1.0 else here / away  # the room ends: people are led back a little at each change
    shift = here - joints[0, J["mid_hip"]][[0, 2]]
    joints[..., [0, 2]] += shift
    return joints
