"""`propagate`: the product of a skeleton graph with everything else, in one call.

Features are joint-major, ``[V, P, T, C]``, so the sparse adjacency of all K partitions, stacked to
``[K*V, V]``, times ``x.view(V, -1)`` aggregates every partition, person, frame and channel at once.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from skelact.errors import ConfigError, choices
from skelact.nn.graph import SkeletonGraph
from skelact.nn.measure import arithmetic, can_measure, choose, device_name

Product = Callable[[Tensor, Tensor, SkeletonGraph], Tensor]
_SMALL = 1 << 20  # values below which a product is over before a measurement says anything: dense


def propagate(x: Tensor, graph: SkeletonGraph, weight: Tensor | None = None, backend: str = "auto") -> Tensor:
    """Aggregate neighbours in every partition: ``out[k, w] = Σ_v weight[k, v→w] · x[v]``.

    Args:
        x: ``[V, ...]``, contiguous, typically ``[V, P, T, C]``.
        graph: the topology.
        weight: ``[E]`` edge weights in the graph's order; None: the graph's own values.
        backend: one of `BACKENDS`: ``sparse`` is torch-geometric's sparse product, ``dense`` one matrix
            product, ``fused`` Triton kernels on CUDA that follow the edges; ``auto`` measures those
            that are available, once per device, type and shape, and keeps the fastest for the process.

    Returns:
        ``[K, V, ...]``.

    Raises:
        ConfigError: for an unknown backend, one that this device does not have, or a wrong number of joints.
    """
    if x.shape[0] != graph.n_joints:
        raise ConfigError(f"the graph has {graph.n_joints} joints, but x has {x.shape[0]} in its first axis")
    if backend != "auto" and backend not in BACKENDS:
        raise ConfigError(choices(backend, ("auto", *BACKENDS), "propagate backend"))
    weight = (graph.value if weight is None else weight).to(x.dtype)
    flat = x.reshape(x.shape[0], -1)
    if backend == "auto":
        backend = choose_backend(flat, weight, graph)
    elif not is_available(backend, flat, graph):
        raise ConfigError(
            f"propagate backend '{backend}' does not run on {x.device.type} in {x.dtype}; use auto, dense or sparse"
        )
    out = BACKENDS[backend](flat, weight, graph)
    return out.view(graph.n_partitions, graph.n_joints, *x.shape[1:])


def choose_backend(x: Tensor, weight: Tensor, graph: SkeletonGraph) -> str:
    """The fastest backend for ``x [V, N]``, measured on its first use (N to the next power of two)."""
    if not can_measure(x) or (x.numel() < _SMALL and graph.n_joints <= 256):
        return "dense"
    trains = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    columns = 1 << (x.shape[1] - 1).bit_length()
    sizes = graph.n_partitions, graph.n_joints, graph.n_edges, columns
    key = (device_name(x.device), arithmetic(x), *sizes, trains)
    ways = {
        name: lambda x, weight, product=product: product(x, weight, graph)
        for name, product in BACKENDS.items()
        if is_available(name, x, graph)
    }
    return choose(key, ways, (x.detach(), weight.detach()), trains, "dense")


def is_available(name: str, x: Tensor, graph: SkeletonGraph) -> bool:
    """Whether a backend runs on ``x``: all but ``fused`` do everywhere."""
    if name != "fused":
        return True
    from skelact.nn.fast import triton_graph

    return triton_graph.can_follow(x, graph)


def dense_product(x: Tensor, weight: Tensor, graph: SkeletonGraph) -> Tensor:
    """One matrix product, ``[K*V, V]`` by ``x [V, N]``."""
    return graph.dense(weight) @ x


def sparse_product(x: Tensor, weight: Tensor, graph: SkeletonGraph) -> Tensor:
    """torch-geometric's sparse product with ``x [V, N]``."""
    return _SparseProduct.apply(x, weight, graph)


def fused_product(x: Tensor, weight: Tensor, graph: SkeletonGraph) -> Tensor:
    """The product with ``x [V, N]`` by Triton kernels."""
    from skelact.nn.fast.triton_graph import graph_product

    return graph_product(x, weight, graph)


BACKENDS: dict[str, Product] = {"dense": dense_product, "sparse": sparse_product, "fused": fused_product}


class _SparseProduct(torch.autograd.Function):
    """PyG's sparse product, with a backward that does not gather edge by edge.

    The input's gradient is the transposed sparse product; the edges' gradient is one dense product
    ``G Xᵀ``, read off at the edges.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, graph: SkeletonGraph) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.graph = graph
        return graph.edge_indices()[0].matmul(x, input_value=weight)

    @staticmethod
    def backward(ctx, grad: Tensor):
        x, weight = ctx.saved_tensors
        graph: SkeletonGraph = ctx.graph
        grad = grad.contiguous()
        grad_x = grad_weight = None
        if ctx.needs_input_grad[0]:
            _, transpose, order = graph.edge_indices()
            grad_x = transpose.matmul(grad, input_value=weight[order].contiguous())
        if ctx.needs_input_grad[1]:
            grad_weight = (grad @ x.T)[graph.row, graph.col]
        return grad_x, grad_weight, None
