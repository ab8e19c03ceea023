"""Steps without labels before a training's first one, of networks that have a loss of their own for it (convGRBM)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from skelact.datasets.batch import SkeletonBatch
from skelact.errors import ConfigError
from skelact.models.streams import StreamNetwork
from skelact.models.video.convgrbm import ConvGRBMNet

log = logging.getLogger(__name__)


def pretrain(
    model: nn.Module,
    batches: Callable[[Tensor], Iterable[SkeletonBatch]],
    clips: Tensor,
    epochs: int,
    lr: float,
    seed: int,
    fabric: Any,
    check: Callable[[], None],
) -> list[float]:
    """Train the gated Boltzmann machines in a network by contrastive divergence, with Adam, on clips without labels.

    Args:
        model: a network of streams.
        batches: makes the batches of clips in the order given.
        clips: numbers of the clips.
        epochs: passes over them.
        lr: of Adam.
        seed: of the clips' order and of what the machines draw.
        fabric: of the training.
        check: called after each step; may raise to stop.

    Returns:
        of each pass, the mean squared error of the next frames as the machines see them in the frames before.

    Raises:
        ConfigError: if the network has no such machine, or the training runs in several processes.

    Source: Taylor et al., ECCV 2010; Hinton, Neural Computation 2002 (contrastive divergence).
    """
    machines: dict[str, ConvGRBMNet] = {}
    if isinstance(model, StreamNetwork):
        machines = {n: part for n, part in model.encoders.items() if isinstance(part, ConvGRBMNet)}
    if not isinstance(model, StreamNetwork) or not machines:
        raise ConfigError(
            "train.pretrain_epochs is for networks with a pretraining of their own (convgrbm); set it to 0"
        )
    if fabric.world_size > 1:
        raise ConfigError("train.pretrain_epochs runs in one process; start it without torchrun")
    optimiser = torch.optim.Adam([p for part in machines.values() for p in part.grbm.parameters()], lr)
    order = torch.Generator().manual_seed(seed)
    drawn = torch.Generator(fabric.device).manual_seed(seed)
    errors = []
    for epoch in range(epochs):
        seen: list[Tensor] = []
        for batch in batches(clips[torch.randperm(len(clips), generator=order)]):
            losses = []
            for name, part in machines.items():
                shown, _ = model.present(name, batch.pictures, batch.there, batch.n_clips)
                if shown is not None:
                    loss, error = part.pretraining_loss(shown, drawn)
                    losses.append(loss)
                    seen.append(error)
            if losses:
                optimiser.zero_grad(set_to_none=True)
                torch.stack(losses).sum().backward()
                optimiser.step()
            check()
        errors.append(float(torch.stack(seen).mean()) if seen else float("nan"))
        log.info("pretraining, pass %d of %d: squared error %.4f", epoch + 1, epochs, errors[-1])
    return errors
