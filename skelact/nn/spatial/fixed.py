"""Graph convolution on a fixed partitioned graph (ST-GCN)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skelact.nn.graph import SkeletonGraph
from skelact.nn.propagate import propagate


class FixedGraphConv(nn.Module):
    """Graph convolution on a fixed partitioned graph with learned edge importance.

    ``out = Σ_k (A_k ⊙ M_k)ᵀ x W_k + b`` (Yan et al., AAAI 2018). Joints are aggregated before
    channels are mixed; the released code's order moves K times as much memory.

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
        # One bias per partition, as in a 1x1 convolution to K*D channels before aggregation: a joint's bias
        # is scaled by the sum of its edge weights.
        self.bias = nn.Parameter(torch.zeros(k, channels_out))
        self.importance = nn.Parameter(torch.ones(k, v, v)) if importance else None
        nn.init.normal_(self.weight, 0, math.sqrt(2 / (k * channels_out)))

    def edge_weight(self) -> Tensor:
        """``[E]``: the graph's values times the learned importance."""
        if self.importance is None:
            return self.graph.value
        return self.graph.value * self.importance.reshape(-1)[self.graph.place]

    def joint_bias(self, edge_weight: Tensor) -> Tensor:
        """Bias ``[V, D]`` of each joint: the partitions' biases times its summed edge weights."""
        total = self.graph.dense(edge_weight).sum(1).view(self.graph.n_partitions, -1)
        return total.T @ self.bias.to(total.dtype)

    def forward(self, x: Tensor) -> Tensor:
        edges = self.edge_weight()
        return mix(propagate(x, self.graph, edges, self.backend), self.weight, self.joint_bias(edges))


def mix(parts: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Mix the channels of aggregated features ``[K, V, P, T, C]`` and sum over partitions.

    Args:
        parts: aggregated features of each partition.
        weight: ``[K, C, D]``.
        bias: ``[V, D]``, or ``[D]`` for all joints.

    Returns:
        ``[V, P, T, D]``.
    """
    out = (bias[:, None, None, :] if bias.ndim == 2 else bias).to(parts.dtype)
    for part, one in zip(parts, weight, strict=True):
        out = out + part @ one
    return out
