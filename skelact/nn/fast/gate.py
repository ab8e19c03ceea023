"""Whether optimised forms apply."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FULL_PRECISION = (torch.float32, torch.float64)


def applies(x: Tensor, devices: tuple[str, ...] = ("cpu",)) -> bool:
    """Whether an optimised form applies to ``x``.

    It does on the forms' devices and in full precision, but not under autocast, compilers and tracers, which
    need the plain definition.
    """
    return (
        x.device.type in devices
        and x.dtype in FULL_PRECISION
        and not torch.is_autocast_enabled(x.device.type)
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )


class TrainingForm(nn.Module):
    """Base of training forms: subclasses of a module with the same weights and another ``forward``.

    See `skelact.nn.fast.for_training`; where the gate is closed the module's own ``forward`` runs.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled() and applies(x):
            return self.step(x.contiguous())
        return super().forward(x)

    def step(self, x: Tensor) -> Tensor:
        """The forward pass by autograd functions with their own backward passes."""
        raise NotImplementedError
