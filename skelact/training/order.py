"""Which clips an epoch shows, and in which order."""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.training.losses import class_weights
from skelact.training.settings import TrainSettings


def epoch_order(
    clips: Tensor, labels: Tensor, settings: TrainSettings, epoch: int, rank: int, world: int
) -> Tensor:
    """The clips that one process sees in an epoch, a function of seed and epoch alone."""
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + epoch)
    rounds = []
    for _ in range(settings.repeat):
        if settings.class_balance == "sampler":
            weights = class_weights(labels, int(labels.max()) + 1)[labels]
            chosen = torch.multinomial(weights, len(clips), replacement=True, generator=generator)
        else:
            chosen = torch.randperm(len(clips), generator=generator)
        rounds.append(clips[chosen])
    order = torch.cat(rounds)
    if world > 1:  # every process takes the same number of clips
        order = torch.cat([order, order[: -len(order) % world]])
    return order[rank::world]
