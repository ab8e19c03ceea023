"""Turning a body so that its spine and shoulders lie along axes, as 2s-AGCN's and PYSKL's scripts do."""

from __future__ import annotations

import numpy as np

_HIP, _SPINE, _LEFT_SHOULDER, _RIGHT_SHOULDER = 0, 1, 4, 8
_SMALL = 1e-6  # vectors and angles below this are not turned


def spine_rotation(pose: np.ndarray) -> np.ndarray:
    """``[3, 3]`` that turns hip → spine of ``pose [25, 3]`` onto z."""
    return _rotation(pose[_SPINE] - pose[_HIP], (0, 0, 1))


def shoulder_rotation(pose: np.ndarray) -> np.ndarray:
    """``[3, 3]`` that turns left → right shoulder of ``pose [25, 3]`` onto x."""
    return _rotation(pose[_RIGHT_SHOULDER] - pose[_LEFT_SHOULDER], (1, 0, 0))


def _rotation(vector: np.ndarray, onto: tuple[int, int, int]) -> np.ndarray:
    axis = np.cross(vector, onto)
    if np.abs(vector).sum() < _SMALL or np.abs(axis).sum() < _SMALL:
        return np.eye(3)
    # the unit vector keeps the type of its input: the releases round it to half precision where poses are
    angle = np.arccos(np.clip(np.dot(vector / np.linalg.norm(vector), onto), -1.0, 1.0))
    if abs(angle) < _SMALL:
        return np.eye(3)
    x, y, z = axis / np.sqrt(axis @ axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross  # Rodrigues
