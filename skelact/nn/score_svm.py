"""Late fusion by linear SVMs on the streams' scores, one for every subset of streams."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError

MOST_STREAMS = 6


class ScoreSVM(nn.Module):
    """One-against-all linear machines on L2-normalised softmax scores (Simonyan and Zisserman, NIPS 2014).

    Every subset of the streams has a machine of its own, so that a missing stream lowers nothing below the machine of
    the rest. A stream is missing in a clip where all its logits are 0, or one is not finite.

    Args:
        n_streams: S, at most 6.
        n_classes: K.

    Raises:
        ConfigError: for more than 6 streams, or none.
    """

    def __init__(self, n_streams: int, n_classes: int) -> None:
        super().__init__()
        if not 1 <= n_streams <= MOST_STREAMS:
            raise ConfigError(
                f"SVM fusion fits a machine for every subset of 1 to {MOST_STREAMS} streams, got {n_streams} streams; "
                "use fitted weights"
            )
        self.n_streams, self.n_classes = n_streams, n_classes
        self.subsets = [c for size in range(1, n_streams + 1) for c in combinations(range(n_streams), size)]
        for subset in self.subsets:
            self.register_buffer(_key("weight", subset), torch.zeros(n_classes, len(subset) * n_classes))
            self.register_buffer(_key("bias", subset), torch.zeros(n_classes))

    def set_machine(self, subset: tuple[int, ...], weight: Tensor, bias: Tensor) -> None:
        """Give a subset its machine: ``weight [K, len(subset)·K]`` and ``bias [K]``."""
        self.get_buffer(_key("weight", subset)).copy_(weight)
        self.get_buffer(_key("bias", subset)).copy_(bias)

    def forward(self, logits: Tensor) -> Tensor:
        """Decision values ``[..., K]`` of the streams' logits ``[S, ..., K]``; 0 where all streams are missing."""
        flat = logits.flatten(1, -2)  # [S, N, K]
        there = flat.isfinite().all(-1) & (flat != 0).any(-1)
        out = flat.new_zeros(flat.shape[1:])
        for subset in self.subsets:
            wanted = torch.zeros(self.n_streams, 1, dtype=torch.bool, device=flat.device)
            wanted[list(subset)] = True
            rows = (there == wanted).all(0)
            if bool(rows.any()):
                features = score_features(flat[list(subset)][:, rows])
                weight, bias = (self.get_buffer(_key(kind, subset)) for kind in ("weight", "bias"))
                out[rows] = nn.functional.linear(features, weight.to(features), bias.to(features))
        return out.view(logits.shape[1:])


def score_features(logits: Tensor) -> Tensor:
    """Softmax scores of streams ``[S, N, K]``, each stream's of length 1 (L2), side by side ``[N, S·K]``."""
    return nn.functional.normalize(logits.softmax(-1), dim=-1).transpose(0, 1).flatten(1)


def _key(kind: str, subset: tuple[int, ...]) -> str:
    return f"{kind}_{'_'.join(map(str, subset))}"
