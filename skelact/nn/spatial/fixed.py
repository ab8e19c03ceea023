"""Graph convolution on a fixed partitioned graph (ST-GCN's)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skelact.nn.graph import SkeletonGraph, propagate
from skelact.nn.norm import ChannelNorm, scale_shift


class _AggregateMix(torch.autograd.Function):
    """Aggregation and channel mixing in one step of the tape, for training in plain precision.

    The K products add up in place, and the backward pass writes the K gradients side by side, so that the
    transposed graph product takes them all at once. Equal to the plain form; nothing is gathered per edge.
    """

    @staticmethod
    def forward(ctx, x: Tensor, matrix: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # type: ignore[override]
        v, p, t, c = x.shape
        k, _, d = weight.shape
        parts = (matrix @ x.reshape(v, -1)).view(k, v * p * t, c)
        out = parts[0] @ weight[0]
        for i in range(1, k):
            out.addmm_(parts[i], weight[i])
        ctx.save_for_backward(x, matrix, weight, parts)
        return out.view(v, p * t, d).add_(bias[:, None]).view(v, p, t, d)

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        x, matrix, weight, parts = ctx.saved_tensors
        v, p, t, c = x.shape
        k, _, d = weight.shape
        flat = grad.reshape(-1, d)
        grad_parts = torch.empty_like(parts)
        grad_weight = torch.empty_like(weight)
        for i in range(k):
            torch.mm(flat, weight[i].T, out=grad_parts[i])
            torch.mm(parts[i].T, flat, out=grad_weight[i])
        rows = grad_parts.view(k * v, -1)
        grad_x = (matrix.T @ rows).view(v, p, t, c) if ctx.needs_input_grad[0] else None
        grad_matrix = rows @ x.reshape(v, -1).T if ctx.needs_input_grad[1] else None
        return grad_x, grad_matrix, grad_weight, grad.reshape(v, -1, d).sum(1)


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
    if training and not torch.is_autocast_enabled(x.device.type):
        return _AggregateMix.apply(x, matrix, weight, bias)  # type: ignore[return-value]
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
        if self.training and self.graph.n_joints <= 256 and not torch.is_autocast_enabled(x.device.type):
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
        parts = (self.matrix @ x.reshape(v, -1)).view(k, v * p * t, c)
        out = torch.mm(parts[0], self.weight[0])
        for i in range(1, k):
            out.addmm_(parts[i], self.weight[i])
        return out.view(v, p * t, d).add_(self.bias).view(v, p, t, d)
