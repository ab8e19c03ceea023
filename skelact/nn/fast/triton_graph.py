"""The graph product on CUDA by Triton kernels that follow the edges: memory is read and written about once."""

from __future__ import annotations

import importlib.util
import os
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from skelact.nn.graph import SkeletonGraph

BLOCK_BYTES = 2048  # of a joint's features in a program: 16 for each of its 128 threads
TYPES = (torch.float32, torch.float16, torch.bfloat16)
MOST_EDGES_PER_ROW = 8  # on average; where more joints are linked, a matrix product is faster


def is_available(x: Tensor) -> bool:
    """Whether Triton's kernels run on ``x``: a CUDA device, or Triton's interpreter (``TRITON_INTERPRET=1``)."""
    interpreted = os.environ.get("TRITON_INTERPRET") == "1" and x.dtype == torch.float32
    return (
        (x.device.type == "cuda" or interpreted)
        and x.dtype in TYPES
        and importlib.util.find_spec("triton") is not None
    )


def can_follow(x: Tensor, graph: SkeletonGraph) -> bool:
    """Whether the edges of ``graph`` are few enough to be followed one by one, on ``x``."""
    return is_available(x) and graph.n_edges <= MOST_EDGES_PER_ROW * graph.n_partitions * graph.n_joints


def graph_product(x: Tensor, weight: Tensor, graph: SkeletonGraph) -> Tensor:
    """Aggregates ``[K*V, N]`` of ``x [V, N]`` with edge weights ``[E]``; gradients for both."""
    return _GraphProduct.apply(x, weight, graph)


class _GraphProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, graph: SkeletonGraph) -> Tensor:
        x, weight = x.contiguous(), weight.contiguous()
        ctx.save_for_backward(x, weight)
        ctx.graph = graph
        n, block = x.shape[1], BLOCK_BYTES // x.element_size()
        lists = graph.edge_lists()
        out = x.new_empty(graph.n_partitions * graph.n_joints, n)
        with torch.cuda.device_of(x):  # Triton launches on the current device
            kernels()[0][(-(-n // block),)](
                x, weight, lists.row_begin, lists.col, out, n, len(out), block, num_warps=4
            )
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, weight = ctx.saved_tensors
        graph: SkeletonGraph = ctx.graph
        needs_x, needs_weight, _ = ctx.needs_input_grad
        grad = grad.contiguous()
        n, block = x.shape[1], BLOCK_BYTES // x.element_size()
        n_programs = -(-n // block)
        lists = graph.edge_lists()
        grad_x = torch.empty_like(x) if needs_x else x  # not written where it is not needed, nor the parts
        parts = (
            x.new_empty(graph.n_edges, n_programs, dtype=torch.float32)
            if needs_weight
            else x.new_empty(0, dtype=torch.float32)
        )
        with torch.cuda.device_of(x):
            kernels()[1][(n_programs,)](
                x, weight, lists.col_begin, lists.row, lists.edge, grad, grad_x, parts, n, n_programs,
                graph.n_joints, needs_x, needs_weight, block, num_warps=4,
            )  # fmt: skip
        return grad_x if needs_x else None, parts.sum(1).to(weight.dtype) if needs_weight else None, None


@lru_cache(maxsize=1)
def kernels() -> tuple[Any, Any]:
    """The launchers of both kernels, forward and backward; Triton is loaded on first use."""
    import triton
    import triton.language as tl

    @triton.jit
    def aggregate(x, weight, row_begin, col, out, n_columns, n_rows, block: tl.constexpr):
        wide = tl.full((), 0, tl.int64) + n_columns  # products of it may pass 32 bits
        columns = tl.program_id(0) * block + tl.arange(0, block)
        inside = columns < n_columns
        for row in range(n_rows):
            # loaded, not carried along: Triton 3.6 loses ``begin = end`` of a loop
            begin, end = tl.load(row_begin + row), tl.load(row_begin + row + 1)
            total = tl.zeros((block,), tl.float32)
            for edge in range(begin, end):
                features = tl.load(x + tl.load(col + edge) * wide + columns, mask=inside, other=0.0)
                total += tl.load(weight + edge).to(tl.float32) * features.to(tl.float32)
            tl.store(out + row * wide + columns, total.to(out.dtype.element_ty), mask=inside)

    @triton.jit
    def gradients(
        x, weight, col_begin, row, edge, grad, grad_x, parts, n_columns, n_programs, n_joints,
        needs_x: tl.constexpr, needs_weight: tl.constexpr, block: tl.constexpr,
    ):  # fmt: skip
        wide = tl.full((), 0, tl.int64) + n_columns
        columns = tl.program_id(0) * block + tl.arange(0, block)
        inside = columns < n_columns
        for joint in range(n_joints):
            begin, end = tl.load(col_begin + joint), tl.load(col_begin + joint + 1)
            total = tl.zeros((block,), tl.float32)
            features = tl.zeros((block,), tl.float32)
            if needs_weight:
                features = tl.load(x + joint * wide + columns, mask=inside, other=0.0).to(tl.float32)
            for i in range(begin, end):
                number = tl.load(edge + i)
                pushed = tl.load(grad + tl.load(row + i) * wide + columns, mask=inside, other=0.0).to(
                    tl.float32
                )
                total += tl.load(weight + number).to(tl.float32) * pushed
                if needs_weight:
                    tl.store(parts + number * n_programs + tl.program_id(0), tl.sum(features * pushed))
            if needs_x:
                tl.store(grad_x + joint * wide + columns, total.to(grad_x.dtype.element_ty), mask=inside)

    return aggregate, gradients
