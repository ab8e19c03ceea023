"""Gestures taught with a handful of examples: no training, one portable file.

A gesture is its examples (prototypes, as in Snell et al., NeurIPS 2017), compared as vectors of an encoder that ships
with the package; what resembles no gesture more than idle movement does is none of them. The file keeps the examples'
joints, so that another encoder can read it, too.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np

from skelact import __version__
from skelact.errors import CheckpointError, ConfigError, DataError, counted
from skelact.models.gesture_encoder import GestureEncoder
from skelact.recognition.array_file import read_arrays, write_arrays
from skelact.recognition.gesture_weights import encoder_id, load_encoder
from skelact.recognition.taught_background import background, encode, threshold_of
from skelact.recognition.taught_checks import check_form, like_another, unlike_examples
from skelact.recognition.taught_examples import Example, make_example
from skelact.recognition.taught_file import Gesture, pack_gestures, unpack_gestures
from skelact.recognition.taught_scores import GestureScores, left_out
from skelact.skeleton import Skeleton

KIND = "gesture vocabulary"
_FILE = "gestures.safetensors"
LEAST_EXAMPLES, MOST_EXAMPLES = 3, 50
FALSE_PER_HOUR = 6.0
UNLIKE = 0.5  # share of what examples lack in likeness by which something may be less like them, and ...
SLACK = 0.03  # ... what is added to it
_MOST_GESTURES = 500


def default_vocabulary() -> Path:
    """The file that is used where none is named: in ``$SKELACT_DATA``, else ``skelact`` in the user's data folder."""
    if given := os.environ.get("SKELACT_DATA"):
        return Path(given) / _FILE
    base = (
        os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".local" / "share"
    )
    return Path(base) / "skelact" / _FILE


@dataclass(frozen=True)
class Answer:
    """What a movement is taken for.

    Args:
        name: the gesture; None: none of them.
        score: of the best gesture, -1..1.
        threshold: that this gesture must reach.
        best: the best gesture, whether it reaches its threshold or not.
        scores: of every gesture.
    """

    name: str | None
    score: float
    threshold: float
    best: str
    scores: dict[str, float]


