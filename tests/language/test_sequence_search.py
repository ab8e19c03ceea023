"""Beam search over words against the enumeration of all sentences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from skelact.errors import ConfigError
from skelact.language.sequence_search import Sentence, normalised, search

BEGIN, END, N_WORDS = 0, 1, 4


def model(seed: int):
    """A made-up decoder whose answer depends on the whole prefix."""

    def step(prefixes: np.ndarray) -> np.ndarray:
        out = []
        for prefix in prefixes:
            rng = np.random.default_rng([seed, *map(int, prefix)])
            logits = 1.5 * rng.standard_normal(N_WORDS)
            out.append(logits - np.logaddexp.reduce(logits))
        return np.array(out)

    return step


def every(step, longest: int, penalty: float) -> list[Sentence]:
    found = []
    for n in range(longest + 1):
        for words in itertools.product(range(2, N_WORDS), repeat=n):
            prefix, total = [BEGIN], 0.0
            for word in (*words, END):
                total += float(step(np.array([prefix]))[0, word])
                prefix.append(word)
            found.append(Sentence(words, normalised(total, n + 1, penalty), total))
    return sorted(found, key=lambda s: (-s.score, s.words))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
def test_a_wide_beam_is_exhaustive(seed: int, penalty: float) -> None:
    step = model(seed)
    truth = every(step, 4, penalty)
    found = search(step, BEGIN, END, beam=100, longest=4, penalty=penalty)
    assert [s.words for s in found[:10]] == [s.words for s in truth[:10]]
    assert found[0].score == pytest.approx(truth[0].score) and found[0].log_p == pytest.approx(truth[0].log_p)


def test_the_penalty_makes_sentences_longer() -> None:
    lengths = []
    for penalty in (0.0, 3.0):
        best = [
            search(model(seed), BEGIN, END, beam=100, longest=5, penalty=penalty)[0] for seed in range(12)
        ]
        lengths.append(np.mean([len(s.words) for s in best]))
    assert lengths[1] > lengths[0] + 0.5


def test_a_narrow_beam_gives_no_more_and_ends() -> None:
    found = search(model(1), BEGIN, END, beam=2, longest=6)
    assert 1 <= len(found) <= 2 and all(len(s.words) <= 6 for s in found)


def test_special_tokens_are_never_written() -> None:
    for s in search(model(2), BEGIN, END, beam=50, longest=3):
        assert BEGIN not in s.words and END not in s.words


def test_a_decoder_that_never_ends_is_ended() -> None:
    def step(prefixes: np.ndarray) -> np.ndarray:
        return np.tile(np.log([1e-12, 1e-9, 0.5, 0.5]), (len(prefixes), 1))

    found = search(step, BEGIN, END, beam=3, longest=3, penalty=0.0)
    assert found and max(len(s.words) for s in found) <= 3


@pytest.mark.parametrize("options", [{"beam": 0}, {"longest": 0}, {"penalty": -1.0}])
def test_impossible_options_are_refused(options: dict) -> None:
    with pytest.raises(ConfigError, match="at least"):
        search(model(0), BEGIN, END, **options)
