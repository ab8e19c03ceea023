"""Scores of words against the truth.

Conventions. Word error rate: substitutions, deletions and insertions over the words of the truth, summed over all
sentences before dividing (`jiwer`; above 1 is possible). BLEU: corpus BLEU-4 of sacrebleu, 0 to 100, on words that are
split already (tokenize none), exponential smoothing, case as it is. ROUGE-L: of every sentence, from the longest common
subsequence of its words, ``(1 + beta²) P R / (R + beta² P)`` with beta 1.2 as in COCO's captions and sign translation,
0 to 100, averaged over sentences (Lin, "ROUGE", 2004).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from skelact.errors import DataError, DependencyError

BETA = 1.2
Words = Sequence[str]


@dataclass(frozen=True)
class WordErrors:
    """Word errors over all sentences; ``rate`` is their sum over the number of true words."""

    substitutions: int
    deletions: int
    insertions: int
    words: int

    @property
    def rate(self) -> float:
        """Word error rate."""
        return (self.substitutions + self.deletions + self.insertions) / self.words


def _check(truth: Sequence[Words], found: Sequence[Words]) -> None:
    if len(truth) != len(found):
        raise DataError(f"{len(truth)} true sentences, but {len(found)} found ones; they must be in pairs")
    if not any(len(words) for words in truth):
        raise DataError("the truth has no word, so there is nothing to compare with")


def word_errors(truth: Sequence[Words], found: Sequence[Words]) -> WordErrors:
    """Count word errors of sentences.

    Raises:
        DataError: for different numbers of sentences, or no true word at all.
        DependencyError: without jiwer.
    """
    _check(truth, found)
    try:
        import jiwer
    except ImportError:
        raise DependencyError(
            "word error rates need the package jiwer; install it with pip install 'skelact[language]'"
        ) from None
    # Words become letters of their own, so that spaces and marks within a word mean nothing to jiwer.
    code: dict[str, str] = {}
    both = [
        [" ".join(code.setdefault(w, f"w{len(code)}") for w in s) for s in part] for part in (truth, found)
    ]
    extra = sum(len(f) for t, f in zip(truth, found, strict=True) if not len(t))  # jiwer takes no empty truth
    pairs = [(t, f) for t, f in zip(*both, strict=True) if t]
    out = jiwer.process_words([t for t, _ in pairs], [f for _, f in pairs])
    return WordErrors(
        out.substitutions, out.deletions, out.insertions + extra, out.hits + out.substitutions + out.deletions
    )


def word_error_rate(truth: Sequence[Words], found: Sequence[Words]) -> float:
    """Word errors over true words; see `word_errors`."""
    return word_errors(truth, found).rate


def bleu(truth: Sequence[Words], found: Sequence[Words]) -> float:
    """Corpus BLEU-4 with one true sentence each, 0 to 100.

    Raises:
        DataError: as `word_errors`.
        DependencyError: without sacrebleu.
    """
    _check(truth, found)
    try:
        import sacrebleu
    except ImportError:
        raise DependencyError(
            "BLEU needs the package sacrebleu; install it with pip install 'skelact[language]'"
        ) from None
    lines = [" ".join(words) for words in found]
    return float(
        sacrebleu.corpus_bleu(
            lines, [[" ".join(words) for words in truth]], tokenize="none", force=True
        ).score
    )


def rouge_l(truth: Sequence[Words], found: Sequence[Words], beta: float = BETA) -> float:
    """Mean ROUGE-L of sentences, 0 to 100; raises `DataError` as `word_errors`."""
    _check(truth, found)
    return 100 * sum(_rouge(t, f, beta) for t, f in zip(truth, found, strict=True)) / len(truth)


def _rouge(truth: Words, found: Words, beta: float) -> float:
    if not len(truth) or not len(found):
        return float(len(truth) == len(found))
    common = longest_common(truth, found)
    precision, recall = common / len(found), common / len(truth)
    return (1 + beta**2) * precision * recall / (recall + beta**2 * precision) if common else 0.0


def longest_common(a: Words, b: Words) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(b) + 1)
    for word in a:
        before = 0
        for k, other in enumerate(b, 1):
            before, row[k] = row[k], before + 1 if word == other else max(row[k], row[k - 1])
    return row[-1]
