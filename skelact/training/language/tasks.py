"""What a language network learns: glosses, signs in frames, text of motion, text of glosses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skelact.datasets.signing.batches import MotionBatch, motion_batch, pad_words
from skelact.datasets.signing.utterance import Utterance
from skelact.errors import DataError
from skelact.evaluate.frames import score_frames
from skelact.language.scores import bleu, rouge_l, word_error_rate
from skelact.language.vocabulary import BEGIN, END, PAD, Vocabulary
from skelact.recognition.language_decoding import (
    NO_SIGN,
    SIGN,
    describe_motion,
    find_glosses,
    frame_log_p,
    sign_segments,
    translate_glosses,
)
from skelact.training.language.losses import ctc_loss, dice_loss, gloss_loss, word_loss
from skelact.training.language.settings import LanguageExperiment
from skelact.training.segmentation.loss import segmentation_loss

CHUNK = 16  # recordings that are looked at together in validation


class LanguageTask:
    """Base class: a loss for a batch of utterances, and a score on others.

    Args:
        experiment: what the network sees and how it is trained.
    """

    def __init__(self, experiment: LanguageExperiment) -> None:
        self.experiment = experiment

    @property
    def label_names(self) -> list[str]:
        """What the network's answers mean, for the checkpoint's card."""
        raise NotImplementedError

    def check(self, utterances: Sequence[Utterance]) -> None:
        """Raise `DataError` naming utterances that cannot be learned from."""

    def loss(self, model: nn.Module, utterances: Sequence[Utterance], rng: np.random.Generator) -> Tensor:
        """The training loss of a batch."""
        raise NotImplementedError

    def validate(self, model: nn.Module, utterances: Sequence[Utterance]) -> dict[str, float]:
        """Scores, ``val_score`` (the higher the better) among them."""
        raise NotImplementedError

    def batch(
        self, model: nn.Module, utterances: Sequence[Utterance], rng: np.random.Generator
    ) -> MotionBatch:
        """A training batch on the network's device."""
        e = self.experiment
        return motion_batch(utterances, e.input, e.augment, rng).to(next(model.parameters()).device)

    def whole(self, utterances: Sequence[Utterance]) -> list[tuple[Sequence[Utterance], MotionBatch]]:
        """Utterances in chunks, unchanged."""
        chunks = [utterances[k : k + CHUNK] for k in range(0, len(utterances), CHUNK)]
        return [(chunk, motion_batch(chunk, self.experiment.input)) for chunk in chunks]


class WordTask(LanguageTask):
    """Base class of what gives words of a vocabulary."""

    def __init__(self, experiment: LanguageExperiment, vocabulary: Vocabulary) -> None:
        super().__init__(experiment)
        self.vocabulary = vocabulary

    @property
    def label_names(self) -> list[str]:
        return self.vocabulary.tokens


class GlossTask(WordTask):
    """Glosses in order by connectionist temporal classification."""

    def check(self, utterances: Sequence[Utterance]) -> None:
        for u in utterances:
            self.vocabulary.encode(u.glosses, f"recording '{u.id}'")

    def loss(self, model: nn.Module, utterances: Sequence[Utterance], rng: np.random.Generator) -> Tensor:
        batch = self.batch(model, utterances, rng)
        logits = model(batch.x, None, batch.score, real=batch.real)[-1]
        loss = ctc_loss(logits, batch.real, [self.vocabulary.encode(u.glosses, u.id) for u in utterances])
        weight = self.experiment.train.frames
        if not weight or not any(u.spans for u in utterances):
            return loss
        return loss + weight * gloss_loss(logits, self.frame_labels(utterances, batch).to(logits.device))

    def frame_labels(self, utterances: Sequence[Utterance], batch: MotionBatch) -> Tensor:
        """The gloss of every frame ``[N, T]``, 0 outside all known spans."""
        label = torch.zeros(batch.real.shape, dtype=torch.int64)
        for row, u, at in zip(label, utterances, batch.seconds, strict=True):
            for span in u.spans:
                inside = torch.from_numpy((at >= span.start) & (at < span.end))
                row[: len(at)][inside] = self.vocabulary.index[span.word]
        return label

    def find(self, model: Any, utterances: Sequence[Utterance]) -> list[list[str]]:
        """The glosses that the network finds."""
        train, found = self.experiment.train, []
        for _, batch in self.whole(utterances):
            for log_p, at in zip(frame_log_p(model, batch), batch.seconds, strict=True):
                glosses = find_glosses(
                    log_p, at, self.vocabulary, train.beam, blank_penalty=train.blank_penalty
                )
                found.append([g.word for g in glosses])
        return found

    def validate(self, model: nn.Module, utterances: Sequence[Utterance]) -> dict[str, float]:
        rate = word_error_rate([u.glosses for u in utterances], self.find(model, utterances))
        return {"val_wer": rate, "val_score": -rate}


