"""Several people through a video: each followed in a window of their own, with identities that last."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from os import PathLike

import numpy as np

from skelact.pose.estimator import Detection
from skelact.pose.mediapipe_pose import MediaPipePose
from skelact.pose.search import PedestrianBoxes, look_of, tiles
from skelact.pose.tracking import PoseTracker, Sighting, Track, box_overlap, drop_duplicates
from skelact.pose.verify import Trust, mirrored_distance, square_around

_WINDOW = 1.7  # side of a person's window in longer sides of their box
_CLEAR = 0.12  # margin that stays visible around somebody who is being picked out of a crowd
_MIRROR_LIMIT = 0.25
_SURE = 0.55  # mean visibility below which a newcomer is not looked at


class Follower:
    """One landmarker that follows one person inside a window that moves with them.

    Because the window moves along, the person stands nearly still in it, and MediaPipe's own following
    from frame to frame stays on them through a crowd, at the price of one landmark pass a frame.

    Args:
        make: makes a landmarker that follows from frame to frame.
    """

    def __init__(self, make: Callable[[], MediaPipePose]) -> None:
        self._finder = make()
        self._side = 0.0
        self._fresh = True

    def look(
        self, image: np.ndarray, box: np.ndarray, time: float, others: list[np.ndarray] | None = None
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
        self._side = _WINDOW * long if self._fresh else 0.85 * self._side + 0.15 * _WINDOW * long
        middle = (box[:2] + box[2:]) / 2
        low = np.round(middle - self._side / 2).astype(int)
        side = round(self._side)
        window = _cut(image, low, side)
        if self._fresh and others:
            window = _paint_over(window, box, others, low)
        found = self._finder.estimate(window, time)
        self._fresh = not found
        if not found:
            return None
        one = found[0]
        there = one.score[:, None] > 0
        points = one.xy * side + low
        xy = points / size
        xyz = one.xyz
        if self._finder.unit == "image":
            xyz = np.concatenate([xy, one.xyz[:, 2:] * side / size[0]], 1)
        whole = Detection((xyz * there).astype(np.float32), one.score, (xy * there).astype(np.float32))
        return Sighting(points[:33], one.score[:33], look_of(image, points[:33]), whole)

    def forget(self) -> None:
        """Let go of whoever is followed, so that the next look starts anew."""
        if not self._fresh:
            self._finder.estimate(np.zeros((32, 32, 3), np.uint8), 0.0)
            self._fresh = True

    def close(self) -> None:
        """Release the landmarker."""
        self._finder.close()


def _cut(image: np.ndarray, low: np.ndarray, side: int) -> np.ndarray:
    """A square window; what lies outside the picture is black."""
    window = np.zeros((side, side, 3), np.uint8)
    height, width = image.shape[:2]
    x0, y0 = max(0, low[0]), max(0, low[1])
    x1, y1 = min(width, low[0] + side), min(height, low[1] + side)
    if x1 > x0 and y1 > y0:
        window[y0 - low[1] : y1 - low[1], x0 - low[0] : x1 - low[0]] = image[y0:y1, x0:x1]
    return window


def _paint_over(window: np.ndarray, box: np.ndarray, others: list[np.ndarray], low: np.ndarray) -> np.ndarray:
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


class SeveralPeople:
    """Several people, each with an identity that lasts.

    MediaPipe misses people who are small in the picture and keeps no identities. So each known person has a
    `Follower`; a few times a second the whole picture, overlapping tiles and the boxes of a pedestrian
    detector are searched for people who are not known yet. A newcomer must be found again in the mirror.

    Args:
        parts: ``pose`` or ``pose+hands``.
        coordinates: ``image`` or ``world`` (each person about their own hips).
        max_people: how many people to follow at most.
        search_seconds: pause between searches for new people.
        keep_seconds: how long a person who is not seen keeps their identity.
        min_score: MediaPipe's confidence thresholds, 0..1.
        pose_model: a pose ``.task`` file of one's own.
        hand_model: a hand ``.task`` file of one's own.

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
        max_people: int = 8,
        search_seconds: float = 0.5,
        keep_seconds: float = 2.0,
        min_score: float = 0.5,
        pose_model: str | PathLike[str] | None = None,
        hand_model: str | PathLike[str] | None = None,
    ) -> None:
        self._make = lambda: MediaPipePose(
            parts=parts,
            coordinates=coordinates,
            min_score=min_score,
            pose_model=pose_model,
            hand_model=hand_model,
        )
        plain = {"min_score": min_score, "pose_model": pose_model, "video": False}
        self._wide = MediaPipePose(n_people=max(2, max_people), **plain)
        self._two = MediaPipePose(n_people=2, **plain)
        self._idle = [Follower(self._make)]
        self.layout, self.unit = self._idle[0]._finder.layout, self._idle[0]._finder.unit
        self.max_people = max_people
        self._search_seconds = search_seconds
        self._tracker = PoseTracker(keep_seconds=keep_seconds)
        self._followers: dict[int, Follower] = {}
        self._trusts: dict[int, Trust] = {}
        self._next_search = -np.inf
        self._n_searches = 0
        self._pedestrians = PedestrianBoxes()

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        """Find people in ``image [H, W, 3]`` uint8 RGB, taken at ``time`` seconds (increasing)."""
        pairs = self._follow(image, time)
        self._release()
        if time >= self._next_search:
            for place in self._search(image, time):
                if new := self._welcome(place, image, time):
                    pairs.append(new)
        result = []
        for track, one in pairs:
            trust = self._trusts.setdefault(track.id, Trust(_MIRROR_LIMIT))
            crowded = any(box_overlap(one.box, other.box) > 0.1 for t, other in pairs if t is not track)
            # In each other's arms people are not found again one by one; they were believed before.
            if (crowded and trust.believed) or trust.check(image, one.points, time, self._two):
                assert isinstance(one.payload, Detection)
                result.append(replace(one.payload, track_id=track.id))
            elif not trust.believed:
                self._tracker.remove(track)
        return sorted(result, key=lambda d: d.track_id or 0)

    def _follow(self, image: np.ndarray, time: float) -> list[tuple[Track, Sighting]]:
        """Look at everyone who is known; a sighting goes to the track that it fits best."""
        seen: list[tuple[Sighting, int]] = []
        tracks = list(self._tracker.tracks)
        for track in tracks:
            others = [t.predicted_box(time) for t in tracks if t is not track]
            follower = self._followers[track.id]
            one = follower.look(image, track.predicted_box(time), time, others)
            if one is not None:
                seen.append((one, track.id))
        clear = drop_duplicates([one for one, _ in seen], prefer=self._rank(seen, time))
        pairs = self._tracker.update(clear, time)
        origin = {id(one): track_id for one, track_id in seen}
        matched = {origin[id(one)]: track.id for track, one in pairs}
        # A follower that saw nobody, a double or a stranger starts anew; one that went over to another
        # person now serves that person.
        moved = {target: self._followers[source] for source, target in matched.items()}
        rest = [f for track_id, f in self._followers.items() if track_id not in matched]
        for follower in rest:
            follower.forget()
        for track in self._tracker.tracks:
            if track.id not in moved:
                moved[track.id] = rest.pop()
        self._followers = moved
        self._idle += rest
        return pairs

    def _rank(self, seen: list[tuple[Sighting, int]], time: float) -> Callable[[Sighting], float]:
        """Of two sightings of one person, the one of the track that it continues best is kept."""
        by_id = {t.id: t for t in self._tracker.tracks}
        cost = {id(one): self._tracker.cost(by_id[i], one, time) for one, i in seen if i in by_id}
        return lambda one: cost.get(id(one), np.inf)

    def _release(self) -> None:
        alive = {t.id for t in self._tracker.tracks}
        for gone in [i for i in self._followers if i not in alive]:
            follower = self._followers.pop(gone)
            follower.forget()
            self._idle.append(follower)

    def _search(self, image: np.ndarray, time: float) -> list[Sighting]:
        """Look all over the picture for people who are not known; sooner again while nobody is known."""
        self._n_searches += 1
        self._next_search = time + self._search_seconds * (1.0 if self._tracker.tracks else 0.5)
        size = (image.shape[1], image.shape[0])
        places = [(0, 0, *size)]
        places += [square_around(box, size, 1.1) for box in self._pedestrians.find(image)]
        places += [square_around(box, size, 1.0) for box in tiles(image, self._n_searches)]
        known = [Sighting(t.points, t.score) for t in self._tracker.tracks if t.time == time]
        found: list[Sighting] = []
        for x0, y0, x1, y1 in places:
            for one in self._wide.estimate(image[y0:y1, x0:x1], 0.0):
                points = one.xy * [x1 - x0, y1 - y0] + [x0, y0]
                if float(one.score.mean()) > _SURE:
                    found.append(Sighting(points, one.score))
        strangers = [s for s in drop_duplicates(found) if not any(_same(s, k) for k in known)]
        return sorted(strangers, key=lambda s: -float(s.score.mean()))

    def _welcome(self, place: Sighting, image: np.ndarray, time: float) -> tuple[Track, Sighting] | None:
        """Begin, or continue a lost, track if somebody is there who is not known already."""
        current = [t for t in self._tracker.tracks if t.time == time]
        if len(current) >= self.max_people:
            return None
        follower = self._idle.pop() if self._idle else Follower(self._make)
        one = follower.look(image, place.box, time, [t.box for t in current])
        wrong = one is None or not _same(one, place) or any(_same(one, t) for t in current)
        if one is None or wrong or mirrored_distance(image, one.points, self._two) >= _MIRROR_LIMIT:
            follower.forget()
            self._idle.append(follower)
            return None
        track = self._tracker.resume(one, time) or self._tracker.add(one, time)
        if track.id in self._followers:
            self._followers[track.id].forget()
            self._idle.append(self._followers[track.id])
        self._followers[track.id] = follower
        return track, one

    def close(self) -> None:
        """Release models and threads."""
        for estimator in (self._two, self._wide, *self._idle, *self._followers.values()):
            estimator.close()

    def __enter__(self) -> SeveralPeople:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _same(one: Sighting, other: Sighting | Track) -> bool:
    return len(drop_duplicates([one, Sighting(other.points, other.score)])) == 1
