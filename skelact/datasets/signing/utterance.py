"""`Utterance`: a recording of one person with what is signed or done in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from skelact.errors import DataError
from skelact.skeleton import Skeleton


@dataclass(frozen=True)
class Span:
    """A word with its time.

    Args:
        word: the gloss.
        start, end: seconds from the recording's first frame.
    """

    word: str
    start: float
    end: float


@dataclass(frozen=True, eq=False)
class Looks:
    """What a person looks like at moments: features of an image network.

    Args:
        seconds: ``[S]``, increasing, from the recording's first frame.
        features: ``[S, F]``.
    """

    seconds: np.ndarray
    features: np.ndarray

    def at(self, times: np.ndarray) -> np.ndarray:
        """Features ``[T, F]`` of the nearest moments to ``times [T]``."""
        if len(self.seconds) == 1:
            return np.repeat(self.features, len(times), 0)
        middles = (self.seconds[1:] + self.seconds[:-1]) / 2
        return self.features[np.searchsorted(middles, times, side="right")]

    def cut(self, start: float, end: float) -> Looks:
        """Those of a part from ``start`` to ``end``, from its own beginning on (at least one)."""
        inside = np.flatnonzero((self.seconds >= start - 1e-9) & (self.seconds < end - 1e-9))
        nearest = int(np.abs(self.seconds - (start + end) / 2).argmin())
        kept = inside if len(inside) else np.array([nearest])
        return Looks(self.seconds[kept] - start, self.features[kept])


@dataclass(frozen=True, eq=False)
class Utterance:
    """One person's motion and its words.

    Args:
        id: name of the recording.
        skeleton: of one person, at least one frame.
        glosses: what is signed, in order; empty where unknown.
        words: of the text, in order; empty where unknown.
        spans: glosses with times; empty where unknown.
        signer: who it is; empty where unknown.
        looks: of the person in the video; None where they are not needed.

    Raises:
        DataError: for no person, several people, no frame, or spans that are no spans.
    """

    id: str
    skeleton: Skeleton
    glosses: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    signer: str = ""
    looks: Looks | None = None

    def __post_init__(self) -> None:
        if self.skeleton.n_people != 1 or not self.skeleton.n_frames:
            raise DataError(
                f"recording '{self.id}' has {self.skeleton.n_people} people and {self.skeleton.n_frames} frames; an "
                "utterance needs one person and at least one frame (choose the person who signs)"
            )
        bad = [s for s in self.spans if not 0 <= s.start < s.end]
        if bad:
            raise DataError(
                f"recording '{self.id}': '{bad[0].word}' lasts from {bad[0].start} to {bad[0].end} s"
            )

    @property
    def times(self) -> np.ndarray:
        """Seconds of every frame from the first on, ``[T]``."""
        return seconds_of(self.skeleton)

    def signing(self, times: np.ndarray) -> np.ndarray:
        """Whether something is signed at moments ``times [T]``, by the spans; ``[T]`` booleans."""
        out = np.zeros(len(times), bool)
        for span in self.spans:
            out |= (times >= span.start) & (times < span.end)
        return out


def seconds_of(skeleton: Skeleton) -> np.ndarray:
    """Seconds of every frame from the first on, ``[T]`` float64."""
    if skeleton.time is not None and len(skeleton.time):
        return np.asarray(skeleton.time, np.float64) - float(skeleton.time[0])
    return np.arange(skeleton.n_frames) / skeleton.fps


def main_person(skeleton: Skeleton) -> Skeleton:
    """The recording with the person alone who is seen on most joints and frames (of equals, the first).

    Raises:
        DataError: if nobody is seen.
    """
    seen = (skeleton.score > 0).sum((1, 2))
    if not seen.size or not seen.any():
        raise DataError(
            f"nobody is seen in '{skeleton.id}'; look at the recording, or extract it with --people many"
        )
    return one_person(skeleton, int(seen.argmax()))


def one_person(skeleton: Skeleton, person: int) -> Skeleton:
    """The recording with one of its people, by place."""
    if skeleton.n_people == 1:
        return skeleton
    picture = skeleton.picture
    return replace(
        skeleton, xyz=skeleton.xyz[person : person + 1], score=skeleton.score[person : person + 1],
        track_ids=(skeleton.track_ids[person],), picture=None if picture is None else picture[person : person + 1],
    )  # fmt: skip


def cut(skeleton: Skeleton, start: float, end: float) -> Skeleton:
    """The frames between two moments (seconds from the first frame on; at least one frame).

    Raises:
        DataError: if there is no frame between them.
    """
    times = seconds_of(skeleton)
    keep = (times >= start - 1e-9) & (times < end - 1e-9)
    if not keep.any():
        raise DataError(
            f"'{skeleton.id}' has no frame from {start:g} to {end:g} s; its last: {times[-1] if len(times) else 0:g}"
        )
    labels = skeleton.frame_labels
    return replace(
        skeleton, xyz=skeleton.xyz[:, keep], score=skeleton.score[:, keep],
        time=None if skeleton.time is None else skeleton.time[keep],
        picture=None if skeleton.picture is None else skeleton.picture[:, keep],
        frame_labels=None if labels is None else [n for n, k in zip(labels, keep, strict=True) if k],
    )  # fmt: skip


def runs(active: Sequence[bool] | np.ndarray) -> list[tuple[int, int]]:
    """(first, one after the last) of every stretch of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(active, np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
