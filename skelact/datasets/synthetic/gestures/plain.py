"""A few gestures of the right arm that are easily told apart, as recordings: for demonstrations and tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from skelact.datasets.synthetic.gestures.classes import REST, GestureClasses, make_classes
from skelact.datasets.synthetic.gestures.generate import make_gestures
from skelact.layouts import get_layout
from skelact.skeleton import Skeleton
from skelact.transforms.gesture_form import GESTURE_LAYOUT

PLAIN_GESTURES = ("up", "out", "wave", "low", "across")
_SHOULDER_WIDTH = 0.36  # metres
_AWAY = 2.5  # metres from the camera


def plain_classes(n: int = 3, seed: int = 3) -> GestureClasses:
    """The first ``n`` of `PLAIN_GESTURES`: up, far out, a wave before the chest, and so on."""
    classes = make_classes(max(n, 8), "holistic", torch.Generator().manual_seed(seed)).take(torch.arange(n))
    ends = torch.tensor(
        [[0.1, 0.9, 0.5], [1.2, -0.1, 0.3], [-0.6, 0.0, 0.9], [0.3, -0.9, 1.2], [-0.8, 0.8, 0.5]]
    )
    for k in range(n):
        classes.moves[k] = torch.tensor([0.0, 1.0])
        classes.keys[k, 1] = ends[k % 5]
        classes.n_keys[k], classes.n_shapes[k] = 2, 1
        classes.keys[k, 1, 0] = torch.tensor(REST)
        classes.wave[k] = 0
        classes.twist[k] = 0
        classes.lean[k] = 0
        classes.leg[k] = 0
        classes.curl[k] = float(k % 2)
        if k % 3 == 2:
            classes.wave[k, 1, 0] = torch.tensor([0.45, 0.0, 0.0])
            classes.cycles[k] = 3
    return classes


def joints_of(
    classes: GestureClasses, rows: list[int], seed: int, exact: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """``[N, T, V, 3]`` and presence of `GESTURE_LAYOUT`, one example for each row."""
    rng = torch.Generator().manual_seed(seed)
    made = [make_gestures(classes.take(torch.tensor([row])), "holistic", rng, exact=exact) for row in rows]
    return torch.cat([x for x, _ in made]).numpy(), torch.cat([p for _, p in made]).numpy()


def recording(
    xyz: np.ndarray, present: np.ndarray, name: str = "", fps: float = 16.0, **fields: Any
) -> Skeleton:
    """Frames ``[T, V, 3]`` (shoulder widths) as a recording in metres of layout pose_hands75, before a camera."""
    target = get_layout("pose_hands75")
    joints = np.zeros((1, len(xyz), len(target), 3), np.float32)
    score = np.zeros(joints.shape[:3], np.float32)
    for v, joint in enumerate(GESTURE_LAYOUT.joints):
        for same in ("left_ear", "right_ear") if joint == "head" else (joint,):
            joints[0, :, target.index[same]] = xyz[:, v] * _SHOULDER_WIDTH + np.array([0, 0, _AWAY])
            score[0, :, target.index[same]] = present[:, v]
    return Skeleton(
        joints, score, target, fps, label=name or None, id=str(fields.pop("id", name or "clip")), **fields
    )


def recordings(
    n_classes: int = 3, n_each: int = 4, seed: int = 0, exact: bool = True
) -> dict[str, list[Skeleton]]:
    """``n_each`` recordings of each of the first ``n_classes`` of `PLAIN_GESTURES`, by name.

    Args:
        n_classes: 1 to 5.
        n_each: of one gesture.
        seed: of everything that differs from recording to recording.
        exact: without a camera's and an estimator's errors.
    """
    classes = plain_classes(n_classes)
    found: dict[str, list[Skeleton]] = {}
    for k, name in enumerate(PLAIN_GESTURES[:n_classes]):
        xyz, present = joints_of(classes, [k] * n_each, seed * 100 + k, exact)
        found[name] = [
            recording(x, p, name, id=f"{name}{i}") for i, (x, p) in enumerate(zip(xyz, present, strict=True))
        ]
    return found
