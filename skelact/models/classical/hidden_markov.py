"""Discrete hidden Markov models in log space (Rabiner, Proc. IEEE 1989): forward, backward, Baum-Welch, Viterbi.

A frame may have several symbols (of the arms, of the legs, ...): given the state they are independent, so a state's
probability of a frame is the product of its probabilities of the symbols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skelact.errors import DataError


@dataclass(frozen=True)
class HiddenMarkov:
    """A model with S states and G streams of symbols.

    Args:
        start: ``[S]`` log probability of the first state.
        transition: ``[S, S]`` log probability of the next state (column) after a state (row).
        emission: ``[G, S, K]`` log probability of each of K symbols in each state.

    Raises:
        DataError: if the shapes do not fit, or a row is no distribution.
    """

    start: np.ndarray
    transition: np.ndarray
    emission: np.ndarray

    def __post_init__(self) -> None:
        s = len(self.start)
        if self.transition.shape != (s, s) or self.emission.ndim != 3 or self.emission.shape[1] != s:
            raise DataError(
                f"a hidden Markov model of {s} states needs transition [{s}, {s}] and emission [streams, {s}, "
                f"symbols], got {list(self.transition.shape)} and {list(self.emission.shape)}"
            )
        for name in ("start", "transition", "emission"):
            with np.errstate(invalid="ignore"):
                total = np.exp(getattr(self, name)).sum(-1)
            if not np.allclose(total, 1, atol=1e-6):
                raise DataError(f"the {name} probabilities of a hidden Markov model must sum to 1")

    def frames(self, symbols: np.ndarray) -> np.ndarray:
        """Log probability of each frame in each state, ``[..., T, S]``, of symbols ``[..., T, G]``."""
        symbols = np.asarray(symbols)
        n_streams, _, n_symbols = self.emission.shape
        if symbols.shape[-1:] != (n_streams,):
            raise DataError(f"symbols must be [frames, {n_streams}], got shape {list(symbols.shape)}")
        if symbols.size and not (symbols.min() >= 0 and symbols.max() < n_symbols):
            raise DataError(f"symbols must lie in 0..{n_symbols - 1}, got {symbols.min()}..{symbols.max()}")
        return np.sum([self.emission[g].T[symbols[..., g]] for g in range(n_streams)], 0)

    def log_likelihood(self, symbols: np.ndarray) -> float:
        """Log probability of one sequence ``[T, G]``."""
        frames = self.frames(symbols)
        return float(_add(forward(self.start, self.transition, frames)[-1]))

    def viterbi(self, symbols: np.ndarray) -> tuple[np.ndarray, float]:
        """The most probable states ``[T]`` of one sequence ``[T, G]``, and the log probability of both."""
        return viterbi(self.start, self.transition, self.frames(symbols))


def _add(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """``log sum exp`` along an axis; all -inf gives -inf."""
    top = x.max(axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(x - top).sum(axis)) + top.squeeze(axis)


def forward(start: np.ndarray, transition: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Log probability of the frames so far and the state now.

    Args:
        start: ``[..., S]`` logs.
        transition: ``[..., S, S]`` logs.
        frames: ``[..., T, S]`` log probability of each frame in each state.

    Returns:
        ``[..., T, S]``.
    """
    out = np.empty_like(frames)
    out[..., 0, :] = start + frames[..., 0, :]
    for t in range(1, frames.shape[-2]):
        out[..., t, :] = _add(out[..., t - 1, :, None] + transition, -2) + frames[..., t, :]
    return out


