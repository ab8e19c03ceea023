"""From key poses to joint angles over time: minimum-jerk moves, gaits, pendulum falls, sway and style."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from skelact.datasets.synthetic.body import DOF, DOFS, Body

GRAVITY = 9.81
_ROOT = [DOF["root_yaw"], DOF["root_pitch"], DOF["root_roll"]]

# Standing at ease, degrees; what a pose does not name stays as it is here.
STANDING = {
    "both_shoulder_abduct": 8.0, "both_shoulder_flex": 3.0, "both_elbow": 12.0, "both_hip_abduct": 3.0,
    "both_hip_flex": 3.0, "both_knee": 5.0, "both_ankle": 2.0, "both_hip_twist": 5.0, "both_wrist": 5.0,
}  # fmt: skip


@dataclass(frozen=True)
class Style:
    """How one subject moves: tempo and amplitude factors, the side preferred, posture, lag of each joint."""

    tempo: float
    amplitude: float
    main: str
    posture: np.ndarray
    lag: np.ndarray
    gait_amplitude: float
    arm_swing: float

    @property
    def off(self) -> str:
        """The side that is not preferred."""
        return "right" if self.main == "left" else "left"


def make_style(rng: np.random.Generator) -> Style:
    """Draw a style; about one subject in eight prefers the left."""
    posture = np.radians(rng.normal(0, 2.0, len(DOFS)))
    posture[_ROOT] = 0
    posture[DOF["spine_flex"]] += np.radians(rng.uniform(-2, 9))
    posture[DOF["neck_flex"]] += np.radians(rng.uniform(-4, 8))
    return Style(
        tempo=float(np.exp(rng.normal(0, 0.14))),
        amplitude=float(np.clip(rng.normal(1, 0.1), 0.75, 1.25)),
        main="left" if rng.random() < 0.12 else "right",
        posture=posture,
        lag=rng.normal(0, 0.03, len(DOFS)),
        gait_amplitude=float(rng.uniform(0.8, 1.2)),
        arm_swing=float(rng.uniform(0.5, 1.4)),
    )


@dataclass(frozen=True)
class Actor:
    """A person in a scene: body, style, and the randomness of this one performance."""

    body: Body
    style: Style
    rng: np.random.Generator
    fps: float

    def vary(self, value: float, spread: float = 0.1) -> float:
        """``value`` with a random factor around 1."""
        return float(value * np.exp(self.rng.normal(0, spread)))

    def pose(self, degrees: Mapping[str, float], scale: float = 1.0) -> np.ndarray:
        """Joint angles ``[D]`` in radians: standing, plus what ``degrees`` names.

        ``both_`` stands for both sides, ``main_`` for the preferred one, ``off_`` for the other.
        """
        out = np.zeros(len(DOFS))
        for table, factor in ((STANDING, 1.0), (degrees, scale)):
            for name, value in table.items():
                side, _, rest = name.partition("_")
                names = {
                    "both": (f"left_{rest}", f"right_{rest}"),
                    "main": (f"{self.style.main}_{rest}",),
                    "off": (f"{self.style.off}_{rest}",),
                }.get(side, (name,))
                for n in names:
                    out[DOF[n]] = np.radians(value) * (1.0 if n.startswith("root") else factor)
        return out


@dataclass
class Motion:
    """One person's joint angles ``[T, D]`` (radians), with an extra drive ``[T, 2]`` over the floor (m).

    ``rise [T]`` lifts the whole body off the floor (m): by a jump, or onto a bed.
    """

    angles: np.ndarray
    drive: np.ndarray | None = None
    rise: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.angles)

    def add(self, name: str, radians: np.ndarray | float) -> None:
        """Add to one degree of freedom over time."""
        self.angles[:, DOF[name]] += radians

    def flatten_feet(self, share: float = 1.0) -> None:
        """Turn the ankles so that the soles stay level, as far as the ankles allow."""
        for side in ("left", "right"):
            a = {n: self.angles[:, DOF[f"{side}_{n}"]] for n in ("hip_flex", "knee")}
            level = self.angles[:, DOF["root_pitch"]] - a["hip_flex"] + a["knee"]
            column = DOF[f"{side}_ankle"]
            self.angles[:, column] += share * (level - self.angles[:, column])


def minimum_jerk(u: np.ndarray) -> np.ndarray:
    """Position 0..1 of a minimum-jerk move at relative time ``u`` (Flash and Hogan, 1985)."""
    u = np.clip(u, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


def window(t: np.ndarray, start: float, end: float, edge: float = 0.2) -> np.ndarray:
    """1 between ``start`` and ``end`` seconds with smooth edges, 0 outside."""
    return minimum_jerk((t - start) / edge) * minimum_jerk((end - t) / edge)


@dataclass
class Script:
    """A sequence of key poses; each `move` takes some seconds (divided by the subject's tempo)."""

    actor: Actor
    keys: list[np.ndarray] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def start(self, degrees: Mapping[str, float] | None = None, hold: float = 0.25) -> Self:
        """Set the first pose and rest in it for a while."""
        self.keys.append(self._key(degrees or {}))
        self.times.append(0.0)
        return self.hold(hold)

    def move(self, seconds: float, degrees: Mapping[str, float] | None = None) -> Self:
        """Move to a pose with minimum jerk."""
        self.keys.append(self._key(degrees or {}))
        self.times.append(self.times[-1] + self.actor.vary(seconds, 0.12) / self.actor.style.tempo)
        return self

    def hold(self, seconds: float) -> Self:
        """Stay in the last pose."""
        self.keys.append(self.keys[-1])
        self.times.append(self.times[-1] + self.actor.vary(seconds, 0.3))
        return self

    @property
    def now(self) -> float:
        """Seconds up to the last key."""
        return self.times[-1]

    def _key(self, degrees: Mapping[str, float]) -> np.ndarray:
        key = self.actor.pose(degrees, self.actor.style.amplitude)
        spread = np.full(len(key), 0.07)
        spread[_ROOT] = 0.03
        return key * (1 + spread * self.actor.rng.standard_normal(len(key)))

    def build(self) -> Motion:
        """Interpolate; every joint runs a little ahead or behind, as the subject's style has it."""
        t = seconds(self.now, self.actor.fps)
        lag = np.array(self.actor.style.lag)
        lag[_ROOT] = 0
        times, keys = np.array(self.times), np.array(self.keys)
        at = t[:, None] - lag
        i = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
        u = minimum_jerk((at - times[i]) / np.maximum(times[i + 1] - times[i], 1e-6))
        columns = np.arange(keys.shape[1])
        return Motion(keys[i, columns] * (1 - u) + keys[i + 1, columns] * u)


def seconds(duration: float, fps: float) -> np.ndarray:
    """The times of the frames of a clip of that duration (at least eight frames)."""
    return np.arange(max(8, round(duration * fps))) / fps


def _bump(phase: np.ndarray, centre: float, width: float) -> np.ndarray:
    """A smooth periodic bump of height 1 on the unit circle of phases."""
    distance = (phase - centre + 0.5) % 1 - 0.5
    return np.exp(-0.5 * (distance / width) ** 2)


def add_gait(motion: Motion, actor: Actor, phase: np.ndarray, strength: np.ndarray | float) -> None:
    """Add a walking cycle (heel strike of the left leg at phase 0) to a motion.

    Args:
        motion: changed in place.
        actor: whose gait it is.
        phase: ``[T]`` in cycles; running backwards walks backwards.
        strength: 0..1 over time, so that steps can start and stop.
    """
    g = actor.style.gait_amplitude * strength
    for side, sign, shift in (("left", 1.0, 0.0), ("right", -1.0, 0.5)):
        p = phase + shift
        cycle = np.cos(2 * np.pi * p)
        motion.add(f"{side}_hip_flex", np.radians(6 + 23 * cycle + 6 * _bump(p, 0.8, 0.1)) * g)
        motion.add(f"{side}_knee", np.radians(10 * _bump(p, 0.15, 0.07) + 54 * _bump(p, 0.73, 0.09)) * g)
        motion.add(f"{side}_ankle", np.radians(8 * _bump(p, 0.4, 0.1) - 20 * _bump(p, 0.62, 0.06)) * g)
        swing = actor.style.arm_swing * g
        motion.add(f"{side}_shoulder_flex", np.radians(-20 * cycle) * swing)
        motion.add(f"{side}_elbow", np.radians(10 - 8 * cycle) * swing)
        motion.add("spine_twist", np.radians(-2.5 * sign * cycle) * g)
        motion.add("root_roll", np.radians(-1.2 * sign * np.sin(2 * np.pi * p)) * g)
    motion.add("root_pitch", np.radians(3) * g)


def pendulum_fall(actor: Actor, start: float, end: float, length: float, push: float) -> np.ndarray:
    """Angle of a body that tips over about its feet under gravity, from rest until it lies.

    Args:
        actor: gives frame rate and randomness.
        start: first angle, radians from the vertical (above 0).
        end: the angle at which it lands.
        length: of the equivalent pendulum, metres.
        push: angular speed at the start, radians per second.

    Returns:
        ``[T]`` radians, ending with a small bounce after the impact.
    """
    angle, speed, path, substeps = start, push, [start], 4
    dt = 1 / actor.fps / substeps
    while angle < end and len(path) < 6 * actor.fps:
        for _ in range(substeps):
            speed += GRAVITY / length * np.sin(angle) * dt
            angle += speed * dt
        path.append(min(angle, end))
    bounce = np.arange(1, round(0.3 * actor.fps)) / actor.fps
    rebound = np.radians(actor.vary(3.5, 0.4)) * np.sin(np.pi * bounce / 0.3) * np.exp(-bounce / 0.15)
    return np.concatenate([path, end - rebound])


def blend(motion: Motion, target: np.ndarray, share: np.ndarray) -> None:
    """Move all angles towards a pose ``[D]``, by ``share [T]``."""
    motion.angles += share[:, None] * (target - motion.angles)


def topple(
    actor: Actor,
    dof: str,
    sign: float,
    end: float,
    first: Mapping[str, float],
    brace: Mapping[str, float],
    landed: Mapping[str, float],
    length: float = 1.0,
) -> tuple[Motion, float, float]:
    """Stand (or sit), tip over like a pendulum, throw the limbs into a brace, and stay down.

    Args:
        actor: who falls.
        dof, sign, end: the root's angle that tips, which way, and how far [degrees].
        first, brace, landed: poses before, on the way and on the floor.
        length: of the pendulum, metres.

    Returns:
        (the motion, when the fall begins, when the body meets the floor) in seconds.
    """
    lead = actor.vary(0.5, 0.4)
    tipping = pendulum_fall(
        actor,
        np.radians(actor.vary(4, 0.3)),
        np.radians(end),
        actor.vary(length, 0.08),
        actor.vary(0.35, 0.5),
    )
    n_lead, n_rest = max(4, round(lead * actor.fps)), round(actor.vary(0.9, 0.3) * actor.fps)
    angle = np.concatenate(
        [minimum_jerk(np.linspace(0, 1, n_lead)) * tipping[0], tipping, np.full(n_rest, tipping[-1])]
    )
    motion = Motion(np.tile(actor.pose(first), (len(angle), 1)))
    t = np.arange(len(angle)) / actor.fps
    impact = (n_lead + int(np.argmax(tipping >= np.radians(end) - 1e-9))) / actor.fps
    start = n_lead / actor.fps
    react = start + 0.25 * (impact - start)
    blend(motion, actor.pose(brace, actor.vary(1, 0.1)), minimum_jerk((t - react) / (impact - react)))
    blend(motion, actor.pose(landed), minimum_jerk((t - impact + 0.05) / 0.45))
    motion.angles[:, DOF[dof]] = sign * angle
    return motion, start, impact


def add_sway(motion: Motion, actor: Actor, strength: float = 1.0) -> None:
    """Add posture, slow sway of the trunk and small wandering of every joint."""
    t = np.arange(len(motion)) / actor.fps
    rng = actor.rng
    n = len(DOFS)
    size = np.radians(rng.uniform(0.2, 1.0, n)) * strength
    size[_ROOT] *= 0.4
    rate, phase = rng.uniform(0.15, 0.8, (2, n)), rng.uniform(0, 2 * np.pi, (2, n))
    wave = np.sin(2 * np.pi * t[:, None, None] * rate + phase)
    motion.angles += (wave * size * [[0.7], [0.3]]).sum(1) + actor.style.posture * strength


def warp_time(motion: Motion, rng: np.random.Generator, strength: float = 0.06) -> Motion:
    """Vary the speed over time; first and last frame stay."""
    n = len(motion)
    u = np.linspace(0, 1, n)
    shift = strength * (
        rng.normal() * np.sin(np.pi * u) / np.pi + rng.normal() * np.sin(2 * np.pi * u) / (2 * np.pi)
    )
    at = np.clip(u + np.clip(shift, -0.1, 0.1), 0, 1) * (n - 1)
    low = np.minimum(at.astype(int), n - 2)
    part = (at - low)[:, None]

    def pick(x: np.ndarray) -> np.ndarray:
        return x[low] * (1 - part) + x[low + 1] * part

    rise = None if motion.rise is None else pick(motion.rise[:, None])[:, 0]
    return Motion(pick(motion.angles), None if motion.drive is None else pick(motion.drive), rise)
