"""`SkeletonGraph`: the fixed topology of a partitioned skeleton graph."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn


class EdgeLists(NamedTuple):
    """The edges by target and by source, int32, for kernels that follow them.

    Args:
        row_begin: ``[K*V + 1]``; row r has the edges ``row_begin[r]`` to ``row_begin[r + 1]``, in the graph's order.
        col: ``[E]``, their sources.
        col_begin: ``[V + 1]``, likewise into ``row`` and ``edge``, which are sorted by source.
        row: ``[E]``, targets.
        edge: ``[E]``, numbers in the graph's order.
    """

    row_begin: Tensor
    col: Tensor
    col_begin: Tensor
    row: Tensor
    edge: Tensor


class SkeletonGraph(nn.Module):
    """The fixed topology of a partitioned skeleton graph.

    Args:
        adjacency: ``[K, V, V]``, index order [source, target], as `skelact.layouts.partition` returns it.
            Only its non-zero entries become edges.

    Attributes (buffers): ``row`` (k*V + target), ``col`` (source) and ``value`` of every edge ``[E]``,
    sorted by row; ``place`` is the index of each edge in a flat ``[K, V, V]`` array.
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
        self._exact = exact.cpu().numpy()  # type conversions start from these, so values are rounded once
        self.register_buffer("value", exact.to(torch.get_default_dtype()), persistent=False)
        self.register_buffer("place", (k * self.n_joints + source) * self.n_joints + target, persistent=False)
        self._indices: dict[torch.device, tuple] = {}
        self._lists: dict[torch.device, EdgeLists] = {}

    def _apply(self, fn, recurse: bool = True):
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
        """torch-geometric's ``EdgeIndex`` of the graph and of its transpose, and the transpose's edge order."""
        device = self.row.device
        if device not in self._indices:
            make = edge_index_class()
            shape = (self.n_partitions * self.n_joints, self.n_joints)
            forward = make(torch.stack([self.row, self.col]), sparse_size=shape, sort_order="row")
            order = (self.col * shape[0] + self.row).argsort()
            backward = make(
                torch.stack([self.col[order], self.row[order]]), sparse_size=shape[::-1], sort_order="row"
            )
            self._indices[device] = (forward, backward, order)
        return self._indices[device]

    def edge_lists(self) -> EdgeLists:
        """The edges on the graph's device; made on first use."""
        device = self.row.device
        if device not in self._lists:
            order = (self.col * (self.n_partitions * self.n_joints) + self.row).argsort()
            rows = torch.arange(self.n_partitions * self.n_joints + 1, device=device)
            cols = torch.arange(self.n_joints + 1, device=device)
            row_begin = torch.searchsorted(self.row, rows)
            col_begin = torch.searchsorted(self.col[order].contiguous(), cols)
            lists = (row_begin, self.col, col_begin, self.row[order], order)
            self._lists[device] = EdgeLists(*(one.int() for one in lists))
        return self._lists[device]

    def dense(self, weight: Tensor) -> Tensor:
        """Edge weights ``[E]`` as a matrix ``[K*V, V]``."""
        matrix = weight.new_zeros(self.n_partitions * self.n_joints, self.n_joints)
        return matrix.index_put((self.row, self.col), weight)

    def extra_repr(self) -> str:
        return f"partitions={self.n_partitions}, joints={self.n_joints}, edges={self.n_edges}"


def edge_index_class() -> type:
    """torch-geometric's ``EdgeIndex``, without the warnings of its import and use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from torch_geometric import EdgeIndex
    warnings.filterwarnings("ignore", message="Sparse (invariant checks|CSR tensor support)")
    return EdgeIndex
