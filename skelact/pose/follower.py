"""Following one person with a landmarker, in a window that moves with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from skelact.pose.estimator import Detection
from skelact.pose.mediapipe_pose import MediaPipePose
from skelact.pose.search import sighting
from skelact.pose.tracking import Sighting

_WINDOW = 1.7  # side of a person's window in longer sides of their box
_OTHER_WINDOWS = (
    _WINDOW,
    1.3,
    2.2,
)  # tried in turn: MediaPipe misses a person in one and finds them in the next
_CLEAR = 0.12  # margin that stays visible around somebody who is being picked out of a crowd


class Landmarkers:
    """As many landmarkers as people are followed at once: each takes tens of megabytes.

    Args:
        make: makes a landmarker that follows from frame to frame.
    """

    def __init__(self, make: Callable[[], MediaPipePose]) -> None:
        self._make = make
        self._all = [make()]
        self._idle = list(self._all)
        self.layout, self.unit = self._all[0].layout, self._all[0].unit

    @property
    def background(self) -> bool:
        """Whether the frames are live; see `MediaPipePose`."""
        return self._all[0].background

    @background.setter
    def background(self, live: bool) -> None:
        for one in self._all:
            one.background = live

    def take(self) -> MediaPipePose:
        """One that follows nobody."""
        if not self._idle:
            one = self._make()
            one.background = self.background
            self._all.append(one)
            self._idle.append(one)
        return self._idle.pop()

    def give_back(self, one: MediaPipePose) -> None:
        """Take back one that has let go of whom it followed."""
        self._idle.append(one)

    def close(self) -> None:
        """Release all of them, also those in use."""
        for one in self._all:
            one.close()


class Follower:
    """Follows one person inside a window that moves with them, with a landmarker while they are seen.

    Because the window moves along, the person stands nearly still in it, and MediaPipe's own following
    from frame to frame stays on them through a crowd, at the price of one landmark pass a frame.
    """

    def __init__(self, landmarkers: Landmarkers) -> None:
        self._landmarkers = landmarkers
        self._landmarker: MediaPipePose | None = None
        self._side = 0.0
        self._n_missed = 0

    @property
    def fresh(self) -> bool:
        """Whether nobody is followed yet."""
        return self._landmarker is None

    def look(
        self, image: np.ndarray, box: np.ndarray, time: float, others: Sequence[np.ndarray] = ()
    ) -> Sighting | None:
        """Find the person whose box is expected at ``box`` (pixels).

        Args:
            image: ``[H, W, 3]`` uint8 RGB.
            box: ``[x0, y0, x1, y1]`` in pixels.
            time: seconds.
            others: boxes of other people; while nobody is followed yet they are painted over.
        """
        size = np.array([image.shape[1], image.shape[0]])
        long = max(float((box[2:] - box[:2]).max()), 16.0)
        # The size may change only slowly, or the follower's idea of where the person is would be off.
        window = _OTHER_WINDOWS[self._n_missed % len(_OTHER_WINDOWS)]
        self._side = window * long if self.fresh else 0.85 * self._side + 0.15 * _WINDOW * long
        middle = (box[:2] + box[2:]) / 2
        low = np.round(middle - self._side / 2).astype(int)
        side = round(self._side)
        picture = _cut(image, low, side)
        if self.fresh and others:
            picture = _paint_over(picture, box, others, low)
        landmarker = self._landmarker or self._landmarkers.take()
        found = landmarker.estimate(picture, time)
        self._n_missed = 0 if found else self._n_missed + 1
        self._landmarker = landmarker if found else None
        if not found:
            self._landmarkers.give_back(landmarker)
            return None
        one = found[0]
        there = one.score[:, None] > 0
        points = one.xy * side + low
        xy = points / size
        xyz = one.xyz
        if landmarker.unit == "image":
            xyz = np.concatenate([xy, one.xyz[:, 2:] * side / size[0]], 1)
        whole = Detection((xyz * there).astype(np.float32), one.score, (xy * there).astype(np.float32))
        return sighting(whole, image)

    def forget(self) -> None:
        """Let go of whoever is followed, so that the next look starts anew."""
        if self._landmarker is not None:
            self._n_missed += 1
            self._landmarker.forget()
            self._landmarkers.give_back(self._landmarker)
            self._landmarker = None


def _cut(image: np.ndarray, low: np.ndarray, side: int) -> np.ndarray:
    """A square window; what lies outside the picture is black."""
    window = np.zeros((side, side, 3), np.uint8)
    height, width = image.shape[:2]
    x0, y0 = max(0, low[0]), max(0, low[1])
    x1, y1 = min(width, low[0] + side), min(height, low[1] + side)
    if x1 > x0 and y1 > y0:
        window[y0 - low[1] : y1 - low[1], x0 - low[0] : x1 - low[0]] = image[y0:y1, x0:x1]
    return window


def _paint_over(
    window: np.ndarray, box: np.ndarray, others: Sequence[np.ndarray], low: np.ndarray
) -> np.ndarray:
    """Grey out other people's boxes, but not what lies in ``box`` with a small margin."""
    margin = _CLEAR * float((box[2:] - box[:2]).max())
    shift = np.tile(low, 2)
    kept = np.clip(np.round(box + [-margin, -margin, margin, margin] - shift), 0, len(window)).astype(int)
    painted = window.copy()
    for other in others:
        x0, y0, x1, y1 = np.clip(np.round(other - shift), 0, len(window)).astype(int)
        painted[y0:y1, x0:x1] = 127
    x0, y0, x1, y1 = kept
    painted[y0:y1, x0:x1] = window[y0:y1, x0:x1]
    return painted
