"""Hidden Markov models against the sum over all paths, written out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.models.classical.hidden_markov import (
    HiddenMarkov,
    backward,
    baum_welch,
    forward,
    join_models,
    left_right,
    viterbi,
)


def random_model(seed: int, states: int = 3, symbols: int = 4, streams: int = 2) -> HiddenMarkov:
    rng = np.random.default_rng(seed)
    shapes = ((states,), (states, states), (streams, states, symbols))
    return HiddenMarkov(*(np.log(rng.dirichlet(np.ones(s[-1]), s[:-1])) for s in shapes))


def every_path(model: HiddenMarkov, symbols: np.ndarray) -> dict[tuple[int, ...], float]:
    """Log probability of the symbols and each path of states."""
    out = {}
    for path in itertools.product(range(len(model.start)), repeat=len(symbols)):
        value = model.start[path[0]] + sum(model.transition[a, b] for a, b in itertools.pairwise(path))
        for t, state in enumerate(path):
            value += sum(model.emission[g, state, symbols[t, g]] for g in range(symbols.shape[1]))
        out[path] = float(value)
    return out


@pytest.mark.parametrize("seed", range(4))
def test_likelihood_and_best_path_are_those_of_all_paths(seed: int) -> None:
    model = random_model(seed)
    symbols = np.random.default_rng(seed).integers(0, 4, (5, 2))
    paths = every_path(model, symbols)
    assert model.log_likelihood(symbols) == pytest.approx(np.log(np.exp(list(paths.values())).sum()))
    best = max(paths, key=lambda p: paths[p])
    states, value = model.viterbi(symbols)
    assert tuple(states) == best and value == pytest.approx(paths[best])


def test_forward_times_backward_is_the_posterior() -> None:
    model, symbols = random_model(7), np.random.default_rng(7).integers(0, 4, (4, 2))
    frames = model.frames(symbols)
    both = forward(model.start, model.transition, frames) + backward(model.transition, frames)
    paths = every_path(model, symbols)
    for t, state in itertools.product(range(4), range(3)):
        through = [np.exp(v) for p, v in paths.items() if p[t] == state]
        assert both[t, state] == pytest.approx(np.log(sum(through)))


def test_one_round_of_learning_counts_all_paths() -> None:
    model, rng = random_model(3), np.random.default_rng(3)
    sequences = [rng.integers(0, 4, (n, 2)) for n in (2, 4, 3)]
    learned, _ = baum_welch(model, sequences, rounds=1)
    start, moves, counts = np.zeros(3), np.zeros((3, 3)), np.zeros((2, 3, 4))
    for symbols in sequences:
        paths = every_path(model, symbols)
        total = sum(np.exp(list(paths.values())))
        for path, value in paths.items():
            share = np.exp(value) / total
            start[path[0]] += share
            for a, b in itertools.pairwise(path):
                moves[a, b] += share
            for t, state in enumerate(path):
                counts[[0, 1], state, symbols[t]] += share
    assert np.allclose(np.exp(learned.start), start / 3)
    assert np.allclose(np.exp(learned.transition), moves / moves.sum(1, keepdims=True))
    assert np.allclose(np.exp(learned.emission), counts / counts.sum(2, keepdims=True))


@pytest.mark.parametrize("smooth", [0.0, 0.3])
def test_the_objective_never_falls_and_the_structure_stays(smooth: float) -> None:
    rng = np.random.default_rng(0)
    sequences = [np.sort(rng.integers(0, 5, (int(n), 1)), 0) for n in rng.integers(5, 20, 12)]
    first = left_right(3, sequences, 5)
    learned, history = baum_welch(first, sequences, rounds=25, tolerance=0.0, smooth=smooth)
    assert len(history) > 5 and (np.diff(history) >= -1e-8).all() and history[-1] > history[0] + 1
    assert (np.exp(learned.transition)[np.exp(first.transition) == 0] == 0).all()
    assert np.allclose(np.exp(learned.start), [1, 0, 0])
    if not smooth:
        total = sum(learned.log_likelihood(s) for s in sequences)
        assert total == pytest.approx(history[-1])


def test_a_joined_model_names_activities_in_turn() -> None:
    sure = np.log(np.array([0.97, 0.01, 0.01, 0.01]))

    def activity(a: int, b: int) -> HiddenMarkov:
        emission = np.stack([np.roll(sure, a), np.roll(sure, b)])[None]
        with np.errstate(divide="ignore"):
            return HiddenMarkov(np.log([1.0, 0.0]), np.log([[0.8, 0.2], [0.0, 1.0]]), emission)

    models = [activity(0, 1), activity(2, 3)]
    start, transition = join_models(models, [10.0, 20.0])
    assert np.allclose(np.exp(transition).sum(1), 1) and np.exp(start).tolist() == [0.5, 0, 0.5, 0]
    shares = np.exp(transition)
    assert np.allclose(shares[:2, 2:].sum(1), 1 / 10) and np.allclose(shares[2:, :2].sum(1), 1 / 20)
    symbols = np.array([0] * 5 + [1] * 5 + [2] * 6 + [0] + [3] * 6 + [0] * 4 + [1] * 4 + [0] * 4)[:, None]
    frames = np.concatenate([m.frames(symbols) for m in models], 1)
    path = viterbi(start, transition, frames)[0] // 2
    assert path.tolist() == [0] * 10 + [1] * 13 + [0] * 12  # one wrong frame changes nothing


def test_what_is_no_model_or_no_sequence_is_refused() -> None:
    model = random_model(0)
    with pytest.raises(DataError, match="sum to 1"):
        HiddenMarkov(model.start, model.transition + 0.1, model.emission)
    with pytest.raises(DataError, match=r"needs transition \[3, 3\]"):
        HiddenMarkov(model.start, model.transition[:2], model.emission)
    with pytest.raises(DataError, match=r"0\.\.3, got 0\.\.4"):
        model.frames(np.array([[0, 4]]))
    with pytest.raises(DataError, match="at least one frame"):
        baum_welch(model, [np.zeros((0, 2), int)])
    with pytest.raises(DataError, match="at least one frame"):
        left_right(3, [], 4)
    with pytest.raises(DataError, match="mean durations"):
        join_models([model], [0.0])
    with np.errstate(divide="ignore"):
        never = HiddenMarkov(np.log([1.0]), np.log([[1.0]]), np.log([[[1.0, 0.0]]]))
    with pytest.raises(DataError, match="impossible"):
        baum_welch(never, [np.array([[1]])])
