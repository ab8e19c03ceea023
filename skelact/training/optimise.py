"""Optimisers, learning-rate schedules and the moving average of weights."""

from __future__ import annotations

import math

import torch
from torch import nn

from skelact.training.settings import TrainSettings


def make_optimiser(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum or AdamW; weight decay only on weights of two axes and more."""
    decayed = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    others = [p for p in model.parameters() if p.requires_grad and p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    groups = [g for g in groups if g["params"]]
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=settings.lr)
    nesterov = settings.momentum > 0
    return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, nesterov=nesterov)


def learning_rate(settings: TrainSettings, progress: float) -> float:
    """The learning rate after ``progress`` epochs (a fraction)."""
    if progress < settings.warmup_epochs:
        return settings.lr * (progress + 1e-3) / (settings.warmup_epochs + 1e-3)
    if settings.schedule == "step":
        return settings.lr * settings.gamma ** sum(progress >= m for m in settings.milestones)
    share = (progress - settings.warmup_epochs) / max(settings.epochs - settings.warmup_epochs, 1e-9)
    return settings.lr * 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


class WeightAverage:
    """Exponential moving average of a network's parameters and buffers (Polyak and Juditsky, 1992).

    The decay rises with the number of updates, ``min(decay, (1 + n) / (10 + n))``, so that short
    trainings are not dominated by the first weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the network's present weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)
