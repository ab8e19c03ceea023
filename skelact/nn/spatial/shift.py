"""Non-local shift graph convolution of Shift-GCN.

Features are ``[V, C, P, T]`` here, frames innermost, so that a shift between joints copies contiguous memory.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class ShiftGraphConv(nn.Module):
    """Shift channel c by c joints, scale by a learned mask, mix channels, and shift channel d back by d joints.

    Source: Cheng et al., "Skeleton-based action recognition with shift graph convolutional network", CVPR
    2020 (non-local, with its learned mask). Normalisation per joint and channel follows.

    Args:
        channels_in, channels_out: C and D.
        n_joints: V.
    """

    here: Tensor
    back: Tensor

    def __init__(self, channels_in: int, channels_out: int, n_joints: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels_out, channels_in))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        self.mask = nn.Parameter(torch.zeros(n_joints, channels_in))
        self.norm = nn.BatchNorm1d(n_joints * channels_out)
        nn.init.normal_(self.weight, 0, math.sqrt(1 / channels_out))
        self.register_buffer("here", shifted_rows(n_joints, channels_in, 1), persistent=False)
        self.register_buffer("back", shifted_rows(n_joints, channels_out, -1), persistent=False)

    def take(self, rows: Tensor, order: Tensor) -> Tensor:
        """``rows[order]``; ``order`` is a permutation."""
        return rows.index_select(0, order)

    def forward(self, x: Tensor) -> Tensor:
        """``[V, C, P, T]`` to ``[V, D, P, T]``."""
        v, c, p, t = x.shape
        rows = self.take(x.reshape(v * c, p * t), self.here) * (self.mask.tanh() + 1).view(-1, 1)
        mixed = mix_rows(rows.view(v, c, p * t), self.weight, self.bias)
        out = self.norm(self.take(mixed.view(-1, p * t), self.back).unsqueeze(0))
        return out.view(v, -1, p, t)


def shifted_rows(n_joints: int, channels: int, direction: int) -> Tensor:
    """Source row of each row ``(joint, channel)``: channel c of joint v comes from v ± c (mod V)."""
    joint, channel = torch.arange(n_joints)[:, None], torch.arange(channels)[None]
    return ((joint + direction * channel) % n_joints * channels + channel).flatten()


def mix_rows(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 1×1 convolution of ``[V, C, N]`` by ``[D, C]``."""
    return torch.baddbmm(bias[:, None].to(x.dtype), weight.to(x.dtype).expand(len(x), -1, -1), x)
