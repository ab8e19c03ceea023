"""The one gate: whether a hand-written form applies."""

from __future__ import annotations

import torch
from torch import Tensor, nn

FULL_PRECISION = (torch.float32, torch.float64)


def applies(x: Tensor, devices: tuple[str, ...] = ("cpu",)) -> bool:
    """Whether a hand-written form may take ``x``.

    That is on the devices it is for, in full precision, and not under autocast, compilers and tracers,
    which take the plain form apart instead.
    """
    return (
        x.device.type in devices
        and x.dtype in FULL_PRECISION
        and not torch.is_autocast_enabled(x.device.type)
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )


class TrainingForm(nn.Module):
    """A module's training form: a subclass with the same weights and another ``forward`` for training.

    `skelact.nn.fast.for_training` gives a network's modules their training forms; where the gate does not
    open they run as they are written.
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled() and applies(x):
            return self.step(x.contiguous())
        return super().forward(x)

    def step(self, x: Tensor) -> Tensor:
        """The forward pass, as few large steps of the tape with backward passes of their own."""
        raise NotImplementedError
