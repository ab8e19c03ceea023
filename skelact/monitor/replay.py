"""Recorded skeletons watched as if they were seen live: falls without a video."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from skelact.layouts import SkeletonLayout
from skelact.monitor.actions import LiveActions
from skelact.monitor.falls import FallEvent, FallSettings, FallWatch
from skelact.monitor.flat import PictureMetres
from skelact.monitor.ground import BodyParts, Ground
from skelact.monitor.people import LivePerson
from skelact.skeleton import Skeleton

PICTURE, FOV = (640, 480), 60.0  # of 2D recordings that do not say


@dataclass(frozen=True)
class Replayed:
    """What came of one recording.

    Args:
        recording: which.
        events: in order, with times of the recording [s].
        seconds: that it lasts.
        judged: share of the frames with somebody in which hips and shoulders were seen.
    """

    recording: Skeleton
    events: list[FallEvent]
    seconds: float
    judged: float


def replay(
    recordings: Iterable[Skeleton],
    camera: Callable[[Skeleton], str] = lambda _: "",
    settings: FallSettings | None = None,
    actions: Callable[[int], LiveActions] | None = None,
) -> Iterator[Replayed]:
    """Watch recordings one after the other, as one stream for each camera.

    Floor and gravity are learned from all recordings of a camera so far; people are others in every recording. 2D
    recordings are put into metres by the sizes of bodies (`PictureMetres`).

    Args:
        recordings: in camera coordinates, metres or in the picture.
        camera: names the camera of a recording.
        settings: thresholds.
        actions: makes what a network says, for 2 or 3 coordinates a joint; None: physical evidence alone.
    """
    grounds: dict[tuple[str, SkeletonLayout], Ground] = {}
    for recording in recordings:
        key = camera(recording), recording.layout
        ground = grounds.setdefault(key, Ground(recording.layout))
        yield _replay_one(recording, ground, settings, actions)


def _replay_one(
    recording: Skeleton,
    ground: Ground,
    settings: FallSettings | None,
    make: Callable[[int], LiveActions] | None,
) -> Replayed:
    parts = BodyParts(recording.layout)
    times = (
        recording.time if recording.time is not None else np.arange(recording.xyz.shape[1]) / recording.fps
    )
    times = times - times[0]
    events: list[FallEvent] = []
    seen = judged = 0
    for xyz, score in zip(recording.xyz, recording.score, strict=True):
        watch = FallWatch(recording.layout, ground, settings)
        place = _Placer(recording)
        actions = None if make is None else make(2 if place.flat else 3)
        for time, joints, there in zip(times, xyz, score, strict=True):
            if not (there > 0).any():
                events += watch.see(None, None, float(time))
                continue
            seen += 1
            metres = place(joints, there, float(time))
            judged += metres is not None and parts.of(metres, there) is not None
            learned = 0.0
            if actions is not None and metres is not None:
                actions.ask(place, float(time), recording.fps)
                learned = actions.probability(0, "fall")
            events += watch.see(metres, there, float(time), learned)
        events += watch.finish(float(times[-1]))
    events.sort(key=lambda event: event.time)
    return Replayed(recording, events, float(times[-1]) + 1 / recording.fps, judged / max(seen, 1))


def replay_answers(recording: Skeleton, actions: LiveActions) -> list[tuple[np.ndarray, np.ndarray]]:
    """What a network says about each person of a recording, asked as it is live.

    Args:
        recording: in camera coordinates, metres or in the picture.
        actions: asked about nobody yet.

    Returns:
        for each person, the times ``[T]`` of the answers [s] and the probabilities ``[T, K]``.
    """
    times = (
        recording.time if recording.time is not None else np.arange(recording.xyz.shape[1]) / recording.fps
    )
    times = times - times[0]
    found = []
    for xyz, score in zip(recording.xyz, recording.score, strict=True):
        place = _Placer(recording)
        asked, answers = [], []
        last = None
        for time, joints, there in zip(times, xyz, score, strict=True):
            if (there > 0).any() and place(joints, there, float(time)) is not None:
                actions.ask(place, float(time), recording.fps)
                answer = actions.answer(0)
                if answer is not None and answer is not last:
                    last = answer
                    asked.append(float(time))
                    answers.append(answer)
        actions.leave(0, float(times[-1]))
        found.append((np.array(asked), np.array(answers).reshape(len(asked), len(actions.names))))
    return found


class _Placer:
    """One person of a recording in metres, frame by frame, and the last seconds for a network.

    Args:
        recording: of whom.
        seconds: that are kept.
    """

    def __init__(self, recording: Skeleton, seconds: float = 3.0) -> None:
        self.layout, self.seconds = recording.layout, seconds
        self.flat = recording.xyz.shape[3] == 2 or recording.unit in ("px", "image")
        info, (width, height) = recording.info, PICTURE
        size = (int(info.get("width", width)), int(info.get("height", height)))
        self.size = np.array(size)
        self.share = self.size if recording.unit != "image" else np.ones(2)
        self.metres = PictureMetres(recording.layout, size, FOV)
        self.person = LivePerson(0, 0.0)

    def __call__(self, joints: np.ndarray, score: np.ndarray, time: float) -> np.ndarray | None:
        """Metres ``[V, 3]`` of a frame's joints; None while the scale is not known."""
        person = self.person
        xyz = self.metres(joints[:, :2] / self.share, score, time) if self.flat else joints
        if xyz is None:
            return None
        person.seen = time
        person.past.append((time, xyz, score))
        if self.flat:
            person.pictures.append(joints[:, :2] / self.share * self.size)
        while person.past[0][0] < time - self.seconds:
            person.past.popleft()
            if self.flat:
                person.pictures.popleft()
        return xyz

    def here(self, time: float) -> list[LivePerson]:
        """The person, as `LivePeople` lists those who are seen."""
        return [self.person] if self.person.seen == time else []
