"""The most prominent person of a video, followed and verified by MediaPipe alone."""

from __future__ import annotations

from dataclasses import replace
from os import PathLike

import numpy as np

from skelact.pose.estimator import Detection
from skelact.pose.mediapipe_pose import MediaPipePose, search_quality
from skelact.pose.renewal import Marks
from skelact.pose.search import COMMON
from skelact.pose.tracking import pose_distance
from skelact.pose.verify import DOUBTED, Trust, as_pixels, body_size

_SAME = 0.1  # distance of the poses of one person in two landmarkers, in shares of the body's longer side
LEFT_SECONDS = 2.5  # gone for longer: the next one is another person


class OnePerson:
    """The most prominent person, followed from frame to frame (fast), and checked to be a person.

    Args:
        parts: ``pose`` or ``pose+hands``.
        coordinates: ``image`` or ``world``.
        verify: lower the scores of poses that are not found again in the mirrored picture.
        min_score: MediaPipe's confidence thresholds, 0..1.
        quality: ``lite``, ``full`` or ``heavy``: see `MediaPipePose`; nobody is verified by the heavy network.
        pose_model: a pose ``.task`` file of one's own, instead.
        hand_model: a hand ``.task`` file of one's own.
        hand_crops: look for hands where the arms end; see `MediaPipePose`.

    Raises:
        ConfigError: for an unknown option.
        DependencyError: if a model file or a system library is missing.
    """

    follows = True

    def __init__(
        self,
        *,
        parts: str = "pose",
        coordinates: str = "image",
        verify: bool = True,
        min_score: float = 0.5,
        quality: str = "full",
        pose_model: str | PathLike[str] | None = None,
        hand_model: str | PathLike[str] | None = None,
        hand_crops: bool = True,
    ) -> None:
        self._make = lambda: MediaPipePose(
            parts=parts, coordinates=coordinates, min_score=min_score, quality=quality, pose_model=pose_model,
            hand_model=hand_model, hand_crops=hand_crops,
        )  # fmt: skip
        self._finder = self._make()
        self._heir: MediaPipePose | None = None
        self._marks = Marks()
        self.layout, self.unit = self._finder.layout, self._finder.unit
        self._mirror = None
        if verify:
            self._mirror = MediaPipePose(video=False, quality=search_quality(quality), pose_model=pose_model)
        self._trust = Trust()
        self._last: np.ndarray | None = None
        self._track, self._seen = 0, -np.inf

    @property
    def background(self) -> bool:
        """Whether the frames are live; see `MediaPipePose`."""
        return self._finder.background

    @background.setter
    def background(self, live: bool) -> None:
        for landmarker in (self._finder, self._heir):
            if landmarker is not None:
                landmarker.background = live

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        """Find the person in ``image [H, W, 3]`` uint8 RGB, taken at ``time`` seconds (increasing)."""
        found = self._finder.estimate(image, time)
        if not found:
            self._last = None
            self._trust.reset()
            return []
        if self._marks.due(time):
            found = self._begin_anew(found, image, time)
        # Whoever comes after the picture was empty for a while is taken for somebody else.
        came = self._track + (1 if np.isfinite(self._seen) and time - self._seen > LEFT_SECONDS else 0)
        one = replace(found[0], track_id=came)
        if self._mirror is None:
            self._track, self._seen = came, time
            return [one]
        points = as_pixels(one, image)[:33]
        if self._last is not None:
            jump = np.linalg.norm(points[11:25].mean(0) - self._last[11:25].mean(0))
            if jump > body_size(self._last):  # the follower has gone over to something else
                self._trust.reset()
        self._last = points
        if not self._trust.check(image, points, time, self._mirror):
            one = replace(one, score=one.score * DOUBTED)
        self._track, self._seen = came, time
        return [one]

    def _begin_anew(self, found: list[Detection], image: np.ndarray, time: float) -> list[Detection]:
        """What a new landmarker sees, which takes over, if it is the same person; else what the old one found."""
        old, new = self._finder, self._heir or self._make()
        new.background = old.background
        seen = new.estimate(image, time)
        points = [as_pixels(one, image)[COMMON] for one in (*found[:1], *seen[:1])]
        same = len(points) == 2 and pose_distance(*points, found[0].score[COMMON]) < _SAME
        self._finder, self._heir = (new, old) if same else (old, new)
        self._heir.forget()
        if same:
            self._marks.done()
        return seen if same else found

    def close(self) -> None:
        """Release models and threads."""
        for landmarker in (self._finder, self._heir, self._mirror):
            if landmarker is not None:
                landmarker.close()

    def __enter__(self) -> OnePerson:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
