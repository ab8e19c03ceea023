"""Fabric: precision, devices and processes."""

from __future__ import annotations

import logging
import os
from typing import Any, Literal

import torch

from skelact.device import find_device, has_bfloat16
from skelact.training.settings import TrainSettings

log = logging.getLogger(__name__)


Precision = Literal["32-true", "bf16-mixed", "16-mixed", "64-true"]


def find_precision(name: Precision | Literal["auto"], device: torch.device) -> Precision:
    """The precision that a training with ``train.precision`` of this name takes on the device."""
    if name == "auto":
        return "bf16-mixed" if has_bfloat16(device) else "32-true"
    if name == "bf16-mixed" and not has_bfloat16(device):
        log.warning(
            "this device (%s) has no instructions for bfloat16 and is several times slower in it than in float32; "
            "--train.precision auto takes what is faster",
            device,
        )
    return name


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
        precision=find_precision(settings.precision, device),
    )
    fabric.launch()
    return fabric
