"""Activities from quantised poses by hidden Markov models, one for each (Jalal, Kamal and Kim, Sensors 2014)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from skelact.errors import CheckpointError, DataError
from skelact.models.classical.body_motion import (
    GROUPS,
    PARTS,
    UP,
    BodyMotion,
    body_motion,
    frame_features,
)
from skelact.models.classical.hidden_markov import (
    HiddenMarkov,
    backward,
    baum_welch,
    forward,
    join_models,
    left_right,
    viterbi,
)
from skelact.nn.kmeans import fit_codebook
from skelact.recognition.array_file import read_arrays, write_arrays
from skelact.skeleton import Skeleton

# Which groups of joints are quantised together; each line is a stream of symbols.
STREAMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "body": (tuple(GROUPS),),
    "halves": (tuple(GROUPS), ("trunk", "left leg", "right leg"), ("left arm", "right arm")),
    "limbs": tuple((group,) for group in GROUPS),
}
_MAKER = "skelact learn-activities"
_SAMPLE = 8_000  # frames that a codebook is learned from at most
_BREAK = 1.0  # seconds without somebody that part a log


@dataclass(frozen=True)
class ActivitySettings:
    """How activities are modelled.

    Args:
        codes: of each codebook.
        states: of each activity's left-right model.
        streams: a name of `STREAMS`.
        rate: frames a second.
        smooth: count added to every symbol.
        rounds: of Baum-Welch, at most.
        seed: of the codebooks.
    """

    codes: int = 128
    states: int = 4
    streams: str = "halves"
    rate: float = 15.0
    smooth: float = 0.1
    rounds: int = 10
    seed: int = 0


@dataclass(frozen=True)
class Activity:
    """A stretch of a log: what, from when to when (seconds), and its mean posterior probability."""

    label: str
    start: float
    end: float
    score: float


class ActivityModel:
    """Codebooks and a hidden Markov model for each activity.

    Args:
        label_names: of the K activities.
        books: a codebook ``[codes, D]`` for each stream.
        models: K of them.
        seconds: ``[K]`` how long each lasts in the mean.
        settings: see `ActivitySettings`.
    """

    def __init__(
        self, label_names: Sequence[str], books: Sequence[np.ndarray], models: Sequence[HiddenMarkov],
        seconds: np.ndarray, settings: ActivitySettings,
    ) -> None:  # fmt: skip
        self.label_names, self.books, self.models = list(label_names), list(books), list(models)
        self.seconds, self.settings = np.asarray(seconds, np.float64), settings

    @classmethod
    def fit(
        cls,
        motions: Sequence[BodyMotion],
        labels: Sequence[str],
        settings: ActivitySettings | None = None,
    ) -> ActivityModel:
        """Learn from one recording of one activity each.

        Args:
            motions: of one person each, at the settings' rate.
            labels: what each shows.
            settings: see `ActivitySettings`.

        Raises:
            DataError: without recordings.
        """
        settings = settings or ActivitySettings()
        if not motions:
            raise DataError("activities need recordings to learn from, got none")
        rng = np.random.default_rng(settings.seed)
        streams = [_streams(m, settings.streams) for m in motions]
        books = []
        for g in range(len(streams[0])):
            frames = np.concatenate([one[g] for one in streams])
            if len(frames) > _SAMPLE:
                frames = frames[rng.choice(len(frames), _SAMPLE, replace=False)]
            books.append(fit_codebook(frames, min(settings.codes, len(frames)), settings.seed, rounds=20))
        names = sorted(set(labels))
        symbols = [_quantise(one, books) for one in streams]
        models, seconds = [], []
        for name in names:
            own = [s for s, label in zip(symbols, labels, strict=True) if label == name]
            first = left_right(settings.states, own, len(books[0]))
            models.append(baum_welch(first, own, settings.rounds, smooth=settings.smooth)[0])
            seconds.append(np.mean([len(s) for s in own]) / settings.rate)
        return cls(names, books, models, np.array(seconds), settings)

    def motion(self, skeleton: Skeleton, person: int = 0, up: np.ndarray = UP) -> BodyMotion:
        """The motion of one person of a recording as `fit` and the others take it."""
        return body_motion(skeleton, person, self.settings.rate, up)

    def log_likelihoods(self, motion: BodyMotion) -> np.ndarray:
        """Of a recording of one activity under each model, ``[K]``."""
        symbols = self._symbols(motion)
        frames = np.stack([m.frames(symbols) for m in self.models])
        start, transition = (np.stack([getattr(m, n) for m in self.models]) for n in ("start", "transition"))
        last = forward(start, transition, frames)[:, -1]
        return np.logaddexp.reduce(last, 1)

    def recognise(self, motion: BodyMotion) -> str:
        """The activity whose model makes a recording likeliest."""
        return self.label_names[int(self.log_likelihoods(motion).argmax())]

    def log(self, motion: BodyMotion) -> list[Activity]:
        """What somebody did one after the other: the Viterbi path over the activities.

        Args:
            motion: of a whole recording. Where the body is not seen for a second nothing is logged.

        Returns:
            activities with seconds from the recording's beginning.
        """
        symbols, rate = self._symbols(motion), self.settings.rate
        start, transition = join_models(self.models, list(self.seconds * rate))
        owner = np.repeat(np.arange(len(self.models)), [len(m.start) for m in self.models])
        out: list[Activity] = []
        for first, last in _runs(motion.seen, round(_BREAK * rate)):
            frames = np.concatenate([m.frames(symbols[first:last]) for m in self.models], -1)
            path = owner[viterbi(start, transition, frames)[0]]
            posterior = _posterior(start, transition, frames, owner)
            edges = [0, *np.flatnonzero(np.diff(path)) + 1, len(path)]
            for a, b in itertools.pairwise(edges):
                score = float(posterior[a:b, path[a]].mean())
                out.append(Activity(self.label_names[path[a]], (first + a) / rate, (first + b) / rate, score))
        return out

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the model as one safetensors file.

        Raises:
            DataError: if it cannot be written.
        """
        arrays = {f"book{g}": book for g, book in enumerate(self.books)} | {
            "start": np.stack([m.start for m in self.models]),
            "transition": np.stack([m.transition for m in self.models]),
            "emission": np.stack([m.emission for m in self.models]),
            "seconds": self.seconds,
        }
        card = {"label_names": self.label_names, "settings": asdict(self.settings)}
        return write_arrays(path, "activities", card, arrays)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> ActivityModel:
        """Read a model that `save` has written.

        Raises:
            CheckpointError: if it is not there, damaged, or something else.
        """
        card, arrays = read_arrays(path, "activities", _MAKER)
        try:
            settings, names = ActivitySettings(**card["settings"]), [str(n) for n in card["label_names"]]
            books = [arrays[f"book{g}"] for g in range(len(STREAMS[settings.streams]))]
            parts = [arrays[name] for name in ("start", "transition", "emission", "seconds")]
            if not names or any(len(part) != len(names) for part in parts):
                raise ValueError("the number of activities")
            models = [HiddenMarkov(*each) for each in zip(*parts[:3], strict=True)]
            if [b.shape[1:] for b in books] != _widths(settings.streams):
                raise ValueError("the width of the codebooks")
            if {len(b) for b in books} != {parts[2].shape[-1]} or parts[2].shape[1] != len(books):
                raise ValueError("the sizes of the codebooks")
            if not (parts[3] > 0).all() or not settings.rate > 0:
                raise ValueError("the durations")
            return cls(names, books, models, parts[3], settings)
        except (KeyError, TypeError, ValueError, IndexError, DataError) as error:
            raise CheckpointError(
                f"{path} is damaged ({type(error).__name__}: {error}); make it again with {_MAKER}"
            ) from None

    def _symbols(self, motion: BodyMotion) -> np.ndarray:
        if motion.rate != self.settings.rate:
            raise DataError(f"the model takes {self.settings.rate:g} frames a second, got {motion.rate:g}")
        return _quantise(_streams(motion, self.settings.streams), self.books)


