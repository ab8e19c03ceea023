"""Identities of several people: poses are matched from frame to frame by motion, overlap and looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_FORBIDDEN = 1e6
TWIN = (
    0.02  # distance below which two finds of an exact finder are one person; two who embrace are 0.08 apart
)


SAME_HEAD = 0.03  # mean distance of the heads' joints, in shares of the body's longer side


@dataclass(frozen=True)
class Sighting:
    """A person seen in one picture.

    Args:
        points: ``[V, 2]`` joints in pixels.
        score: ``[V]`` in 0..1.
        look: ``[D]`` colours of the person, summing to 1, or None.
        payload: anything that should come back with the identity.
        sure: whether it may be somebody new.
    """

    points: np.ndarray
    score: np.ndarray
    look: np.ndarray | None = None
    payload: object = None
    sure: bool = True

    @property
    def box(self) -> np.ndarray:
        """``[x0, y0, x1, y1]`` around the joints, in pixels."""
        return np.concatenate([self.points.min(0), self.points.max(0)])


@dataclass
class Track:
    """One person through time; ``points`` and ``box`` are those of the last sighting."""

    id: int
    points: np.ndarray
    score: np.ndarray
    time: float
    look: np.ndarray | None = None
    velocity: np.ndarray = field(default_factory=lambda: np.zeros(2))
    n_seen: int = 1

    @property
    def box(self) -> np.ndarray:
        """``[x0, y0, x1, y1]`` of the last sighting."""
        return np.concatenate([self.points.min(0), self.points.max(0)])

    def shift(self, time: float) -> np.ndarray:
        """How far the person has probably moved since: the speed fades within a third of a second."""
        lost = max(0.0, time - self.time)
        return self.velocity * 0.33 * (1 - np.exp(-lost / 0.33))

    def predicted_box(self, time: float) -> np.ndarray:
        """The box moved to where the person probably is at ``time``."""
        return self.box + np.tile(self.shift(time), 2)


def box_overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes ``[x0, y0, x1, y1]``."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = np.prod(np.maximum(high - low, 0))
    union = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - common
    return float(common / union) if union > 0 else 0.0


def pose_distance(a: np.ndarray, b: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Mean distance of two poses ``[V, 2]`` in shares of the larger one's longer side.

    Args:
        a: joints in pixels.
        b: joints in pixels.
        weight: ``[V]`` how much each joint counts; None: all alike.
    """
    size = max(np.ptp(a, axis=0).max(), np.ptp(b, axis=0).max(), 1e-6)
    distance = np.linalg.norm(a - b, axis=-1)
    if weight is not None and weight.sum() > 0:
        return float((distance * weight).sum() / weight.sum() / size)
    return float(distance.mean() / size)


def drop_duplicates(
    sightings: Sequence[Sighting], limit: float = 0.12, prefer: Callable[[Sighting], Any] | None = None
) -> list[Sighting]:
    """Keep one of several sightings of the same person, a sure one, the one with the highest mean score.

    Two sightings are the same person if their poses lie within ``limit`` of the body's size, if the
    trunks coincide while boxes nearly cover each other, or if they share a head (see `share_head`). ``prefer`` orders
    them otherwise, least first.
    """
    order = sorted(sightings, key=prefer or (lambda s: (not s.sure, -float(s.score.mean()))))
    kept: list[Sighting] = []
    for one in order:
        same = False
        for other in kept:
            distance = pose_distance(one.points, other.points, one.score * other.score)
            overlap = box_overlap(one.box, other.box)
            close = distance < limit or (overlap > 0.6 and distance < 1.6 * limit)
            if close or share_head(one, other):
                same = True
                break
        if not same:
            kept.append(one)
    return kept


def share_head(one: Sighting, other: Sighting) -> bool:
    """Whether two sightings of COCO's joints have nose, eyes and ears in the same place, whatever their bodies do."""
    both = (one.score[:5] > 0) & (other.score[:5] > 0)
    if both.sum() < 3:
        return False
    size = max(np.ptp(one.points, axis=0).max(), np.ptp(other.points, axis=0).max(), 1e-6)
    return float(np.linalg.norm(one.points[:5] - other.points[:5], axis=1)[both].mean()) < SAME_HEAD * size


