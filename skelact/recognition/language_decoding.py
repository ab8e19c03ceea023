"""What a language network says of batches: glosses with times, signs, sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.signing.batches import MotionBatch
from skelact.datasets.signing.utterance import runs
from skelact.language.ctc import align, beam_search
from skelact.language.sequence_search import search
from skelact.language.vocabulary import BEGIN, END, PAD, UNKNOWN, Vocabulary
from skelact.models.language import GlossToText, MotionToText
from skelact.models.segmentation import SegmentationModel

NO_SIGN, SIGN = "no_sign", "sign"  # labels of a sign segmenter, in this order
LONGEST = 40  # words of a sentence at most


@dataclass(frozen=True)
class Gloss:
    """A recognised sign.

    Args:
        word: the gloss.
        start, end: seconds from the recording's first frame.
        score: mean probability that the network gives it where it answers.
    """

    word: str
    start: float
    end: float
    score: float


@torch.no_grad()
def frame_log_p(model: SegmentationModel, batch: MotionBatch) -> list[np.ndarray]:
    """Log-probabilities ``[T, K]`` of every recording's frames."""
    batch = batch.to(next(model.parameters()).device)
    logits = model(batch.x, None, batch.score, real=batch.real)[-1]
    log_p = logits.float().log_softmax(-1).cpu().numpy()
    return [row[: int(n)] for row, n in zip(log_p, batch.real.sum(1), strict=True)]


def find_glosses(
    log_p: np.ndarray,
    seconds: np.ndarray,
    vocabulary: Vocabulary,
    beam: int = 16,
    bigrams: np.ndarray | None = None,
    weight: float = 1.0,
    blank_penalty: float = 0.0,
) -> list[Gloss]:
    """The likeliest glosses of a recording, where the network answers.

    Args:
        log_p: ``[T, K]``.
        seconds: ``[T]``.
        vocabulary: of kind ``ctc``.
        beam, bigrams, weight: see `skelact.language.ctc.beam_search`.
        blank_penalty: subtracted from the blank's log-probability in every frame, before it is normalised again: a
            network that answers in few frames is too sure of the blank, and leaves signs out.
    """
    if blank_penalty:
        log_p = log_p.copy()
        log_p[:, 0] -= blank_penalty
        log_p -= np.logaddexp.reduce(log_p, axis=1, keepdims=True)
    labels = beam_search(log_p, beam, bigrams, weight)[0].labels
    if not labels:
        return []
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0
    out = []
    for label, (first, last) in zip(labels, align(log_p, labels), strict=True):
        sure = float(np.exp(log_p[first : last + 1, label]).mean())
        word = vocabulary.tokens[label]
        out.append(Gloss(word, float(seconds[first]), float(seconds[last]) + step, sure))
    return out


def sign_segments(
    probability: np.ndarray, seconds: np.ndarray, threshold: float = 0.5, least: float = 0.15
) -> list[tuple[float, float]]:
    """Stretches with signs (start, end in seconds) of a segmenter's ``probability [T]``.

    Args:
        probability: of a sign in each frame.
        seconds: ``[T]``.
        threshold: at or above which a frame belongs to a sign.
        least: shorter stretches are left out, and shorter gaps are closed.
    """
    step = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 1.0
    spans = [(float(seconds[a]), float(seconds[b - 1]) + step) for a, b in runs(probability >= threshold)]
    joined: list[tuple[float, float]] = []
    for a, b in spans:
        if joined and a - joined[-1][1] < least:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return [(a, b) for a, b in joined if b - a >= least]


def widen(glosses: Sequence[Gloss], signs: Sequence[tuple[float, float]]) -> list[Gloss]:
    """Glosses with the times of the signs that they lie in.

    A network with a blank answers for a moment, often late in the sign. Several glosses in one stretch share it, parted
    half-way between their answers; a gloss outside all stretches keeps its time.
    """
    middles = [(g.start + g.end) / 2 for g in glosses]
    owner = [
        next(
            (k for k, (a, b) in enumerate(signs) if a <= m <= b), None
        )  # where it answers, or just after the sign
        for m in middles
    ]
    out = list(glosses)
    for k, (a, b) in enumerate(signs):
        own = [i for i, o in enumerate(owner) if o == k]
        cuts = [a, *((middles[i] + middles[j]) / 2 for i, j in pairwise(own)), b]
        for i, (start, end) in zip(own, pairwise(cuts), strict=False):
            out[i] = Gloss(glosses[i].word, start, end, glosses[i].score)
    return out


def write_sentences(
    memory: Tensor,
    real: Tensor,
    decoder: torch.nn.Module,
    vocabulary: Vocabulary,
    beam: int = 5,
    penalty: float = 1.0,
    longest: int = LONGEST,
) -> list[tuple[list[str], float]]:
    """Words and score (mean log-probability a word, after the penalty) of every memory ``[N, T, D]``."""
    index = vocabulary.index
    never = [index[PAD], index[BEGIN], index[UNKNOWN]]
    out = []
    for row, there in zip(memory, real, strict=True):
        step = _next_words(decoder, row[None], there[None], never)
        best = search(step, index[BEGIN], index[END], beam=beam, longest=longest, penalty=penalty)[0]
        out.append((vocabulary.decode(best.words), best.score))
    return out


def _next_words(
    decoder: torch.nn.Module, memory: Tensor, real: Tensor, never: list[int]
) -> Callable[[np.ndarray], np.ndarray]:
    @torch.no_grad()
    def step(prefixes: np.ndarray) -> np.ndarray:
        words = torch.from_numpy(prefixes).to(memory.device)
        n = len(words)
        logits = decoder(words, memory.expand(n, -1, -1), real.expand(n, -1))[:, -1].float()
        logits[:, never] = -torch.inf
        return logits.log_softmax(-1).cpu().numpy()

    return step


@torch.no_grad()
def describe_motion(
    model: MotionToText, batch: MotionBatch, vocabulary: Vocabulary, beam: int = 5, penalty: float = 1.0
) -> list[tuple[list[str], float]]:
    """A sentence for every recording; see `write_sentences`."""
    batch = batch.to(next(model.parameters()).device)
    memory, real = model.encode(batch.x, batch.score, batch.real, batch.looks)
    return write_sentences(memory, real, model.decoder, vocabulary, beam, penalty)


@torch.no_grad()
def translate_glosses(
    model: GlossToText, glosses: Tensor, vocabulary: Vocabulary, beam: int = 5, penalty: float = 1.0
) -> list[tuple[list[str], float]]:
    """A sentence for every row of ``glosses [N, L]``; see `write_sentences`."""
    memory, real = model.encode(glosses.to(next(model.parameters()).device))
    return write_sentences(memory, real, model.decoder, vocabulary, beam, penalty)