def backward(transition: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Log probability of the frames to come, given the state now; arguments and result as for `forward`."""
    out = np.zeros_like(frames)
    for t in range(frames.shape[-2] - 2, -1, -1):
        out[..., t, :] = _add(transition + (frames[..., t + 1, :] + out[..., t + 1, :])[..., None, :], -1)
    return out


def viterbi(start: np.ndarray, transition: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, float]:
    """The most probable path of states ``[T]`` and its log probability.

    Args:
        start: ``[S]`` logs.
        transition: ``[S, S]`` logs.
        frames: ``[T, S]``, T at least 1.

    Raises:
        DataError: without frames.
    """
    if not len(frames):
        raise DataError("there is no frame to find a path through")
    best = start + frames[0]
    came = np.zeros(frames.shape, np.int64)
    for t in range(1, len(frames)):
        ways = best[:, None] + transition
        came[t] = ways.argmax(0)
        best = ways.max(0) + frames[t]
    path = np.empty(len(frames), np.int64)
    path[-1] = best.argmax()
    for t in range(len(frames) - 1, 0, -1):
        path[t - 1] = came[t, path[t]]
    return path, float(best.max())


def left_right(
    n_states: int, sequences: Sequence[np.ndarray], n_symbols: int, smooth: float = 1.0
) -> HiddenMarkov:
    """A model that goes from its first state to its last, never back, and may not skip one.

    Each state's symbols are those of its share of every sequence, cut into equal parts.

    Args:
        n_states: S.
        sequences: of symbols ``[T, G]``, integers below ``n_symbols``.
        n_symbols: K.
        smooth: count added to every symbol.

    Raises:
        DataError: without a sequence, or with an empty one.
    """
    if not len(sequences) or not all(len(s) for s in sequences):
        raise DataError("a hidden Markov model needs sequences to learn from, of at least one frame each")
    n_streams = sequences[0].shape[1]
    counts = np.full((n_streams, n_states, n_symbols), max(smooth, 1e-3))
    stays = np.zeros(n_states)
    for sequence in sequences:
        part = np.minimum(np.arange(len(sequence)) * n_states // len(sequence), n_states - 1)
        for g in range(n_streams):
            np.add.at(counts[g], (part, sequence[:, g]), 1)
        stays += np.bincount(part, minlength=n_states)
    length = np.maximum(stays / len(sequences), 1.0)
    transition = np.diag(1 - 0.9 / length) + np.diag(0.9 / length[:-1], 1)
    transition[-1] = np.eye(n_states)[-1]
    with np.errstate(divide="ignore"):
        return HiddenMarkov(
            np.log(np.eye(n_states)[0]), np.log(transition), np.log(counts / counts.sum(-1, keepdims=True))
        )


def baum_welch(
    model: HiddenMarkov,
    sequences: Sequence[np.ndarray],
    rounds: int = 30,
    tolerance: float = 1e-4,
    smooth: float = 0.0,
) -> tuple[HiddenMarkov, list[float]]:
    """Learn from several sequences by expectation and maximisation; what is impossible in the model stays so.

    Args:
        model: to begin with.
        sequences: of symbols ``[T, G]``.
        rounds: at most.
        tolerance: stop when the objective rises by less than this for each frame.
        smooth: count added to every symbol in every state, a Dirichlet prior; 0: maximum likelihood.

    Returns:
        the model, and the objective before every round and at the end: the log likelihood of all sequences plus
        ``smooth`` times the sum of the log emission probabilities. It never falls.

    Raises:
        DataError: without a sequence, or if one is impossible in the model.
    """
    if not len(sequences) or not all(len(s) for s in sequences):
        raise DataError("a hidden Markov model needs sequences to learn from, of at least one frame each")
    lengths = np.array([len(s) for s in sequences])
    padded = np.zeros((len(sequences), lengths.max(), sequences[0].shape[1]), np.int64)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    there = np.arange(lengths.max()) < lengths[:, None]  # [N, T]
    history: list[float] = []
    for _ in range(rounds + 1):
        frames = np.where(there[..., None], model.frames(padded), 0.0)
        alpha = forward(model.start, model.transition, frames)
        each = _add(alpha[np.arange(len(lengths)), lengths - 1])
        if not np.isfinite(each).all():
            raise DataError("a sequence is impossible in the model; begin with one that allows every symbol")
        prior = smooth * float(model.emission.sum()) if smooth else 0.0
        history.append(float(each.sum()) + prior)
        if len(history) > rounds or (
            len(history) > 1 and history[-1] - history[-2] < tolerance * lengths.sum()
        ):
            break
        model = _maximise(model, frames, alpha, each, there, padded, smooth)
    return model, history


def _maximise(
    model: HiddenMarkov, frames: np.ndarray, alpha: np.ndarray, each: np.ndarray, there: np.ndarray,
    symbols: np.ndarray, smooth: float,
) -> HiddenMarkov:  # fmt: skip
    """One round: expected counts under the model become the next one's probabilities."""
    beta = backward(model.transition, frames)  # padding has probability 1, which changes nothing
    share = np.where(there[..., None], np.exp(alpha + beta - each[:, None, None]), 0.0)  # [N, T, S]
    steps = alpha[:, :-1, :, None] + model.transition + (frames + beta)[:, 1:, None, :]
    moves = np.where(there[:, 1:, None, None], np.exp(steps - each[:, None, None, None]), 0.0).sum((0, 1))
    counts = np.full(model.emission.shape, smooth)
    for g in range(len(counts)):
        np.add.at(counts[g].T, symbols[..., g][there], share[there])
    with np.errstate(divide="ignore"):
        start = np.log(share[:, 0].sum(0) / len(share))
        transition = _normalised(moves, model.transition)
        return HiddenMarkov(start, transition, _normalised(counts, model.emission))


def _normalised(counts: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Logs of counts as shares of their row; a state that was never there keeps its old row."""
    total = counts.sum(-1, keepdims=True)
    return np.where(total > 0, np.log(counts / np.maximum(total, 1e-300)), before)


def join_models(
    models: Sequence[HiddenMarkov], mean_frames: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """One model of activities that follow each other in any order, for a log as its Viterbi path.

    Somebody stays in activity k with probability ``1 - 1 / mean_frames[k]`` and then does any other one, from its first
    state. While they stay, the activity's own model goes on, and from its last state begins again at a rate that passes
    through all states in the mean duration.

    Args:
        models: one for each of K activities, S_k states each.
        mean_frames: how long each lasts in the mean, in frames.

    Returns:
        start ``[sum S_k]`` and transition ``[sum S_k, sum S_k]``, logs; states in the order of the models.

    Raises:
        DataError: without models, or for a duration that is not above 0.
    """
    if not models or len(models) != len(mean_frames) or not all(d > 0 for d in mean_frames):
        raise DataError(f"{len(models)} models need as many mean durations above 0, got {list(mean_frames)}")
    sizes = [len(m.start) for m in models]
    ends = np.cumsum(sizes)
    transition = np.zeros((ends[-1], ends[-1]))
    starts = np.concatenate([np.exp(m.start) for m in models])
    for k, (model, frames) in enumerate(zip(models, mean_frames, strict=True)):
        own = slice(ends[k] - sizes[k], ends[k])
        leave = min(1.0, 1 / frames) if len(models) > 1 else 0.0
        inside = np.exp(model.transition)
        again = min(1.0, sizes[k] / frames)
        inside[-1] = (1 - again) * inside[-1] + again * np.exp(model.start)
        transition[own] = leave / max(len(models) - 1, 1) * starts
        transition[own, own] = (1 - leave) * inside
    with np.errstate(divide="ignore"):
        return np.log(starts / len(models)), np.log(transition)
