"""People as they are seen live: joints in metres, smoothed and placed frame by frame, with what was seen lately."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from skelact.layouts import SkeletonLayout
from skelact.monitor.flat import PictureMetres
from skelact.pose.camera import joint_weights, solve_translation, turn_to_ray, viewing_rays
from skelact.pose.estimator import Detection
from skelact.pose.smoothing import OneEuro
from skelact.skeleton import Skeleton


@dataclass
class LivePerson:
    """Somebody who is followed.

    Args:
        track: identity.
        since: seconds, when they were seen first.
        past: (time, joints ``[V, 3]``, score ``[V]``) of the last seconds.
        xy: ``[V, 2]`` the joints in the picture now, in shares of width and height.
        score: ``[V]`` now.
        pictures: ``[V, 2]`` pixels for every row of ``past``, of estimators without depth.
    """

    track: int
    since: float
    past: deque[tuple[float, np.ndarray, np.ndarray]] = field(default_factory=deque)
    xy: np.ndarray | None = None
    score: np.ndarray | None = None
    seen: float = -np.inf
    pictures: deque[np.ndarray] = field(default_factory=deque)

    @property
    def xyz(self) -> np.ndarray | None:
        """``[V, 3]`` metres in camera coordinates now."""
        return self.past[-1][1] if self.past else None

    def recording(self, layout: SkeletonLayout, seconds: float, fps: float) -> Skeleton | None:
        """The last seconds as a recording, in pixels without depth; None if there are not two frames."""
        rows = [row for row in self.past if row[0] > self.past[-1][0] - seconds] if self.past else []
        if len(rows) < 2:
            return None
        times = np.array([row[0] for row in rows])
        if self.pictures:
            xy = np.stack(list(self.pictures)[-len(rows) :])[None].astype(np.float32)
            score = np.stack([row[2] for row in rows])[None].astype(np.float32)
            return Skeleton(xy, score, layout, fps, "px", id=f"person {self.track}", time=times)
        xyz, score = (np.stack([row[i] for row in rows])[None].astype(np.float32) for i in (1, 2))
        return Skeleton(xyz, score, layout, fps, "m", id=f"person {self.track}", time=times, origin="camera")


class LivePeople:
    """Turns what an estimator finds in each frame into people in camera coordinates.

    The same steps as for recordings (`skelact.pose.assemble`), without looking ahead: One-Euro smoothing of joints and
    of the place.

    Args:
        layout: of the estimator, whose joints are metres about each person's hips or, with ``flat``, in the picture.
        size: width and height of the picture in pixels.
        fov: horizontal field of view in degrees.
        seconds: of the past that is kept.
        min_visibility: joints seen less surely are missing.
        keep: seconds after which somebody who is not seen is forgotten.
        flat: the estimator has no depth; metres come from the sizes of bodies (`PictureMetres`).
    """

    def __init__(
        self,
        layout: SkeletonLayout,
        size: tuple[int, int],
        fov: float,
        seconds: float = 3.0,
        min_visibility: float = 0.1,
        keep: float = 2.0,
        flat: bool = False,
    ) -> None:
        self.layout, self.size, self.fov, self.seconds = layout, size, fov, seconds
        self.flat = flat
        self._scales: dict[int, PictureMetres] = {}
        self.min_visibility, self.keep = min_visibility, keep
        self.people: dict[int, LivePerson] = {}
        self._weights = joint_weights(layout)
        self._filters: dict[int, tuple[OneEuro, OneEuro]] = {}

    def see(self, found: Sequence[Detection], time: float) -> list[int]:
        """Take a frame; returns the tracks that are gone for good."""
        for n, one in enumerate(found):
            track = n if one.track_id is None else one.track_id
            person = self.people.setdefault(track, LivePerson(track, time))
            person.xy, person.score, person.seen = one.xy, one.score, time
            placed = self._place(track, one, time)
            if placed is None:
                continue
            person.past.append((time, *placed))
            if self.flat:
                person.pictures.append(one.xy * np.array(self.size))
            while person.past[0][0] < time - self.seconds:
                person.past.popleft()
                if self.flat:
                    person.pictures.popleft()
        gone = [track for track, one in self.people.items() if time - one.seen > self.keep]
        for track in gone:
            del self.people[track]
            self._filters.pop(track, None)
            self._scales.pop(track, None)
        return gone

    def here(self, time: float) -> list[LivePerson]:
        """Who is seen in the frame of that time, and where is known."""
        return [
            one for one in self.people.values() if one.seen == time and one.past and one.past[-1][0] == time
        ]

    def _place(self, track: int, one: Detection, time: float) -> tuple[np.ndarray, np.ndarray] | None:
        score = np.where(one.score < self.min_visibility, 0.0, one.score)
        if not (score > 0).any():
            return None
        if self.flat:
            return self._place_flat(track, one, score, time)
        joints, place = self._filters.setdefault(track, (OneEuro(), OneEuro(min_cutoff=1.5, beta=1.0)))
        xyz = joints(one.xyz, one.score, time)[None]
        rays = viewing_rays(one.xy[None].astype(np.float64), self.size, self.fov)
        middle = (rays * one.score[None, :, None]).sum(1) / max(float(one.score.sum()), 1e-9)
        xyz = turn_to_ray(xyz, middle)
        path = solve_translation(xyz, rays, one.score[None] * self._weights)
        if not np.isfinite(path).all():
            return None
        where = place(path, np.ones(1), time)
        return (xyz[0] + where) * (score > 0)[:, None], score

    def _place_flat(
        self, track: int, one: Detection, score: np.ndarray, time: float
    ) -> tuple[np.ndarray, np.ndarray] | None:
        if track not in self._scales:
            self._scales[track] = PictureMetres(self.layout, self.size, self.fov)
        metres = self._scales[track](one.xy, score, time)
        if metres is None:
            return None
        joints, _ = self._filters.setdefault(track, (OneEuro(), OneEuro()))
        return joints(metres, score, time) * (score > 0)[:, None], score
