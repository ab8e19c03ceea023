"""Taught gestures spotted as frames come: windows of the gestures' lengths that end now, a few times a second."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
import torch

from skelact.layouts import SkeletonLayout
from skelact.recognition.taught import Vocabulary
from skelact.recognition.taught_examples import Example, cut_example, frame_times
from skelact.skeleton import Skeleton
from skelact.transforms.gesture_form import (
    ASPECT,
    LEFT_HAND,
    N_JOINTS,
    N_STEPS,
    RIGHT_HAND,
    J,
    frame_form,
    picture_aspect,
    resample,
)

STRIDE = 0.1  # seconds between two questions
WAIT = 0.1  # seconds without a better answer after which the best is believed
DROP = 0.05  # a score that has fallen by this is decided upon at once
LENGTHS = (0.75, 1.0, 1.3)  # of the gestures' usual times
MOST_WINDOWS = 6
CALM = 0.3  # seconds that must lie between two times of one gesture; what goes on longer is one


@dataclass(frozen=True)
class Spotted:
    """A gesture that was seen.

    Args:
        name: which.
        start, end: seconds.
        decided: seconds at which it was known.
        score: at its best, -1..1.
    """

    name: str
    start: float
    end: float
    decided: float
    score: float


class LiveGestures:
    """Spots taught gestures of one person.

    Args:
        vocabulary: the gestures.
        layout: of the frames that are pushed.
        unit: of their joints.
        aspect: width : height of the picture, for unit ``image``.
        stride: seconds between two questions.

    Raises:
        LayoutError: if the layout has neither arm nor hand.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        layout: SkeletonLayout | str,
        unit: str = "m",
        aspect: float = ASPECT,
        stride: float = STRIDE,
    ) -> None:
        self.vocabulary, self.layout, self.unit, self.aspect, self.stride = (
            vocabulary,
            layout,
            unit,
            aspect,
            stride,
        )
        frame_form(
            np.zeros((1, _joints(layout), 3), np.float32), np.zeros((1, _joints(layout)), np.float32), layout
        )
        self.reset()

    def reset(self) -> None:
        """Forget what was seen: another person."""
        self._frames: deque[tuple[float, np.ndarray, np.ndarray]] = deque()
        self._asked = -np.inf
        self._best: Spotted | None = None
        self._over = -np.inf  # time of the last answer above the threshold of what was decided last
        self._last: Spotted | None = None
        self.scores: dict[str, float] = {}
        self._set_lengths()

    def _set_lengths(self) -> None:
        """The windows' lengths ``[L]``, and which gesture may be seen in which ``[L, K]``."""
        usual = np.array([g.seconds for g in self.vocabulary.gestures.values()])
        self._names = self.vocabulary.names
        if not len(usual):
            self._lengths, self._fits = np.zeros(0), np.zeros((0, 0), bool)
            return
        wanted = np.unique(np.floor(100 * np.outer(usual, LENGTHS).ravel() + 0.5) / 100)
        while len(wanted) > MOST_WINDOWS:  # join the two nearest, in proportion
            near = int(np.argmin(np.diff(np.log(wanted))))
            wanted = np.concatenate(
                [wanted[:near], [np.sqrt(wanted[near] * wanted[near + 1])], wanted[near + 2 :]]
            )
        self._lengths = wanted
        ratio = wanted[:, None] / usual
        self._fits = (ratio >= 0.6) & (ratio <= 1.5)
        for k in np.flatnonzero(~self._fits.any(0)):
            self._fits[int(np.argmin(np.abs(np.log(ratio[:, k])))), k] = True

    def push(self, time: float, xyz: np.ndarray, score: np.ndarray) -> list[Spotted]:
        """Take a frame.

        Args:
            time: seconds, increasing; a frame that is not later than the one before is left out.
            xyz: ``[V, C]`` joints.
            score: ``[V]``, 0 is missing.

        Returns:
            the gestures that are known with this frame.
        """
        if self._names != self.vocabulary.names:
            self._set_lengths()  # taught meanwhile
        if self._frames and time <= self._frames[-1][0]:
            return []
        joints, present = frame_form(xyz[None], score[None], self.layout, self.unit, self.aspect)
        self._frames.append((time, joints[0], present[0]))
        longest = float(self._lengths.max()) + 0.5 if len(self._lengths) else 3.0
        while self._frames[0][0] < time - longest:
            self._frames.popleft()
        if not len(self._lengths) or time - self._asked < self.stride - 1e-6:
            return []
        self._asked = time
        return self._take(time, self._ask(time))

    def _ask(self, time: float) -> tuple[np.ndarray, np.ndarray]:
        """The best score of every gesture ``[K]`` and the length of its window ``[K]``."""
        begin = self._frames[0][0]
        usable = [length for length in self._lengths if time - begin >= 0.7 * length]
        k = len(self._names)
        if not usable or len(self._frames) < 4:
            return np.full(k, -1.0), np.zeros(k)
        xyz = torch.from_numpy(np.stack([f[1] for f in self._frames])).float()
        present = torch.from_numpy(np.stack([f[2] for f in self._frames])).float()
        hands = present[:, [J["left_wrist"], J["right_wrist"], LEFT_HAND, RIGHT_HAND]].amax(1)
        if float(hands[-max(2, len(hands) // 3) :].mean()) < 0.2:
            return np.full(k, -1.0), np.zeros(k)
        times = torch.tensor([f[0] - begin for f in self._frames]).float()
        n = len(usable)
        start = torch.tensor([max(0.0, time - begin - length) for length in usable]).float()
        windows, there = resample(
            xyz.expand(n, *xyz.shape), present.expand(n, *present.shape), times.expand(n, -1), start,
            torch.full((n,), float(times[-1])), N_STEPS,
        )  # fmt: skip
        scores = self.vocabulary.scores(self.vocabulary.encode(windows.numpy(), there.numpy()))
        scores = np.where(self._fits[np.isin(self._lengths, usable)], scores, -1.0)
        which = scores.argmax(0)
        return scores.max(0), np.array(usable)[which]

    def _take(self, time: float, found: tuple[np.ndarray, np.ndarray]) -> list[Spotted]:
        scores, lengths = found
        self.scores = dict(zip(self._names, map(float, scores), strict=True))
        thresholds = np.array([g.threshold for g in self.vocabulary.gestures.values()])
        margin = scores - thresholds
        best = int(np.argmax(scores))
        passed = margin[best] >= 0
        if self._last is not None and self._names[best] == self._last.name and passed:
            start = time - float(lengths[best])
            if time - self._over <= CALM or start < self._last.end + CALM:  # it goes on, or is seen again
                self._over = max(self._over, time)
                return self._decide(time, -1.0)
        if passed:
            one = Spotted(self._names[best], time - float(lengths[best]), time, time, float(scores[best]))
            clear = self._last is None or one.start >= self._last.end - 0.5 * (one.end - one.start)
            if clear and (self._best is None or one.score > self._best.score):
                self._best = one
        current = float(scores[self._names.index(self._best.name)]) if self._best is not None else -1.0
        return self._decide(time, current)

    def _decide(self, time: float, current: float) -> list[Spotted]:
        best = self._best
        if best is None or (time - best.end < WAIT - 1e-6 and current > best.score - DROP):
            return []
        self._best = None
        self._last = Spotted(best.name, best.start, best.end, time, best.score)
        self._over = time
        return [self._last]

    def finish(self) -> list[Spotted]:
        """The source has ended; what was about to be decided is."""
        time = self._frames[-1][0] if self._frames else 0.0
        return self._decide(time + WAIT, -1.0)


def _joints(layout: SkeletonLayout | str) -> int:
    from skelact.layouts import get_layout

    return len(get_layout(layout))


def spot_gestures(vocabulary: Vocabulary, skeleton: Skeleton, person: int = 0) -> list[Spotted]:
    """Every taught gesture that one person of a recording makes.

    Raises:
        ConfigError: if no gesture was taught.
        LayoutError: if the recording does not show the joints that the gestures were taught with.
    """
    times = frame_times(skeleton)
    xyz, score = skeleton.xyz[person], skeleton.score[person]
    joints, present = frame_form(xyz, score, skeleton.layout, skeleton.unit, picture_aspect(skeleton))
    whole: Example = cut_example(
        joints, present, times - times[0], 0.0, float(times[-1] - times[0]), skeleton.layout.name
    )
    vocabulary.recognise(whole)  # refuses what does not fit
    assert joints.shape[1] == N_JOINTS
    live = LiveGestures(vocabulary, skeleton.layout, skeleton.unit, picture_aspect(skeleton))
    found: list[Spotted] = []
    for t, x, s in zip(times, xyz, score, strict=True):
        found += live.push(float(t), x, s)
    return found + live.finish()
