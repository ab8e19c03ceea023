"""One descriptor of a clip out of the features of its frames: a family of temporal poolings."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError, choices
from skelact.nn.rank_pooling import dynamic_coefficients, rank_pool

POOLINGS = ("mean", "max", "deviation", "attention", "rank", "approximate_rank", "correlation")
FLOOR = 1e-3  # added to the eigenvalues of correlations
LARGEST = 128  # channels whose correlations are taken


class TemporalPooling(nn.Module):
    """Pool the features of frames over time.

    =====================  =============================================================================
    ``mean``, ``max``      over the frames
    ``deviation``          standard deviation over the frames
    ``attention``          a mean whose weights are a softmax of one learned projection
    ``rank``               where frames grow to, by support vector regression (`rank_pool`; no gradient)
    ``approximate_rank``   its first step (`dynamic_coefficients`), signed square root
    ``correlation``        which channels are active together (`correlate`)
    =====================  =============================================================================

    Args:
        kind: one of `POOLINGS`.
        channels: D, features of a frame.

    Raises:
        ConfigError: for an unknown kind, or the correlations of too many channels.
    """

    def __init__(self, kind: str, channels: int) -> None:
        super().__init__()
        if kind not in POOLINGS:
            raise ConfigError(choices(kind, POOLINGS, "temporal pooling"))
        if kind == "correlation" and channels > LARGEST:
            raise ConfigError(
                f"correlations of {channels} channels are {channels * (channels + 1) // 2} numbers; project the "
                f"features to at most {LARGEST} channels first"
            )
        self.kind = kind
        self.channels_out = {"rank": 2 * channels, "correlation": channels * (channels + 1) // 2}.get(
            kind, channels
        )
        self.query = nn.Linear(channels, 1) if kind == "attention" else None

    def forward(self, x: Tensor) -> Tensor:
        """``[N, T, D]`` to ``[N, channels_out]``."""
        match self.kind:
            case "max":
                return x.amax(1)
            case "deviation":
                return x.var(1, unbiased=False).clamp_min(1e-12).sqrt()
            case "attention":
                assert self.query is not None
                return (self.query(x).softmax(1) * x).sum(1)
            case "rank":
                pooled = [torch.from_numpy(rank_pool(clip)) for clip in x.detach().double().cpu().numpy()]
                return torch.stack(pooled).to(x)
            case "approximate_rank":
                weight = torch.from_numpy(dynamic_coefficients(x.shape[1])).to(x)
                pooled = torch.einsum("ntd,t->nd", x, weight)
                return pooled.sign() * pooled.abs().clamp_min(1e-12).sqrt()
            case "correlation":
                return correlate(x)
        return x.mean(1)

    def extra_repr(self) -> str:
        return self.kind


def correlate(x: Tensor, floor: float = FLOOR) -> Tensor:
    """Temporal correlation pooling (Cherian and Gould, IJCV 2019): which features are active together.

    Each feature's course over time is centred and scaled to length 1 (F); ``C = F Fᵀ``; the descriptor is the upper
    triangle of ``log(C + floor·I)``, off-diagonal values times √2, so that its dot product is that of the matrices.

    Args:
        x: ``[N, T, D]`` features, or scores of classes, of frames.
        floor: added to the eigenvalues.

    Returns:
        ``[N, D (D + 1) / 2]``.

    Raises:
        ConfigError: for a floor that is not above 0.
    """
    if not floor > 0:
        raise ConfigError(f"the floor of correlations must be above 0, got {floor}")
    course = (
        (x - x.mean(1, keepdim=True)).float() if x.dtype != torch.float64 else x - x.mean(1, keepdim=True)
    )
    course = course / course.norm(dim=1, keepdim=True).clamp_min(1e-6)
    shared = course.mT @ course
    values, vectors = torch.linalg.eigh(shared)
    log = vectors * (values.clamp_min(0) + floor).log().unsqueeze(-2) @ vectors.mT
    row, column = torch.triu_indices(*log.shape[-2:], device=x.device)
    scale = torch.where(row == column, 1.0, math.sqrt(2)).to(log)
    return (log[:, row, column] * scale).to(x.dtype)
