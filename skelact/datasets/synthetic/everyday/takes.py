"""`Take`: a performance and when in it the action happens; `Story`: key poses with that span marked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from skelact.datasets.synthetic.body import DOF
from skelact.datasets.synthetic.motion import Actor, Motion, Script, add_gait, minimum_jerk


@dataclass(frozen=True)
class Take:
    """A performance.

    Args:
        motion: the whole of it.
        begin, end: when the action happens, seconds.
        repeats: the action goes on all the time (a posture, a gait), so that any part of the span shows it.
    """

    motion: Motion
    begin: float
    end: float
    repeats: bool = False


class Story(Script):
    """A `Script` in which the action's begin and end are marked."""

    def __init__(self, actor: Actor) -> None:
        super().__init__(actor)
        self.begin = self.end = 0.0

    def starts(self) -> Self:
        """The action begins here."""
        self.begin = self.now
        return self

    def ends(self) -> Self:
        """The action is over."""
        self.end = self.now
        return self

    def take(self, motion: Motion | None = None, repeats: bool = False) -> Take:
        """The performance; ``motion`` if something was added to the built one."""
        return Take(self.build() if motion is None else motion, self.begin, self.end or self.now, repeats)


def come_and_go(take: Take, actor: Actor) -> Take:
    """The performance with some walking, turning or waiting before and after, where it begins or ends upright."""
    rng, fps, angles = actor.rng, actor.fps, take.motion.angles
    n_before, n_after = (round(fps * rng.uniform(0.3, 2.2)) if rng.random() < 0.6 else 0 for _ in range(2))
    n_before, n_after = (n if is_upright(angles[end]) else 0 for n, end in ((n_before, 0), (n_after, -1)))
    n, pad = len(angles), ((n_before, n_after), (0, 0))
    motion = Motion(np.pad(angles, pad, mode="edge"))
    if take.motion.drive is not None:
        motion.drive = np.pad(take.motion.drive, pad, mode="edge")
    if take.motion.rise is not None:
        motion.rise = np.pad(take.motion.rise, pad[0], mode="edge")
    t = times(motion, actor)
    for there, until in ((n_before, n_before / fps), (n_after, (n_before + n) / fps)):
        if there and rng.random() < 0.7:
            first = until == n_before / fps and there == n_before
            on = minimum_jerk(((until - t) if first else (t - until)) / 0.35 + 0.3)
            add_gait(motion, actor, rng.uniform() + actor.vary(0.95, 0.15) * actor.style.tempo * t, on)
            motion.add(
                "root_yaw",
                np.radians(rng.normal(0, 60)) * minimum_jerk((t - until + (0.8 if first else 0)) / 0.8),
            )
    shift = n_before / fps
    return Take(motion, take.begin + shift, take.end + shift, take.repeats)


def is_upright(angles: np.ndarray) -> bool:
    """Whether somebody with these angles ``[D]`` stands and could walk off."""
    bent = max(angles[DOF[f"{side}_{joint}"]] for side in ("left", "right") for joint in ("hip_flex", "knee"))
    return bool(
        bent < np.radians(35) and max(abs(angles[DOF["root_pitch"]]), abs(angles[DOF["root_roll"]])) < 0.3
    )


def times(motion: Motion, actor: Actor) -> np.ndarray:
    """The time of each frame, ``[T]`` seconds."""
    return np.arange(len(motion)) / actor.fps


def fidget(motion: Motion, actor: Actor, size: float = 1.0) -> None:
    """Add what nobody keeps from doing: slow changes of the arms, the trunk and the head."""
    t, rng = times(motion, actor), actor.rng
    sizes = {
        "neck_twist": 18, "neck_flex": 8, "spine_twist": 5, "spine_flex": 4, "spine_side": 3, "root_yaw": 3,
        **{f"{side}_{dof}": 7 for side in ("left", "right") for dof in ("shoulder_flex", "elbow")},
    }  # fmt: skip
    for name, degrees in sizes.items():
        rate, phase = rng.uniform(0.08, 0.5), rng.uniform(0, 2 * np.pi)
        amount = np.radians(degrees * size * abs(rng.normal(0, 0.7)))
        motion.add(name, amount * np.sin(2 * np.pi * rate * t + phase))
