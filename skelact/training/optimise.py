"""Optimisers, learning-rate schedules and the moving average of weights."""

from __future__ import annotations

import math

import torch
from torch import nn

from skelact.training.settings import TrainSettings
from skelact.training.transfer import layer_scales


def make_optimiser(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum or AdamW; weight decay only on weights of two axes and more.

    Parameter groups carry ``scale``, the factor of their learning rate (``settings.layer_decay``).
    """
    scales = layer_scales(model, settings.layer_decay) if settings.layer_decay != 1 else {}
    by_kind: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            decay = settings.weight_decay if parameter.ndim > 1 else 0.0
            by_kind.setdefault((scales.get(id(parameter), 1.0), decay), []).append(parameter)
    groups = [
        {"params": parameters, "weight_decay": decay, "scale": scale}
        for (scale, decay), parameters in by_kind.items()
    ]
    if settings.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=settings.lr, foreach=True)
    nesterov = settings.momentum > 0
    return torch.optim.SGD(
        groups, lr=settings.lr, momentum=settings.momentum, nesterov=nesterov, foreach=True
    )


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
        averages, values = [], []
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                averages.append(self.state[name])
                values.append(value)
            else:
                self.state[name].copy_(value)
        torch._foreach_lerp_(averages, values, 1 - decay)
