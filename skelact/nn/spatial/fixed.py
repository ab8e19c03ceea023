"""Graph convolution on a fixed partitioned graph (ST-GCN's)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skelact.nn.graph import SkeletonGraph
from skelact.nn.propagate import propagate


class FixedGraphConv(nn.Module):
    """Graph convolution on a fixed partitioned graph with learned edge importance.

    ``out = Σ_k (A_k ⊙ M_k)ᵀ x W_k + b`` (Yan et al., AAAI 2018). Aggregation comes first and channels are
    mixed after: the other order, of the released code, moves K times as much memory.

    Args:
        channels_in, channels_out: C and D.
        graph: the topology; shared between layers.
        importance: learn M, one weight per edge; it starts at 1.
        backend: of the graph product, see `propagate`.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        graph: SkeletonGraph,
        importance: bool = True,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.graph, self.backend = graph, backend
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
        edges = self.edge_weight()
        return mix(propagate(x, self.graph, edges, self.backend), self.weight, self.joint_bias(edges))


def mix(parts: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Mix the channels of aggregated ``[K, V, P, T, C]`` and add partitions up.

    Args:
        parts: one map per partition.
        weight: ``[K, C, D]``.
        bias: ``[V, D]``, or ``[D]`` for all joints.

    Returns:
        ``[V, P, T, D]``.
    """
    out = (bias[:, None, None, :] if bias.ndim == 2 else bias).to(parts.dtype)
    for part, one in zip(parts, weight, strict=True):
        out = out + part @ one
    return out
