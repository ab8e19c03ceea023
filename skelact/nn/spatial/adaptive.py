"""Adaptive graph convolution of 2s-AGCN and AAGCN: an adjacency per person."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.graph import SkeletonGraph


class AdaptiveGraphConv(nn.Module):
    """Graph convolution on the skeleton's graph plus a learned and a data-dependent adjacency.

    ``out = Σ_k (A_k + B_k + C_k)ᵀ x W_k + b_k`` with ``C_k = softmax_source((θ_k x)ᵀ(φ_k x) / (E·T))``
    (Shi et al., "Two-stream adaptive graph convolutional networks", CVPR 2019). Gated (Shi et al.,
    "Skeleton-based action recognition with multi-stream adaptive graph convolutional networks", TIP
    2020): ``B_k + α tanh(...)``, where B starts as the skeleton's graph and α at 0.

    Args:
        channels_in, channels_out: C and D.
        graph: the topology; shared between layers.
        reduction: θ and φ have D / reduction channels.
        gated: AAGCN's gated form.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        graph: SkeletonGraph,
        reduction: int = 4,
        gated: bool = False,
    ) -> None:
        super().__init__()
        k, v = graph.n_partitions, graph.n_joints
        self.graph, self.gated = graph, gated
        width = max(1, channels_out // reduction)
        self.embed_weight = nn.Parameter(torch.empty(2, k, channels_in, width))
        self.embed_bias = nn.Parameter(torch.zeros(2, k, width))
        self.weight = nn.Parameter(torch.empty(k, channels_in, channels_out))
        # One bias per partition, as in the released 1x1 convolutions; only the sum has an effect.
        self.bias = nn.Parameter(torch.zeros(k, channels_out))
        nn.init.normal_(self.embed_weight, 0, math.sqrt(2 / width))
        nn.init.normal_(self.weight, 0, math.sqrt(2 / (k * channels_out)))
        if gated:  # index order [source, target], as in the released codes
            start = graph.dense(graph.value).view(k, v, v).transpose(1, 2).clone()
            self.learned = nn.Parameter(start)
            self.gate = nn.Parameter(torch.zeros(1))
        else:
            self.learned = nn.Parameter(torch.full((k, v, v), 1e-6))
            self.gate = None

    def fixed_adjacency(self) -> Tensor:
        """Adjacency ``[K, V, V]`` (target, source) shared by all people."""
        learned = self.learned.transpose(1, 2).contiguous()
        if self.gated:
            return learned
        return self.graph.dense(self.graph.value).view(learned.shape).to(learned.dtype) + learned

    def adjacency(self, x: Tensor) -> Tensor:
        """Adjacency ``[P, K, V, V]`` (target, source) of each person."""
        v, p, t, c = x.shape
        _, k, _, e = self.embed_weight.shape
        flat = self.embed_weight.permute(2, 0, 1, 3).reshape(c, 2 * k * e)
        both = functional.linear(x, flat.T, self.embed_bias.view(-1)).view(v, p, t, 2, k, e)
        theta, phi = both.permute(3, 1, 4, 0, 2, 5).reshape(2, p * k, v, t * e).unbind()
        similarity = (phi @ theta.transpose(1, 2)).view(p, k, v, v) / (t * e)
        if self.gate is not None:
            return self.fixed_adjacency() + similarity.tanh() * self.gate
        return self.fixed_adjacency() + similarity.softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        v, p, t, c = x.shape
        k, _, d = self.weight.shape
        matrix = self.adjacency(x).reshape(p, k * v, v)
        parts = (matrix @ x.permute(1, 0, 2, 3).reshape(p, v, t * c)).view(p, k, v, t, c)
        joined = parts.permute(2, 0, 3, 1, 4).reshape(v, p, t, k * c)
        return functional.linear(joined, self.weight.reshape(k * c, d).T, self.bias.sum(0))


class FrameAdaptiveGraphConv(AdaptiveGraphConv):
    """The same with a data-dependent adjacency of every frame alone, which is causal; the weights are the same.

    Source: Hedegaard, Heidari and Iosifidis, Pattern Recognition 2023 (CoA-GCN).
    """

    def forward(self, x: Tensor) -> Tensor:
        return by_frame(super().forward, x)


def by_frame(module: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A module on ``[V, P, T, C]`` applied to every frame alone, as if each were a clip."""
    v, p, t, c = x.shape
    return module(x.reshape(v, p * t, 1, c)).view(v, p, t, -1)
