"""Every test of this folder runs on the CPU and, marked ``gpu``, on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import torch

from skelact.benchmark.gpu_models import arithmetic


@pytest.fixture(params=["cpu", pytest.param("cuda:0", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """A device; float32 means float32 on it."""
    if request.param != "cpu" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device here")
    with arithmetic("float32"):
        yield torch.device(request.param)


@pytest.fixture
def no_waiting(device: torch.device) -> Callable[[], AbstractContextManager[None]]:
    """``with no_waiting():`` makes whatever waits for a GPU fail; on the CPU nothing does."""

    @contextmanager
    def guard() -> Iterator[None]:
        if device.type == "cpu":
            yield
            return
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode("default")

    return guard
