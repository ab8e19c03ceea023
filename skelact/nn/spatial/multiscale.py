"""Multi-scale graph convolution over several hop distances (MS-G3D)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from skelact.nn.graph import SkeletonGraph
from skelact.nn.spatial.fixed import mix


class MultiScaleGraphConv(nn.Module):
    """Graph convolution over several hop distances, each with a learned residual mask.

    ``out = Σ_k (A_k + B_k) x W_k + b`` (Liu et al., "Disentangling and unifying graph convolutions for
    skeleton-based action recognition", CVPR 2020). The masks are dense.

    Args:
        channels_in, channels_out: C and D.
        graph: the scales, from `skelact.layouts.hop_scales`; shared between layers.
    """

    def __init__(self, channels_in: int, channels_out: int, graph: SkeletonGraph) -> None:
        super().__init__()
        k, v = graph.n_partitions, graph.n_joints
        self.graph = graph
        self.learned = nn.Parameter(torch.empty(k * v, v).uniform_(-1e-6, 1e-6))
        self.weight = nn.Parameter(torch.empty(k, channels_in, channels_out))
        self.bias = nn.Parameter(torch.zeros(channels_out))
        nn.init.normal_(self.weight, 0, math.sqrt(2 / channels_out))

    def adjacency(self) -> Tensor:
        """``[K*V, V]`` (target, source): the fixed graphs and the learned masks."""
        return self.learned + self.graph.dense(self.graph.value).to(self.learned.dtype)

    def forward(self, x: Tensor) -> Tensor:
        parts = (self.adjacency() @ x.reshape(len(x), -1)).view(self.graph.n_partitions, *x.shape)
        return mix(parts, self.weight, self.bias)
