"""`Translator`: language checkpoints applied to recordings of signing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from skelact.datasets.signing.batches import pad, pad_words
from skelact.datasets.signing.motion_input import whole_input
from skelact.datasets.signing.utterance import main_person
from skelact.errors import CheckpointError, DataError
from skelact.language.ctc import bigram_weights
from skelact.language.vocabulary import join_words
from skelact.recognition.language_checkpoint import (
    HINT,
    LanguageCheckpoint,
    find_parts,
    fit_recording,
    load_language,
    need_hands,
)
from skelact.recognition.language_decoding import (
    SIGN,
    Gloss,
    describe_motion,
    find_glosses,
    frame_log_p,
    sign_segments,
    translate_glosses,
    widen,
)
from skelact.recognition.language_looks import look_at
from skelact.skeleton import Skeleton


@dataclass(frozen=True)
class Translation:
    """What was signed.

    Args:
        glosses: in order, with times.
        text: a sentence; of glosses if there is no network for text.
        has_text: whether a network wrote it.
        score: of the text, mean log-probability of a word; 0 without.
        signs: stretches of signing (start, end in seconds) of a segmenter; empty without one.
        seconds: length of the recording.
        notes: what was changed to make the recording fit.
    """

    glosses: list[Gloss]
    text: str
    has_text: bool
    score: float
    signs: list[tuple[float, float]]
    seconds: float
    notes: list[str]


class Translator:
    """Language checkpoints together: glosses of motion, text of glosses or of motion, signs in frames.

    Args:
        parts: checkpoints by task; ``glosses`` or ``text`` at least.

    Raises:
        CheckpointError: if neither is there, or a network for text takes glosses that the other does not give.
    """

    def __init__(self, parts: dict[str, LanguageCheckpoint]) -> None:
        if not {"glosses", "text"} & set(parts):
            raise CheckpointError(
                f"translating needs a checkpoint of the task glosses or text, got {', '.join(parts) or 'none'}; {HINT}"
            )
        if "gloss2text" in parts and "glosses" in parts:
            taken, given = parts["gloss2text"].glosses, parts["glosses"].vocabulary
            other = [w for w in given.words if w not in taken.index]
            if len(other) == len(given.words):
                raise CheckpointError(
                    f"{parts['gloss2text'].path} was trained on other glosses ({', '.join(taken.words[:5])} ...) than "
                    f"{parts['glosses'].path} gives ({', '.join(given.words[:5])} ...)"
                )
        self.parts = parts
        self.bigrams: np.ndarray | None = None
        self.bigram_weight = 1.0

    def use_bigrams(self, sentences: Sequence[Sequence[str]], weight: float = 1.0) -> list[str]:
        """Let the search for glosses know which gloss follows which.

        Args:
            sentences: glosses of utterances, those of the training part; a gloss outside the vocabulary parts its
                sentence into two.
            weight: of a pair's log-probability beside that of the network.

        Returns:
            the glosses outside the vocabulary.

        Raises:
            CheckpointError: if no network for glosses is there.
            DataError: if no gloss of the sentences is in the vocabulary.
        """
        part = self.parts.get("glosses")
        if part is None:
            raise CheckpointError("bigrams of glosses need a checkpoint of the task glosses, got one of text")
        words = part.vocabulary
        unknown = words.unknown(w for sentence in sentences for w in sentence)
        pieces: list[list[int]] = []
        for sentence in sentences:
            piece: list[int] = []
            for word in sentence:
                if word in words.index:
                    piece.append(words.index[word])
                elif piece:
                    pieces.append(piece)
                    piece = []
            if piece:
                pieces.append(piece)
        if not pieces:
            raise DataError(
                f"none of the glosses ({', '.join(unknown[:5]) or 'there are none'}) is in the vocabulary of "
                f"{part.path} ({', '.join(words.words[:5])} ...)"
            )
        self.bigrams, self.bigram_weight = bigram_weights(pieces, len(words.tokens)), weight
        return unknown

    @classmethod
    def load(cls, path: str | Path, device: str = "auto", signs: str | Path = "") -> Translator:
        """Load a checkpoint file, a run's folder or a folder of runs by task, and a segmenter of its own.

        Raises:
            CheckpointError: see `load_language`, `find_parts` and `Translator`.
        """
        parts = {task: load_language(p, device) for task, p in find_parts(path).items()}
        if signs:
            segmenter = load_language(signs, device)
            if segmenter.task != "signs":
                raise CheckpointError(
                    f"{signs} was trained for '{segmenter.task}', not for signs; train one with: skelact "
                    "learn-language signs"
                )
            parts["signs"] = segmenter
        return cls(parts)

    def translate(
        self, skeleton: Skeleton, beam: int = 16, penalty: float = 1.0, video: str | Path = ""
    ) -> Translation:
        """Translate a recording of one signer (of several, the one who is seen most).

        Args:
            skeleton: the recording.
            beam: width of the searches.
            penalty: of the length of a text, see `skelact.language.sequence_search`.
            video: of the recording, for networks that see pictures.

        Raises:
            DataError, LayoutError: if it does not fit, or no hand is seen.
        """
        first = self.parts.get("glosses") or self.parts["text"]
        fitted, notes = fit_recording(skeleton, first)
        need_hands(fitted, first)
        x = pad([whole_input(fitted, first.shown)])
        signs = self._signs(skeleton)
        glosses: list[Gloss] = []
        if first.task == "glosses":
            log_p, at = frame_log_p(first.model, x)[0], x.seconds[0]
            penalised = find_glosses(
                log_p, at, first.vocabulary, beam, self.bigrams, self.bigram_weight, first.blank_penalty
            )
            glosses = widen(penalised, signs)
        words, score = self._text(glosses, skeleton, beam, penalty, video)
        text = join_words(words) if words is not None else " ".join(g.word for g in glosses)
        return Translation(glosses, text, words is not None, score, signs, skeleton.duration, notes)

    def _signs(self, skeleton: Skeleton) -> list[tuple[float, float]]:
        part = self.parts.get("signs")
        if part is None:
            return []
        fitted, _ = fit_recording(skeleton, part)
        batch = pad([whole_input(fitted, part.shown)])
        index = part.card.label_names.index(SIGN)
        return sign_segments(np.exp(frame_log_p(part.model, batch)[0][:, index]), batch.seconds[0])

    def _text(
        self, glosses: Sequence[Gloss], skeleton: Skeleton, beam: int, penalty: float, video: str | Path
    ) -> tuple[list[str] | None, float]:
        part = self.parts.get("gloss2text")
        if part is not None and "glosses" in self.parts:
            known = [g.word for g in glosses if not part.glosses.unknown([g.word])]
            if not known:
                return [], 0.0
            rows = pad_words([part.glosses.encode(known)], 0)
            return translate_glosses(part.model, rows, part.vocabulary, beam, penalty)[0]
        part = self.parts.get("text")
        if part is None:
            return None, 0.0
        fitted, _ = fit_recording(skeleton, part)
        batch = pad([whole_input(fitted, part.shown)], [look_at(main_person(skeleton), part, video)])
        with torch.no_grad():
            return describe_motion(part.model, batch, part.vocabulary, beam, penalty)[0]
