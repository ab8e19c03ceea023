"""Taught gestures on a live source: named as they end, and taught by who stands before the camera."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import ConfigError, SkelactError
from skelact.layouts import SkeletonLayout
from skelact.monitor.log import Event
from skelact.recognition.taught import LEAST_EXAMPLES, Vocabulary
from skelact.recognition.taught_examples import Example, make_example
from skelact.recognition.taught_live import LiveGestures, Spotted
from skelact.skeleton import Skeleton

logger = logging.getLogger(__name__)
SHOWN = 2.0  # seconds for which a gesture is shown
MOST_SECONDS = 8.0  # of an example
_LOST = 1.0  # seconds without somebody after which what is recorded of them is given up


class SharedVocabulary:
    """A vocabulary that several cameras use and that the page teaches.

    Args:
        path: the file, which is written when a gesture was taught; made if it is not there.

    Raises:
        SkelactError: if it is damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.vocabulary = Vocabulary.load(path) if self.path.exists() else Vocabulary()
        self.lock = threading.RLock()
        self.version = 0
        self.said = ""  # what became of the last example
        self._waiting: dict[str, list[Example]] = {}

    def check_name(self, name: str) -> str:
        """A gesture's name without blanks around it.

        Raises:
            ConfigError: if it is none.
        """
        name = name.strip()
        if not name or len(name) > 60 or not name.isprintable():
            raise ConfigError("a gesture's name has 1 to 60 characters that can be printed")
        return name

    def take(self, name: str, recording: Skeleton) -> None:
        """Take an example; with enough of them the gesture is taught, and the file is written."""
        with self.lock:
            try:
                self._take(name, recording)
            except SkelactError as error:
                self.said = f"{name}: {error}"
            self.version += 1

    def refuse(self, text: str) -> None:
        """Say why there is no example."""
        with self.lock:
            self.said = text
            self.version += 1

    def _take(self, name: str, recording: Skeleton) -> None:
        example = make_example(recording)
        known = name in self.vocabulary.gestures
        waiting = [*self._waiting.get(name, []), example]
        if not known and len(waiting) < LEAST_EXAMPLES:
            self._waiting[name] = waiting
            left = LEAST_EXAMPLES - len(waiting)
            self.said = (
                f"{name}: example {len(waiting)} recorded, {left} more {'is' if left == 1 else 'are'} needed"
            )
            return
        self._waiting.pop(name, None)  # if they are refused, they are recorded again
        notes = self.vocabulary.add(name, waiting, more=True)
        self.vocabulary.save(self.path)
        n = len(self.vocabulary.gestures[name].examples)
        self.said = f"{name}: taught with {n} examples" + (f"; {'; '.join(notes)}" if notes else "")

    def status(self) -> dict[str, Any]:
        """What the page shows."""
        with self.lock:
            return {
                "version": self.version,
                "said": self.said,
                "gestures": {g.name: len(g.examples) for g in self.vocabulary.gestures.values()},
                "waiting": {name: len(examples) for name, examples in self._waiting.items()},
            }


@dataclass
class _Recording:
    name: str
    seconds: float
    frames: list[tuple[float, np.ndarray, np.ndarray]] = field(default_factory=list)
    asked: float = np.nan


