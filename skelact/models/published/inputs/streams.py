"""Bones and motions as the releases make them: absent joints are points at 0 like any other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Pairs = Sequence[tuple[int, int]]

# joint and the one it hangs on (0-based). NTU RGB+D: hand tips chained, the middle of the shoulders alone.
NTU_PAIRS: Pairs = (
    (0, 1), (1, 20), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6), (8, 20), (9, 8), (10, 9), (11, 10), (12, 0),
    (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18), (20, 20), (21, 22), (22, 7), (23, 24),
    (24, 11),
)  # fmt: skip
OPENPOSE_PAIRS: Pairs = (
    (0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (5, 1), (6, 5), (7, 6), (8, 2), (9, 8), (10, 9), (11, 5), (12, 11),
    (13, 12), (14, 0), (15, 0), (16, 14), (17, 15),
)  # fmt: skip
COCO_PAIRS: Pairs = (
    (0, 0), (1, 0), (2, 0), (3, 1), (4, 2), (5, 0), (6, 0), (7, 5), (8, 6), (9, 7), (10, 8), (11, 0), (12, 0),
    (13, 11), (14, 12), (15, 13), (16, 14),
)  # fmt: skip


def bones(x: np.ndarray, pairs: Pairs, axis: int) -> np.ndarray:
    """Joint minus the joint that it hangs on, along the joints' axis."""
    joint, parent = np.array(sorted(pairs)).T
    return np.take(x, joint, axis) - np.take(x, parent, axis)


def motion(x: np.ndarray, axis: int) -> np.ndarray:
    """Next frame minus this one along the frames' axis; 0 in the last frame."""
    x = np.moveaxis(x, axis, 0)
    out = np.zeros_like(x)
    out[:-1] = x[1:] - x[:-1]
    return np.moveaxis(out, 0, axis)


def four_streams(x: np.ndarray, stream: str, pairs: Pairs, joints: int = 2, frames: int = 1) -> np.ndarray:
    """``joint``, ``bone``, ``joint_motion`` or ``bone_motion`` of ``x``, with the axes of joints and frames."""
    if stream.startswith("bone"):
        x = bones(x, pairs, joints)
    return motion(x, frames) if stream.endswith("motion") else x
