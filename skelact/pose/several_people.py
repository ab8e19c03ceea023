"""Everybody in a video: a finder sees who is there, BlazePose reads each in a window of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from os import PathLike

import numpy as np

from skelact.pose.background_look import BackgroundLook
from skelact.pose.estimator import Detection
from skelact.pose.follower import Follower, Landmarkers
from skelact.pose.look_schedule import LookSchedule, overlaps
from skelact.pose.mediapipe_pose import MediaPipePose, search_quality
from skelact.pose.search import Finder, MediaPipeSearch, in_layout, sighting
from skelact.pose.tracking import (
    TWIN,
    PoseTracker,
    Sighting,
    Track,
    box_overlap,
    drop_duplicates,
    pose_distance,
)
from skelact.pose.verify import DOUBTED, MIRROR_LIMIT, Trust, as_pixels, mirrored_distance

AGREE = 0.22  # largest weighted distance of two readings of one person, in shares of the body's longer side
_CLEARLY = 0.7  # of the distance to anybody else, below which a reading is of this person
_UNSEEN_SECONDS = 1.0  # how long BlazePose is believed about somebody whom an exact finder does not see
_KNOWN_SECONDS = 2.0  # how long BlazePose's last reading says how large and how deep somebody is
# Mean score of a newcomer whom BlazePose need not confirm, in metres and in the picture; what is nobody has up to 0.22.
_SURE, _SURE_IN_PICTURE = 0.35, 0.24
_WEAK = 0.3  # mean score of a reading in the picture below which a finder's joints are better, if it has some
_UNREAD = 0.1  # share of the frames in which somebody is left out, from which on it is said
_FEW = 8  # readings of somebody new, which may still be far off
_RESERVED_SECONDS = 0.5  # how long a place among ``max_people`` is kept for somebody who is not seen


class SeveralPeople:
    """A `PoseEstimator` of several people with identities that last.

    Each known person has a `Follower`. The finder looks at the whole picture a few times a second; an exact one also in
    frames in which people overlap or somebody is not seen where they were expected (see `LookSchedule`). Then it says
    who is where, and a reading of BlazePose is believed where it agrees with the finder's joints. Without an exact
    finder people are looked for again in the mirror: a stranger must show the same pose there, and whoever is known and
    does not gets low scores.

    With ``background`` set (live use), an exact finder looks less often, in a thread of its own, and newcomers come a
    few frames later; otherwise the same video always gives the same people.

    Args:
        finder: who is in the picture; None: `MediaPipeSearch`. It is closed with this estimator.
        parts: ``pose`` or ``pose+hands``.
        coordinates: ``image`` or ``world`` (each person about their own hips).
        max_people: how many people to follow at most; the surest come first, of one the largest.
        keep_seconds: how long a person who is not seen keeps their identity.
        min_score: MediaPipe's confidence thresholds, 0..1.
        quality: ``lite``, ``full`` or ``heavy``: of the network that reads people; see `MediaPipePose`.
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
        finder: Finder | None = None,
        parts: str = "pose",
        coordinates: str = "image",
        max_people: int = 8,
        keep_seconds: float = 2.0,
        min_score: float = 0.5,
        quality: str = "full",
        pose_model: str | PathLike[str] | None = None,
        hand_model: str | PathLike[str] | None = None,
        hand_crops: bool = True,
    ) -> None:
        self._landmarkers = Landmarkers(
            lambda: MediaPipePose(
                parts=parts,
                coordinates=coordinates,
                min_score=min_score,
                quality=quality,
                pose_model=pose_model,
                hand_model=hand_model,
                hand_crops=hand_crops,
            )
        )
        self.layout, self.unit = self._landmarkers.layout, self._landmarkers.unit
        self._finder = finder or MediaPipeSearch(max_people, min_score, search_quality(quality), pose_model)
        self._mirror = None
        if not self._finder.exact:
            self._mirror = MediaPipePose(
                n_people=2,
                min_score=min_score,
                quality=search_quality(quality),
                pose_model=pose_model,
                video=False,
            )
        self.max_people = max_people
        self._tracker = PoseTracker(keep_seconds=keep_seconds)
        self._followers: dict[int, Follower] = {}
        self._trusts: dict[int, Trust] = {}
        self._last_read: dict[int, tuple[float, Detection]] = {}
        self._n_frames = self._n_unread = 0
        self._left_out = False  # somebody, in this frame, whom BlazePose cannot read
        self._aside = BackgroundLook(self._finder.find)
        # Of one person, strangers are no matter while they are followed.
        self._schedule = LookSchedule(self._finder, self._tracker, 2.0 if max_people == 1 else 1.0)

    @property
    def background(self) -> bool:
        """Whether further threads may look for people and read their hands, for live sources."""
        return self._schedule.live

    @background.setter
    def background(self, live: bool) -> None:
        self._schedule.live = self._landmarkers.background = live

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        """Find people in ``image [H, W, 3]`` uint8 RGB, taken at ``time`` seconds (increasing)."""
        tracker, exact, schedule = self._tracker, self._finder.exact, self._schedule
        tracker.forget(time)
        self._release()
        people: dict[int, Sighting] = {}
        self._left_out = False
        due = schedule.begin(image, time)
        aside, alone = schedule.aside, schedule.alone
        if aside or not (due and exact):
            people = self._follow(image, time)
        missed = exact and any(schedule.is_missed(t, time) for t in tracker.tracks if t.id not in people)
        if aside and (alone or not missed):
            people |= self._look_aside(image, time, people, due or missed)
        elif due or missed:
            self._aside.drop()
            people |= self._look_all_over(image, time, people)
            if exact:
                people |= self._follow(image, time)
        schedule.end(time)
        result = []
        self._n_frames += 1
        self._n_unread += self._left_out or any(one.payload is None for one in people.values())
        for track in tracker.tracks:
            if track.id in people and isinstance(one := people[track.id].payload, Detection):
                others = [other for i, other in people.items() if i != track.id]
                one = self._doubt(track, one, image, time, others)
                result.append(replace(one, track_id=track.id))
        return sorted(result, key=lambda d: d.track_id or 0)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd about the frames that were looked at."""
        if self._n_unread < max(1, _UNREAD * self._n_frames):
            return ()
        return (
            "somebody is seen whom BlazePose cannot read in metres, and is left out there; --estimator movenet, or "
            "--coordinates image in extract, keeps them",
        )

    def _follow(self, image: np.ndarray, time: float) -> dict[int, Sighting]:
        """Look at everyone who is known and was not seen yet at this time, where they are expected."""
        waiting = [t for t in self._tracker.tracks if t.time < time]
        if self._finder.exact:
            waiting = [t for t in waiting if time - self._schedule.confirmed[t.id] < _UNSEEN_SECONDS]
        seen: list[tuple[Track, Sighting]] = []
        for track in waiting:
            one = self._followers[track.id].look(
                image, track.predicted_box(time), time, self._others(track, time)
            )
            if one is not None and self._tracker.fits(track, one, time) and not self._is_weak(one):
                seen.append((track, one))
            else:
                self._followers[track.id].forget()
        cost = {id(one): self._tracker.cost(track, one, time) for track, one in seen}
        there = [Sighting(t.points, t.score) for t in self._tracker.tracks if t.time == time]
        people = {}
        # Of two who are read in the same place, it is the one who continues best.
        kept = {id(s) for s in self._distinct([s for _, s in seen], lambda s: cost.get(id(s), np.inf))}
        for track, one in seen:
            if id(one) in kept and not any(self._same(one, other) for other in there):
                self._tracker.resume_as(track, one, time)
                people[track.id] = one
                if isinstance(one.payload, Detection):
                    self._last_read[track.id] = time, one.payload
            else:
                self._followers[track.id].forget()
        return people

    def _look_all_over(
        self, image: np.ndarray, time: float, known: dict[int, Sighting]
    ) -> dict[int, Sighting]:
        """Let the finder look: who was not seen yet at this time goes on there, strangers are welcomed."""
        found = self._sightings(self._finder.find(image), image)
        if self._finder.exact:
            for track_id, one in known.items():
                if any(_distance(one, other) < AGREE for other in found):
                    self._schedule.confirmed[track_id] = time
        found = [s for s in found if not any(self._same(s, k) for k in known.values())]
        people = {}
        pairs = self._tracker.update(found, time)
        renewed = True
        for track, place in pairs:
            self._schedule.confirmed[track.id] = time
            new = self._begin_anew(track, place, found, image, time) if self._schedule.renew else None
            people[track.id] = new or self._read(track, place, found, image, time)
            renewed &= new is not None
        if renewed:
            self._schedule.renewed()
        taken = {id(place) for _, place in pairs}
        strangers = [s for s in found if s.sure and id(s) not in taken]
        if self.max_people == 1:
            strangers.sort(key=lambda s: -float(np.prod(np.ptp(s.points, axis=0))))
        for place in strangers:
            if track := self._welcome(place, found, image, time, people):
                self._schedule.confirmed[track.id] = time
        self._schedule.looked(image, time)
        return people

    def _look_aside(
        self, image: np.ndarray, time: float, known: dict[int, Sighting], due: bool
    ) -> dict[int, Sighting]:
        """Take what the finder has found in an earlier picture, in which all who were known were followed; ask anew."""
        people: dict[int, Sighting] = {}
        if (looked := self._aside.take()) is not None:
            found = self._sightings(looked.found, looked.image)
            for track_id, one in looked.known.items():
                nearest = min(found, key=lambda other: _distance(one, other), default=None)
                if nearest is not None and _distance(one, nearest) < AGREE:
                    found = [other for other in found if other is not nearest]
                    if track_id in self._schedule.confirmed:
                        self._schedule.confirmed[track_id] = looked.time
            again = [t for t in self._tracker.tracks if t.time == time and t.id not in looked.known]
            found = [s for s in found if not any(overlaps(s.box, t.box) for t in again)]
            pairs = self._tracker.update(found, time)
            for track, place in pairs:  # who was known and is not seen now
                self._schedule.confirmed[track.id] = time
                people[track.id] = self._read(track, place, found, image, time)
            taken = {id(place) for _, place in pairs}
            for place in found:
                strange = place.sure and id(place) not in taken
                if strange and (track := self._welcome(place, found, image, time, people)):
                    self._schedule.confirmed[track.id] = time
        if due and not self._aside.busy:
            self._aside.ask(image, time, known)
            self._schedule.looked(image, time)
        return people

    def _sightings(self, people: Sequence[Detection], image: np.ndarray) -> list[Sighting]:
        """The finder's people, each once; who is doubtful counts in the picture alone, where the finder's joints do."""
        return self._distinct([sighting(one, image) for one in people if one.sure or self.unit == "image"])

    def _begin_anew(
        self, track: Track, place: Sighting, found: Sequence[Sighting], image: np.ndarray, time: float
    ) -> Sighting | None:
        """The reading of a follower that takes over from the old one; None: it does not agree with the finder."""
        track.velocity = np.zeros(2)
        heir = Follower(self._landmarkers)
        one = self._look_at(heir, track, place, found, image, time)
        if one is not None:
            self._followers[track.id], heir = heir, self._followers[track.id]
        heir.forget()
        return one

    def _look_at(
        self,
        follower: Follower,
        track: Track,
        place: Sighting,
        found: Sequence[Sighting],
        image: np.ndarray,
        time: float,
    ) -> Sighting | None:
        """BlazePose's reading of somebody whom the finder sees, if they agree."""
        others = [other for other in found if other is not place]
        boxes = [other.box for other in others] if self._finder.exact else self._others(track, time)
        one = follower.look(image, place.box, time, boxes)
        if one is None:
            return None
        away = min((_distance(one, other) for other in others), default=np.inf)
        if _distance(one, place) >= min(AGREE, _CLEARLY * away) or self._is_weak(one):
            return None
        if isinstance(one.payload, Detection):
            self._last_read[track.id] = time, one.payload
        self._schedule.by_finder.discard(track.id)
        return one

    def _is_weak(self, one: Sighting) -> bool:
        """Whether a finder that is exact probably reads somebody better, in this estimator's unit."""
        return self._finder.exact and self.unit == "image" and float(one.score.mean()) < _WEAK

    def _read(
        self, track: Track, place: Sighting, found: Sequence[Sighting], image: np.ndarray, time: float
    ) -> Sighting:
        """The reading of somebody whom the finder sees, in several tries; else the finder's joints."""
        follower = self._followers[track.id]
        n_tries = 3 if track.n_seen == 1 else 1 if follower.fresh else 2
        for _ in range(n_tries):
            one = self._look_at(follower, track, place, found, image, time)
            if one is not None:
                return one
            follower.forget()
        return self._finders_own(track, place, image, time)

    def _finders_own(self, track: Track, place: Sighting, image: np.ndarray, time: float) -> Sighting:
        """The finder's joints in this estimator's layout, if it can be had.

        In metres it needs BlazePose's last reading: size and depth are taken from it, for a short time.
        """
        last = self._last_read.get(track.id)
        known = last[1] if last is not None and time - last[0] <= _KNOWN_SECONDS else None
        if self.unit == "image":
            self._schedule.by_finder.add(track.id)
        return replace(place, payload=in_layout(place, self.layout, self.unit, known, image))

    def _welcome(
        self,
        place: Sighting,
        found: Sequence[Sighting],
        image: np.ndarray,
        time: float,
        people: dict[int, Sighting],
    ) -> Track | None:
        """Begin, or continue a lost, track if somebody is there who is not known already."""
        tracks = self._tracker.tracks
        if any(self._same(place, t) for t in tracks if t.time == time):
            return None
        track = self._tracker.resume(place, time) or self._just_begun(place, image, time)
        new = track is None
        if track is None:
            if sum(time - t.time < _RESERVED_SECONDS for t in tracks) >= self.max_people:
                return None
            track = self._tracker.add(place, time)
        if track.id not in self._followers:
            self._followers[track.id] = Follower(self._landmarkers)
        one = self._read(track, place, found, image, time)
        least = _SURE_IN_PICTURE if self.unit == "image" else _SURE
        sure = self._finder.exact and float(place.score.mean()) >= least
        seen = one.points is not place.points
        if self._mirror is not None and new and seen and isinstance(one.payload, Detection):
            seen = mirrored_distance(image, as_pixels(one.payload, image), self._mirror) < MIRROR_LIMIT
        if new and not seen and not sure:
            self._left_out |= self._finder.exact and float(place.score.mean()) >= _SURE_IN_PICTURE
            self._tracker.remove(track)
            self._release()
            return None
        people[track.id] = one
        return track

    def _just_begun(self, place: Sighting, image: np.ndarray, time: float) -> Track | None:
        """Who alone is lost after a few readings, if somebody is found there: the first readings may be far off."""
        lost = [t for t in self._tracker.tracks if t.time < time]
        if len(lost) != 1 or lost[0].n_seen > _FEW:
            return None
        whole = np.array([0, 0, image.shape[1], image.shape[0]])
        boxes = [np.clip(box, whole[[0, 1, 0, 1]], whole[[2, 3, 2, 3]]) for box in (lost[0].box, place.box)]
        if not overlaps(*boxes):
            return None
        self._tracker.resume_as(lost[0], place, time)
        return lost[0]

    def _doubt(
        self, track: Track, one: Detection, image: np.ndarray, time: float, others: Sequence[Sighting]
    ) -> Detection:
        """Lower the scores of somebody who is not found again in the mirror; exact finders need no mirror."""
        if self._mirror is None:
            return one
        trust = self._trusts.setdefault(track.id, Trust())
        # In each other's arms people are not found again one by one; they were believed before.
        crowded = any(box_overlap(track.box, other.box) > 0.1 for other in others)
        if (crowded and trust.believed) or trust.check(image, as_pixels(one, image), time, self._mirror):
            return one
        return replace(one, score=one.score * DOUBTED)

    def _distinct(
        self, seen: Sequence[Sighting], prefer: Callable[[Sighting], float] | None = None
    ) -> list[Sighting]:
        """Sightings without those that show somebody twice."""
        if self._finder.exact:
            return drop_duplicates(seen, TWIN, prefer)
        return drop_duplicates(seen, prefer=prefer)

    def _same(self, one: Sighting, other: Sighting | Track) -> bool:
        return len(self._distinct([one, Sighting(other.points, other.score)])) == 1

    def _others(self, track: Track, time: float) -> list[np.ndarray]:
        return [t.predicted_box(time) for t in self._tracker.tracks if t is not track]

    def _release(self) -> None:
        """Take the followers back of people who are gone."""
        alive = {t.id for t in self._tracker.tracks}
        for gone in [i for i in self._followers if i not in alive]:
            self._followers.pop(gone).forget()
            self._trusts.pop(gone, None)
            self._schedule.forget(gone)
            self._last_read.pop(gone, None)

    def close(self) -> None:
        """Release models and threads."""
        self._aside.close()
        for estimator in (self._finder, self._mirror, self._landmarkers):
            if estimator is not None:
                estimator.close()

    def __enter__(self) -> SeveralPeople:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _distance(one: Sighting, other: Sighting) -> float:
    """How far two readings are apart, by the joints of which both are sure."""
    return pose_distance(one.points, other.points, one.score * other.score)
