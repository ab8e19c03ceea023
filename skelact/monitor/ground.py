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
_RESTING = np.cos(np.radians(40))  # how far from upright the trunk of somebody who sits may be,
_NO_DEPTH = 1e-3  # metres
_SEAT = 0.25  # with hips so many metres above the ankles
_ENOUGH_RESTING = 4
_PAUSE = 0.1  # seconds between two that count


class Ground:
    """Gravity and floor in a camera's coordinates, learned from upright bodies.

    Until enough of them were seen, up is what ``tilt`` says, and the floor is not known.

    Args:
        layout: of the joints.
        tilt: degrees that the camera looks down.

    Attributes:
        up: ``[3]`` against gravity.
        floor: height of the floor along ``up``, metres; None while nobody has stood on it.
        guess: the same by the feet of people without depth who sit or bend; None while nobody was seen so.
    """

    def __init__(self, layout: SkeletonLayout, tilt: float = 0.0) -> None:
        self._parts = BodyParts(layout)
        angle = np.radians(tilt)
        self._prior = np.array([0.0, np.cos(angle), np.sin(angle)])
        self.up, self.floor = self._prior, None
        self.guess: float | None = None
        self._axes: deque[np.ndarray] = deque(maxlen=_KEPT)
        self._feet: deque[np.ndarray] = deque(maxlen=_KEPT)
        self._resting: deque[np.ndarray] = deque(maxlen=_KEPT)  # feet under somebody who does not stand
        self._last = self._last_resting = -np.inf

    @property
    def known(self) -> bool:
        """Whether heights are above the floor."""
        return self.floor is not None or self.guess is not None

    def see(self, xyz: np.ndarray, score: np.ndarray, time: float) -> bool:
        """Take a person's joints ``[V, 3]`` (metres, camera coordinates); returns whether they stand upright."""
        body = self._parts.of(xyz, score)
        if body is None or body.ankles is None:
            return False
        if not self._stands(body):
            if np.ptp(xyz[score > 0, 2]) < _NO_DEPTH:
                self._guess(body, time)
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
        floor = self.guess if self.floor is None else self.floor
        return float(point @ self.up - (0.0 if floor is None else floor))

    def _guess(self, body: Body, time: float) -> None:
        """The floor is under the feet of somebody who sits or bends, as long as it is not known better.

        Only of bodies without depth: while the camera's tilt is not known, feet before the body seem too high or low.
        """
        assert body.ankles is not None
        if self.floor is not None or time - self._last_resting < _PAUSE:
            return
        trunk, legs = body.shoulders - body.hips, body.hips - body.ankles
        if _cosine(trunk, self._prior) < _RESTING or legs @ self._prior < _SEAT:
            return
        self._last_resting = time
        self._resting.append(body.ankles)
        if len(self._resting) >= _ENOUGH_RESTING:
            self.guess = float(np.median(np.array(self._resting) @ self.up)) - ANKLE_HEIGHT

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
