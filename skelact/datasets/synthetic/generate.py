"""Make synthetic clips and sets: any action, subject, repetition and camera, the same for the same seed."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from skelact.datasets.synthetic.actions import ACTION_NAMES, ACTIONS, Meeting
from skelact.datasets.synthetic.body import (
    Body,
    J,
    forward_kinematics,
    limit_angles,
    make_body,
    stand_on_floor,
)
from skelact.datasets.synthetic.motion import Actor, Style, add_sway, make_style, warp_time
from skelact.datasets.synthetic.sensor import CAMERAS, SensorNoise, confuse_identities, get_camera, sense
from skelact.errors import ConfigError, DataError, choices
from skelact.skeleton import Skeleton

_log = logging.getLogger(__name__)
NOISE = SensorNoise()


def _random(seed: int, *key: int) -> np.random.Generator:
    return np.random.default_rng([seed, *key])


def make_subject(subject: int, seed: int = 0) -> tuple[Body, Style]:
    """Body and style of a subject; the same whatever the action, camera or repetition."""
    rng = _random(seed, 1, subject)
    return make_body(rng), make_style(rng)


def make_motion(
    action: str, *, subject: int, repetition: int = 1, seed: int = 0, fps: float = 30.0, angles: bool = False
) -> np.ndarray:
    """The true joints of a performance in the world, before any camera.

    Args:
        action: a name of `ACTIONS`.
        subject: number of the performer; for two people the other one follows from it.
        repetition: number of the performance.
        seed: seed of everything.
        fps: frames per second.
        angles: return the joint angles ``[M, T, D]`` (radians) instead.

    Returns:
        ``[M, T, 25, 3]`` metres; y is up, the floor is y = 0, a performer faces +z.

    Raises:
        ConfigError: for an unknown action or a frame rate that is not above 0.
    """
    if action not in ACTIONS:
        raise ConfigError(choices(action, ACTIONS, "action"))
    if not (np.isfinite(fps) and fps > 0):
        raise ConfigError(f"fps must be above 0, got {fps}")
    entry = ACTIONS[action]
    number = ACTION_NAMES.index(action) + 1
    rng = _random(seed, 2, subject, repetition, number)
    subjects = [subject + 1000 * i for i in range(entry.n_people)]
    actors = []
    for one in subjects:
        body, style = make_subject(one, seed)
        # repetitions differ in speed and size
        style = replace(
            style,
            tempo=style.tempo * float(np.exp(rng.normal(0, 0.06))),
            amplitude=style.amplitude * float(np.exp(rng.normal(0, 0.04))),
        )
        actors.append(Actor(body, style, rng, fps))
    scene = entry.perform(*actors)
    warp = int(rng.integers(2**31))
    all_angles, people = [], []
    for actor, motion in zip(actors, scene.motions, strict=True):
        add_sway(motion, actor)
        motion = warp_time(motion, np.random.default_rng(warp))  # one clock for both people
        limited = limit_angles(motion.angles)
        all_angles.append(limited)
        people.append(stand_on_floor(forward_kinematics(actor.body, limited), motion.drive, motion.rise))
    if angles:
        return np.stack(all_angles)
    world = np.stack(people)
    if scene.meeting is not None:
        world = _place_pair(world, scene.meeting, rng)
    else:
        facing = rng.normal(0, 0.35) if action != "walk" else rng.uniform(-np.pi, np.pi)
        world = turn_about_vertical(world, facing)
    centre = world[:, :, J["mid_hip"]].mean((0, 1))
    shift = rng.normal(0, 0.15, 2) - centre[[0, 2]]
    world[..., [0, 2]] += shift
    return world


def turn_about_vertical(world: np.ndarray, angle: float) -> np.ndarray:
    """Turn points about the vertical, positive to the left."""
    c, s = np.cos(angle), np.sin(angle)
    return world @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T


def _place_pair(world: np.ndarray, meeting: Meeting, rng: np.random.Generator) -> np.ndarray:
    """Let two people face each other so that their joints meet; the pair stands across the view."""
    at = min(int(meeting.when * world.shape[1]), world.shape[1] - 1)
    second = turn_about_vertical(world[1:], np.pi)
    offset = world[0, at, J[meeting.first]] - second[0, at, J[meeting.second]] + [0, 0, meeting.gap]
    second[..., [0, 2]] += offset[[0, 2]]
    pair = np.concatenate([world[:1], second])
    side = 1 if rng.random() < 0.5 else -1
    return turn_about_vertical(pair, side * np.pi / 2 + rng.normal(0, 0.25))


def make_clip(
    action: str,
    *,
    subject: int,
    camera: int = 2,
    repetition: int = 1,
    setup: int = 1,
    seed: int = 0,
    fps: float = 30.0,
    noise: SensorNoise | None = NOISE,
) -> Skeleton:
    """One synthetic recording as a depth sensor gives it.

    Args:
        action: a name of `ACTIONS`.
        subject: number of the performer, from 1.
        camera: number of the viewpoint, one of `CAMERAS`.
        repetition: number of the performance, from 1. Two cameras see the same performance.
        setup: number of the room; it moves the cameras a little.
        seed: seed of everything; the same arguments give the same clip to the bit.
        fps: frames per second.
        noise: errors of the sensor; None: true joints.

    Returns:
        A `Skeleton` in layout ntu25, metres in the camera's coordinates (as Kinect v2 gives them: z
        forward, y up, x to the sensor's left), id ``SsssCcccPpppRrrrAaaa``, label the action's name.

    Raises:
        ConfigError: for an unknown action or camera, or numbers that an NTU name cannot hold.
    """
    for name, value in (("subject", subject), ("repetition", repetition), ("setup", setup)):
        if not 1 <= value <= 999:
            raise ConfigError(f"{name} must be 1..999, got {value}")
    view = get_camera(camera, setup)
    world = make_motion(action, subject=subject, repetition=repetition, seed=seed, fps=fps)
    number = ACTION_NAMES.index(action) + 1
    xyz = view.view(world)
    score = np.ones(xyz.shape[:3], np.float32)
    if noise is not None:
        rng = _random(seed, 3, subject, repetition, number, camera, setup)
        xyz, score = sense(xyz, noise, rng, fps)
        xyz, score = confuse_identities(xyz, score, noise, rng)
    return Skeleton(
        xyz,
        score,
        "ntu25",
        fps,
        label=action,
        id=f"S{setup:03d}C{camera:03d}P{subject:03d}R{repetition:03d}A{number:03d}",
        info={
            "setup": setup, "camera": camera, "subject": subject, "replication": repetition, "action": number,
            "source": "synthetic",
        },
    )  # fmt: skip


def make_set(
    n_clips: int | None = None,
    *,
    actions: Sequence[str] = ACTION_NAMES,
    subjects: Sequence[int] = tuple(range(1, 11)),
    repetitions: Sequence[int] = (1, 2),
    cameras: Sequence[int] = (1, 2, 3),
    setup: int = 1,
    seed: int = 0,
    fps: float = 30.0,
    noise: SensorNoise | None = NOISE,
) -> Iterator[Skeleton]:
    """Synthetic clips of every combination, actions in turn, so that any beginning of it is balanced.

    Args:
        n_clips: stop after so many; None: all. More than there are combinations of the repetitions given
            continue with further repetitions.
        actions, subjects, repetitions, cameras: what to combine.
        setup, seed, fps, noise: as for `make_clip`.

    Yields:
        `Skeleton`: subject varies after the action, then the camera, then the repetition.

    Raises:
        ConfigError: for unknown actions or cameras, or empty lists.
    """
    for name in actions:
        if name not in ACTIONS:
            raise ConfigError(choices(name, ACTIONS, "action"))
    for number in cameras:
        get_camera(number)
    if not (actions and subjects and repetitions and cameras):
        raise ConfigError("a synthetic set needs at least one action, subject, repetition and camera")
    if n_clips is not None and n_clips < 1:
        raise ConfigError(f"n_clips must be at least 1, got {n_clips}")
    more = itertools.count(max(repetitions) + 1) if n_clips is not None else ()
    made = 0
    for repetition in itertools.chain(repetitions, more):
        for camera, subject, action in itertools.product(cameras, subjects, actions):
            if made == n_clips:
                return
            yield make_clip(
                action, subject=subject, camera=camera, repetition=repetition, setup=setup, seed=seed,
                fps=fps, noise=noise,
            )  # fmt: skip
            made += 1


def write_ntu_folder(
    folder: str | Path,
    n_clips: int | None = None,
    *,
    progress: Callable[[int, int, str], None] | None = None,
    **options,
) -> list[Path]:
    """Write a synthetic set as a folder of raw NTU ``.skeleton`` files, with ``classes.txt`` beside them.

    Args:
        folder: made if it is not there.
        n_clips: as for `make_set`.
        progress: called with (done, total, what).
        **options: as for `make_set`.

    Returns:
        The paths of the ``.skeleton`` files, in the order of the set.

    Raises:
        ConfigError: as `make_set` does.
        DataError: if the folder cannot be written.
    """
    from skelact.io.ntu import write_ntu

    folder = Path(folder)
    part = folder / "classes.txt.part"
    lengths = [
        len(options.get(k, d)) for k, d in (("actions", ACTION_NAMES), ("subjects", range(10)),
                                            ("repetitions", (1, 2)), ("cameras", (1, 2, 3)))
    ]  # fmt: skip
    total = n_clips if n_clips is not None else int(np.prod(lengths))
    clips = make_set(n_clips, **options)
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for clip in clips:
            path = folder / f"{clip.id}.skeleton"
            write_ntu(clip, path)
            paths.append(path)
            if progress:
                progress(len(paths), total, clip.id)
        part.write_text("".join(f"{name}\n" for name in ACTION_NAMES), encoding="utf-8")
        part.replace(folder / "classes.txt")
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise DataError(f"cannot write synthetic files into {folder}: {error}") from error
    _log.info("wrote %d synthetic clips into %s", len(paths), folder)
    return paths


__all__ = ["CAMERAS", "NOISE", "make_clip", "make_motion", "make_set", "make_subject", "write_ntu_folder"]
