"""What each person does now: the network's answers over a window that slides, made calm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from skelact.evaluate.events import TimedEvent
from skelact.layouts import SkeletonLayout
from skelact.monitor.action_rules import ActionRules, RuledActions
from skelact.monitor.people import LivePerson
from skelact.recognition import Recogniser, fit_input
from skelact.recognition.unknown import UNKNOWN

_UNKNOWN = -2  # label of an answer that is refused; -1: nothing was said


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


class PersonActions(Protocol):
    """Makes answers about one person calm: `LeadingAction`, or `RuledActions`."""

    def take(self, answer: np.ndarray, time: float) -> list[TimedEvent]:
        """A network's answer ``[K]`` at a moment [s]; returns what has ended."""
        ...

    def current(self) -> tuple[str, float] | None:
        """What goes on, and how sure that is."""
        ...

    def end(self, time: float) -> list[TimedEvent]:
        """They are gone."""
        ...


class LeadingAction:
    """The action that leads the running mean of the answers, when it has led often enough.

    Args:
        names: of the classes.
        window: seconds that a network sees.
        share, least, rounds, minimum, unknown: see `LiveActions`.
    """

    def __init__(
        self,
        names: Sequence[str],
        window: float,
        share: float,
        least: float,
        rounds: int,
        minimum: float,
        unknown: float = 0.0,
    ) -> None:
        self.names, self.window, self.share, self.least = names, window, share, least
        self.rounds, self.minimum, self.unknown = rounds, minimum, unknown
        self._smooth: np.ndarray | None = None
        self._label, self._rival, self._led = -1, -1, 0
        self._since = self._total = 0.0
        self._n = 0

    def take(self, answer: np.ndarray, time: float) -> list[TimedEvent]:
        self._smooth = answer if self._smooth is None else self._smooth + self.share * (answer - self._smooth)
        best = int(self._smooth.argmax())
        refused = self._smooth[best] < self.unknown
        best = _UNKNOWN if refused else best
        if best == self._label:
            self._rival, self._led = -1, 0
        elif refused or self._smooth[best] >= self.least:
            self._led = self._led + 1 if best == self._rival else 1
            self._rival = best
            if self._led >= self.rounds:
                return self._change(best, time, self._smooth)
        if self._label >= 0:
            self._total += float(self._smooth[self._label])
            self._n += 1
        return []

    def current(self) -> tuple[str, float] | None:
        if self._label == -1 or self._smooth is None:
            return None
        if self._label == _UNKNOWN:
            return UNKNOWN, float(self._smooth.max())
        return self.names[self._label], float(self._smooth[self._label])

    def end(self, time: float) -> list[TimedEvent]:
        if self._label < 0:
            return []
        score = self._total / max(self._n, 1)
        return [TimedEvent(self.names[self._label], self._since, max(time, self._since), score)]

    def _change(self, label: int, time: float, smooth: np.ndarray) -> list[TimedEvent]:
        begun = max(self._since, time - 0.5 * self.window) if self._label != -1 else time - self.minimum
        ended = self.end(begun)
        self._label, self._since, self._total, self._n = label, begun, float(smooth[max(label, 0)]), 1
        self._rival, self._led = -1, 0
        return ended


@dataclass
class _Asked:
    """The last answer about somebody."""

    says: PersonActions
    time: float = -np.inf
    raw: np.ndarray | None = None


class LiveActions:
    """Asks a network about the last seconds of everybody, a few times a second.

    Probabilities are averaged over the last answers; another action is believed when it leads in ``rounds`` answers one
    after the other and reaches ``least``. With ``rules``, thresholds of each class decide instead.

    Args:
        recogniser: of a checkpoint for one person, such as the everyday one.
        stride: seconds between two questions about somebody.
        share: of a new answer in the running mean.
        least: probability from which on an action is said.
        rounds: answers that must agree.
        minimum: seconds that must have been seen before somebody is asked about.
        rules: say when an action is one, instead of ``share``, ``least`` and ``rounds``; None: these do.
        unknown: probability below which somebody does what the network does not know, without ``rules``; that is shown,
            and no event (``skelact evaluate --fit-unknown`` fits it).
    """

    def __init__(
        self,
        recogniser: Recogniser,
        stride: float = 0.4,
        share: float = 0.5,
        least: float = 0.35,
        rounds: int = 2,
        minimum: float = 0.8,
        rules: ActionRules | None = None,
        unknown: float = 0.0,
    ) -> None:
        self.recogniser, self.stride, self.share, self.least = recogniser, stride, share, least
        self.rounds, self.minimum, self.rules, self.unknown = rounds, minimum, rules, unknown
        self.names = recogniser.card.label_names
        self.window = recogniser.card.clip_seconds
        self.delay = 0.5 * self.window  # an answer is about the middle of what was seen
        self._asked: dict[int, _Asked] = {}

    def ask(self, people: Crowd, time: float, fps: float) -> list[ActionChange]:
        """Ask about everybody whose turn it is; returns the actions that have ended."""
        changes = []
        for person in people.here(time):
            asked = self._asked.get(person.track)
            if asked is None:
                asked = self._asked[person.track] = _Asked(self._begin())
            if time - asked.time < self.stride or time - person.past[0][0] < self.minimum:
                continue
            asked.time = time
            answer = self._answer(person, people, fps)
            if answer is not None:
                asked.raw = answer
                changes += [_change(person.track, event) for event in asked.says.take(answer, time)]
        return changes

    def probability(self, track: int, label: str) -> float:
        """The last answer's probability of an action; 0 if nothing was said."""
        asked = self._asked.get(track)
        if asked is None or asked.raw is None or label not in self.names:
            return 0.0
        return float(asked.raw[self.names.index(label)])

    def answer(self, track: int) -> np.ndarray | None:
        """The last answer's probabilities ``[K]``; None if nothing was said."""
        asked = self._asked.get(track)
        return None if asked is None else asked.raw

    def current(self, track: int) -> tuple[str, float] | None:
        """What somebody does now and how sure that is; None if it is not known."""
        asked = self._asked.get(track)
        return None if asked is None else asked.says.current()

    def change_rules(self, rules: ActionRules | None, time: float) -> list[ActionChange]:
        """Go on by other rules; returns the actions that end with the old ones."""
        self.rules, changes = rules, []
        for track, asked in self._asked.items():
            changes += [_change(track, event) for event in asked.says.end(time)]
            asked.says = self._begin()
        return changes

    def leave(self, track: int, time: float) -> list[ActionChange]:
        """Somebody is gone; their action has ended."""
        asked = self._asked.pop(track, None)
        return [] if asked is None else [_change(track, event) for event in asked.says.end(time)]

    def _begin(self) -> PersonActions:
        if self.rules is not None:
            return RuledActions(self.names, self.rules, self.delay)
        return LeadingAction(
            self.names, self.window, self.share, self.least, self.rounds, self.minimum, self.unknown
        )

    def _answer(self, person: LivePerson, people: Crowd, fps: float) -> np.ndarray | None:
        recording = person.recording(people.layout, self.window, fps)
        if recording is None or not (recording.score > 0).any():
            return None
        fitted, _ = fit_input(recording, self.recogniser.card, self.recogniser.pipeline)
        if not (fitted.score > 0).any():
            return None
        found = self.recogniser.recognise(fitted, window=10 * self.window, mode="group")
        return found.probabilities[0][0]


def _change(track: int, event: TimedEvent) -> ActionChange:
    return ActionChange(track, event.label, event.start, event.end, event.score)
