"""A fixed graph convolution as one Triton kernel on CUDA: aggregated features never leave the registers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from skelact.nn.fast.triton_graph import is_available
from skelact.nn.measure import allows_tf32

MOST_JOINTS = 64  # of the padded graph: its matrices and a program's rows stay in registers
ROWS = 128  # joints (padded) times columns of a program
CHANNELS = {
    4: (16, 32),
    2: (32, 64),
}  # in and out of a program, at most, by bytes of a value: no spills on sm_90
WARPS = 8


def can_fuse(x: Tensor, n_joints: int) -> bool:
    """Whether the kernel runs on ``x`` and may pay: on a CUDA device (or Triton's interpreter), not in strict float32,
    which takes no matrix units: measured 0.5 to 1 times as fast as the products apart, and long to compile."""
    low = x.dtype != torch.float32 or x.device.type != "cuda" or allows_tf32(x)
    return is_available(x) and low and n_joints <= MOST_JOINTS


def spatial_product(x: Tensor, matrix: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``out[u, n] = Σ_k Σ_v matrix[k, u, v] x[v, n] W_k + b[u]``, with gradients for all four.

    Args:
        x: ``[V, N, C]``.
        matrix: ``[K, V, V]``, index order [target, source].
        weight: ``[K, C, D]``.
        bias: ``[V, D]``.

    Returns:
        ``[V, N, D]`` in the type of ``x``; sums are in float32.
    """
    return _SpatialProduct.apply(x, matrix.to(x.dtype), weight.to(x.dtype), bias)


class _SpatialProduct(torch.autograd.Function):
    """The input's gradient is the kernel on the transposed graph and weights; the others are matrix products,
    one partition at a time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(x, matrix, weight)
        ctx.bias_type = bias.dtype
        return launch(x, matrix, weight, bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        x, matrix, weight = ctx.saved_tensors
        needs_x, needs_matrix, needs_weight, needs_bias = ctx.needs_input_grad
        grad = grad.contiguous()
        grad_x = grad_matrix = grad_weight = grad_bias = None
        if needs_x:
            grad_x = launch(grad, matrix.transpose(1, 2), weight.transpose(1, 2))
        flat, rows = x.reshape(len(x), -1), grad.reshape(-1, grad.shape[2])
        if needs_weight:
            parts = ((one @ flat).view(-1, x.shape[2]) for one in matrix)
            grad_weight = torch.stack([part.T @ rows for part in parts])
        if needs_matrix:
            mixed = ((rows @ one.T).view(len(x), -1) for one in weight)
            grad_matrix = torch.stack([part @ flat.T for part in mixed])
        if needs_bias:
            grad_bias = grad.sum(1, dtype=ctx.bias_type)
        return grad_x, grad_matrix, grad_weight, grad_bias


def launch(x: Tensor, matrix: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Run the kernel; arguments as for `spatial_product`, all of one type but the bias."""
    x, matrix, weight = x.contiguous(), matrix.contiguous(), weight.contiguous()
    (n_joints, n_columns, n_in), n_out = x.shape, weight.shape[2]
    out = x.new_empty(n_joints, n_columns, n_out)
    padded, columns, block_in, block_out = blocks(n_joints, n_in, n_out, x.element_size())
    grid = (-(-n_columns // columns), -(-n_out // block_out))
    added = x if bias is None else bias.contiguous()  # not read without a bias
    with torch.cuda.device_of(x):  # Triton launches on the current device
        kernel()[grid](
            x, matrix, weight, added, out, n_columns, n_joints, n_in, n_out,
            len(matrix), bias is not None, padded, columns, block_in, block_out,
            "tf32" if allows_tf32(x) else "ieee", num_warps=WARPS,
        )  # fmt: skip
    return out


def blocks(n_joints: int, n_in: int, n_out: int, value_bytes: int) -> tuple[int, int, int, int]:
    """Padded joints, and columns, channels in and channels out of a program: powers of two, 16 at least."""
    padded, block_in, block_out = (max(16, 1 << (n - 1).bit_length()) for n in (n_joints, n_in, n_out))
    most_in, most_out = CHANNELS[value_bytes]
    return padded, ROWS // padded, min(block_in, most_in), min(block_out, most_out)


@lru_cache(maxsize=1)
def kernel() -> Any:
    """The compiled kernel's launcher; Triton is loaded on first use."""
    import triton
    import triton.language as tl

    @triton.jit
    def spatial(
        x, matrix, weight, bias, out, n_columns, n_joints, n_in, n_out,
        n_partitions: tl.constexpr, has_bias: tl.constexpr, padded: tl.constexpr, columns: tl.constexpr,
        block_in: tl.constexpr, block_out: tl.constexpr, precision: tl.constexpr,
    ):  # fmt: skip
        joints = tl.arange(0, padded)
        own = joints < n_joints
        both = own[:, None] & own[None, :]
        outs = tl.program_id(1) * block_out + tl.arange(0, block_out)
        wanted = outs < n_out
        # the flat second axis of a program's features: columns, then channels
        flat = tl.arange(0, columns * block_in)
        column = tl.program_id(0) * columns + flat // block_in
        row = tl.arange(0, padded * columns)  # joints, then columns
        total = tl.zeros((padded * columns, block_out), tl.float32)
        for start in range(0, n_in, block_in):
            channel = start + flat % block_in
            places = (joints[:, None].to(tl.int64) * n_columns + column[None, :]) * n_in + channel[None, :]
            inside = own[:, None] & ((column < n_columns) & (channel < n_in))[None, :]
            features = tl.load(x + places, mask=inside, other=0.0)
            channels = start + tl.arange(0, block_in)
            for k in tl.static_range(n_partitions):  # type: ignore[misc]
                places = (k * n_joints + joints[:, None]) * n_joints + joints[None, :]
                graph = tl.load(matrix + places, mask=both, other=0.0)
                part = tl.dot(graph, features, input_precision=precision).to(features.dtype)
                part = tl.reshape(part, (padded * columns, block_in))
                places = (k * n_in + channels[:, None]) * n_out + outs[None, :]
                known = (channels < n_in)[:, None] & wanted[None, :]
                mixing = tl.load(weight + places, mask=known, other=0.0)
                total += tl.dot(part, mixing, input_precision=precision)
        joint, place = row // columns, tl.program_id(0) * columns + row % columns
        if has_bias:
            known = (joint < n_joints)[:, None] & wanted[None, :]
            total += tl.load(bias + joint[:, None] * n_out + outs[None, :], mask=known, other=0.0).to(
                tl.float32
            )
        places = (joint[:, None].to(tl.int64) * n_columns + place[:, None]) * n_out + outs[None, :]
        inside = ((joint < n_joints) & (place < n_columns))[:, None] & wanted[None, :]
        tl.store(out + places, total.to(out.dtype.element_ty), mask=inside)

    return spatial
