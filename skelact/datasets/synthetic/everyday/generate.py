"""Clips of daily life: the everyday classes, by people of all ages, seen from anywhere by a fallible estimator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

import numpy as np

from skelact.datasets.synthetic.body import (
    DOF,
    J,
    forward_kinematics,
    limit_angles,
    make_body,
    stand_on_floor,
)
from skelact.datasets.synthetic.everyday import gestures, moves
from skelact.datasets.synthetic.everyday.estimators import estimate, lose_arm, place_joints, with_face
from skelact.datasets.synthetic.everyday.falls import fall, fallen
from skelact.datasets.synthetic.everyday.postures import kneeling, lying, sitting, squatting, standing
from skelact.datasets.synthetic.everyday.takes import Take, come_and_go
from skelact.datasets.synthetic.everyday.throwing import throw
from skelact.datasets.synthetic.generate import turn_about_vertical
from skelact.datasets.synthetic.motion import Actor, Style, add_sway, make_style, warp_time
from skelact.datasets.synthetic.sensor import Camera, SensorNoise, sense
from skelact.errors import ConfigError, choices
from skelact.layouts import get_layout
from skelact.skeleton import Skeleton

FPS = 20.0
# The classes of OmniFall, then gestures. `sitting` is sitting still too.
ACTIVITIES: dict[str, Callable[[Actor], Take]] = {
    "walk": moves.walk,
    "fall": fall,
    "fallen": fallen,
    "sit_down": moves.sit_down,
    "sitting": moves.stay(sitting),
    "lie_down": moves.lie_down,
    "lying": moves.stay(lying, 0.5),
    "stand_up": moves.stand_up,
    "standing": moves.stay(standing, 1.3),
    "other": gestures.other,
    "kneel_down": moves.get_down(kneeling, 0.05),
    "kneeling": moves.stay(kneeling),
    "squat_down": moves.get_down(squatting, 0.55),
    "squatting": moves.stay(squatting),
    "crawl": moves.crawl,
    "jump": moves.jump,
    "wave": gestures.wave,
    "clap": gestures.clap,
    "kick": gestures.kick,
    "throw": throw,
    "pick_up": gestures.pick_up,
    "drink": gestures.drink,
    "phone": gestures.telephone,
}
EVERYDAY_CLASSES: tuple[str, ...] = tuple(ACTIVITIES)
# The joints that Kinects, MediaPipe and the networks of the COCO joints all have, or have between two of theirs.
BODY15 = get_layout("kinect20").subset(
    [
        "mid_hip", "mid_shoulder", "head", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow",
        "right_wrist", "left_hip", "left_knee", "left_ankle", "right_hip", "right_knee", "right_ankle",
    ],
    "body15",
)  # fmt: skip
PICTURE = (1280.0, 720.0)  # pixels of the 2D form's pictures
KINECT = SensorNoise(swap=0.0, id_change=0.0)


def make_person(rng: np.random.Generator, fps: float = FPS) -> Actor:
    """Somebody of any age: children from 1 m on, the old slower and bent, adults between."""
    age = rng.choice(["child", "adult", "old"], p=[0.12, 0.66, 0.22])
    height = (
        float(rng.uniform(1.0, 1.5)) if age == "child" else float(np.clip(rng.normal(1.69, 0.1), 1.42, 1.98))
    )
    style: Style = make_style(rng)
    tempo = {
        "child": rng.uniform(0.95, 1.5),
        "adult": rng.uniform(0.75, 1.35),
        "old": rng.uniform(0.5, 0.95),
    }[str(age)]
    posture = style.posture.copy()
    if age == "old":
        posture[DOF["spine_flex"]] += np.radians(rng.uniform(0, 25))
        posture[DOF["neck_flex"]] -= np.radians(rng.uniform(0, 15))
        for side in ("left", "right"):
            posture[DOF[f"{side}_knee"]] += np.radians(rng.uniform(0, 18))
    style = replace(
        style, tempo=float(tempo), amplitude=float(np.clip(rng.normal(1, 0.05), 0.88, 1.12)), posture=posture,
        main="left" if rng.random() < 0.3 else "right",
        gait_amplitude=style.gait_amplitude * (0.7 if age == "old" else 1.0),
    )  # fmt: skip
    return Actor(make_body(rng, height), style, rng, fps)


def cut_window(take: Take, n_frames: int, rng: np.random.Generator, fps: float) -> slice:
    """The part of a take that a clip shows: the action and something before and after, or a part of what goes on."""
    end = min(take.end, n_frames / fps)
    if take.repeats:
        length = min(rng.uniform(1.0, 3.5) if rng.random() < 0.75 else 6.0, end - take.begin)
        a = take.begin + rng.random() * max(0.0, end - take.begin - length)
        b = a + length
    else:
        long, most = end - take.begin, 0.8 if rng.random() < 0.5 else 2.2  # seconds before and after at most
        whole = rng.random(2) < 0.8
        a = take.begin - rng.uniform(0, most) if whole[0] else take.begin + rng.uniform(0, 0.2) * long
        b = end + rng.uniform(0, most) if whole[1] else end - rng.uniform(0, 0.2) * long
    first = int(np.clip(round(a * fps), 0, max(0, n_frames - 8)))
    return slice(first, int(np.clip(round(b * fps), first + 8, n_frames)))


def make_camera(rng: np.random.Generator, about: float) -> Camera:
    """A camera anywhere around: at the height of a table to that of a ceiling, near or far, aimed at somebody."""
    azimuth = rng.uniform(-180, 180) if rng.random() < 0.35 else rng.normal(0, 40)
    height = rng.uniform(0.4, 1.7) if rng.random() < 0.6 else rng.uniform(1.7, 2.9)
    return Camera(
        float(azimuth), float(rng.uniform(1.9, 6.0)), float(height), float(about + rng.normal(0, 0.15))
    )


def roll(xyz: np.ndarray, angle: float) -> np.ndarray:
    """Points turned about the line of sight: a camera that is not level."""
    c, s = np.cos(angle), np.sin(angle)
    return xyz @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


def make_everyday_clip(
    label: str, number: int, *, seed: int = 0, form: Literal["3d", "2d"] = "3d", exact: bool = False
) -> Skeleton:
    """A clip of one person.

    Args:
        label: one of `EVERYDAY_CLASSES`.
        number: of the clip; another number is another person, performance, place and camera.
        seed: of everything.
        form: ``3d``: `BODY15` in camera coordinates, metres; ``2d``: ``coco17`` in pixels.
        exact: without the estimator's errors.

    Raises:
        ConfigError: for an unknown class or form.
    """
    if label not in ACTIVITIES:
        raise ConfigError(choices(label, ACTIVITIES, "activity"))
    if form not in ("3d", "2d"):
        raise ConfigError(choices(form, ("3d", "2d"), "form"))
    rng = np.random.default_rng([seed, 7, EVERYDAY_CLASSES.index(label), number])
    actor = make_person(rng)
    take = ACTIVITIES[label](actor)
    if not take.repeats and rng.random() < 0.5:
        take = come_and_go(take, actor)
    motion = take.motion
    add_sway(motion, actor)
    motion = warp_time(motion, rng)
    relative = forward_kinematics(actor.body, limit_angles(motion.angles))
    world = stand_on_floor(relative, motion.drive, motion.rise)
    shown = cut_window(take, len(world), rng, FPS)
    world = turn_about_vertical(
        world, rng.uniform(-np.pi, np.pi) if rng.random() < 0.35 else rng.normal(0, 0.5)
    )[shown]
    centre = world[:, J["mid_hip"]].mean(0)
    world = world - [centre[0] + rng.normal(0, 0.4), 0, centre[2] + rng.normal(0, 0.4)]
    camera = make_camera(rng, float(world[..., 1].mean()))
    xyz = roll(camera.view(world), rng.normal(0, 0.04))
    score = np.ones(xyz.shape[:2], np.float32)
    if not exact:
        if rng.random() < 0.7:
            xyz = place_joints(xyz, rng)
        for _ in range(int(rng.integers(1, 4)) if rng.random() < 0.25 else 0):
            lose_arm(xyz, rng, FPS)
        if form == "3d" and rng.random() < 0.45:
            seen, scores = sense(xyz[None], KINECT, rng, FPS)
            xyz, score = seen[0], scores[0]
        else:
            xyz, score = estimate(xyz, rng, FPS, depth=1.5 if form == "3d" else 0.0)
    tilt = np.degrees(np.arctan2(camera.height - camera.aim, camera.distance))  # of the camera, downwards
    info = {
        "source": "synthetic", "height": round(camera.height, 3), "distance": round(camera.distance, 3),
        "tilt": round(float(tilt), 1),
    }  # fmt: skip
    whole = Skeleton(xyz[None], score[None], "ntu25", FPS, label=label, id=f"{label}_{number:05d}", info=info)
    return whole.converted(BODY15) if form == "3d" else in_picture(whole)


def in_picture(clip: Skeleton, fov: float = 66.0) -> Skeleton:
    """A clip in camera coordinates as a 2D estimator of the COCO joints sees it, in pixels."""
    layout = get_layout("coco17")
    face = with_face(clip.xyz[0].astype(float))
    joints = [face[j] if j in face else clip.xyz[0, :, J[j]] for j in layout.joints]
    score = [clip.score[0, :, J["head" if j in face else j]] for j in layout.joints]
    xyz = np.stack(joints, 1)
    focal = PICTURE[0] / 2 / np.tan(np.radians(fov) / 2)
    # x grows to the sensor's left and y upwards, a picture's to the right and downwards
    xy = np.array(PICTURE) / 2 - focal * xyz[..., :2] / np.maximum(xyz[..., 2:], 0.3)
    return Skeleton(
        xy[None], np.stack(score, 1)[None], layout, clip.fps, "px", label=clip.label, id=clip.id,
        info={**clip.info, "width": PICTURE[0], "height_px": PICTURE[1]},
    )  # fmt: skip


def make_everyday(
    n_each: int, *, seed: int = 0, form: Literal["3d", "2d"] = "3d", first: int = 0
) -> Iterator[Skeleton]:
    """``n_each`` clips of every class, numbered from ``first``, classes in turn; see `make_everyday_clip`."""
    for number in range(first, first + n_each):
        for label in EVERYDAY_CLASSES:
            yield make_everyday_clip(label, number, seed=seed, form=form)
