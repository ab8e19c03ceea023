"""Topologies that a network infers from joints in pairs."""

from __future__ import annotations

from torch import Tensor


def differences(first: Tensor, second: Tensor) -> Tensor:
    """tanh of the difference of every pair of joints: ``[..., V]`` twice to ``[..., V (first), V (second)]``."""
    return (first.unsqueeze(-1) - second.unsqueeze(-2)).tanh()
