"""One answer from those of several segments or steps of a clip."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError, choices

CONSENSUS = ("mean", "max", "weighted")


def mean_probability(logits: Tensor, axis: int) -> Tensor:
    """Logarithm of the mean of the softmax probabilities of ``logits [..., classes]`` over an axis."""
    return torch.logsumexp(logits.log_softmax(-1), axis) - math.log(logits.shape[axis])


class Consensus(nn.Module):
    """Segmental consensus G (Wang et al., TSN, ECCV 2016) on the scores of K segments, before the softmax.

    Args:
        kind: ``mean``, ``max`` (of each class), or ``weighted`` (one learned weight for each segment, equal at
            first).
        n_segments: K.

    Raises:
        ConfigError: for an unknown kind.
    """

    def __init__(self, kind: str, n_segments: int) -> None:
        super().__init__()
        if kind not in CONSENSUS:
            raise ConfigError(choices(kind, CONSENSUS, "consensus"))
        self.kind = kind
        self.weight = nn.Parameter(torch.full((n_segments,), 1 / n_segments)) if kind == "weighted" else None

    def forward(self, scores: Tensor) -> Tensor:
        """``[N, K, classes]`` to ``[N, classes]``."""
        if self.weight is not None:
            return torch.einsum("nkc,k->nc", scores, self.weight)
        return scores.amax(1) if self.kind == "max" else scores.mean(1)

    def extra_repr(self) -> str:
        return self.kind
