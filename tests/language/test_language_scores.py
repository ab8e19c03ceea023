"""Scores of words, by hand."""

from __future__ import annotations

import sys

import pytest

from skelact.errors import DataError, DependencyError
from skelact.language.scores import bleu, longest_common, rouge_l, word_error_rate, word_errors


def test_word_errors_are_counted_over_all_sentences() -> None:
    truth = [["a", "b", "c"], ["d"]]
    found = [["a", "x", "c", "y"], []]
    errors = word_errors(truth, found)
    assert (errors.substitutions, errors.insertions, errors.deletions, errors.words) == (1, 1, 1, 4)
    assert errors.rate == pytest.approx(3 / 4)
    assert word_error_rate(truth, truth) == 0


def test_an_empty_truth_makes_every_word_an_insertion() -> None:
    errors = word_errors([["a"], []], [["a"], ["x", "y"]])
    assert errors.insertions == 2 and errors.words == 1 and errors.rate == 2


def test_words_are_compared_whole() -> None:
    assert word_error_rate([["ES-BEDEUTET", "don't"]], [["ES-BEDEUTET", "don't"]]) == 0
    assert word_error_rate([["Wolke"]], [["wolke"]]) == 1  # case counts


def test_bleu_by_hand() -> None:
    truth = [["the", "cat", "sat", "on", "the", "mat"]]
    assert bleu(truth, truth) == pytest.approx(100)
    found = [["the", "cat", "sat", "on", "a", "mat"]]
    by_hand = 100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25  # precisions of 1 to 4 words, no brevity penalty
    assert bleu(truth, found) == pytest.approx(by_hand)


def test_rouge_l_by_hand() -> None:
    truth, found = [["a", "b", "c", "d"]], [["a", "c", "e"]]
    p, r, b = 2 / 3, 2 / 4, 1.2
    assert rouge_l(truth, found) == pytest.approx(100 * (1 + b**2) * p * r / (r + b**2 * p))
    assert rouge_l(truth, found, beta=1.0) == pytest.approx(100 * 2 * p * r / (p + r))
    assert rouge_l([["a"], ["b"]], [["a"], ["c"]]) == pytest.approx(50)
    assert rouge_l([["a"], []], [[], []]) == pytest.approx(50)


def test_longest_common_subsequence() -> None:
    assert longest_common("abcbdab", "bdcaba") == 4
    assert longest_common("", "abc") == 0


@pytest.mark.parametrize("score", [word_error_rate, bleu, rouge_l])
def test_pairs_are_needed(score) -> None:
    with pytest.raises(DataError, match="in pairs"):
        score([["a"]], [])
    with pytest.raises(DataError, match="no word"):
        score([[]], [["a"]])


@pytest.mark.parametrize(("score", "package"), [(word_error_rate, "jiwer"), (bleu, "sacrebleu")])
def test_missing_packages_are_named(score, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DependencyError, match=r"skelact\[language\]"):
        score([["a"]], [["a"]])
