"""Avoiding synchronisation with a GPU while batches are made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache

import torch
from torch import Tensor

_blind: ContextVar[bool] = ContextVar("_blind", default=False)


def may_look(device: torch.device) -> bool:
    """Whether values may be read on the host without synchronisation, that is on a CPU."""
    return device.type == "cpu" and not _blind.get()


@contextmanager
def without_looking() -> Iterator[None]:
    """Inside, `may_look` is false in this thread: a trace would keep a decision by values for ever."""
    token = _blind.set(True)
    try:
        yield
    finally:
        _blind.reset(token)


def index_tensor(values: Iterable[int], device: torch.device) -> Tensor:
    """``values`` as an integer tensor on ``device``, cached: creating one on a GPU synchronises.

    Do not change it in place.
    """
    return _made(tuple(values), device)


@lru_cache(maxsize=512)
def _made(values: tuple[int, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # cached tensors must not be inference tensors
        return torch.tensor(values, dtype=torch.int64, device=device)