class SignTask(LanguageTask):
    """Sign or no sign in every frame, by the utterances' spans."""

    @property
    def label_names(self) -> list[str]:
        return [NO_SIGN, SIGN]

    def check(self, utterances: Sequence[Utterance]) -> None:
        for u in utterances:
            if not u.spans:
                raise DataError(
                    f"recording '{u.id}' has no signs with times; learn from streams (--data.streams) or from an "
                    "annotation format with times of glosses"
                )

    def loss(self, model: nn.Module, utterances: Sequence[Utterance], rng: np.random.Generator) -> Tensor:
        batch = self.batch(model, utterances, rng)
        label = torch.full(batch.real.shape, -1)
        for row, u, at in zip(label, utterances, batch.seconds, strict=True):
            row[: len(at)] = torch.from_numpy(u.signing(at).astype(np.int64))
        label = label.to(batch.x.device)
        logits = model(batch.x, None, batch.score, real=batch.real)
        loss = segmentation_loss(logits, label, real=batch.real)
        weight = self.experiment.train.dice
        return loss + weight * sum(dice_loss(stage, label) for stage in logits) if weight else loss

    def find(self, model: Any, utterances: Sequence[Utterance]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Probability of a sign in every frame of each utterance, and the frames' seconds."""
        found = []
        for _, batch in self.whole(utterances):
            for log_p, at in zip(frame_log_p(model, batch), batch.seconds, strict=True):
                found.append((np.exp(log_p[:, 1]), at))
        return found

    def validate(self, model: nn.Module, utterances: Sequence[Utterance]) -> dict[str, float]:
        return {
            f"val_{name}": value
            for name, value in score_signs(utterances, self.find(model, utterances)).items()
        }


def score_signs(
    utterances: Sequence[Utterance], found: Sequence[tuple[np.ndarray, np.ndarray]]
) -> dict[str, float]:
    """F1 of a segmenter's frames, and of its segments at overlaps of 10, 25 and 50 % (pooled over recordings).

    ``score`` is the mean of the frames' F1 and that of segments at 50 %.
    """
    names = np.array([NO_SIGN, SIGN])
    truth = [names[u.signing(at).astype(int)].tolist() for u, (_, at) in zip(utterances, found, strict=True)]
    said = []
    for probability, at in found:
        active = np.zeros(len(at), int)
        for a, b in sign_segments(probability, at):
            active[(at >= a - 1e-9) & (at < b - 1e-9)] = 1
        said.append(names[active].tolist())
    score = score_frames(truth, said, [at for _, at in found], {NO_SIGN})
    out = {"f1": score.macro_f1, **{f"f1_{round(100 * k)}": v for k, v in score.segment_f1.items()}}
    return out | {"accuracy": score.accuracy, "score": (out["f1"] + out["f1_50"]) / 2}


@dataclass(frozen=True)
class _Sentences:
    words: Tensor
    target: Tensor


class TextTask(WordTask):
    """Text of motion, one word after the other."""

    def check(self, utterances: Sequence[Utterance]) -> None:
        for u in utterances:
            if not u.words:
                raise DataError(f"recording '{u.id}' has no text to learn; its annotation lacks a sentence")

    def sentences(self, utterances: Sequence[Utterance], device: Any = "cpu") -> _Sentences:
        """What the decoder is given and asked for; rare words become the unknown word."""
        index = self.vocabulary.index
        rows = [self.vocabulary.encode(u.words, u.id, mark=True) for u in utterances]
        words = pad_words([[index[BEGIN], *row] for row in rows], index[PAD]).to(device)
        return _Sentences(words, pad_words([[*row, index[END]] for row in rows], index[PAD]).to(device))

    def _cost(self, logits: Tensor, target: Tensor) -> Tensor:
        return word_loss(logits, target, self.vocabulary.index[PAD], self.experiment.train.label_smoothing)

    def loss(self, model: nn.Module, utterances: Sequence[Utterance], rng: np.random.Generator) -> Tensor:
        batch = self.batch(model, utterances, rng)
        both = self.sentences(utterances, batch.x.device)
        return self._cost(model(batch.x, batch.score, batch.real, both.words, batch.looks), both.target)

    def find(self, model: Any, utterances: Sequence[Utterance]) -> list[list[str]]:
        """The sentences that the network writes."""
        train, found = self.experiment.train, []
        for _, batch in self.whole(utterances):
            found += [w for w, _ in describe_motion(model, batch, self.vocabulary, train.beam, train.penalty)]
        return found

    def validate(self, model: nn.Module, utterances: Sequence[Utterance]) -> dict[str, float]:
        found, truth = self.find(model, utterances), [u.words for u in utterances]
        rate = word_error_rate(truth, found)
        return {
            "val_wer": rate, "val_bleu": bleu(truth, found), "val_rouge_l": rouge_l(truth, found), "val_score": -rate,
        }  # fmt: skip


class GlossTextTask(TextTask):
    """Text of glosses; blanks pad, unknown glosses of other recordings are refused."""

    def __init__(self, experiment: LanguageExperiment, glosses: Vocabulary, vocabulary: Vocabulary) -> None:
        super().__init__(experiment, vocabulary)
        self.glosses = glosses

    def check(self, utterances: Sequence[Utterance]) -> None:
        super().check(utterances)
        for u in utterances:
            if not u.glosses:
                raise DataError(f"recording '{u.id}' has no glosses to translate")

    def rows(self, utterances: Sequence[Utterance], device: Any = "cpu") -> Tensor:
        """Indices of glosses ``[N, L]``; those that the vocabulary lacks are left out."""
        known = [[g for g in u.glosses if not self.glosses.unknown([g])] for u in utterances]
        return pad_words([self.glosses.encode(g) for g in known], 0).to(device)

    def loss(self, model: nn.Module, utterances: Sequence[Utterance], rng: np.random.Generator) -> Tensor:
        device = next(model.parameters()).device
        both = self.sentences(utterances, device)
        return self._cost(model(self.rows(utterances, device), both.words), both.target)

    def find(self, model: Any, utterances: Sequence[Utterance]) -> list[list[str]]:
        train, found = self.experiment.train, []
        for k in range(0, len(utterances), CHUNK):
            rows = self.rows(utterances[k : k + CHUNK])
            found += [
                w for w, _ in translate_glosses(model, rows, self.vocabulary, train.beam, train.penalty)
            ]
        return found


def make_task(
    experiment: LanguageExperiment, glosses: Vocabulary | None = None, words: Vocabulary | None = None
) -> LanguageTask:
    """The task of an experiment with its vocabularies (those that it needs)."""
    if experiment.task == "signs":
        return SignTask(experiment)
    if experiment.task == "glosses":
        assert glosses is not None
        return GlossTask(experiment, glosses)
    assert words is not None
    if experiment.task == "text":
        return TextTask(experiment, words)
    assert glosses is not None
    return GlossTextTask(experiment, glosses, words)
