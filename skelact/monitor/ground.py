"""Where the floor is and which way is down, from the people who stand and walk on it."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

import numpy as np

from skelact.layouts import SkeletonLayout

ANKLE_HEIGHT = 0.08  # metres of an ankle above the floor
_UPRIGHT = np.cos(np.radians(20))  # trunk and legs are in one line
_STRAIGHT = np.cos(np.radians(35))  # thigh and shin are
_PRIOR = np.cos(np.radians(40))  # how far from the camera's own up a body may stand
_ENOUGH = 10  # upright bodies from which on the floor is known
_KEPT = 600
_PAUSE = 0.1  # seconds between two that count


class Ground:
    """Gravity and floor in a camera's coordinates, learned from upright bodies.

    Until enough of them were seen, up is what ``tilt`` says, and the floor is not known.

    Args:
        layout: of the joints.
        tilt: degrees that the camera looks down.

    Attributes:
        up: ``[3]`` against gravity.
        floor: height of the floor along ``up``, metres; None while it is not known.
    """

    def __init__(self, layout: SkeletonLayout, tilt: float = 0.0) -> None:
        self._parts = BodyParts(layout)
        angle = np.radians(tilt)
        self._prior = np.array([0.0, np.cos(angle), np.sin(angle)])
        self.up, self.floor = self._prior, None
        self._axes: deque[np.ndarray] = deque(maxlen=_KEPT)
        self._feet: deque[np.ndarray] = deque(maxlen=_KEPT)
        self._last = -np.inf

    def see(self, xyz: np.ndarray, score: np.ndarray, time: float) -> bool:
        """Take a person's joints ``[V, 3]`` (metres, camera coordinates); returns whether they stand upright."""
        body = self._parts.of(xyz, score)
        if body is None or body.ankles is None or not self._stands(body):
            return False
        axis = body.shoulders - body.ankles
        axis = axis / np.linalg.norm(axis)
        if axis @ self._prior < _PRIOR:
            return False
        if time - self._last >= _PAUSE:
            self._last = time
            self._axes.append(axis)
            self._feet.append(body.ankles)
            if len(self._axes) >= _ENOUGH:
                self._settle()
        return True

    def height(self, point: np.ndarray) -> float:
        """Metres above the floor; above the camera's own height while the floor is not known."""
        return float(point @ self.up - (0.0 if self.floor is None else self.floor))

    def _settle(self) -> None:
        up = np.median(np.array(self._axes), 0)
        self.up = up / np.linalg.norm(up)
        self.floor = float(np.median(np.array(self._feet) @ self.up)) - ANKLE_HEIGHT

    @staticmethod
    def _stands(body: Body) -> bool:
        trunk, legs = body.shoulders - body.hips, body.hips - body.ankles
        if _cosine(trunk, legs) < _UPRIGHT:
            return False
        return body.knees is None or _cosine(body.hips - body.knees, body.knees - body.ankles) > _STRAIGHT


class Body:
    """The middles of a body's parts, metres in camera coordinates; None where they are not seen."""

    def __init__(self, hips: np.ndarray, shoulders: np.ndarray, **others: np.ndarray | None) -> None:
        self.hips, self.shoulders = hips, shoulders
        self.head, self.knees, self.ankles = (others.get(name) for name in ("head", "knees", "ankles"))


class BodyParts:
    """Finds the parts of bodies of one layout by the names of their joints."""

    _NAMES: ClassVar[dict[str, tuple[tuple[str, ...], ...]]] = {
        "hips": (("left_hip", "right_hip"), ("mid_hip",)),
        "shoulders": (("left_shoulder", "right_shoulder"), ("mid_shoulder",), ("neck",)),
        "head": (("head",), ("nose",), ("left_ear", "right_ear"), ("left_eye", "right_eye")),
        "knees": (("left_knee", "right_knee"),),
        "ankles": (("left_ankle", "right_ankle"), ("left_foot", "right_foot")),
    }  # fmt: skip

    def __init__(self, layout: SkeletonLayout) -> None:
        self._joints = {
            part: [
                [layout.index[j] for j in names] for names in ways if all(j in layout.index for j in names)
            ]
            for part, ways in self._NAMES.items()
        }

    def of(self, xyz: np.ndarray, score: np.ndarray) -> Body | None:
        """The parts of a person's joints ``[V, 3]``, ``[V]``; None without hips or shoulders."""
        found = {part: self._middle(ways, xyz, score) for part, ways in self._joints.items()}
        hips, shoulders = found.pop("hips"), found.pop("shoulders")
        return None if hips is None or shoulders is None else Body(hips, shoulders, **found)

    @staticmethod
    def _middle(ways: list[list[int]], xyz: np.ndarray, score: np.ndarray) -> np.ndarray | None:
        for joints in ways:
            there = [j for j in joints if score[j] > 0]
            if there:
                return np.asarray(xyz[there], np.float64).mean(0)
        return None


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-9))
