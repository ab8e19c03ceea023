"""Fixed graph convolution on a GPU: aggregation and mixing apart, or fused, whichever is measured faster."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from skelact.nn.fast.gate import TrainingForm
from skelact.nn.fast.triton_spatial import can_fuse, spatial_product
from skelact.nn.graph import SkeletonGraph
from skelact.nn.measure import arithmetic, can_measure, choose, device_name
from skelact.nn.propagate import propagate
from skelact.nn.spatial.fixed import FixedGraphConv, mix

DEVICES = ("cuda",)  # elsewhere the two products are apart
Apart = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def aggregate_and_mix(
    x: Tensor, graph: SkeletonGraph, edges: Tensor, weight: Tensor, bias: Tensor, apart: Apart
) -> Tensor:
    """``Σ_k A_k x W_k + b`` of ``x [V, P, T, C]``: `apart`, or the fused kernel where it is measured faster.

    Args:
        x: features.
        graph: the topology.
        edges: ``[E]`` edge weights.
        weight: ``[K, C, D]``.
        bias: ``[V, D]``.
        apart: the same as a function of (x, edges, weight, bias), in two steps.

    Returns:
        ``[V, P, T, D]``.
    """
    if x.device.type not in DEVICES or not can_measure(x):
        return apart(x, edges, weight, bias)
    if torch.is_autocast_enabled(x.device.type):
        x = x.to(torch.get_autocast_dtype(x.device.type))
    if not can_fuse(x, graph.n_joints):
        return apart(x, edges, weight, bias)

    def fused(x: Tensor, edges: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        v, p, t, c = x.shape
        matrix = graph.dense(edges).view(graph.n_partitions, v, v)
        return spatial_product(x.reshape(v, p * t, c), matrix, weight, bias).view(v, p, t, -1)

    inputs = (x, edges, weight, bias)
    trains = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
    columns = 1 << (x.shape[1] * x.shape[2] - 1).bit_length()
    sizes = (graph.n_partitions, graph.n_joints, graph.n_edges, columns, *weight.shape[1:])
    key = ("graph convolution", device_name(x.device), arithmetic(x), *sizes, trains)
    ways = {"apart": apart, "fused": fused}
    name = choose(key, ways, tuple(tensor.detach() for tensor in inputs), trains, "apart")
    return ways[name](*inputs)


class FixedGraphConvStep(TrainingForm, FixedGraphConv):
    """`FixedGraphConv`: on a GPU the fused kernel where it is measured faster, under autocast too."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.backend != "auto":
            return FixedGraphConv.forward(self, x)
        edges = self.edge_weight()
        return aggregate_and_mix(x, self.graph, edges, self.weight, self.joint_bias(edges), self._apart)

    def _apart(self, x: Tensor, edges: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return mix(propagate(x, self.graph, edges), weight, bias)
