"""Aggregation by a topology per channel and person as Triton kernels on CUDA: nothing is laid out anew for it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from skelact.nn.fast.triton_graph import is_available
from skelact.nn.measure import allows_tf32

MOST_JOINTS = 32  # of a matrix, which a program holds for 16 channels
CHANNELS, FRAMES, WARPS = 16, 32, 8  # of a program: no spills on sm_90


def can_aggregate(values: Tensor, topology: Tensor) -> bool:
    """Whether the kernels run on ``values`` and pay: in a type that matrix units take."""
    low = (
        values.dtype in (torch.float16, torch.bfloat16) or values.device.type != "cuda" or allows_tf32(values)
    )
    return is_available(values) and low and topology.dtype == values.dtype and len(values) <= MOST_JOINTS


def channel_product(topology: Tensor, values: Tensor) -> Tensor:
    """``out[w, p, t, d] = Σ_k Σ_u topology[k, d, p, w, u] · values[u, p, t, k·D + d]``, with gradients for both.

    Args:
        topology: ``[K, D, P, V, V]``.
        values: ``[V, P, T, K*D]``, of the same type.

    Returns:
        ``[V, P, T, D]``; sums are in float32.
    """
    return _ChannelProduct.apply(topology, values)


class _ChannelProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, topology: Tensor, values: Tensor) -> Tensor:  # type: ignore[override]
        topology, values = topology.contiguous(), values.contiguous()
        ctx.save_for_backward(topology, values)
        v, p, t, _ = values.shape
        out = values.new_empty(v, p, t, topology.shape[1])
        _launch(0, topology, values, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        topology, values = ctx.saved_tensors
        grad = grad.contiguous()
        grad_values = grad_topology = None
        if ctx.needs_input_grad[1]:
            grad_values = torch.empty_like(values)
            _launch(1, topology, grad_values, grad)
        if ctx.needs_input_grad[0]:
            grad_topology = torch.empty_like(topology)
            _launch(2, grad_topology, values, grad)
        return grad_topology, grad_values


def _launch(which: int, topology: Tensor, values: Tensor, out: Tensor) -> None:
    """Run a kernel: the product, the gradient of values, the gradient of topologies; each writes one of the three."""
    (v, p, t, d), k = out.shape, len(topology)
    padded = max(16, 1 << (v - 1).bit_length())
    last = k if which == 2 else -(-t // FRAMES)  # the gradient of a matrix sums over frames
    with torch.cuda.device_of(values):  # Triton launches on the current device
        kernels()[which][(p, -(-d // CHANNELS), last)](
            topology, values, out, p, t, d, v, k, padded, CHANNELS, FRAMES,
            "tf32" if allows_tf32(values) else "ieee", num_warps=WARPS, num_stages=1,
        )  # fmt: skip


@lru_cache(maxsize=1)
def kernels() -> tuple[Any, Any, Any]:
    """The launchers; Triton is loaded on first use."""
    import triton
    import triton.language as tl

    # Tiles are [channels, joints, joints or frames]; of [V, P, T, C], the channels are next to each other.
    @triton.jit
    def product(
        topology, values, out, n_people, n_frames, n_channels, n_joints, n_partitions: tl.constexpr,
        padded: tl.constexpr, channels: tl.constexpr, frames: tl.constexpr, precision: tl.constexpr,
    ):  # fmt: skip
        person = tl.program_id(0)
        d = (tl.program_id(1) * channels + tl.arange(0, channels))[:, None, None]
        t = (tl.program_id(2) * frames + tl.arange(0, frames))[None, None, :]
        row, col = tl.arange(0, padded)[None, :, None], tl.arange(0, padded)[None, None, :]
        place = (row.to(tl.int64) * n_people + person) * n_frames + t
        inside = (d < n_channels) & (row < n_joints) & (t < n_frames)
        known = (d < n_channels) & (row < n_joints) & (col < n_joints)
        total = tl.zeros((channels, padded, frames), tl.float32)
        for k in tl.static_range(n_partitions):  # type: ignore[misc]
            one = ((k * n_channels + d).to(tl.int64) * n_people + person) * n_joints * n_joints
            matrix = tl.load(topology + one + row * n_joints + col, mask=known, other=0.0)
            part = tl.load(
                values + place * (n_partitions * n_channels) + k * n_channels + d, mask=inside, other=0.0
            )
            total = tl.dot(matrix, part, total, input_precision=precision)
        tl.store(out + place * n_channels + d, total.to(out.dtype.element_ty), mask=inside)

    @triton.jit
    def grad_values(
        topology, values, out, n_people, n_frames, n_channels, n_joints, n_partitions: tl.constexpr,
        padded: tl.constexpr, channels: tl.constexpr, frames: tl.constexpr, precision: tl.constexpr,
    ):  # fmt: skip
        person = tl.program_id(0)
        d = (tl.program_id(1) * channels + tl.arange(0, channels))[:, None, None]
        t = (tl.program_id(2) * frames + tl.arange(0, frames))[None, None, :]
        row, col = tl.arange(0, padded)[None, :, None], tl.arange(0, padded)[None, None, :]
        place = (row.to(tl.int64) * n_people + person) * n_frames + t
        inside = (d < n_channels) & (row < n_joints) & (t < n_frames)
        known = (d < n_channels) & (row < n_joints) & (col < n_joints)
        pushed = tl.load(out + place * n_channels + d, mask=inside, other=0.0)
        for k in tl.static_range(n_partitions):  # type: ignore[misc]
            one = ((k * n_channels + d).to(tl.int64) * n_people + person) * n_joints * n_joints
            matrix = tl.load(topology + one + col * n_joints + row, mask=known, other=0.0)  # transposed
            part = tl.dot(matrix, pushed, input_precision=precision)
            tl.store(
                values + place * (n_partitions * n_channels) + k * n_channels + d,
                part.to(values.dtype.element_ty), mask=inside,
            )  # fmt: skip

    @triton.jit
    def grad_topology(
        topology, values, out, n_people, n_frames, n_channels, n_joints, n_partitions: tl.constexpr,
        padded: tl.constexpr, channels: tl.constexpr, frames: tl.constexpr, precision: tl.constexpr,
    ):  # fmt: skip
        person, k = tl.program_id(0), tl.program_id(2)
        d = (tl.program_id(1) * channels + tl.arange(0, channels))[:, None, None]
        row, col = tl.arange(0, padded)[None, :, None], tl.arange(0, padded)[None, None, :]
        across, down = tl.arange(0, frames)[None, None, :], tl.arange(0, frames)[None, :, None]
        total = tl.zeros((channels, padded, padded), tl.float32)
        for start in range(0, n_frames, frames):
            place = (row.to(tl.int64) * n_people + person) * n_frames + start + across
            inside = (d < n_channels) & (row < n_joints) & (start + across < n_frames)
            pushed = tl.load(out + place * n_channels + d, mask=inside, other=0.0)
            place = (col.to(tl.int64) * n_people + person) * n_frames + start + down
            inside = (d < n_channels) & (col < n_joints) & (start + down < n_frames)
            part = tl.load(
                values + place * (n_partitions * n_channels) + k * n_channels + d, mask=inside, other=0.0
            )
            total = tl.dot(pushed, part, total, input_precision=precision)
        one = ((k * n_channels + d).to(tl.int64) * n_people + person) * n_joints * n_joints
        known = (d < n_channels) & (row < n_joints) & (col < n_joints)
        place = topology + one + row * n_joints + col
        tl.store(place, total.to(topology.dtype.element_ty), mask=known)

    return product, grad_values, grad_topology
