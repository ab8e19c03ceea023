"""CTC decoding against the enumeration of all paths."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelact.errors import ConfigError, DataError
from skelact.language.ctc import align, beam_search, bigram_weights


def collapse(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(k for t, k in enumerate(path) if k and (t == 0 or path[t - 1] != k))


def every(log_p: np.ndarray) -> dict[tuple[int, ...], float]:
    """Probability of every label sequence, summed over all its paths."""
    found: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(log_p.shape[1]), repeat=len(log_p)):
        p = math.exp(sum(log_p[t, k] for t, k in enumerate(path)))
        found[collapse(path)] = found.get(collapse(path), 0.0) + p
    return found


def grid(seed: int, n_frames: int, n_labels: int) -> np.ndarray:
    logits = 2 * np.random.default_rng(seed).standard_normal((n_frames, n_labels))
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(2, 4))
def test_a_wide_beam_is_exact(seed: int, n_frames: int, n_labels: int) -> None:
    log_p = grid(seed, n_frames, n_labels)
    truth = every(log_p)
    found = beam_search(log_p, beam=10_000)
    assert {h.labels for h in found} == set(truth)
    for h in found:
        assert math.exp(h.score) == pytest.approx(truth[h.labels], rel=1e-9)
    assert found[0].labels == max(truth, key=lambda k: truth[k])


def test_bigrams_are_added_for_every_label() -> None:
    log_p, bigrams = grid(3, 4, 3), np.log(np.random.default_rng(5).dirichlet(np.ones(3), 3))
    truth = every(log_p)
    for weight in (0.5, 2.0):
        for h in beam_search(log_p, 10_000, bigrams, weight):
            more = sum(bigrams[a, b] for a, b in itertools.pairwise((0, *h.labels)))
            assert h.score == pytest.approx(math.log(truth[h.labels]) + weight * more, rel=1e-9)


def test_bigrams_change_the_answer() -> None:
    log_p = np.log(np.array([[0.1, 0.5, 0.4], [0.8, 0.1, 0.1], [0.1, 0.4, 0.5]]))
    assert beam_search(log_p)[0].labels == (1, 2)
    bigrams = np.log(np.array([[1e-9, 0.9, 0.1], [1e-9, 0.99, 0.01], [1e-9, 0.5, 0.5]]))
    assert beam_search(log_p, bigrams=bigrams)[0].labels == (1, 1)


def test_summing_paths_beats_the_best_path() -> None:
    log_p = np.log(np.array([[0.4, 0.3, 0.3], [0.4, 0.3, 0.3]]))
    assert not log_p.argmax(1).any()  # the likeliest path is blank, blank: 0.16
    assert beam_search(log_p)[0].labels == (1,)  # 0.09 + 2 · 0.12 = 0.33


def test_a_narrow_beam_keeps_the_best_prefixes() -> None:
    log_p = grid(11, 12, 5)
    assert len(beam_search(log_p, beam=1)) == 1
    best = [beam_search(log_p, beam)[0].score for beam in (1, 4, 64)]
    assert best == sorted(best)


def test_repeats_need_a_blank() -> None:
    sure = np.log(np.full((3, 2), 0.01))
    sure[[0, 2], 1] = sure[1, 0] = np.log(0.99)
    assert beam_search(sure)[0].labels == (1, 1)
    assert beam_search(sure[[0, 0, 0]])[0].labels == (1,)


def test_long_recordings_do_not_underflow() -> None:
    log_p = grid(1, 2000, 4)
    found = beam_search(log_p, beam=3)
    assert np.isfinite(found[0].score) and len(found[0].labels) > 300


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6), st.lists(st.integers(1, 2), min_size=1, max_size=3))
def test_alignment_is_the_best_path_of_the_labels(seed: int, n_frames: int, labels: list[int]) -> None:
    log_p = grid(seed, n_frames, 3)
    paths = [p for p in itertools.product(range(3), repeat=n_frames) if collapse(p) == tuple(labels)]
    if not paths:
        with pytest.raises(DataError, match="too few"):
            align(log_p, labels)
        return
    best = max(paths, key=lambda p: sum(log_p[t, k] for t, k in enumerate(p)))
    found = align(log_p, labels)
    path = np.zeros(n_frames, int)
    for k, (a, b) in zip(labels, found, strict=True):
        path[a : b + 1] = k
    assert sum(log_p[np.arange(n_frames), path]) == pytest.approx(
        sum(log_p[t, k] for t, k in enumerate(best))
    )
    assert collapse(tuple(path.tolist())) == tuple(labels)


def test_nothing_aligns_to_nothing() -> None:
    assert align(grid(0, 3, 3), []) == []


def test_bigram_weights_count() -> None:
    found = np.exp(bigram_weights([[1, 2], [1, 1]], 3, smooth=1.0))
    assert found[0].tolist() == pytest.approx([0, 3 / 4, 1 / 4])
    assert found[1].tolist() == pytest.approx([0, 2 / 4, 2 / 4])
    with pytest.raises(ConfigError, match="smooth"):
        bigram_weights([], 3, 0)


@pytest.mark.parametrize("bad", [np.zeros(3), np.zeros((3, 1)), np.full((2, 3), np.nan), np.ones((2, 3))])
def test_grids_that_are_none_are_refused(bad: np.ndarray) -> None:
    for decode in (beam_search, lambda x: align(x, [1])):
        with pytest.raises(DataError, match="log-probabilities"):
            decode(bad)


def test_impossible_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="beam"):
        beam_search(grid(0, 2, 3), beam=0)
    with pytest.raises(ConfigError, match=r"\[3, 3\]"):
        beam_search(grid(0, 2, 3), bigrams=np.zeros((2, 2)))
