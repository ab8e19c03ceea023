"""`propagate`: the product of a skeleton graph with everything else, in one call.

Features are joint-major, ``[V, P, T, C]``, so the sparse adjacency of all K partitions, stacked to
``[K*V, V]``, times ``x.view(V, -1)`` aggregates every partition, person, frame and channel at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from skelact.errors import ConfigError, choices

BACKENDS = ("auto", "sparse", "dense")


class SkeletonGraph(nn.Module):
    """The fixed topology of a partitioned skeleton graph.

    Args:
        adjacency: ``[K, V, V]``, index order [source, target], as `skelact.layouts.partition` returns it.
            Only its non-zero entries become edges.

    Attributes (buffers): ``row`` (k*V + target), ``col`` (source) and ``value`` of every edge ``[E]``,
    sorted by row; ``place`` is where each edge stands in a flat ``[K, V, V]`` array.
    """

    row: Tensor
    col: Tensor
    value: Tensor
    place: Tensor

    def __init__(self, adjacency: np.ndarray | Tensor) -> None:
        super().__init__()
        adjacency = torch.as_tensor(adjacency)
        k, source, target = adjacency.nonzero(as_tuple=True)
        self.n_partitions, self.n_joints = int(adjacency.shape[0]), int(adjacency.shape[1])
        row = k * self.n_joints + target
        order = (row * self.n_joints + source).argsort()
        k, source, target = k[order], source[order], target[order]
        self.register_buffer("row", row[order], persistent=False)
        self.register_buffer("col", source, persistent=False)
        exact = adjacency[k, source, target].double()
        self._exact = exact.cpu().numpy()  # a change of type starts from these, so nothing is rounded twice
        self.register_buffer("value", exact.to(torch.get_default_dtype()), persistent=False)
        self.register_buffer("place", (k * self.n_joints + source) * self.n_joints + target, persistent=False)
        self._indices: dict[torch.device, tuple] = {}

    def _apply(self, fn, recurse: bool = True):  # type: ignore[no-untyped-def]
        before = self.value.dtype
        super()._apply(fn, recurse)
        if self.value.dtype != before:
            self.value = torch.as_tensor(self._exact, dtype=self.value.dtype, device=self.value.device)
        return self

    @property
    def n_edges(self) -> int:
        """E, over all partitions."""
        return len(self.row)

    def edge_indices(self) -> tuple:
        """torch-geometric's ``EdgeIndex`` of the graph and of its transpose with the edges' reordering."""
        device = self.row.device
        if device not in self._indices:
            make = _edge_index_class()

            shape = (self.n_partitions * self.n_joints, self.n_joints)
            forward = make(torch.stack([self.row, self.col]), sparse_size=shape, sort_order="row")
            order = (self.col * shape[0] + self.row).argsort()
            backward = make(
                torch.stack([self.col[order], self.row[order]]), sparse_size=shape[::-1], sort_order="row"
            )
            self._indices[device] = (forward, backward, order)
        return self._indices[device]

    def dense(self, weight: Tensor) -> Tensor:
        """Edge weights ``[E]`` as a matrix ``[K*V, V]``."""
        matrix = weight.new_zeros(self.n_partitions * self.n_joints, self.n_joints)
        return matrix.index_put((self.row, self.col), weight)

    def extra_repr(self) -> str:
        return f"partitions={self.n_partitions}, joints={self.n_joints}, edges={self.n_edges}"


def _edge_index_class() -> Any:
    """torch-geometric's ``EdgeIndex``, without the notices that loading and using it bring up."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from torch_geometric import EdgeIndex
    warnings.filterwarnings("ignore", message="Sparse (invariant checks|CSR tensor support)")
    return EdgeIndex


class _SparseProduct(torch.autograd.Function):
    """PyG's sparse product, with a backward that does not gather edge by edge.

    The input's gradient is the transposed sparse product; the edges' gradient is one dense product
    ``G Xᵀ``, read off at the edges.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, graph: SkeletonGraph) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(x, weight)
        ctx.graph = graph
        return graph.edge_indices()[0].matmul(x, input_value=weight)

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
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


def choose_backend(x: Tensor, graph: SkeletonGraph) -> str:
    """The faster backend, by rules read off ``skelact benchmark propagate``.

    A skeleton's 25 or so joints make a matrix that fits a core's first cache, so the dense product wins,
    but for two cases: graphs of hundreds of joints, and bfloat16 on a processor without matrix units (AMX),
    where dense products are emulated.
    """
    if graph.n_joints > 256:
        return "sparse"
    if x.dtype == torch.bfloat16 and x.device.type == "cpu" and not torch.cpu._is_amx_tile_supported():
        return "sparse"
    return "dense"


def propagate(x: Tensor, graph: SkeletonGraph, weight: Tensor | None = None, backend: str = "auto") -> Tensor:
    """Aggregate neighbours in every partition: ``out[k, w] = Σ_v weight[k, v→w] · x[v]``.

    Args:
        x: ``[V, ...]``, contiguous, typically ``[V, P, T, C]``.
        graph: the topology.
        weight: ``[E]`` edge weights in the graph's order; None: the graph's own values.
        backend: ``sparse`` (torch-geometric's sparse product, the reference), ``dense`` (one matrix
            product), or ``auto``, see `choose_backend`.

    Returns:
        ``[K, V, ...]``.

    Raises:
        ConfigError: for an unknown backend or a wrong number of joints.
    """
    if x.shape[0] != graph.n_joints:
        raise ConfigError(f"the graph has {graph.n_joints} joints, but x has {x.shape[0]} in its first axis")
    weight = graph.value if weight is None else weight
    weight = weight.to(x.dtype)
    flat = x.reshape(x.shape[0], -1)
    if backend == "auto":
        backend = choose_backend(flat, graph)
    if backend == "dense":
        out = graph.dense(weight) @ flat
    elif backend == "sparse":
        out = _SparseProduct.apply(flat, weight, graph)
    else:
        raise ConfigError(choices(backend, BACKENDS, "propagate backend"))
    return out.view(graph.n_partitions, graph.n_joints, *x.shape[1:])  # type: ignore[union-attr]
