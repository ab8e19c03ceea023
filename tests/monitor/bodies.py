"""Synthetic people before a camera, frame by frame, for tests of live use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skelact.datasets.synthetic.body import J, forward_kinematics, limit_angles, stand_on_floor
from skelact.datasets.synthetic.everyday import moves
from skelact.datasets.synthetic.everyday.generate import FPS, make_camera, make_person
from skelact.datasets.synthetic.everyday.takes import Take
from skelact.datasets.synthetic.motion import Actor
from skelact.datasets.synthetic.sensor import Camera

Way = Callable[[Actor], Take]


def scene(way: Way, number: int, rest: float = 4.0) -> tuple[np.ndarray, float, float, Camera]:
    """Somebody walks about, does something once, and stays as they are for ``rest`` seconds.

    Returns:
        joints ``[T, 25, 3]`` in camera coordinates, when the action begins and ends [s], the camera.
    """
    rng = np.random.default_rng([9, number])
    actor = make_person(rng)

    def world(take: Take) -> np.ndarray:
        joints = forward_kinematics(actor.body, limit_angles(take.motion.angles))
        out = stand_on_floor(joints, take.motion.drive, take.motion.rise)
        return out - [out[0, J["mid_hip"], 0], 0, out[0, J["mid_hip"], 2]]

    before = np.concatenate([world(moves.walk(actor)) for _ in range(2)])
    take = way(actor)
    then = world(take)
    stays = np.repeat(then[-1:], int(rest * FPS), 0)
    camera = make_camera(rng, 0.8)
    whole = np.concatenate([before, then, stays])
    begin = len(before) / FPS
    return camera.view(whole), begin + take.begin, begin + take.end, camera
