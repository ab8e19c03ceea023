"""Aggregation and channel mixing in one step of the tape, for training in plain precision."""

from __future__ import annotations

import torch
from torch import Tensor

CACHE = 3 << 20  # bytes


def in_plain_precision(x: Tensor) -> bool:
    """Whether steps with a backward pass of their own apply: not under autocast, compilers and tracers."""
    return not (torch.is_autocast_enabled(x.device.type) or torch.compiler.is_compiling())


def people_at_a_time(x: Tensor, width: int) -> int:
    """How many people's ``[V, P, T, width]`` fit into a core's caches, for ``x [V, P, T, C]``; all, elsewhere."""
    v, p, t, _ = x.shape
    if x.device.type != "cpu":
        return max(1, p)
    return max(1, CACHE // (width * v * t * x.element_size()))


class AggregateMix(torch.autograd.Function):
    """``Σ_k A_k x W_k + b`` for ``x [V, P, T, C]``, stacked ``A [K*V, V]``, ``W [K, C, D]`` and ``b``.

    A few people at a time. Only ``x`` is kept: the K aggregated maps are K times as large, and made again
    in the backward pass, which writes their gradients side by side, so that one product with the transposed
    graph takes them all. ``b`` is ``[D]``, or ``[V, D]`` where every joint has its own.
    """

    @staticmethod
    def forward(ctx, x: Tensor, matrix: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # type: ignore[override]
        v, _, _, c = x.shape
        k, _, d = weight.shape
        ctx.save_for_backward(x, matrix, weight)
        ctx.joint_bias = bias.ndim == 2
        out = x.new_empty(*x.shape[:3], d)
        people = people_at_a_time(x, k * c)
        for part, result in zip(x.split(people, 1), out.split(people, 1), strict=True):
            parts = (matrix @ part.reshape(v, -1)).view(k, -1, c)
            mixed = parts[0] @ weight[0]
            for i in range(1, k):
                mixed.addmm_(parts[i], weight[i])
            result.copy_(mixed.view(result.shape))
            result += bias[:, None, None] if ctx.joint_bias else bias
        return out

    @staticmethod
    def backward(ctx, grad: Tensor):  # type: ignore[override]
        x, matrix, weight = ctx.saved_tensors
        v, _, _, c = x.shape
        k, _, d = weight.shape
        grad_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        grad_matrix, grad_weight = torch.zeros_like(matrix), torch.zeros_like(weight)
        people = people_at_a_time(x, k * c)
        results = (x if grad_x is None else grad_x).split(people, 1)
        for part, part_grad, result in zip(x.split(people, 1), grad.split(people, 1), results, strict=True):
            joints, flat_grad = part.reshape(v, -1), part_grad.reshape(-1, d)
            parts = (matrix @ joints).view(k, -1, c)
            for i in range(k):
                grad_weight[i].addmm_(parts[i].T, flat_grad)
                torch.mm(flat_grad, weight[i].T, out=parts[i])
            rows = parts.view(k * v, -1)
            grad_matrix.addmm_(rows, joints.T)
            if grad_x is not None:
                result.copy_((matrix.T @ rows).view(result.shape))
        grad_bias = grad.sum((1, 2)) if ctx.joint_bias else grad.sum((0, 1, 2))
        return grad_x, grad_matrix, grad_weight, grad_bias
