"""Captions of synthetic people: who does what, how, with which hand, in what order; a grammar makes the sentences.

A scene is one or two acts of one person. Its slots are the person (child or adult, which a skeleton in metres shows by
its size), and of every act the action, the limb where it matters, and the manner. Everything but standing still is
done slowly or quickly: the same performance played at about half or at one and two thirds of its speed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skelact.datasets.synthetic.body import J, forward_kinematics, limit_angles, make_body, stand_on_floor
from skelact.datasets.synthetic.caption_actions import ACTIONS, MANNERS
from skelact.datasets.synthetic.everyday.estimators import estimate, place_joints
from skelact.datasets.synthetic.everyday.generate import BODY15, FPS, KINECT, make_camera, make_person, roll
from skelact.datasets.synthetic.generate import turn_about_vertical
from skelact.datasets.synthetic.motion import Actor, Motion, add_sway, minimum_jerk
from skelact.datasets.synthetic.sensor import sense
from skelact.errors import ConfigError, choices
from skelact.skeleton import Skeleton

PEOPLE = ("child", "adult")
_HEIGHTS = {"child": (0.95, 1.22), "adult": (1.58, 1.98)}  # metres
_JOIN = (0.35, 0.8)  # seconds from one act to the next


@dataclass(frozen=True)
class Act:
    """One act: an action of `ACTIONS`, the limb it is done with (or none), and its manner (or none)."""

    action: str
    limb: str = ""
    manner: str = ""


@dataclass(frozen=True)
class Scene:
    """Somebody of `PEOPLE` and one or two acts in order."""

    who: str
    acts: tuple[Act, ...]


def say(scene: Scene) -> str:
    """The sentence of a scene, such as ``a child waves with the left hand slowly, then sits down quickly.``"""
    parts = []
    for act in scene.acts:
        words = ACTIONS[act.action].says.format(limb=act.limb)
        parts.append(f"{words} {act.manner}".strip())
    return f"{'an' if scene.who == 'adult' else 'a'} {scene.who} {', then '.join(parts)}."


def understand(sentence: str) -> Scene | None:
    """The scene of a sentence of the grammar; None if it is none."""
    match = re.fullmatch(r"an? (child|adult) (.+?)\.?", sentence.strip())
    if not match:
        return None
    acts = []
    for part in match.group(2).split(", then "):
        act = _understand_act(part.strip())
        if act is None:
            return None
        acts.append(act)
    return Scene(match.group(1), tuple(acts))


def _understand_act(text: str) -> Act | None:
    for name, action in ACTIONS.items():
        for limb in action.limbs or ("",):
            for manner in action.manners or ("",):
                if f"{action.says.format(limb=limb)} {manner}".strip() == text:
                    return Act(name, limb, manner)
    return None


def slots_right(truth: Scene, found: Scene | None) -> tuple[int, int]:
    """(slots that are right, slots of the truth): the person, and action, limb and manner of every act in its place.

    A slot that the truth leaves empty counts only if it is filled; an act too many counts as one slot that is wrong.
    """
    right, total = int(found is not None and found.who == truth.who), 1
    for k, act in enumerate(truth.acts):
        other = found.acts[k] if found is not None and k < len(found.acts) else None
        for name in ("action", "limb", "manner"):
            wanted, got = getattr(act, name), getattr(other, name) if other else ""
            if wanted or got:
                total += 1
                right += bool(wanted) and wanted == got
    total += max(0, len(found.acts) - len(truth.acts)) if found is not None else 0
    return right, total


def all_acts() -> list[Act]:
    """Every act that there can be."""
    return [
        Act(name, limb, manner)
        for name, action in ACTIONS.items()
        for limb in action.limbs or ("",)
        for manner in action.manners or ("",)
    ]


def held_out_combinations(
    seed: int = 0, share: float = 0.2
) -> tuple[set[tuple[str, Act]], set[tuple[str, str]]]:
    """Combinations that training never shows: (person, act), and (first action, second action).

    Every value of every slot stays in training with other partners.

    Args:
        seed: of the choice.
        share: of the combinations of each kind.
    """
    rng = np.random.default_rng([seed, 91])
    acts = all_acts()
    pairs = [(who, act) for who in PEOPLE for act in acts]
    orders = [(a, b) for a, x in ACTIONS.items() for b in ACTIONS if a != b and not x.ends]
    first = {pairs[int(i)] for i in rng.permutation(len(pairs))[: round(share * len(pairs))]}
    second = {orders[int(i)] for i in rng.permutation(len(orders))[: round(share * len(orders))]}
    # an act that is held out for everybody would never be seen: give one of them back
    for act in acts:
        if all((who, act) in first for who in PEOPLE):
            first.discard((PEOPLE[acts.index(act) % len(PEOPLE)], act))
    return first, second


def is_held_out(scene: Scene, held: tuple[set[tuple[str, Act]], set[tuple[str, str]]]) -> bool:
    """Whether a scene has a combination that is held out."""
    order = tuple(act.action for act in scene.acts)
    return any((scene.who, act) in held[0] for act in scene.acts) or order in held[1]


def draw_scene(rng: np.random.Generator, two: float = 0.6) -> Scene:
    """A scene at random; of two acts with probability ``two``."""
    who = PEOPLE[int(rng.integers(2))]

    def act(avoid: Sequence[str]) -> Act:
        names = [n for n in ACTIONS if n not in avoid]
        name = names[int(rng.integers(len(names)))]
        action = ACTIONS[name]
        limb = action.limbs[int(rng.integers(len(action.limbs)))] if action.limbs else ""
        manner = action.manners[int(rng.integers(len(action.manners)))] if action.manners else ""
        return Act(name, limb, manner)

    if rng.random() >= two:
        return Scene(who, (act(()),))
    first = act([n for n, a in ACTIONS.items() if a.ends])
    return Scene(who, (first, act([first.action])))


def _stretched(motion: Motion, factor: float) -> Motion:
    """The motion at ``factor`` times its speed."""
    n = len(motion)
    at = np.linspace(0, n - 1, max(6, round(n / factor)))
    low = np.minimum(at.astype(int), n - 2)
    part = (at - low)[:, None]
    angles = motion.angles[low] * (1 - part) + motion.angles[low + 1] * part
    rise = None if motion.rise is None else np.interp(at, np.arange(n), motion.rise)
    return Motion(angles, None, rise)


def make_scene_motion(scene: Scene, actor: Actor) -> Motion:
    """Joint angles of the acts, one after the other."""
    angles: list[np.ndarray] = []
    rises: list[np.ndarray] = []
    for act in scene.acts:
        action = ACTIONS[act.action]
        style = replace(actor.style, main=act.limb or actor.style.main)
        motion = action.perform(replace(actor, style=style))
        if act.manner:
            motion = _stretched(motion, actor.rng.uniform(*MANNERS[act.manner]))
        if angles:
            n = round(actor.rng.uniform(*_JOIN) * actor.fps)
            share = minimum_jerk(np.linspace(0, 1, n + 2)[1:-1])[:, None]
            angles.append(angles[-1][-1] + share * (motion.angles[0] - angles[-1][-1]))
            rises.append(np.zeros(n))
        angles.append(motion.angles)
        rises.append(np.zeros(len(motion)) if motion.rise is None else motion.rise)
    return Motion(np.concatenate(angles), None, np.concatenate(rises))


def make_caption_clip(scene: Scene, number: int, *, seed: int = 0, exact: bool = False) -> Skeleton:
    """A recording of a scene as a pose estimator or a depth camera sees it.

    Args:
        scene: what happens.
        number: another number is another person, performance, place and camera.
        seed: of everything.
        exact: without the estimator's errors.

    Returns:
        one person in layout `BODY15`, metres, camera coordinates, 20 frames a second; its label is the sentence.

    Raises:
        ConfigError: for a person, action, limb or manner that there is not.
    """
    _check(scene)
    rng = np.random.default_rng([seed, 92, number])
    person = make_person(rng)
    style = replace(person.style, tempo=float(rng.uniform(0.92, 1.08)))
    actor = Actor(make_body(rng, float(rng.uniform(*_HEIGHTS[scene.who]))), style, rng, FPS)
    motion = make_scene_motion(scene, actor)
    add_sway(motion, actor)
    relative = forward_kinematics(actor.body, limit_angles(motion.angles))
    world = stand_on_floor(relative, motion.drive, motion.rise)
    world = turn_about_vertical(world, rng.normal(0, 0.45))
    centre = world[:, J["mid_hip"]].mean(0)
    world = world - [centre[0] + rng.normal(0, 0.4), 0, centre[2] + rng.normal(0, 0.4)]
    camera = replace(make_camera(rng, float(world[..., 1].mean())), azimuth=float(rng.normal(0, 25)))
    xyz = roll(camera.view(world), rng.normal(0, 0.03))
    score = np.ones(xyz.shape[:2], np.float32)
    if not exact:
        if rng.random() < 0.7:
            xyz = place_joints(xyz, rng)
        if rng.random() < 0.4:
            seen, scores = sense(xyz[None], KINECT, rng, FPS)
            xyz, score = seen[0], scores[0]
        else:
            xyz, score = estimate(xyz, rng, FPS)
    whole = Skeleton(
        xyz[None],
        score[None],
        "ntu25",
        FPS,
        label=say(scene),
        id=f"scene_{number:06d}",
        info={"source": "synthetic"},
    )
    return whole.converted(BODY15)


def _check(scene: Scene) -> None:
    if scene.who not in PEOPLE:
        raise ConfigError(choices(scene.who, PEOPLE, "person"))
    if not scene.acts:
        raise ConfigError("a scene needs at least one act")
    for act in scene.acts:
        if act.action not in ACTIONS:
            raise ConfigError(choices(act.action, ACTIONS, "action"))
        action = ACTIONS[act.action]
        for got, allowed, what in ((act.limb, action.limbs, "limb"), (act.manner, action.manners, "manner")):
            if got not in (allowed or ("",)):
                raise ConfigError(choices(got, allowed or ("",), f"{what} of '{act.action}'"))
