"""Fabric: precision, devices and processes."""

from __future__ import annotations

import logging
import os
from typing import Any

from skelact.device import find_device
from skelact.training.settings import TrainSettings


def make_fabric(settings: TrainSettings) -> Any:
    """Fabric for this machine; under torchrun with its processes."""
    from lightning_fabric import Fabric

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it greets every process
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_WORLD_SIZE", str(world)))
    device = find_device(settings.device)
    fabric = Fabric(
        accelerator=device.type,
        devices=local if world > 1 or device.type == "cpu" else [device.index],
        num_nodes=max(1, world // local),
        strategy="ddp" if world > 1 else "auto",
        precision=settings.precision,
    )
    fabric.launch()
    return fabric
