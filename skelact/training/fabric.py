"""Fabric: precision, devices and processes."""

from __future__ import annotations

import logging
import os
from typing import Any

import torch

from skelact.errors import ConfigError
from skelact.training.settings import TrainSettings


def make_fabric(settings: TrainSettings) -> Any:
    """Fabric for this machine; under torchrun with its processes."""
    from lightning_fabric import Fabric

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it greets every process
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
    accelerator = settings.accelerator
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise ConfigError("train.accelerator is cuda, but torch sees no GPU; use auto or cpu")
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    fabric = Fabric(
        accelerator=accelerator,
        devices=local,
        num_nodes=max(1, world // local),
        strategy="ddp" if world > 1 else "auto",
        precision=settings.precision,
    )
    fabric.launch()
    return fabric
