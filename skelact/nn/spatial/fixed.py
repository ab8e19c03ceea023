"""Graph convolution on a fixed partitioned graph (ST-GCN's)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skelact.nn.graph import SkeletonGraph, propagate
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.spatial.mix import AggregateMix, in_plain_precision


def aggregate_mix(x: Tensor, matrix: Tensor, weight: Tensor, bias: Tensor, training: bool) -> Tensor:
    """Aggregate over joints in K partitions, mix channels, and add up: ``Σ_k matrix_k x W_k + b``.

    Args:
        x: ``[V, P, T, C]``.
        matrix: ``[K*V, V]``, target by source.
        weight: ``[K, C, D]``.
        bias: ``[V, D]``.
        training: as one step of the tape, where that is possible.

    Returns:
        ``[V, P, T, D]``.
    """
    if training and in_plain_precision(x):
        return AggregateMix.apply(x, matrix, weight, bias)  # type: ignore[return-value]
    v, p, t, c = x.shape
    return mix((matrix @ x.reshape(v, -1)).view(-1, v, p, t, c), weight, bias)


def mix(parts: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Mix the channels of aggregated ``[K, V, P, T, C]`` and add partitions up: ``[V, P, T, D]``."""
    _, v, p, t, c = parts.shape
    out = bias.to(parts.dtype)[:, None, None, :]
    for part, part_weight in zip(parts.unbind(0), weight.unbind(0), strict=True):
        out = out + (part.reshape(-1, c) @ part_weight.to(part.dtype)).view(v, p, t, -1)
    return out


class FixedGraphConv(nn.Module):
    """Graph convolution on a fixed partitioned graph with learned edge importance.

    ``out = Σ_k (A_k ⊙ M_k)ᵀ x W_k + b`` (Yan et al., AAAI 2018). Aggregation comes first and channels are
    mixed after: the other order, of the released code, moves K times as much memory.

    Args:
        channels_in, channels_out: C and D.
        graph: the topology; shared between layers.
        importance: learn M, one weight per edge; it starts at 1.
    """

    def __init__(
        self, channels_in: int, channels_out: int, graph: SkeletonGraph, importance: bool = True
    ) -> None:
        super().__init__()
        self.graph = graph
        k, v = graph.n_partitions, graph.n_joints
        self.weight = nn.Parameter(torch.empty(k, channels_in, channels_out))
        # Bias per partition, as a 1x1 convolution to K*D channels before aggregation has it; its effect
        # reaches a joint through the sum of its edge weights.
        self.bias = nn.Parameter(torch.zeros(k, channels_out))
        self.importance = nn.Parameter(torch.ones(k, v, v)) if importance else None
        nn.init.normal_(self.weight, 0, math.sqrt(2 / (k * channels_out)))

    def edge_weight(self) -> Tensor:
        """``[E]``: the graph's values times the learned importance."""
        if self.importance is None:
            return self.graph.value
        return self.graph.value * self.importance.reshape(-1)[self.graph.place]

    def joint_bias(self, edge_weight: Tensor) -> Tensor:
        """``[V, D]``: what the partition biases add up to at each joint."""
        total = self.graph.dense(edge_weight).sum(1).view(self.graph.n_partitions, -1)
        return total.T @ self.bias.to(total.dtype)

    def forward(self, x: Tensor) -> Tensor:
        edge_weight = self.edge_weight()
        if self.training and self.graph.n_joints <= 256 and in_plain_precision(x):
            bias = self.joint_bias(edge_weight)
            return aggregate_mix(x, self.graph.dense(edge_weight), self.weight, bias, training=True)
        return mix(propagate(x, self.graph, edge_weight), self.weight, self.joint_bias(edge_weight))

    def folded(self, norm: ChannelNorm | None, dtype: torch.dtype) -> FoldedAggregateMix:
        """The inference form, with the norm that follows."""
        scale, shift = scale_shift(norm, self.weight)
        edges = self.edge_weight()
        bias = self.joint_bias(edges) * scale + shift
        return FoldedAggregateMix(self.graph.dense(edges), self.weight * scale, bias, dtype)


class FoldedAggregateMix:
    """`aggregate_mix` of fixed weights: the inference form of a graph convolution and the norm that follows.

    Args:
        matrix, weight, bias: as there, with the norm folded in; they are copied.
        dtype: of the arithmetic.
    """

    def __init__(self, matrix: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self.matrix = matrix.detach().to(dtype, copy=True).contiguous()
        self.weight = weight.detach().to(dtype, copy=True).contiguous()
        self.bias = bias.detach().to(dtype, copy=True)[:, None, :]

    def __call__(self, x: Tensor) -> Tensor:
        v, p, t, c = x.shape
        k, _, d = self.weight.shape
        flat, out = x.reshape(v, -1), x.new_empty(v * p * t, d)
        part = torch.empty_like(flat)  # one map at a time: it stays in the cache
        for i in range(k):
            torch.mm(self.matrix[i * v : (i + 1) * v], flat, out=part)
            if i:
                out.addmm_(part.view(-1, c), self.weight[i])
            else:
                torch.mm(part.view(-1, c), self.weight[0], out=out)
        return out.view(v, p * t, d).add_(self.bias).view(v, p, t, d)
