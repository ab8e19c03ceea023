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
        v, p, t, _ = x.shape
        k, d, _ = relation.shape
        ctx.save_for_backward(x, relation, pairs, weight, bias)
        values = _values(x, weight, bias).view(v, k, d * p, t).transpose(0, 1)
        out = x.new_zeros(d * p, v, t)
        for i in range(k):
            out.baddbmm_((relation[i] @ pairs[i]).view(-1, v, v), values[i].transpose(0, 1))
        return out.view(d, -1).T.contiguous().view(p, v, t, d).transpose(0, 1).contiguous()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:  # type: ignore[override]
        x, relation, pairs, weight, bias = ctx.saved_tensors
        v, p, t, c = x.shape
        k, d, _ = relation.shape
        grad = grad.transpose(0, 1).reshape(p * v * t, d).T.contiguous().view(d * p, v, t)
        values = _values(x, weight, bias).view(v, k, d * p, t).transpose(0, 1)
        grad_relation, grad_pairs = torch.empty_like(relation), torch.empty_like(pairs)
        grad_values = x.new_empty(v, k, d * p, t)
        for i in range(k):
            by_topology = torch.bmm(grad, values[i].permute(1, 2, 0)).view(d, -1)
            torch.mm(by_topology, pairs[i].T, out=grad_relation[i])
            torch.mm(relation[i].T, by_topology, out=grad_pairs[i])
            topology = torch.mm(relation[i], pairs[i], out=by_topology).view(-1, v, v)
            grad_values[:, i] = torch.bmm(topology.transpose(1, 2), grad).transpose(0, 1)
        del values
        grad_values = grad_values.view(v, k * d, p * t)
        grad_x = torch.bmm(grad_values.transpose(1, 2), weight.expand(v, *weight.shape)).view(x.shape)
        grad_weight = torch.bmm(grad_values, x.view(v, p * t, c)).sum(0)
        return grad_x, grad_relation, grad_pairs, grad_weight, grad_values.sum((0, 2))


def _values(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    v, p, t, c = x.shape
    return torch.baddbmm(bias[:, None], weight.expand(v, *weight.shape), x.view(v, p * t, c).transpose(1, 2))
