"""Whether a network can learn a few clips at all."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.nn.small_maps import float32_small_maps
from skelact.recognition.engine import call_model
from skelact.training.fabric import make_fabric
from skelact.training.settings import TrainSettings


def check_overfit(
    model: nn.Module,
    data: SkeletonSet,
    clips: Tensor,
    pipeline: Pipeline,
    settings: TrainSettings,
    n_clips: int = 8,
    steps: int = 200,
    on_step: Callable[[int, int, float], None] | None = None,
) -> tuple[bool, int, float]:
    """Train on a few fixed clips without augmentation: a network that cannot learn them has a fault.

    Args:
        n_clips: how many, spread over the classes.
        steps: at most.

    Returns:
        (whether every clip was learned, steps taken, last loss).
    """
    labels = data.labels[clips].cpu().numpy()
    by_class = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    mixed = [group[i] for i in range(n_clips) for group in by_class if i < len(group)][:n_clips]
    chosen = clips[torch.as_tensor(np.array(mixed))]
    torch.manual_seed(settings.seed)
    fabric = make_fabric(settings)
    model, optimiser = fabric.setup(model, torch.optim.AdamW(model.parameters(), lr=2e-3))
    batch = pipeline(data, chosen).to(fabric.device)
    model.train()
    loss = math.inf
    for step in range(1, steps + 1):
        with float32_small_maps(fabric.device, fabric.strategy.precision.precision):
            logits = call_model(model, batch)
        value = functional.cross_entropy(logits, batch.label)
        optimiser.zero_grad(set_to_none=True)
        fabric.backward(value)
        optimiser.step()
        loss = float(value.detach())
        if on_step:
            on_step(step, steps, loss)
        if loss < 0.05 and bool((logits.argmax(1) == batch.label).all()):
            return True, step, loss
    return False, steps, loss