class PoseTracker:
    """Give each person an identity that lasts through short occlusions.

    Sightings are matched to tracks by the Hungarian method on pose distance after a motion prediction,
    box overlap and likeness of colours. A lost track waits ``keep_seconds`` for its person.

    Args:
        keep_seconds: how long a lost track is kept.
        gate: largest pose distance, in body sizes, at which a sighting may continue a track; it grows
            while the track is lost.
        look_limit: largest difference of colours, 0..1, for continuing a lost track.
    """

    def __init__(self, keep_seconds: float = 2.0, gate: float = 0.3, look_limit: float = 0.55) -> None:
        self.keep_seconds = keep_seconds
        self.gate = gate
        self.look_limit = look_limit
        self.tracks: list[Track] = []
        self._next_id = 0

    def cost(self, track: Track, one: Sighting, time: float) -> float:
        """Cost of continuing ``track`` with a sighting; a huge number where it is out of the question."""
        lost = time - track.time
        distance = pose_distance(track.points + track.shift(time), one.points, track.score * one.score + 1e-3)
        gate = min(self.gate + 0.5 * max(0.0, lost - 0.1), 3 * self.gate)
        if distance > gate:
            return _FORBIDDEN
        sizes = np.array([np.ptp(track.points, axis=0).max(), np.ptp(one.points, axis=0).max()])
        unlike = 0.0
        if track.look is not None and one.look is not None:
            unlike = 1 - float(np.sqrt(track.look * one.look).sum())
            if lost > 0.3 and unlike > self.look_limit:
                return _FORBIDDEN
        # Someone does not grow or shrink by half from one frame to the next.
        change = abs(np.log(max(sizes[0], 1e-6) / max(sizes[1], 1e-6)))
        overlap = box_overlap(track.predicted_box(time), one.box)
        return distance / self.gate + 0.5 * (1 - overlap) + unlike + 0.3 * change

    def update(self, sightings: Sequence[Sighting], time: float) -> list[tuple[Track, Sighting]]:
        """Continue tracks with the sightings of one frame at ``time`` seconds; new people are not added.

        Tracks that were continued at this time already are left alone. Sightings that are not sure continue those whom
        no sure one continues (ByteTrack, Zhang et al., ECCV 2022).

        Returns:
            (track, sighting) pairs; sightings not in it are nobody known (see `add`).
        """
        self.forget(time)
        pairs = self._assign([one for one in sightings if one.sure], time)
        return pairs + self._assign([one for one in sightings if not one.sure], time)

    def _assign(self, sightings: Sequence[Sighting], time: float) -> list[tuple[Track, Sighting]]:
        from scipy.optimize import linear_sum_assignment

        waiting = [t for t in self.tracks if t.time < time]
        if not sightings or not waiting:
            return []
        cost = np.array([[self.cost(t, s, time) for s in sightings] for t in waiting])
        pairs = []
        for i, j in zip(*linear_sum_assignment(cost), strict=True):
            if cost[i, j] < _FORBIDDEN:
                self.resume_as(waiting[i], sightings[j], time)
                pairs.append((waiting[i], sightings[j]))
        return pairs

    def fits(self, track: Track, one: Sighting, time: float) -> bool:
        """Whether a sighting may continue a track."""
        return self.cost(track, one, time) < _FORBIDDEN

    def resume_as(self, track: Track, one: Sighting, time: float) -> None:
        """Continue a track with a sighting, whatever it costs."""
        step = time - track.time
        if step > 0:
            weight = (track.score * one.score + 1e-3)[:, None]
            moved = ((one.points - track.points) * weight).sum(0) / weight.sum()
            share = 1 - np.exp(-step / 0.15)
            track.velocity = (1 - share) * track.velocity + share * moved / step
        track.points, track.score, track.time = one.points, one.score, time
        track.n_seen += 1
        if one.look is not None:
            track.look = one.look if track.look is None else 0.9 * track.look + 0.1 * one.look

    def resume(self, one: Sighting, time: float) -> Track | None:
        """Continue the lost track that fits a sighting best; None if none does."""
        lost = [t for t in self.tracks if t.time < time]
        costs = [self.cost(t, one, time) for t in lost]
        if not costs or min(costs) >= _FORBIDDEN:
            return None
        track = lost[int(np.argmin(costs))]
        self.resume_as(track, one, time)
        return track

    def add(self, one: Sighting, time: float) -> Track:
        """Begin a new track."""
        track = Track(self._next_id, one.points, one.score, time, one.look)
        self._next_id += 1
        self.tracks.append(track)
        return track

    def forget(self, time: float) -> None:
        """Forget whoever was not seen for too long."""
        self.tracks = [t for t in self.tracks if time - t.time <= self.keep_seconds]

    def remove(self, track: Track) -> None:
        """Forget a track (it turned out not to be a person)."""
        self.tracks = [t for t in self.tracks if t is not track]
