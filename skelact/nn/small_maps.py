"""Convolutions whose kernel is larger than their input, in float32 where the rest is in bfloat16 on a CPU.

oneDNN's gradients of such weights in bfloat16 are wrong, infinite or written beyond their memory. That was seen with
PyTorch 2.14 and oneDNN 3.12 on a processor with AVX512-BF16 and without AMX, for kernels of 3 over 2 frames, and over
one pixel with a stride of 2; every map that a kernel does not fit into is kept out.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class _SmallMaps(TorchFunctionMode):
    """Calls such convolutions without autocast."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in (torch.conv2d, torch.conv3d) and torch.is_autocast_enabled("cpu"):
            given = dict(zip(("input", "weight", "bias"), args, strict=False)) | dict(kwargs)
            x, weight = given["input"], given["weight"]
            if x.device.type == "cpu" and any(
                s < k for s, k in zip(x.shape[2:], weight.shape[2:], strict=True)
            ):
                whole = [a.float() if isinstance(a, Tensor) else a for a in args]
                named = {k: a.float() if isinstance(a, Tensor) else a for k, a in kwargs.items()}
                with torch.autocast("cpu", enabled=False):
                    return func(*whole, **named).to(torch.get_autocast_dtype("cpu"))
        return func(*args, **kwargs)


def float32_small_maps(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """A context for forward passes that are trained in ``precision`` on ``device``; nothing unless it is needed."""
    return _SmallMaps() if device.type == "cpu" and precision == "bf16-mixed" else nullcontext()