@dataclass
class Vocabulary:
    """Taught gestures.

    Args:
        gestures: by name, in the order in which they were taught.
        false_per_hour: how often idle movement may pass for a gesture, all gestures together.
        either_hand: a gesture may be made with the other hand.
        idle: windows of the user's own idle movement.
        model: the encoder; None: the one that ships with the package.
        notes: what was found out when it was read.
    """

    gestures: dict[str, Gesture] = field(default_factory=dict)
    false_per_hour: float = FALSE_PER_HOUR
    either_hand: bool = False
    idle: list[Example] = field(default_factory=list)
    model: GestureEncoder = field(default_factory=load_encoder)
    notes: list[str] = field(default_factory=list)
    _vectors: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    _scorer: GestureScores | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.gestures)

    @property
    def names(self) -> list[str]:
        """Of the gestures."""
        return list(self.gestures)

    @property
    def flat(self) -> bool:
        """Whether the examples have no depth."""
        return any(e.flat for e in self._examples())

    def add(
        self, name: str, examples: list[Example], *, more: bool = False, strict: bool = True
    ) -> list[str]:
        """Teach a gesture, or another example of one; thresholds are fitted anew.

        Args:
            name: of the gesture.
            examples: of it, as `make_example` gives them.
            more: the name may be there already; the examples are added to it.
            strict: refuse examples that differ too much from each other or lie nearer to another gesture.

        Returns:
            what should be known.

        Raises:
            ConfigError: for a name that is none or is there already, too few examples, or too many.
            DataError: if examples differ too much, or the gesture is too like another; it says which.
            LayoutError: if they show other joints than the vocabulary's.
        """
        name = self._check_name(name, more)
        old = self.gestures[name].examples if name in self.gestures else []
        whole = [*old, *examples]
        if not LEAST_EXAMPLES <= len(whole) <= MOST_EXAMPLES:
            raise ConfigError(
                f"gesture '{name}' has {counted(len(whole), 'example')}; give {LEAST_EXAMPLES} to 10 of them "
                f"({MOST_EXAMPLES} at most), each of which shows the gesture once"
            )
        known = self._examples() or whole[:1]
        for number, example in enumerate(examples, 1):
            check_form(example, known, f"example {number} of '{name}'")
        vectors = self._encode(whole)
        notes = []
        others = {other: self.vectors(other) for other in self.gestures if other != name}
        problem = unlike_examples(name, vectors, [e.seconds for e in whole]) or like_another(
            name, vectors, others
        )
        if problem:
            if strict:
                raise DataError(problem)
            notes.append(problem)
        self.gestures[name] = Gesture(name, whole)
        self._vectors[name] = vectors
        self._scorer = None
        self.fit()
        return notes + self._weak(name)

    def remove(self, name: str) -> None:
        """Forget a gesture.

        Raises:
            ConfigError: if it is not there.
        """
        if name not in self.gestures:
            raise ConfigError(f"there is no gesture '{name}'; the vocabulary has {self._listed()}")
        del self.gestures[name]
        self._vectors.pop(name, None)
        self._scorer = None
        if self.gestures:
            self.fit()

    def fit(self) -> None:
        """Fit every gesture's threshold: to the false triggers allowed, to how like its examples are, and others'."""
        if not self.gestures:
            return
        vectors = self._background()
        per_gesture = self.false_per_hour / len(self.gestures)
        likeness = self.scorer.likeness(vectors)
        for column, gesture in enumerate(self.gestures.values()):
            idle = threshold_of(likeness[:, column], per_gesture)
            own = float(left_out(self.vectors(gesture.name)).mean())
            least = own - SLACK - UNLIKE * (1 - own)
            others = [self.vectors(name) for name in self.gestures if name != gesture.name]
            if others:  # half-way to what of another gesture is most like this one
                nearest = float(self.scorer.likeness(np.concatenate(others))[:, column].max())
                least = max(least, (own + nearest) / 2 - SLACK)
            gesture.threshold = min(max(idle, least), 0.98)

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """Scores of vectors ``[N, D]`` for every gesture, ``[N, K]``; the best is a likeness, -1..1."""
        return self.scorer(vectors)

    @property
    def scorer(self) -> GestureScores:
        """What gives the scores, made of all examples."""
        if self._scorer is None:
            self._scorer = GestureScores([self.vectors(name) for name in self.gestures])
        return self._scorer

    def encode(self, xyz: np.ndarray, present: np.ndarray) -> np.ndarray:
        """Vectors of windows ``[N, N_STEPS, V, 3]`` and ``[N, N_STEPS, V]``."""
        return encode(self.model, xyz, present, self.either_hand)

    def recognise(self, example: Example) -> Answer:
        """What a movement is.

        Raises:
            ConfigError: if no gesture was taught.
            LayoutError: if it does not show the joints that the gestures were taught with.
        """
        self._need_gestures()
        check_form(example, self._examples(), "the recording")
        scores = self.scores(self._encode([example]))[0]
        return self.answer(scores)

    def recognise_clip(self, skeleton: Skeleton, person: int | None = None) -> Answer:
        """What a recording that shows one gesture shows; see `make_example` for what is raised."""
        return self.recognise(make_example(skeleton, person))

    def answer(self, scores: np.ndarray) -> Answer:
        """Scores ``[K]`` as an answer: the gesture that passes its threshold most clearly."""
        thresholds = np.array([g.threshold for g in self.gestures.values()])
        best = int(np.argmax(scores))
        name = self.names[best]
        return Answer(
            name if scores[best] >= thresholds[best] else None, float(scores[best]), float(thresholds[best]), name,
            dict(zip(self.names, map(float, scores), strict=True)),
        )  # fmt: skip

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the vocabulary, whole or not at all."""
        card = {
            "skelact": __version__, "encoder": encoder_id(self.model), "false_per_hour": self.false_per_hour,
            "either_hand": self.either_hand,
        }  # fmt: skip
        gestures, arrays = pack_gestures(list(self.gestures.values()), self.idle)
        return write_arrays(path, KIND, card | gestures, arrays)

    @classmethod
    def load(cls, path: str | PathLike[str], model: GestureEncoder | None = None) -> Vocabulary:
        """Read a vocabulary.

        Raises:
            CheckpointError: if it is not there, damaged, or something else.
        """
        card, arrays = read_arrays(path, KIND, "skelact teach")
        try:
            gestures, idle = unpack_gestures(card, arrays)
            rate, either = float(card["false_per_hour"]), bool(card["either_hand"])
            found = cls({g.name: g for g in gestures}, rate, either, idle, model or load_encoder())
            encoder = str(card["encoder"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise CheckpointError(
                f"{path} is a damaged gesture vocabulary ({error}); teach the gestures again with skelact teach"
            ) from None
        if encoder != encoder_id(found.model):
            found.fit()
            found.notes.append(
                f"{path} was taught with another version of the encoder; its thresholds were fitted anew from the "
                "examples that it keeps"
            )
        return found

    def _check_name(self, name: str, more: bool) -> str:
        name = name.strip()
        if not name or len(name) > 60 or not name.isprintable():
            raise ConfigError(
                f"a gesture's name has 1 to 60 characters that can be printed, got {name[:60]!r}"
            )
        if name in self.gestures and not more:
            raise ConfigError(
                f"gesture '{name}' is there already; remove it first (skelact teach --remove), or add examples to it "
                "(--more)"
            )
        if name not in self.gestures and len(self.gestures) >= _MOST_GESTURES:
            raise ConfigError(f"a vocabulary has at most {_MOST_GESTURES} gestures")
        return name

    def _weak(self, name: str) -> list[str]:
        """A note if idle movement is so like a gesture that most of its examples would not pass."""
        vectors, threshold = self._vectors[name], self.gestures[name].threshold
        share = float(np.mean(left_out(vectors) >= threshold))
        if share >= 0.5:
            return []
        return [
            f"{100 * share:.0f} % of the examples of '{name}' pass the threshold that {self.false_per_hour:g} false "
            "triggers an hour ask for: it is much like idle movement; make it larger, add examples, or allow more "
            "(--false-per-hour)"
        ]

    def _background(self) -> np.ndarray:
        every = self._examples()
        seen = np.mean([e.present.max(0) for e in every], 0) >= 0.3
        vectors = background(self.model, tuple(map(bool, seen)), self.flat, self.either_hand)
        own = [e for e in self.idle if e.flat == self.flat]
        return np.concatenate([vectors, self._encode(own)]) if own else vectors

    def _encode(self, examples: list[Example]) -> np.ndarray:
        return self.encode(np.stack([e.xyz for e in examples]), np.stack([e.present for e in examples]))

    def vectors(self, name: str) -> np.ndarray:
        """Vectors of a gesture's examples ``[n, D]``."""
        if name not in self._vectors:
            self._vectors[name] = self._encode(self.gestures[name].examples)
        return self._vectors[name]

    def _need_gestures(self) -> None:
        if not self.gestures:
            raise ConfigError(
                "the vocabulary is empty; teach a gesture first: skelact teach NAME clip1.mp4 clip2.mp4 clip3.mp4"
            )

    def _examples(self) -> list[Example]:
        return [e for g in self.gestures.values() for e in g.examples]

    def _listed(self) -> str:
        return ", ".join(self.names[:20]) or "none"