def _streams(motion: BodyMotion, way: str) -> list[np.ndarray]:
    features = frame_features(motion)
    return [np.concatenate([features[g] for g in groups], 1) for groups in STREAMS[way]]


def _widths(way: str) -> list[tuple[int]]:
    still = np.zeros((1, len(PARTS), 3))
    lone = BodyMotion(1.0, still, still, still[:, 0], still[:, 0], np.ones(1, bool))
    return [(stream.shape[1],) for stream in _streams(lone, way)]


def _quantise(streams: Sequence[np.ndarray], books: Sequence[np.ndarray]) -> np.ndarray:
    from scipy.cluster.vq import vq

    return np.stack([vq(x, book)[0] for x, book in zip(streams, books, strict=True)], 1).astype(np.int64)


def _posterior(
    start: np.ndarray, transition: np.ndarray, frames: np.ndarray, owner: np.ndarray
) -> np.ndarray:
    """Probability of each activity in each frame, ``[T, K]``, given all of them."""
    logs = forward(start, transition, frames) + backward(transition, frames)
    share = np.exp(logs - logs.max(1, keepdims=True))
    out = np.zeros((len(frames), owner.max() + 1))
    np.add.at(out.T, owner, share.T)
    return out / out.sum(1, keepdims=True)


def _runs(seen: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """(first, end) of stretches of ``seen [T]``; gaps of fewer frames than ``gap`` are bridged."""
    there = np.flatnonzero(seen)
    if not len(there):
        return []
    cuts = np.flatnonzero(np.diff(there) > max(gap, 1))
    firsts = there[np.concatenate([[0], cuts + 1])]
    return list(
        zip(firsts.tolist(), (there[np.concatenate([cuts, [len(there) - 1]])] + 1).tolist(), strict=True)
    )
