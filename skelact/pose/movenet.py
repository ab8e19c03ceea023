"""MoveNet MultiPose (Google, 2021): up to six people in a picture at once, 17 joints each, without depth."""

from __future__ import annotations

import threading
from os import PathLike
from typing import Any

import numpy as np

from skelact.errors import ConfigError, DependencyError
from skelact.io.packaged import find_packaged
from skelact.layouts import get_layout
from skelact.pose.estimator import Detection
from skelact.pose.quiet import quiet_stderr
from skelact.pose.search import most_prominent, name_people
from skelact.pose.tracking import PoseTracker, box_overlap

QUALITY = {"lite": 192, "full": 256, "heavy": 384}  # longer side of what the network sees, in pixels
MIN_SCORE = 0.25  # of a person
# Mean score of the joints, in shares of the least score of a person, from which on somebody is a person all the same:
# the network is less sure of the whole than of the parts where people are small, blurred or crowded.
_PARTS = 1.2
_DOUBT = 0.75  # of that, from which on somebody who is known already is followed
JOINT_SCORE = 0.1  # of a joint, below which its place is a guess
# The second look: its size and least score in shares of the first's, and the picture with its border.
_FAR_SIZE, _FAR_SCORE, _BORDER = 0.75, 0.4, 2.0
# Who is new in it is at least so large in the picture, and hardly overlaps anybody else.
_LARGE, _COVERED = 0.45, 0.3
# Mean score of somebody whom a third look, at the picture turned upside down, could hardly show better, and by how much
# it must do so.
_PLAIN, _BETTER = 0.5, 0.1
# Share of a box inside a surer person's from which on it is a part of that person, and how much surer they are.
_INSIDE, _SURER = 0.7, 0.75
_STEP = 32  # the network's stride: the sides of its input are multiples of it


