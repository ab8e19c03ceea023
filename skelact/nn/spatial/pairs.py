"""Topologies that a network infers from joints in pairs."""

from __future__ import annotations

from torch import Tensor, nn

from skelact.nn import norm_step


def differences(first: Tensor, second: Tensor) -> Tensor:
    """tanh of the difference of every pair of joints: ``[..., V]`` twice to ``[..., V (first), V (second)]``."""
    return (first.unsqueeze(-1) - second.unsqueeze(-2)).tanh()


def in_steps(module: nn.Module, x: Tensor) -> bool:
    """Whether a module runs as few, large steps of the tape: in training and in plain precision."""
    return module.training and x.is_contiguous() and norm_step.in_steps(x)
