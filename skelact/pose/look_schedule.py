"""When the whole picture is to be looked over, by whom is known in it and what has changed."""

from __future__ import annotations

import numpy as np

from skelact.pose.renewal import Marks
from skelact.pose.search import Finder
from skelact.pose.stillness import Stillness
from skelact.pose.tracking import PoseTracker, Track, box_overlap

_CROWDED = 0.05  # overlap of boxes from which on people may be taken for each other
_STILL_SECONDS = 0.9  # how long a still picture is not looked over; less than BlazePose is believed for
_GLIMPSE = 4  # readings before which somebody who is not seen is not looked for in every frame
_SEARCH_SECONDS = 0.5  # how long who is not seen is looked for in every frame,
_SEARCH_PAUSE = 0.15  # and how often after that


class LookSchedule:
    """Says of every frame whether a finder is to look; `begin` and `end` enclose a frame.

    Args:
        finder: who looks.
        tracker: who is known.
        patience: pauses of the finder are so many times longer while somebody is known.

    Attributes:
        live: the picture is looked over less often while everybody is followed and nothing changes elsewhere, and the
            finder may look aside; in files it looks whenever it might matter, so that nobody is missed.
        renew: a mark was passed (see `skelact.pose.renewal`), and who is known begins anew.
        confirmed: seconds at which the finder has last seen each track.
        by_finder: tracks of people whom the finder alone can read.
    """

    def __init__(self, finder: Finder, tracker: PoseTracker, patience: float = 1.0) -> None:
        self._finder, self._tracker, self._patience = finder, tracker, patience
        self.live = self.renew = self._unclear = False
        self.confirmed: dict[int, float] = {}
        self.by_finder: set[int] = set()
        self._next = self._last_look = self._last_frame = -np.inf
        self._still, self._marks = Stillness(), Marks()

    def begin(self, image: np.ndarray, time: float) -> bool:
        """Begin a frame ``[H, W, 3]`` uint8 RGB at ``time`` seconds; returns whether a look is due."""
        exact = self._finder.exact
        self.renew = exact and self._marks.due(time)
        self._unclear = exact and self._is_unclear(time)
        due = time >= self._next or self.renew or self._unclear
        return due and not (exact and self._may_wait(image, time))

    @property
    def alone(self) -> bool:
        """Whether at most one was seen in the last frame, whom nobody can be taken for."""
        return sum(t.time >= self._last_frame for t in self._tracker.tracks) < 2

    @property
    def aside(self) -> bool:
        """Whether the finder may look while those who are known are followed."""
        return self.live and self._finder.exact and not self.renew and (self.alone or not self._unclear)

    def is_missed(self, track: Track, time: float) -> bool:
        """Whether somebody who is not seen where they were expected should be looked for in this frame.

        Of several, and in files, always: they may be taken for each other. Live otherwise for a short time in every
        frame, then now and then, and whoever was just glimpsed beside somebody else is not.
        """
        if not (self.live and self.alone):
            return True
        others = any(t.time >= self._last_frame for t in self._tracker.tracks)
        if others and track.n_seen < _GLIMPSE and track.id not in self.by_finder:
            return False
        return time - track.time < _SEARCH_SECONDS or time - self._last_look >= _SEARCH_PAUSE

    def looked(self, image: np.ndarray, time: float) -> None:
        """The finder has looked at a picture, or has been asked to."""
        self._still.keep(image)
        self._last_look = time
        known = bool(self._tracker.tracks)
        self._next = time + (self._patience * self._finder.pause if known else self._finder.pause_empty)

    def renewed(self) -> None:
        """All who are known have begun anew."""
        self._marks.done()

    def end(self, time: float) -> None:
        """End the frame."""
        self._last_frame = time

    def forget(self, track_id: int) -> None:
        """Somebody is gone."""
        self.confirmed.pop(track_id, None)
        self.by_finder.discard(track_id)

    def _may_wait(self, image: np.ndarray, time: float) -> bool:
        """Whether the finder need not look yet: everybody was seen just now, and nobody can have come."""
        tracks = self._tracker.tracks
        if not self.live or self.renew or not tracks or any(t.time < self._last_frame for t in tracks):
            return False
        boxes = [t.predicted_box(time) for t in tracks]
        waited = time - min(self.confirmed[t.id] for t in tracks)
        return not _crowded(boxes) and waited < _STILL_SECONDS and not self._still.changed(image, boxes)

    def _is_unclear(self, time: float) -> bool:
        """Whether somebody was not seen in the last frame, or people overlap."""
        tracks = self._tracker.tracks
        if any(t.time < self._last_frame and self.is_missed(t, time) for t in tracks):
            return True
        here = self._last_frame if self.live else -np.inf
        return _crowded([t.box for t in tracks if t.time >= here or t.n_seen >= _GLIMPSE])


def overlaps(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether people in these boxes ``[x0, y0, x1, y1]`` may be taken for each other."""
    return box_overlap(one, other) > _CROWDED


def _crowded(boxes: list[np.ndarray]) -> bool:
    return any(overlaps(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
