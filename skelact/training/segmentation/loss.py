"""MS-TCN's loss: cross-entropy and a truncated mean square of steps from frame to frame, over all stages."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SMOOTHING, LIMIT = 0.15, 4.0


def segmentation_loss(
    logits: Tensor,
    label: Tensor,
    weight: Tensor | None = None,
    smoothing: float = SMOOTHING,
    limit: float = LIMIT,
    real: Tensor | None = None,
) -> Tensor:
    """The sum over stages of cross-entropy + ``smoothing`` × the mean of ``min(|log p_t - log p_{t-1}|, limit)²``.

    Source: Abu Farha and Gall, "MS-TCN", CVPR 2019; the earlier frame's log-probabilities are detached, and the mean
    goes over frames and classes.

    Args:
        logits: ``[S, N, T, K]``.
        label: ``[N, T]``, -1: not labelled.
        weight: ``[K]`` of the classes in the cross-entropy; None: all 1.
        smoothing: share of the second term.
        limit: above which a step costs no more.
        real: ``[N, T]`` booleans, False beyond a recording's end; None: all are real.
    """
    total = logits.new_zeros(())
    steps = None if real is None else (real[:, 1:] & real[:, :-1])[..., None].to(logits.dtype)
    for stage in logits:
        if bool((label >= 0).any()):
            total = total + functional.cross_entropy(
                stage.flatten(0, 1), label.flatten(), weight=weight, ignore_index=-1
            )
        if smoothing and stage.shape[1] > 1:
            log_p = stage.log_softmax(-1)
            square = (log_p[:, 1:] - log_p[:, :-1].detach()).abs().clamp_max(limit).square()
            if steps is None:
                total = total + smoothing * square.mean()
            else:
                count = (steps.sum() * stage.shape[-1]).clamp_min(1)
                total = total + smoothing * (square * steps).sum() / count
    return total


def label_weights(counts: Tensor, balance: float) -> Tensor | None:
    """Weights ``[K]`` proportional to ``counts ** -balance``, their mean over frames 1; None without balance.

    Args:
        counts: frames of each class; a class without frames gets 0.
        balance: 0 (none) to 1 (every class counts the same).
    """
    if not balance:
        return None
    there = counts > 0
    weight = torch.where(
        there, counts.clamp_min(1).double() ** -balance, torch.zeros_like(counts, dtype=torch.float64)
    )
    return (weight * counts.sum() / (weight * counts).sum()).float()
