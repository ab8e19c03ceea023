"""Utterances as padded batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.signing.augment import SignAugment
from skelact.datasets.signing.motion_input import MotionInput, positions_of, sample, whole_input
from skelact.datasets.signing.utterance import Looks, Utterance


@dataclass
class MotionBatch:
    """Recordings of one person each.

    Args:
        x: ``[N, T, V, D]``.
        score: ``[N, T, V]``, 0 = missing.
        real: ``[N, T]`` booleans, False beyond a recording's end.
        seconds: of each recording's samples.
        looks: ``[N, T, F]`` what the people look like at these; None: not looked at.
    """

    x: Tensor
    score: Tensor
    real: Tensor
    seconds: list[np.ndarray]
    looks: Tensor | None = None

    def to(self, device: torch.device | str) -> MotionBatch:
        """The batch on another device."""
        looks = None if self.looks is None else self.looks.to(device)
        return MotionBatch(
            self.x.to(device), self.score.to(device), self.real.to(device), self.seconds, looks
        )


def motion_batch(
    utterances: Sequence[Utterance],
    shown: MotionInput,
    augment: SignAugment | None = None,
    rng: np.random.Generator | None = None,
) -> MotionBatch:
    """A batch; changed at random if ``augment`` and ``rng`` are given."""
    items = []
    for utterance in utterances:
        if augment is None or rng is None:
            items.append(whole_input(utterance.skeleton, shown))
            continue
        layout = shown.layout(utterance.skeleton.layout)
        xyz, score = positions_of(utterance.skeleton, shown, layout)
        times = utterance.times
        at = augment.moments(float(times[-1]), shown.fps, rng)
        xyz, score = augment.change(*sample(xyz, score, times, at, shown.gap), layout, rng)
        items.append((shown.prepare(xyz, score, layout), torch.from_numpy(score.astype(np.float32)), at))
    return pad(items, [utterance.looks for utterance in utterances])


def pad(
    items: Sequence[tuple[Tensor, Tensor, np.ndarray]], looks: Sequence[Looks | None] = ()
) -> MotionBatch:
    """Recordings ``(x [T, V, D], score [T, V], seconds [T])`` as one batch.

    Args:
        items: the recordings.
        looks: of each; of all or of none.
    """
    lengths = [len(x) for x, _, _ in items]
    x = torch.nn.utils.rnn.pad_sequence([x for x, _, _ in items], batch_first=True)
    score = torch.nn.utils.rnn.pad_sequence([s for _, s, _ in items], batch_first=True)
    real = torch.arange(x.shape[1])[None] < torch.tensor(lengths)[:, None]
    seconds = [at for _, _, at in items]
    seen = [torch.from_numpy(one.at(at)).float() for one, at in zip(looks, seconds, strict=False) if one]
    shown = torch.nn.utils.rnn.pad_sequence(seen, batch_first=True) if len(seen) == len(items) else None
    return MotionBatch(x, score, real, seconds, shown)


def pad_words(sentences: Sequence[Sequence[int]], padding: int) -> Tensor:
    """Indices of sentences as ``[N, L]``."""
    longest = max(1, *(len(s) for s in sentences)) if sentences else 1
    out = torch.full((len(sentences), longest), padding)
    for row, sentence in zip(out, sentences, strict=True):
        row[: len(sentence)] = torch.tensor(sentence, dtype=torch.int64)
    return out
