"""The table of losses: what a network is told about its logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from skelact.training.settings import TrainSettings

Loss = Callable[[Tensor, Tensor, "Tensor | None", "TrainSettings"], Tensor]


def cross_entropy(logits: Tensor, label: Tensor, weight: Tensor | None, settings: TrainSettings) -> Tensor:
    """Cross-entropy with label smoothing (Szegedy et al., CVPR 2016), classes weighed by ``weight [K]``."""
    return functional.cross_entropy(logits, label, weight=weight, label_smoothing=settings.label_smoothing)


def focal(logits: Tensor, label: Tensor, weight: Tensor | None, settings: TrainSettings) -> Tensor:
    """Focal loss ``-(1 - p)^γ log p`` (Lin et al., ICCV 2017): clips that are known already count less."""
    log_p = logits.log_softmax(-1).gather(1, label[:, None]).squeeze(1)
    own = torch.ones_like(log_p) if weight is None else weight[label].to(log_p.dtype)
    return -(own * (1 - log_p.exp()).pow(settings.focal_gamma) * log_p).sum() / own.sum()


LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy, "focal": focal}


def training_loss(
    model: nn.Module, logits: Tensor, label: Tensor, criterion: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """What a network is trained on, of its last `forward`.

    Args:
        model: the network. Has it ``heads_loss(label, criterion)``, its heads are trained one by one, and this is the
            loss; else ``extra_loss(label)``, if it has that, is added to the loss of its answer.
        logits: its answer ``[N, K]``.
        label: ``[N]``.
        criterion: of logits and labels.
    """
    heads_loss, extra_loss = (getattr(model, name, None) for name in ("heads_loss", "extra_loss"))
    if heads_loss is not None:
        return heads_loss(label, criterion)
    loss = criterion(logits, label)
    own = None if extra_loss is None else extra_loss(label)
    return loss if own is None else loss + own


def class_weights(labels: Tensor, n_classes: int, beta: float | None = None) -> Tensor:
    """Weights of classes ``[n_classes]`` with mean 1 over those that occur; 0 for the others.

    Args:
        labels: of the training part.
        n_classes: K.
        beta: None: inverse frequencies. Else inverse effective numbers ``(1 - β) / (1 - β^n)`` (Cui et al.,
            "Class-balanced loss based on effective number of samples", CVPR 2019).
    """
    counts = torch.bincount(labels, minlength=n_classes).double()
    inverse = 1 / counts if beta is None else (1 - beta) / (1 - beta**counts)
    weights = torch.where(counts > 0, inverse, 0.0)
    return (weights * (counts > 0).sum() / weights.sum()).float()