class MoveNet:
    """The network alone: one picture in, people out.

    Args:
        size: longer side of what the network sees [pixels].
        min_score: people found less surely are dropped, 0..1.
        model: a file of one's own, which must be the pinned one.
        parts: mean score of the joints from which on somebody is kept all the same; None: never.
        doubt: share of that score from which on people are returned as not sure (see `Detection`).
        border: the picture is looked at in the middle of a black one so many times larger.

    Raises:
        DependencyError: if LiteRT or the model file is missing.
        ConfigError: for sizes and scores that cannot be.
    """

    def __init__(
        self,
        size: int = QUALITY["full"],
        min_score: float = MIN_SCORE,
        model: str | PathLike[str] | None = None,
        border: float = 1.0,
        parts: float | None = None,
        doubt: float = 1.0,
    ) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise DependencyError(
                "MoveNet runs on LiteRT, which is not installed: pip install 'skelact[movenet]'"
            ) from None
        if size < _STEP or not 0 <= min_score <= 1:
            raise ConfigError(
                f"MoveNet needs a size of at least {_STEP} pixels and min_score in 0..1, got {size} and {min_score}"
            )
        self.size, self.min_score, self._border = size, min_score, border
        self._parts, self._doubt = np.inf if parts is None else parts, doubt
        self._interpreter: Any = Interpreter(str(find_packaged("movenet_multipose", model)), num_threads=1)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._shape = (0, 0)
        self._lock = threading.Lock()

    def find(self, image: np.ndarray) -> list[Detection]:
        """People in ``image [H, W, 3]`` uint8 RGB, surest first; joints as fractions of the picture."""
        import cv2

        height, width = image.shape[:2]
        scale = self.size / (max(height, width) * self._border)
        inner = max(1, round(width * scale)), max(1, round(height * scale))
        outer = tuple(-(-round(side * self._border) // _STEP) * _STEP for side in inner)
        left, top = ((a - b) // 2 if self._border > 1 else 0 for a, b in zip(outer, inner, strict=True))
        picture = np.zeros((outer[1], outer[0], 3), np.uint8)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        picture[top : top + inner[1], left : left + inner[0]] = cv2.resize(
            np.ascontiguousarray(image), inner, interpolation=how
        )
        with self._lock:
            if outer != self._shape:
                self._interpreter.resize_tensor_input(self._input, [1, outer[1], outer[0], 3], strict=True)
                with quiet_stderr():
                    self._interpreter.allocate_tensors()
                self._shape = outer
            self._interpreter.set_tensor(self._input, picture[None])
            self._interpreter.invoke()
            found = self._interpreter.get_tensor(self._output)[0].copy()
        stretch = np.array([outer[0] / inner[0], outer[1] / inner[1]], np.float32)
        shift = np.array([left / inner[0], top / inner[1]], np.float32)
        people = []
        for row in found[np.argsort(-found[:, 55])]:
            joints = row[:51].reshape(17, 3)
            whole, parts = row[55], joints[:, 2].mean()
            sure = whole >= self.min_score or parts >= self._parts
            if not sure and parts < self._doubt * self._parts:
                continue
            xy = joints[:, 1::-1] * stretch - shift
            score = np.where(joints[:, 2] >= JOINT_SCORE, np.clip(joints[:, 2], 0, 1), 0)
            inside = ((xy >= -0.02) & (xy <= 1.02)).all(1)
            score = (score * inside).astype(np.float32)
            if (score > 0).sum() >= 4:
                xyz = np.concatenate([xy, np.zeros((17, 1), np.float32)], 1).astype(np.float32)
                people.append(Detection(xyz, score, xy.astype(np.float32), sure=bool(sure)))
        return people


class MoveNetFinder:
    """MoveNet as a `Finder` (see `skelact.pose.search`), with a second look for people near the camera and a third for
    people upside down.

    Whoever fills the picture, or is cut off by its border, is found when the picture is seen with a black border;
    whoever hangs, or lies with the head towards the camera, when it is turned by half a turn. That is done where nobody
    was found, or not surely.

    Args:
        size, min_score, model: see `MoveNet`.
    """

    exact, pause, pause_empty = True, 0.5, 0.1

    def __init__(
        self,
        size: int = QUALITY["full"],
        min_score: float = MIN_SCORE,
        model: str | PathLike[str] | None = None,
    ) -> None:
        self._near = MoveNet(size, min_score, model, parts=_PARTS * min_score, doubt=_DOUBT)
        self._far = MoveNet(max(_STEP, round(_FAR_SIZE * size)), _FAR_SCORE * min_score, model, _BORDER)

    def find(self, image: np.ndarray) -> list[Detection]:
        """People in ``image [H, W, 3]`` uint8 RGB, surest first of each look; joints as fractions of the picture."""
        found = self._near.find(image)
        people, doubtful = [one for one in found if one.sure], [one for one in found if not one.sure]
        for one in self._far.find(image):
            large = (one.box[2:] - one.box[:2]).max() > _LARGE
            if large and all(box_overlap(one.box, other.box) < _COVERED for other in people):
                people.append(one)
        if people and all(_mean(one) >= _PLAIN for one in people):
            return _without_parts(people + doubtful)
        for one in (_turned(one) for one in self._near.find(image[::-1, ::-1]) if one.sure):
            rivals = [other for other in people if box_overlap(one.box, other.box) >= _COVERED]
            if all(_mean(one) > _mean(other) + _BETTER for other in rivals) and _mean(one) > _PLAIN - _BETTER:
                people = [other for other in people if all(other is not r for r in rivals)] + [one]
        return _without_parts(people + doubtful)

    def close(self) -> None:
        """Nothing is held open."""


def _without_parts(people: list[Detection]) -> list[Detection]:
    """People without those who lie in somebody else's box and are found less surely than that one."""

    def is_part(one: Detection, other: Detection) -> bool:
        low, high = np.maximum(one.box[:2], other.box[:2]), np.minimum(one.box[2:], other.box[2:])
        shared = np.prod(np.maximum(high - low, 0)) / max(np.prod(one.box[2:] - one.box[:2]), 1e-9)
        return bool(shared > _INSIDE and _mean(one) < _SURER * _mean(other))

    return [one for one in people if not any(is_part(one, other) for other in people if other is not one)]


def _mean(one: Detection) -> float:
    return float(one.score.mean())


def _turned(one: Detection) -> Detection:
    """Somebody found in the picture that was turned by half a turn, in the picture as it is."""
    xyz = one.xyz.copy()
    xyz[:, :2] = 1 - xyz[:, :2]
    return Detection(xyz, one.score, 1 - one.xy)


class MoveNetPose:
    """MoveNet with identities: a `PoseEstimator` of up to six people (``coco17``, fractions of the picture).

    Args:
        people: ``one``: only the most prominent person is kept; else all.
        size, min_score, model: see `MoveNet`.
        keep_seconds: how long a person who is not seen keeps their identity.
    """

    follows = True
    unit = "image"

    def __init__(
        self,
        *,
        people: str = "many",
        size: int = QUALITY["full"],
        min_score: float = MIN_SCORE,
        model: str | PathLike[str] | None = None,
        keep_seconds: float = 2.0,
    ) -> None:
        self.layout = get_layout("coco17")
        self._net: MoveNetFinder | None = MoveNetFinder(size, min_score, model)
        self._tracker = PoseTracker(keep_seconds=keep_seconds)
        self._alone = people == "one"
        self._last: int | None = None  # who was alone

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        """Find people in ``image [H, W, 3]`` uint8 RGB, taken at ``time`` seconds (increasing)."""
        if self._net is None:
            raise ConfigError("this estimator is closed; make a new one")
        people = name_people(self._tracker, self._net.find(image), image, time, self.layout)
        if self._alone and people:
            people = most_prominent(people, image, self._last)
            self._last = people[0].track_id
        return people

    def close(self) -> None:
        """Release the model; harmless when called twice."""
        self._net = None

    def __enter__(self) -> MoveNetPose:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
