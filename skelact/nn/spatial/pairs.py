"""Topologies that a network infers from joints in pairs, and aggregation with one topology per channel.

A topology per channel is dense by nature, so aggregation is a batched matrix product over people and
channels. It runs channel-major, ``[P, C, V, T]``; the 1×1 convolutions around it are matrix products
anyway and turn the axes at no cost.
"""

from __future__ import annotations

import torch
from torch import Tensor


def people_first(x: Tensor) -> Tensor:
    """``[V, P, T, C]`` to ``[P, V*T, C]``."""
    v, p, t, c = x.shape
    return x.transpose(0, 1).reshape(p, v * t, c)


def joints_first(x: Tensor, n_joints: int) -> Tensor:
    """``[P, V*T, C]`` to ``[V, P, T, C]``, contiguous."""
    p, _, c = x.shape
    return x.view(p, n_joints, -1, c).transpose(0, 1).contiguous()


def channel_major(weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    """1×1 convolution of ``x [P, R, C]`` by ``weight [D, C]``: ``[P, D, R]``."""
    p, r, c = x.shape
    return torch.baddbmm(bias[:, None], weight.expand(p, *weight.shape), x.transpose(1, 2))


def channel_last(weight: Tensor, bias: Tensor, x: Tensor) -> Tensor:
    """1×1 convolution of channel-major ``x [P, C, R]`` by ``weight [D, C]``: ``[P, R, D]``."""
    return torch.baddbmm(bias, x.transpose(1, 2), weight.T.expand(len(x), *weight.T.shape))


def differences(first: Tensor, second: Tensor) -> Tensor:
    """tanh of the difference of every pair of joints: ``[..., V]`` twice to ``[..., V (first), V (second)]``."""
    return (first.unsqueeze(-1) - second.unsqueeze(-2)).tanh()
