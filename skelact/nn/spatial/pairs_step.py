"""Graph convolutions with a topology per channel as steps of the tape, for training in plain precision.

Within a joint, features are channel-major here, ``[V, C, P*T]``, and the matrix of one channel and person,
``[V, T]``, is read where it stands, at one stride for all channels and people. What is cheap to make again
is not kept for the backward pass. Equal to the plain forms.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skelact.nn.norm_step import NormMap, add_moments


def _by_channel(x: Tensor, n_people: int) -> Tensor:
    """``[V, C, P*T]`` as matrices ``[C*P, V, T]``; the same memory."""
    v, c, r = x.shape
    return x.view(v, c * n_people, r // n_people).transpose(0, 1)


class BendTopology(torch.autograd.Function):
    """``α tanh(q_v - r_w) + shared`` of ``q, r [K, C', P, V]``: ``[K, C', P, V (w), V (v)]``.

    ``shared`` is ``[K, 1, P, V, V]``, α ``[K]``.
    """

    @staticmethod
    def forward(ctx: Any, source: Tensor, target: Tensor, shared: Tensor, alpha: Tensor) -> Tensor:  # type: ignore[override]
        ctx.save_for_backward(source, target, alpha)
        bent = (source.unsqueeze(-2) - target.unsqueeze(-1)).tanh_()
        return torch.addcmul(shared, bent, alpha[:, None, None, None, None], out=bent)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        source, target, alpha = ctx.saved_tensors
        grad = grad.contiguous()
        bent = (source.unsqueeze(-2) - target.unsqueeze(-1)).tanh_()
        rows = zip(grad.flatten(1), bent.flatten(1), strict=True)
        grad_alpha = torch.stack([torch.dot(g, b) for g, b in rows])
        inner = torch.ops.aten.tanh_backward(grad, bent)
        scale = alpha[:, None, None, None]
        return inner.sum(-2) * scale, inner.sum(-1) * -scale, grad.sum(1, keepdim=True), grad_alpha


class GroupAggregate(torch.autograd.Function):
    """1×1 convolution, norm, ReLU, aggregation by ``topology [C', P, V, V]``, 1×1 convolution."""

    @staticmethod
    def forward(ctx: Any, norm: Any, x: Tensor, topology: Tensor, weight: Tensor, bias: Tensor, gamma: Tensor,
                beta: Tensor, post_weight: Tensor, post_bias: Tensor) -> Tensor:  # type: ignore[override]  # fmt: skip
        v, p, t, c = x.shape
        mixed = torch.bmm(weight.expand(v, *weight.shape), x.view(v, p * t, c).transpose(1, 2))
        sums = x.new_zeros(2, len(weight), dtype=torch.float64)
        add_moments(sums, mixed)
        ctx.map = NormMap.of_moments(norm, sums, v * p * t, gamma, beta, bias)
        active = ctx.map.active(mixed)
        out = torch.bmm(topology.view(-1, v, v), _by_channel(active, p)).view(len(weight), -1)
        out = torch.addmm(post_bias, out.T, post_weight.T)
        ctx.save_for_backward(x, topology, weight, post_weight, mixed)
        return out.view(p, v, t, -1).transpose(0, 1).contiguous()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        x, topology, weight, post_weight, mixed = ctx.saved_tensors
        v, p, t, c = x.shape
        grad = grad.transpose(0, 1).reshape(p * v * t, -1)
        active = ctx.map.active(mixed)
        matrices, topologies = _by_channel(active, p), topology.view(-1, v, v)
        aggregated = torch.bmm(topologies, matrices).view(len(weight), -1)
        grad_post = grad.T @ aggregated.T
        del aggregated
        grad_out = (post_weight.T @ grad.T).view(-1, v, t)
        grad_topology = torch.bmm(grad_out, matrices.transpose(1, 2)).view(topology.shape)
        grad_active = torch.bmm(topologies.transpose(1, 2), grad_out).transpose(0, 1).reshape(mixed.shape)
        kept = torch.ops.aten.threshold_backward(grad_active, active, 0)
        torch.mul(kept, mixed, out=grad_active)
        sums = torch.stack([part.sum(2).sum(0, dtype=torch.float64) for part in (kept, grad_active)])
        by_x, constant, grad_gamma, grad_beta = ctx.map.slopes(sums)
        grad_mixed = kept.mul_(ctx.map.scale[:, None]).addcmul_(mixed, by_x[:, None]).add_(constant[:, None])
        grad_x = torch.bmm(grad_mixed.transpose(1, 2), weight.expand(v, *weight.shape)).view(x.shape)
        grad_weight = torch.bmm(grad_mixed, x.view(v, p * t, c)).sum(0)
        # a constant before a norm has no effect
        return (
            None, grad_x, grad_topology, grad_weight, torch.zeros_like(grad_beta), grad_gamma, grad_beta,
            grad_post, grad.sum(0),
        )  # fmt: skip


class ChannelAggregate(torch.autograd.Function):
    """1×1 convolutions of K partitions and aggregation by a topology per channel, added up.

    Topologies are ``relation [K, D, R] · pairs [K, R, P*V*V]``, index order [target, source]; ``weight`` is
    ``[K*D, C]``, partition by partition. Topologies and values are made again in the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, relation: Tensor, pairs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:  # type: ignore[override]
        v, p, t, c = x.shape
        k, d, _ = relation.shape
        ctx.save_for_backward(x, relation, pairs, weight, bias)
        rows = rows_by_person(x)
        out, values = x.new_zeros(d * p, v, t), x.new_empty(d, p * v * t)
        topology = x.new_empty(d, p * v * v)
        for i, (w, b) in enumerate(zip(weight.view(k, d, c), bias.view(k, d, 1), strict=True)):
            torch.addmm(b, w, rows.T, out=values)
            torch.mm(relation[i], pairs[i], out=topology)
            out.baddbmm_(topology.view(-1, v, v), values.view(-1, v, t))
        return out.view(d, -1).T.contiguous().view(p, v, t, d).transpose(0, 1).contiguous()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        x, relation, pairs, weight, bias = ctx.saved_tensors
        v, p, t, c = x.shape
        k, d, _ = relation.shape
        grad = rows_by_person(grad).T.contiguous().view(d * p, v, t)
        rows = rows_by_person(x)
        grad_relation, grad_pairs = torch.empty_like(relation), torch.empty_like(pairs)
        grad_weight, grad_bias = weight.new_empty(k, d, c), bias.new_empty(k, d)
        grad_rows = torch.zeros_like(rows)
        values, topology = x.new_empty(d, p * v * t), x.new_empty(d, p * v * v)
        matrices, topologies = values.view(-1, v, t), topology.view(-1, v, v)
        for i, (w, b) in enumerate(zip(weight.view(k, d, c), bias.view(k, d, 1), strict=True)):
            torch.addmm(b, w, rows.T, out=values)
            torch.bmm(grad, matrices.transpose(1, 2), out=topologies)  # the gradient of the topologies
            torch.mm(topology, pairs[i].T, out=grad_relation[i])
            torch.mm(relation[i].T, topology, out=grad_pairs[i])
            torch.mm(relation[i], pairs[i], out=topology)
            torch.bmm(topologies.transpose(1, 2), grad, out=matrices)  # and that of the values
            grad_rows.addmm_(values.T, w)
            torch.mm(values, rows, out=grad_weight[i])
            torch.sum(values, 1, out=grad_bias[i])
        grad_x = grad_rows.view(p, v, t, c).transpose(0, 1).contiguous()
        return grad_x, grad_relation, grad_pairs, grad_weight.view(k * d, c), grad_bias.view(-1)


def rows_by_person(x: Tensor) -> Tensor:
    """``[V, P, T, C]`` as rows ``[P*V*T, C]``, so that what a person's joints share lies close together."""
    return x.transpose(0, 1).reshape(-1, x.shape[-1])
