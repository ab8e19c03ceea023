"""Fusion heads: the streams' features and logits to one answer, whichever streams there are.

A head begins as score fusion, the weighted mean of the streams' log-probabilities, and the modes that see features
learn a correction of it. A stream that is missing in a clip, or whose features are not finite, has weight 0 there and
takes part in nothing; in training streams are left out at random (modality dropout), so that the others learn to do
without.

Sources: late fusion of two streams (Simonyan and Zisserman, NIPS 2014), gated multimodal units (Arevalo et al., ICLR
workshop 2017), attention between modalities (Vaswani et al., NIPS 2017), modality dropout (Neverova et al., PAMI 2016).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError


class ScoreFusion(nn.Module):
    """Weighted mean of the log-probabilities of the streams that are there; base class of the other heads.

    Args:
        n_features: D of each stream's features, by name.
        n_classes: K.
        width: channels inside the head.
        drop: probability of leaving a stream out of a clip in training; one stream always stays.

    Raises:
        ConfigError: without streams, or for a probability outside 0..1.
    """

    def __init__(
        self, n_features: Mapping[str, int], n_classes: int, width: int = 128, drop: float = 0.2
    ) -> None:
        super().__init__()
        if not n_features or not 0 <= drop < 1 or width < 1:
            raise ConfigError(
                f"a fusion head needs streams, a width of at least 1 and drop in 0..1, got {list(n_features)}, "
                f"{width} and {drop}"
            )
        self.names, self.n_classes, self.drop = list(n_features), n_classes, drop
        self.score_weight = nn.Parameter(torch.zeros(len(self.names)))  # logarithms of the streams' weights

    def forward(
        self, features: Mapping[str, Tensor], logits: Mapping[str, Tensor], there: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fuse the streams of a batch.

        Args:
            features: ``[N, D]`` of each stream.
            logits: ``[N, K]`` of each stream alone.
            there: ``[N, S]`` booleans in the order of ``names``.

        Returns:
            logits ``[N, K]``, and how much each stream weighed ``[N, S]``: at least 0, the sum of a clip is 1. A clip
            without any stream has logits and weights of 0.
        """
        whole = [features[name].isfinite().all(1) & logits[name].isfinite().all(1) for name in self.names]
        there = there & torch.stack(whole, 1)
        if self.training and self.drop:
            there = drop_streams(there, self.drop)
        clean = {name: _masked(features[name], there[:, i]) for i, name in enumerate(self.names)}
        scores = torch.stack(
            [_masked(logits[name], there[:, i]).log_softmax(-1) for i, name in enumerate(self.names)], 1
        )
        weight = _softmax_over(self.score_weight.expand_as(there), there)
        fused = (weight.unsqueeze(-1) * scores).sum(1)
        correction, weight = self.correct(clean, there, weight)
        fused = fused if correction is None else fused + correction
        return fused * there.any(1, keepdim=True).to(fused.dtype), weight

    def correct(
        self, features: dict[str, Tensor], there: Tensor, weight: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        """What is added to the fused scores ``[N, K]``, and how much each stream weighs ``[N, S]``.

        Args:
            features: ``[N, D]`` of each stream, 0 where it is missing.
            there: ``[N, S]`` booleans.
            weight: the scores' weights ``[N, S]``.
        """
        return None, weight


class _FeatureFusion(ScoreFusion):
    """Base class of heads that project every stream's features to one width."""

    def __init__(
        self, n_features: Mapping[str, int], n_classes: int, width: int = 128, drop: float = 0.2
    ) -> None:
        super().__init__(n_features, n_classes, width, drop)
        self.project = nn.ModuleDict(
            {name: nn.Sequential(nn.LayerNorm(d), nn.Linear(d, width)) for name, d in n_features.items()}
        )
        self.out = nn.Linear(width, n_classes)
        nn.init.zeros_(self.out.weight)  # the head begins as score fusion
        nn.init.zeros_(self.out.bias)

    def tokens(self, features: dict[str, Tensor], there: Tensor) -> Tensor:
        """Projected features ``[N, S, width]``, 0 where a stream is missing."""
        tokens = torch.stack([self.project[name](features[name]) for name in self.names], 1)
        return tokens * there.unsqueeze(-1).to(tokens.dtype)


class ConcatFusion(_FeatureFusion):
    """A hidden layer on all streams' features together; a stream weighs what it contributes to that layer."""

    def correct(
        self, features: dict[str, Tensor], there: Tensor, weight: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        tokens = self.tokens(features, there)  # the hidden layer's sum, stream by stream
        share = tokens.detach().norm(dim=-1)
        return self.out(tokens.sum(1).relu()), share / share.sum(1, keepdim=True).clamp_min(1e-12)


class GatedFusion(_FeatureFusion):
    """A gate for each stream, from all streams' features; the gates of a clip add up to 1."""

    def __init__(
        self, n_features: Mapping[str, int], n_classes: int, width: int = 128, drop: float = 0.2
    ) -> None:
        super().__init__(n_features, n_classes, width, drop)
        self.gate = nn.Linear(len(n_features) * width, len(n_features))

    def correct(
        self, features: dict[str, Tensor], there: Tensor, weight: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        tokens = self.tokens(features, there)
        gate = _softmax_over(self.gate(tokens.flatten(1)), there)
        return self.out((gate.unsqueeze(-1) * tokens.tanh()).sum(1)), gate


class AttentionFusion(_FeatureFusion):
    """Each stream attends to the others (multi-head attention); a stream weighs the attention that it gets."""

    def __init__(
        self, n_features: Mapping[str, int], n_classes: int, width: int = 128, drop: float = 0.2
    ) -> None:
        super().__init__(n_features, n_classes, width, drop)
        if width % 4:
            raise ConfigError(f"cross-attention has 4 heads and needs a width that 4 divides, got {width}")
        self.kind = nn.Parameter(torch.randn(len(n_features), width) * 0.02)
        self.attention = nn.MultiheadAttention(width, 4, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def correct(
        self, features: dict[str, Tensor], there: Tensor, weight: Tensor
    ) -> tuple[Tensor | None, Tensor]:
        tokens = self.tokens(features, there) + self.kind
        hidden = ~there & there.any(
            1, keepdim=True
        )  # in a clip without streams all are seen, and none counts
        seen, paid = self.attention(tokens, tokens, tokens, key_padding_mask=hidden)
        mask = there.to(tokens.dtype)
        count = mask.sum(1, keepdim=True).clamp_min(1)
        pooled = (self.norm(tokens + seen) * mask.unsqueeze(-1)).sum(1) / count
        share = (paid * mask.unsqueeze(-1)).sum(1) / count * mask
        return self.out(pooled.relu()), share


HEADS: dict[str, type[ScoreFusion]] = {
    "score": ScoreFusion,
    "concat": ConcatFusion,
    "gated": GatedFusion,
    "attention": AttentionFusion,
}


def drop_streams(there: Tensor, drop: float) -> Tensor:
    """Leave streams out at random; where all would go, all that are there stay.

    Args:
        there: ``[N, S]`` booleans.
        drop: probability.
    """
    kept = there & (torch.rand(there.shape, device=there.device) >= drop)
    return torch.where(kept.any(1, keepdim=True), kept, there)


def _masked(x: Tensor, there: Tensor) -> Tensor:
    """``x [N, D]`` with 0 in the rows of clips where the stream is missing, whatever was there (NaN too)."""
    return torch.where(there.unsqueeze(-1), x, torch.zeros_like(x))


def _softmax_over(x: Tensor, there: Tensor) -> Tensor:
    """Softmax over the streams that are there ``[N, S]``; 0 for the others."""
    return torch.nan_to_num(x.masked_fill(~there, -torch.inf).softmax(1))
