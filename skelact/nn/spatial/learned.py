"""Graph convolution whose whole topology is learned (ST-GCN++'s)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from skelact.nn.channel_major import accumulate
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.spatial.fixed import FoldedAggregateMix, aggregate_mix


class LearnedGraphConv(nn.Module):
    """Graph convolution in which every pair of joints has a weight of its own, in every partition.

    ``out = Σ_k A_kᵀ x W_k + b`` (Duan et al., "PYSKL", ACM MM 2022). The skeleton is only where A starts.

    Args:
        channels_in, channels_out: C and D.
        adjacency: ``[K, V, V]``, index order [source, target], as `skelact.layouts.partition` returns it.
    """

    def __init__(self, channels_in: int, channels_out: int, adjacency: np.ndarray | Tensor) -> None:
        super().__init__()
        start = torch.as_tensor(adjacency).to(torch.get_default_dtype())
        k = len(start)
        self.adjacency = nn.Parameter(start.clone())
        self.weight = nn.Parameter(torch.empty(k, channels_in, channels_out))
        self.bias = nn.Parameter(torch.empty(k, channels_out))  # of each partition, before aggregation
        nn.init.uniform_(self.weight, -(channels_in**-0.5), channels_in**-0.5)
        nn.init.uniform_(self.bias, -(channels_in**-0.5), channels_in**-0.5)

    def matrix(self) -> Tensor:
        """The topology as ``[K*V, V]``, target by source."""
        return self.adjacency.transpose(1, 2).flatten(0, 1)

    def joint_bias(self) -> Tensor:
        """``[V, D]``: what the partition biases add up to at each joint."""
        return self.adjacency.sum(1).T @ self.bias

    def forward(self, x: Tensor) -> Tensor:
        return aggregate_mix(x, self.matrix(), self.weight, self.joint_bias(), self.training)

    def folded(self, norm: ChannelNorm | None, dtype: torch.dtype) -> FoldedAggregateMix:
        """The inference form, with the norm that follows."""
        scale, shift = scale_shift(norm, self.weight)
        return FoldedAggregateMix(
            self.matrix(), self.weight * scale, self.joint_bias() * scale + shift, dtype
        )

    def folded_major(self, norm: ChannelNorm | None, dtype: torch.dtype) -> FoldedLearnedGraphConv:
        """The channel-major inference form, with the norm that follows (see `channel_major`)."""
        return FoldedLearnedGraphConv(self, norm, dtype)


class FoldedLearnedGraphConv:
    """`LearnedGraphConv` and the norm that follows it, channel-major: two products."""

    def __init__(self, conv: LearnedGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        scale, shift = scale_shift(norm, conv.weight)
        d = conv.weight.shape[2]
        self.matrix = conv.matrix().detach().to(dtype, copy=True).contiguous()
        weight = (conv.weight * scale).permute(2, 1, 0).reshape(d, -1)  # columns: by channel, then partition
        self.weight = weight.detach().to(dtype, copy=True)
        self.shift = (conv.joint_bias() * scale + shift).T.detach().to(dtype, copy=True)

    def accumulate(self, x: Tensor, out: Tensor) -> None:
        """Add the convolution of ``x [P, C, V, T]`` to ``out [P, D, V*T]``."""
        p, c, v, t = x.shape
        parts = torch.bmm(self.matrix.expand(p * c, *self.matrix.shape), x.reshape(p * c, v, t))
        accumulate(out, self.weight, parts.view(p, -1, v * t))
