"""Graph attention over a skeleton's edges, with torch-geometric's softmax over sparse neighbourhoods."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.graph import SkeletonGraph
from skelact.nn.spatial.heads import aggregate_heads


def sparse_softmax() -> Callable[..., Tensor]:
    """torch-geometric's ``softmax`` over groups of edges, without the deprecation warnings of its import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from torch_geometric.utils import softmax
    return softmax


class GraphAttention(nn.Module):
    """Attention over the edges of a skeleton, one set of weights per person and head.

    Scores follow GATv2 (Brody, Alon and Yahav, ICLR 2022; Veličković et al., ICLR 2018), on the mean of
    each joint's features over time: ``s_vw = a · leaky_relu(W_source x_v + W_target x_w)``. Each joint's
    incoming edges are weighted by their softmax. The weights are written into a dense matrix per person and
    head, and one batched matrix product aggregates all frames and channels.

    Args:
        channels_in, channels_out: C and D.
        graph: the topology with self-loops, of one partition; shared between layers.
        heads: H; must divide D.
        slope: negative slope of the leaky ReLU.

    Raises:
        ConfigError: if the heads do not divide the channels, or the graph has several partitions.
    """

    def __init__(
        self, channels_in: int, channels_out: int, graph: SkeletonGraph, heads: int = 4, slope: float = 0.2
    ) -> None:
        super().__init__()
        if heads < 1 or channels_out % heads:
            raise ConfigError(f"{heads} heads do not divide {channels_out} channels; choose a divisor")
        if graph.n_partitions != 1:
            raise ConfigError(f"graph attention takes a graph of 1 partition, got {graph.n_partitions}")
        self.graph, self.heads, self.slope = graph, heads, slope
        self.source = nn.Linear(channels_in, channels_out)
        self.target = nn.Linear(channels_in, channels_out, bias=False)
        self.score = nn.Parameter(torch.empty(heads, channels_out // heads))
        self.value = nn.Linear(channels_in, channels_out, bias=False)
        self.bias = nn.Parameter(torch.zeros(channels_out))
        nn.init.xavier_uniform_(self.source.weight)
        nn.init.xavier_uniform_(self.target.weight)
        nn.init.zeros_(self.source.bias)
        nn.init.xavier_uniform_(self.score)
        nn.init.normal_(self.value.weight, 0, math.sqrt(2 / channels_out))
        self._softmax = sparse_softmax()

    def coefficients(self, x: Tensor) -> Tensor:
        """Attention weights ``[E, P, H]`` of ``x [V, P, T, C]``; those of a joint's incoming edges sum to 1."""
        pooled = x.mean(2)
        source, target = self.source(pooled), self.target(pooled)
        edges = source[self.graph.col] + target[self.graph.row]
        edges = functional.leaky_relu(edges, self.slope).reshape(*edges.shape[:2], self.heads, -1)
        scores = torch.einsum("ephd,hd->eph", edges, self.score.to(edges.dtype))
        return self._softmax(scores, self.graph.row, num_nodes=self.graph.n_joints)

    def matrices(self, weights: Tensor) -> Tensor:
        """Edge weights ``[E, P, H]`` as matrices ``[P, H, V, V]``, index order [target, source]."""
        v = self.graph.n_joints
        flat = weights.new_zeros(v * v, *weights.shape[1:])
        flat = flat.index_copy(0, self.graph.row * v + self.graph.col, weights)
        return flat.permute(1, 2, 0).reshape(*weights.shape[1:], v, v)

    def forward(self, x: Tensor) -> Tensor:
        values = self.value(x)
        return aggregate_heads(values, self.matrices(self.coefficients(x)).to(values.dtype)) + self.bias
