"""Which device a command runs on: ``auto``, ``cpu``, ``cuda``, ``cuda:1``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from skelact.errors import ConfigError

if TYPE_CHECKING:
    import torch

DEVICES = "auto, cpu, cuda, cuda:N"


def check_device(name: str) -> str:
    """``name`` if it names a device, whether or not the machine has it.

    Raises:
        ConfigError: if it does not.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise ConfigError(f"device is '{name}'; allowed: {DEVICES}")
    return name


def find_device(name: str = "auto") -> torch.device:
    """The device of this name; ``auto`` is the first GPU, or the CPU where there is none.

    Raises:
        ConfigError: for a name that is none, or a device that is not there.
    """
    import torch

    check_device(name)
    n_gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda:0" if n_gpus else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= n_gpus:
        seen = f"{n_gpus} (cuda:0 to cuda:{n_gpus - 1})" if n_gpus else "no GPU"
        raise ConfigError(
            f"device is '{name}', but torch sees {seen}; use auto, cpu, or a device that is there"
        )
    return torch.device("cuda", device.index or 0) if device.type == "cuda" else device


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 by instructions of its own, where others emulate it slowly.

    GPUs have them from NVIDIA's Ampere on, x86 processors with AVX512-BF16 or AMX.
    """
    import torch

    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    asked = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in asked)
