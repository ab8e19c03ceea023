"""Non-local shift graph convolution (Shift-GCN's): channels travel between joints, then mix.

Shifts move whole rows of frames, so features are ``[V, C, P, T]`` here, frames innermost: a shift is then a
copy of rows, and nothing is transposed between one layer and the next.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class ShiftGraphConv(nn.Module):
    """Channel c of a joint comes from c joints further, is weighed, mixed, and channel d goes d joints back.

    Source: Cheng et al., "Skeleton-based action recognition with shift graph convolutional network", CVPR
    2020 (non-local, with its learned mask). A norm of every channel of every joint follows.

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
        """``rows[order]``, where ``order`` holds every row once."""
        return rows.index_select(0, order)

    def forward(self, x: Tensor) -> Tensor:
        """``[V, C, P, T]`` to ``[V, D, P, T]``."""
        v, c, p, t = x.shape
        rows = self.take(x.reshape(v * c, p * t), self.here) * (self.mask.tanh() + 1).view(-1, 1)
        mixed = mix_rows(rows.view(v, c, p * t), self.weight, self.bias)
        out = self.norm(self.take(mixed.view(-1, p * t), self.back).unsqueeze(0))
        return out.view(v, -1, p, t)


def shifted_rows(n_joints: int, channels: int, direction: int) -> Tensor:
    """For each row ``(joint, channel)`` the row that comes there: as many joints further as the channel says."""
    joint, channel = torch.arange(n_joints)[:, None], torch.arange(channels)[None]
    return ((joint + direction * channel) % n_joints * channels + channel).flatten()


def mix_rows(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 1×1 convolution of ``[V, C, N]`` by ``[D, C]``."""
    return torch.baddbmm(bias[:, None].to(x.dtype), weight.to(x.dtype).expand(len(x), -1, -1), x)
