"""What each person does now: the network's answers over a window that slides, made calm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from skelact.layouts import SkeletonLayout
from skelact.monitor.people import LivePerson
from skelact.recognition import Recogniser, fit_input


class Crowd(Protocol):
    """Who is seen: `LivePeople`, or somebody out of a recording."""

    layout: SkeletonLayout

    def here(self, time: float) -> list[LivePerson]:
        """Who is seen in the frame of that time."""
        ...


@dataclass(frozen=True)
class ActionChange:
    """Somebody has stopped doing something.

    Args:
        person: track.
        label: what it was.
        start, end: seconds.
        score: mean probability.
    """

    person: int
    label: str
    start: float
    end: float
    score: float


@dataclass
class _Now:
    asked: float = -np.inf
    smooth: np.ndarray | None = None
    raw: np.ndarray | None = None
    label: int = -1
    since: float = 0.0
    total: float = 0.0
    n: int = 0
    rival: int = -1
    rounds: int = 0


class LiveActions:
    """Asks a network about the last seconds of everybody, a few times a second.

    Probabilities are averaged over the last answers; another action is believed when it leads in ``rounds`` answers one
    after the other and reaches ``least``.

    Args:
        recogniser: of a checkpoint for one person, such as the everyday one.
        stride: seconds between two questions about somebody.
        share: of a new answer in the running mean.
        least: probability from which on an action is said.
        rounds: answers that must agree.
        minimum: seconds that must have been seen before somebody is asked about.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        stride: float = 0.4,
        share: float = 0.5,
        least: float = 0.35,
        rounds: int = 2,
        minimum: float = 0.8,
    ) -> None:
        self.recogniser, self.stride, self.share, self.least = recogniser, stride, share, least
        self.rounds, self.minimum = rounds, minimum
        self.names = recogniser.card.label_names
        self.window = recogniser.card.clip_seconds
        self._now: dict[int, _Now] = {}

    def ask(self, people: Crowd, time: float, fps: float) -> list[ActionChange]:
        """Ask about everybody whose turn it is; returns the actions that have ended."""
        changes = []
        for person in people.here(time):
            now = self._now.setdefault(person.track, _Now())
            if time - now.asked < self.stride or time - person.past[0][0] < self.minimum:
                continue
            now.asked = time
            answer = self._answer(person, people, fps)
            if answer is not None:
                changes += self._take(person.track, now, answer, time)
        return changes

    def probability(self, track: int, label: str) -> float:
        """The last answer's probability of an action; 0 if nothing was said."""
        now = self._now.get(track)
        if now is None or now.raw is None or label not in self.names:
            return 0.0
        return float(now.raw[self.names.index(label)])

    def current(self, track: int) -> tuple[str, float] | None:
        """What somebody does now and how sure that is; None if it is not known."""
        now = self._now.get(track)
        if now is None or now.label < 0 or now.smooth is None:
            return None
        return self.names[now.label], float(now.smooth[now.label])

    def leave(self, track: int, time: float) -> list[ActionChange]:
        """Somebody is gone; their action has ended."""
        now = self._now.pop(track, None)
        return [] if now is None else self._end(track, now, time)

    def _answer(self, person: LivePerson, people: Crowd, fps: float) -> np.ndarray | None:
        recording = person.recording(people.layout, self.window, fps)
        if recording is None or not (recording.score > 0).any():
            return None
        fitted, _ = fit_input(recording, self.recogniser.card, self.recogniser.pipeline)
        if not (fitted.score > 0).any():
            return None
        found = self.recogniser.recognise(fitted, window=10 * self.window, mode="group")
        return found.probabilities[0][0]

    def _take(self, track: int, now: _Now, answer: np.ndarray, time: float) -> list[ActionChange]:
        now.raw = answer
        now.smooth = answer if now.smooth is None else now.smooth + self.share * (answer - now.smooth)
        best = int(now.smooth.argmax())
        if best == now.label:
            now.rival, now.rounds = -1, 0
        elif now.smooth[best] >= self.least:
            now.rounds = now.rounds + 1 if best == now.rival else 1
            now.rival = best
            if now.rounds >= self.rounds:
                return self._change(track, now, best, time)
        if now.label >= 0:
            now.total += float(now.smooth[now.label])
            now.n += 1
        return []

    def _change(self, track: int, now: _Now, label: int, time: float) -> list[ActionChange]:
        begun = max(now.since, time - 0.5 * self.window) if now.label >= 0 else time - self.minimum
        ended = self._end(track, now, begun)
        assert now.smooth is not None
        now.label, now.since, now.total, now.n = label, begun, float(now.smooth[label]), 1
        now.rival, now.rounds = -1, 0
        return ended

    def _end(self, track: int, now: _Now, time: float) -> list[ActionChange]:
        if now.label < 0:
            return []
        score = now.total / max(now.n, 1)
        return [ActionChange(track, self.names[now.label], now.since, max(time, now.since), score)]
