"""What keeps the host from waiting for a GPU while batches are made."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import torch
from torch import Tensor


def may_look(device: torch.device) -> bool:
    """Whether looking at values, to leave out work that they do not need, costs nothing: on a CPU."""
    return device.type == "cpu"


def index_tensor(values: Iterable[int], device: torch.device) -> Tensor:
    """``values`` as an integer tensor on ``device``, made once: making one on a GPU waits for it every time.

    Do not change it in place.
    """
    return _made(tuple(values), device)


@lru_cache(maxsize=512)
def _made(values: tuple[int, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # whoever asks first must not decide for the others
        return torch.tensor(values, dtype=torch.int64, device=device)