class GestureWatch:
    """Names the taught gestures of everybody whom a camera sees.

    Args:
        source: name of the camera, in events.
        layout: of the joints, in metres.
        shared: the vocabulary.
        wall: seconds since 1970 at time 0 of a live source; None: a file.
    """

    def __init__(
        self, source: str, layout: SkeletonLayout, shared: SharedVocabulary, wall: float | None = None
    ) -> None:
        self.source, self.layout, self.shared, self.wall = source, layout, shared, wall
        self._live: dict[int, LiveGestures] = {}
        self._shown: dict[int, Spotted] = {}
        self._recordings: dict[int, _Recording] = {}
        self._lock = threading.Lock()

    def record(self, track: int, name: str, seconds: float) -> None:
        """Take the next seconds of somebody as an example of a gesture; called by the page.

        Raises:
            ConfigError: for a name or a time that cannot be, or somebody who is being recorded.
        """
        name = self.shared.check_name(name)
        if not 0.5 <= seconds <= MOST_SECONDS:
            raise ConfigError(f"an example takes 0.5 to {MOST_SECONDS:g} seconds, got {seconds:g}")
        with self._lock:
            if track in self._recordings:
                raise ConfigError(f"person {track} is being recorded; wait until it is over")
            self._recordings[track] = _Recording(name, seconds)

    def recording(self) -> dict[int, str]:
        """Who is being recorded, and which gesture."""
        with self._lock:
            return {track: one.name for track, one in self._recordings.items()}

    def see(self, people: Mapping[int, tuple[np.ndarray, np.ndarray]], time: float) -> list[Event]:
        """Take a frame.

        Args:
            people: by track, joints ``[V, 3]`` in metres and scores ``[V]`` of who is seen.
            time: seconds of the source.

        Returns:
            the gestures that are known with it, as events of kind ``gesture``.
        """
        self._record(people, time)
        events = []
        with self.shared.lock:
            for track, (xyz, score) in people.items():
                if track not in self._live:
                    self._live[track] = LiveGestures(self.shared.vocabulary, self.layout)
                for one in self._live[track].push(time, xyz, score):
                    self._shown[track] = one
                    events.append(self._event(track, one))
        return events

    def current(self, track: int, time: float) -> tuple[str, float] | None:
        """The gesture that somebody has just made, and how like its examples it was."""
        one = self._shown.get(track)
        return None if one is None or time - one.decided > SHOWN else (one.name, one.score)

    def leave(self, track: int) -> None:
        """Somebody is gone for good."""
        self._live.pop(track, None)
        self._shown.pop(track, None)

    def _record(self, people: Mapping[int, tuple[np.ndarray, np.ndarray]], time: float) -> None:
        with self._lock:
            recordings = list(self._recordings.items())
        for track, one in recordings:
            if np.isnan(one.asked):
                one.asked = time
            if track in people:
                xyz, score = people[track]
                one.frames.append((time, xyz.copy(), score.copy()))
            last = one.frames[-1][0] if one.frames else one.asked
            if time - last > _LOST:
                self._end(track)
                self.shared.refuse(f"{one.name}: person {track} is not seen any more; nothing was recorded")
            elif one.frames and time - one.frames[0][0] >= one.seconds:
                self._end(track)
                self.shared.take(one.name, self._skeleton(one))

    def _end(self, track: int) -> None:
        with self._lock:
            self._recordings.pop(track, None)

    def _skeleton(self, one: _Recording) -> Skeleton:
        times = np.array([t for t, _, _ in one.frames])
        xyz, score = (np.stack([f[i] for f in one.frames])[None].astype(np.float32) for i in (1, 2))
        fps = float(1 / np.median(np.diff(times))) if len(times) > 1 else 30.0
        return Skeleton(xyz, score, self.layout, fps, id=f"an example of {one.name}", time=times - times[0])

    def _event(self, track: int, one: Spotted) -> Event:
        at = None if self.wall is None else self.wall + one.start
        score = float(np.clip(one.score, 0, 1))
        return Event(
            self.source, "gesture", one.name, track, one.start, one.end, at, score, f"gesture {one.name}"
        )


class Gestures:
    """The gesture watches of every camera, for the page.

    Args:
        shared: the vocabulary.
    """

    def __init__(self, shared: SharedVocabulary) -> None:
        self.shared = shared
        self._watches: dict[str, GestureWatch] = {}

    def watch(self, source: str, layout: SkeletonLayout, wall: float | None) -> GestureWatch:
        """A new watch of a camera; the one before is forgotten."""
        self._watches[source] = GestureWatch(source, layout, self.shared, wall)
        return self._watches[source]

    def record(self, camera: str, track: int, name: str, seconds: float) -> None:
        """Take the next seconds of somebody before a camera as an example.

        Raises:
            ConfigError: if the camera gives no pictures yet, or as `GestureWatch.record`.
        """
        if camera not in self._watches:
            raise ConfigError(f"camera '{camera}' gives no pictures yet")
        self._watches[camera].record(track, name, seconds)

    def status(self) -> dict[str, Any]:
        """What the page shows: gestures, who is recorded, what became of the last example."""
        recording = [
            {"camera": camera, "person": track, "gesture": name}
            for camera, watch in list(self._watches.items())
            for track, name in watch.recording().items()
        ]
        return {**self.shared.status(), "recording": recording}
