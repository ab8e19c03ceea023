"""Where people are through time, and who does what, where and from when to when."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from skelact.errors import DataError
from skelact.io.ava import NO_PERSON, ActionBoxes
from skelact.recognition.recogniser import Recognition, Segment
from skelact.skeleton import Skeleton

MARGIN = 0.1  # joints lie within the body: what is added on each side, in shares of the box's longer side
BRIDGE_SECONDS = 1.0  # a person who is not seen for longer is not there in between


@dataclass(frozen=True, eq=False)
class PersonTrack:
    """The boxes of one person.

    Args:
        person: track id.
        times: ``[n]`` increasing seconds.
        boxes: ``[n, 4]`` as x1, y1, x2, y2 in fractions 0..1 of the picture.
        bridge: the longest time between two boxes over which the person is taken to be there, seconds.
    """

    person: int
    times: np.ndarray
    boxes: np.ndarray
    bridge: float = BRIDGE_SECONDS

    def at(self, time: float) -> np.ndarray | None:
        """The box ``[4]`` at a moment, between two boxes in proportion; None where the person is not there."""
        after = int(np.searchsorted(self.times, time))
        near = [i for i in (after - 1, after) if 0 <= i < len(self.times)]
        if len(near) == 1:
            there = abs(self.times[near[0]] - time) <= self.bridge / 2
            return self.boxes[near[0]] if there else None
        before, after = near
        length = self.times[after] - self.times[before]
        if self.times[after] == time:
            return self.boxes[after]
        if length > self.bridge:
            return None
        share = (time - self.times[before]) / length
        return (1 - share) * self.boxes[before] + share * self.boxes[after]


def tracks_of_skeleton(skeleton: Skeleton, margin: float = MARGIN) -> list[PersonTrack]:
    """The people of a recording as boxes around their joints in the picture.

    Args:
        skeleton: with its joints' places in the picture (`skelact.skeleton.Skeleton.in_picture`).
        margin: added on each side, in shares of the box's longer side in pixels where the picture's size is known.

    Raises:
        DataError: if their places in the picture are not known.
    """
    picture = skeleton.in_picture()
    size = np.array([float(picture.info.get(name, 1)) for name in ("width", "height")])
    times = frame_times(picture)
    tracks = []
    for m, person in enumerate(picture.track_ids):
        seen = picture.score[m] > 0
        low = np.where(seen[..., None], picture.xyz[m], np.inf).min(1)
        high = np.where(seen[..., None], picture.xyz[m], -np.inf).max(1)
        there = seen.any(1)
        low, high = low[there].astype(float), high[there].astype(float)
        longer = ((high - low) * size).max(1, keepdims=True) / size
        boxes = np.concatenate([low - margin * longer, high + margin * longer], 1).clip(0, 1)
        inside = (boxes[:, :2] < boxes[:, 2:]).all(1)
        if inside.any():
            tracks.append(PersonTrack(person, times[there][inside], boxes[inside]))
    return tracks


def frame_times(skeleton: Skeleton) -> np.ndarray:
    """The time of every frame of a recording, seconds."""
    return skeleton.time if skeleton.time is not None else np.arange(skeleton.n_frames) / skeleton.fps


def tracks_of_table(boxes: ActionBoxes, video: str) -> list[PersonTrack]:
    """The people of a video in a table of boxes, which may name several actions of each.

    Boxes without a person are one person for each place in which they stand among those of their time.

    Raises:
        DataError: if the table does not name the video, or a person has two boxes at a time.
    """
    own = np.flatnonzero(boxes.video == video)
    if not len(own):
        known = ", ".join(sorted(set(boxes.video.tolist()))[:5])
        raise DataError(
            f"the table of boxes has no row for video '{video}'; it has {known or 'none'} (--video-id names another)"
        )
    found: dict[int, dict[float, np.ndarray]] = {}
    for time in np.unique(boxes.time[own]):
        n_unknown = 0
        placed: dict[tuple, int] = {}
        for i in own[boxes.time[own] == time]:
            key = (int(boxes.person[i]), *boxes.box[i].tolist())
            if key in placed:
                continue
            person = key[0]
            if person == NO_PERSON:
                person, n_unknown = n_unknown, n_unknown + 1
            placed[key] = person
            if float(time) in found.setdefault(person, {}):
                raise DataError(f"person {person} of video '{video}' has two boxes at {time:g} s")
            found[person][float(time)] = boxes.box[i]
    return [
        PersonTrack(person, np.array(list(rows)), np.stack(list(rows.values())).clip(0, 1))
        for person, rows in sorted(found.items())
    ]


@dataclass(frozen=True)
class Detection:
    """Who does what, where and from when to when.

    Args:
        label_names: K actions, in order.
        tracks: where each person is.
        actions: what each person does: `skelact.recognition.Segment` with the person's track id.
    """

    label_names: list[str]
    tracks: list[PersonTrack]
    actions: list[Segment]

    def doing(self, person: int, time: float) -> list[Segment]:
        """What a person does at a moment, the surest first."""
        now = [a for a in self.actions if a.person == person and a.start <= time < a.end]
        return sorted(now, key=lambda action: -action.score)

    def to_table(self, video: str, rate: float = 1.0) -> ActionBoxes:
        """A row for every person and action at whole multiples of ``1 / rate`` seconds; actions count from 1."""
        rows = []
        for track in self.tracks:
            for action in (a for a in self.actions if a.person == track.person):
                number = self.label_names.index(action.label) + 1
                for k in range(math.ceil(action.start * rate - 1e-9), math.ceil(action.end * rate - 1e-9)):
                    box = track.at(k / rate)
                    if box is not None:
                        rows.append((video, k / rate, box, number, action.score, track.person))
        rows.sort(key=lambda row: (row[1], row[5], row[3]))
        columns = list(zip(*rows, strict=True)) if rows else [()] * 6
        return ActionBoxes(*columns)

    def to_plain(self) -> dict:
        """The detection as plain containers: every action with the boxes of its person."""
        by_person = {track.person: track for track in self.tracks}
        tubes = []
        for action in self.actions:
            track = by_person[action.person]
            own = (track.times >= action.start) & (track.times < action.end)
            tubes.append(
                {
                    **asdict(action),
                    "times": np.round(track.times[own], 3).tolist(),
                    "boxes": np.round(track.boxes[own], 4).tolist(),
                }
            )
        return {"label_names": self.label_names, "tubes": tubes}


def locate(recognition: Recognition, tracks: Sequence[PersonTrack]) -> Detection:
    """What was recognised, with the place of who does it; what a group does is done by each of its people.

    An action is cut to the time in which its person is seen.
    """
    actions = []
    for track in tracks:
        key = track.person if track.person in recognition.people else -1
        first, last = float(track.times[0]), float(track.times[-1])
        step = float(np.median(np.diff(track.times))) if len(track.times) > 1 else 1 / 30
        for s in recognition.segments:
            start, end = max(s.start, first), min(s.end, last + step)
            if s.person == key and start < end:
                actions.append(Segment(track.person, s.label, start, end, s.score))
    return Detection(recognition.label_names, list(tracks), actions)
