"""Captions: a sentence for every stretch of every person's motion, by the network that ships or one of one's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skelact.datasets.signing.batches import pad
from skelact.datasets.signing.motion_input import whole_input
from skelact.datasets.signing.utterance import cut, one_person, runs, seconds_of
from skelact.errors import CheckpointError, DataError
from skelact.language.vocabulary import join_words
from skelact.recognition.language_checkpoint import LanguageCheckpoint, fit_recording, load_language
from skelact.recognition.language_decoding import describe_motion
from skelact.recognition.language_looks import look_at
from skelact.skeleton import Skeleton, need_trajectory

CAPTIONS = "captions"
SHIPPED_CAPTIONS = Path(__file__).parent / "weights" / "captions.safetensors"


@dataclass(frozen=True)
class Caption:
    """A sentence for a stretch of a person's motion.

    Args:
        person: track id.
        start, end: seconds from the recording's first frame.
        text: the sentence.
        score: mean log-probability of a word, after the length penalty; 0 at most.
    """

    person: int
    start: float
    end: float
    text: str
    score: float


def load_captions(path: str | Path = "", device: str = "auto") -> LanguageCheckpoint:
    """The network that ships, or one of the task ``text``.

    Raises:
        CheckpointError: if it is another kind of checkpoint.
    """
    named = str(path) in ("", CAPTIONS) and not Path(CAPTIONS).exists()
    checkpoint = load_language(SHIPPED_CAPTIONS if named or not str(path) else path, device)
    if checkpoint.task != "text":
        raise CheckpointError(
            f"{checkpoint.path} was trained for '{checkpoint.task}', not for text; train one with: skelact "
            "learn-language text"
        )
    return checkpoint


def describe(
    skeleton: Skeleton,
    checkpoint: LanguageCheckpoint,
    *,
    shortest: float = 1.5,
    longest: float = 8.0,
    beam: int = 3,
    penalty: float = 1.0,
    video: str | Path = "",
) -> list[Caption]:
    """A sentence for every stretch of every person's motion, by time.

    Stretches end where a person disappears for a second, or comes to rest (see `stretches`).

    Args:
        skeleton: the recording.
        checkpoint: of the task ``text``.
        shortest, longest: seconds of a stretch.
        beam, penalty: of the search.
        video: of the recording, for networks that see pictures.

    Raises:
        DataError: if nobody is there for long enough, or the recording does not fit.
        LayoutError: if the layouts do not fit.
    """
    if checkpoint.card.origin == "camera":
        need_trajectory(skeleton.origin, "the checkpoint", f"recording '{skeleton.id}'")
    found: list[Caption] = []
    for person, track in enumerate(skeleton.track_ids):
        alone = one_person(skeleton, person)
        if not (alone.score > 0).any():
            continue
        fitted, _ = fit_recording(alone, checkpoint)
        looks = look_at(alone, checkpoint, video)
        for start, end in stretches(fitted, shortest, longest):
            part = [None if looks is None else looks.cut(start, end)]
            batch = pad([whole_input(cut(fitted, start, end), checkpoint.shown)], part)
            words, score = describe_motion(checkpoint.model, batch, checkpoint.vocabulary, beam, penalty)[0]
            found.append(Caption(track, start, end, join_words(words), score))
    if not found:
        raise DataError(
            f"nobody is seen for {shortest:g} s at a stretch in recording '{skeleton.id}'; lower --shortest, or look "
            "at the video"
        )
    return sorted(found, key=lambda c: (c.start, c.person))


def stretches(skeleton: Skeleton, shortest: float, longest: float) -> list[tuple[float, float]]:
    """Parts of one person's recording (start, end in seconds) of ``shortest`` to ``longest`` seconds.

    A part that is too long is cut where the joints are slowest on average over half a second.
    """
    times, seen = seconds_of(skeleton), (skeleton.score[0] > 0).any(1)
    if not len(times):
        return []
    step = 1 / skeleton.fps
    bridged = seen.copy()
    for a, b in runs(~seen):
        if a and b < len(seen) and times[b] - times[a - 1] <= 1.0:
            bridged[a:b] = True
    speed = _speed(skeleton, times)
    out: list[tuple[float, float]] = []

    def split(a: int, b: int) -> None:
        if times[b - 1] + step - times[a] <= longest:
            out.append((float(times[a]), float(times[b - 1] + step)))
            return
        inner = np.arange(a, b)
        allowed = inner[(times[a:b] - times[a] >= shortest) & (times[b - 1] - times[a:b] >= shortest)]
        near = allowed[times[allowed] - times[a] <= longest]
        at = int(near[speed[near].argmin()]) if len(near) else (a + b) // 2
        split(a, at)
        split(at, b)

    for a, b in runs(bridged):
        if times[b - 1] + step - times[a] >= shortest:
            split(a, b)
    return out


def _speed(skeleton: Skeleton, times: np.ndarray) -> np.ndarray:
    """Mean speed of the joints that are seen, smoothed over half a second, ``[T]``."""
    xyz, seen = skeleton.xyz[0].astype(float), skeleton.score[0] > 0
    speed = np.zeros(len(times))
    if len(times) > 1:
        both = seen[1:] & seen[:-1]
        way = np.linalg.norm(xyz[1:] - xyz[:-1], axis=2) * both
        speed[1:] = way.sum(1) / np.maximum(both.sum(1), 1) / np.maximum(np.diff(times), 1e-6)
        speed[0] = speed[1]
    width = max(1, round(0.5 * skeleton.fps))
    return np.convolve(np.pad(speed, width // 2, mode="edge"), np.ones(width) / width, "same")[
        width // 2 : width // 2 + len(times)
    ]
