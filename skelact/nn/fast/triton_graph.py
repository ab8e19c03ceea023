"""The graph product as one Triton kernel on CUDA: the features are read once for all partitions."""

from __future__ import annotations

import importlib.util
import os
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

BLOCK = 128  # columns of a program
TYPES = (torch.float32, torch.float16, torch.bfloat16)
MOST_ROWS = 256  # of the stacked matrix: it stays in a program's registers


def is_available(x: Tensor, n_rows: int = 0) -> bool:
    """Whether the kernel runs on ``x``: a CUDA device, or Triton's interpreter (``TRITON_INTERPRET=1``)."""
    interpreted = os.environ.get("TRITON_INTERPRET") == "1" and x.dtype == torch.float32
    return (
        (x.device.type == "cuda" or interpreted)
        and x.dtype in TYPES
        and max(n_rows, len(x)) <= MOST_ROWS
        and importlib.util.find_spec("triton") is not None
    )


def graph_product(x: Tensor, matrix: Tensor) -> Tensor:
    """``matrix [R, V] @ x [V, N]`` with gradients for both."""
    return _GraphProduct.apply(x, matrix)


class _GraphProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: Tensor) -> Tensor:
        ctx.save_for_backward(x, matrix)
        return launch(x, matrix)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, matrix = ctx.saved_tensors
        grad = grad.contiguous()
        grad_x = launch(grad, matrix.T) if ctx.needs_input_grad[0] else None
        return grad_x, grad @ x.T if ctx.needs_input_grad[1] else None


def launch(x: Tensor, matrix: Tensor) -> Tensor:
    """Run the kernel: ``matrix [R, V]`` by contiguous ``x [V, N]``."""
    x, matrix = x.contiguous(), matrix.to(x.dtype).contiguous()
    (n_rows, n_joints), n_columns = matrix.shape, x.shape[1]
    out = x.new_empty(n_rows, n_columns)
    padded = [max(16, 1 << (n - 1).bit_length()) for n in (n_rows, n_joints)]
    grid = (-(-n_columns // BLOCK),)
    with torch.cuda.device_of(x):  # Triton launches on the current device
        kernel()[grid](x, matrix, out, n_columns, n_rows, n_joints, *padded, BLOCK)
    return out


@lru_cache(maxsize=1)
def kernel() -> Any:
    """The compiled kernel's launcher; Triton is loaded on first use."""
    import triton
    import triton.language as tl

    @triton.jit
    def product(
        x, matrix, out, n_columns, n_rows, n_joints,
        rows_padded: tl.constexpr, joints_padded: tl.constexpr, block: tl.constexpr,
    ):  # fmt: skip
        columns = tl.program_id(0) * block + tl.arange(0, block)
        inside = (columns < n_columns)[None, :]
        joints, rows = tl.arange(0, joints_padded), tl.arange(0, rows_padded)
        own, some = (joints < n_joints), (rows < n_rows)
        places = joints[:, None].to(tl.int64) * n_columns + columns[None, :]
        features = tl.load(x + places, mask=own[:, None] & inside, other=0.0)
        weights = tl.load(
            matrix + rows[:, None] * n_joints + joints[None, :], mask=some[:, None] & own[None, :], other=0.0
        )
        total = tl.dot(weights, features, input_precision="ieee")
        places = rows[:, None].to(tl.int64) * n_columns + columns[None, :]
        tl.store(out + places, total.to(out.dtype.element_ty), mask=some[:, None] & inside)

    return product
