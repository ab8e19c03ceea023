"""Training forms of graph convolutions with a topology per channel (topology refinement).

A few people are processed at a time, within a processor's cache, with channel-major features ``[C, P*V*T]``: a matrix
``[V, T]`` per channel and person. Intermediate results are recomputed in the backward pass.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from skelact.nn.fast.gate import TrainingForm, applies
from skelact.nn.fast.norm_map import NormMap, add_moments
from skelact.nn.fast.people import people_at_a_time
from skelact.nn.fast.triton_channels import can_aggregate, channel_product
from skelact.nn.measure import arithmetic, can_measure, choose, device_name
from skelact.nn.spatial.channelwise import ChannelwiseGraphConv, aggregate_by_channel
from skelact.nn.spatial.dynamic import DynamicGraphConv

DEVICES = ("cuda",)  # where aggregation by channel has a kernel
WORKING_MAPS = 4  # intermediate maps of the largest width in use at a time


class ChannelwiseGraphConvStep(TrainingForm, ChannelwiseGraphConv):
    """`ChannelwiseGraphConv` that recomputes topologies and values in the backward pass."""

    def step(self, x: Tensor) -> Tensor:
        return ChannelAggregate.apply(x, *self.relations(x), *self.by_partition())

    def aggregate(self, topology: Tensor, values: Tensor) -> Tensor:
        return aggregate_on_device(topology, values)


class DynamicGraphConvStep(TrainingForm, DynamicGraphConv):
    """`DynamicGraphConv`, a few people at a time."""

    def step(self, x: Tensor) -> Tensor:
        pre, norm, post = self.pre, self.pre_norm, self.post
        if norm.sync:
            return DynamicGraphConv.forward(self, x)
        values = (pre.weight, pre.bias, norm.weight, norm.bias, post.weight, post.bias)
        return GroupAggregate.apply(norm, x, self.topology(x), *values)

    def aggregate(self, topology: Tensor, values: Tensor) -> Tensor:
        return aggregate_on_device(topology, values)

    def refine(self, source: Tensor, target: Tensor, shared: Tensor, alpha: Tensor) -> Tensor:
        if not (self.training and torch.is_grad_enabled() and applies(source)):
            return super().refine(source, target, shared, alpha)
        return RefineTopology.apply(source.contiguous(), target.contiguous(), shared, alpha)


def aggregate_on_device(topology: Tensor, values: Tensor) -> Tensor:
    """`aggregate_by_channel`, on a GPU by Triton kernels where they are measured faster."""
    if values.device.type not in DEVICES or not can_measure(values):
        return aggregate_by_channel(topology, values)
    if torch.is_autocast_enabled(values.device.type):
        dtype = torch.get_autocast_dtype(values.device.type)
        topology, values = topology.to(dtype), values.to(dtype)
    if not can_aggregate(values, topology):
        return aggregate_by_channel(topology, values)
    inputs = (topology, values)
    trains = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs)
    columns = 1 << (values.shape[1] * values.shape[2] - 1).bit_length()
    sizes = (*topology.shape[:2], len(values), columns)
    key = ("aggregation by channel", device_name(values.device), arithmetic(values), *sizes, trains)
    ways = {"apart": aggregate_by_channel, "fused": channel_product}
    name = choose(key, ways, tuple(tensor.detach() for tensor in inputs), trains, "apart")
    return ways[name](*inputs)


class RefineTopology(torch.autograd.Function):
    """``α tanh(q_v - r_w) + shared`` of ``q, r [K, C', P, V]``: ``[K, C', P, V (w), V (v)]``.

    ``shared`` is ``[K, 1, P, V, V]``, α ``[K]``.
    """

    @staticmethod
    def forward(ctx: Any, source: Tensor, target: Tensor, shared: Tensor, alpha: Tensor) -> Tensor:
        ctx.save_for_backward(source, target, alpha)
        refined = (source.unsqueeze(-2) - target.unsqueeze(-1)).tanh_()
        return torch.addcmul(shared, refined, alpha[:, None, None, None, None], out=refined)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        source, target, alpha = ctx.saved_tensors
        grad = grad.contiguous()
        refined = (source.unsqueeze(-2) - target.unsqueeze(-1)).tanh_()
        rows = zip(grad.flatten(1), refined.flatten(1), strict=True)
        grad_alpha = torch.stack([torch.dot(g, b) for g, b in rows])
        inner = torch.ops.aten.tanh_backward(grad, refined)
        scale = alpha[:, None, None, None]
        return inner.sum(-2) * scale, inner.sum(-1) * -scale, grad.sum(1, keepdim=True), grad_alpha


class GroupAggregate(torch.autograd.Function):
    """1×1 convolution, norm, ReLU, aggregation by ``topology [C', P, V, V]``, 1×1 convolution."""

    @staticmethod
    def forward(ctx: Any, norm: Any, x: Tensor, topology: Tensor, weight: Tensor, bias: Tensor, gamma: Tensor,
                beta: Tensor, post_weight: Tensor, post_bias: Tensor) -> Tensor:  # fmt: skip
        v, p, t, _ = x.shape
        people = ctx.people = people_at_a_time(x, WORKING_MAPS * max(*weight.shape, len(post_weight)))
        sums = x.new_zeros(2, len(weight), dtype=torch.float64)
        mixed = []
        for part in x.split(people, 1):
            mixed.append(weight @ rows_by_person(part).T)
            add_moments(sums, mixed[-1][None])
        ctx.map = NormMap.of_moments(norm, sums, v * p * t, gamma, beta, bias)
        out = x.new_empty(v, p, t, len(post_weight))
        for values, own, result in zip(mixed, topology.split(people, 1), out.split(people, 1), strict=True):
            matrices = ctx.map.active(values[None]).view(-1, v, t)
            aggregated = torch.bmm(own.reshape(-1, v, v), matrices).view(len(weight), -1)
            put_rows(torch.addmm(post_bias, aggregated.T, post_weight.T), result)
        ctx.save_for_backward(x, topology, weight, post_weight, *mixed)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, topology, weight, post_weight, *mixed = ctx.saved_tensors
        v, _, t, _ = x.shape
        people = ctx.people
        grad_topology = torch.empty_like(topology)
        grad_post, grad_bias = torch.zeros_like(post_weight.T), grad.new_zeros(len(post_weight))
        sums = x.new_zeros(2, len(weight), dtype=torch.float64)
        passed = []  # gradients after ReLU
        parts = (topology.split(people, 1), grad_topology.split(people, 1), grad.split(people, 1))
        for values, own, grad_own, part in zip(mixed, *parts, strict=True):
            rows = rows_by_person(part)
            grad_bias += rows.sum(0)
            active = ctx.map.active(values[None])[0]
            matrices, topologies = active.view(-1, v, t), own.reshape(-1, v, v)
            aggregated = torch.bmm(topologies, matrices)
            grad_post.addmm_(aggregated.view(len(weight), -1), rows)
            sent = torch.mm(post_weight.T, rows.T, out=aggregated.view(len(weight), -1)).view(-1, v, t)
            grad_own.copy_(torch.bmm(sent, matrices.transpose(1, 2)).view(own.shape))
            kept = torch.bmm(topologies.transpose(1, 2), sent).view(active.shape)
            torch.ops.aten.threshold_backward.grad_input(kept, active, 0, grad_input=kept)
            sums[0] += kept.sum(1)
            sums[1] += torch.mul(kept, values, out=active).sum(1)
            passed.append(kept)
        by_x, constant, grad_gamma, grad_beta = ctx.map.slopes(sums)
        grad_x, grad_weight = torch.empty_like(x), torch.zeros_like(weight)
        for values, kept, part, result in zip(
            mixed, passed, x.split(people, 1), grad_x.split(people, 1), strict=True
        ):
            kept.mul_(ctx.map.scale[:, None]).addcmul_(values, by_x[:, None]).add_(constant[:, None])
            put_rows(kept.T @ weight, result)
            grad_weight.addmm_(kept, rows_by_person(part))
        # a constant before a norm has no effect
        return (
            None, grad_x, grad_topology, grad_weight, torch.zeros_like(grad_beta), grad_gamma, grad_beta,
            grad_post.T, grad_bias,
        )  # fmt: skip


class ChannelAggregate(torch.autograd.Function):
    """1×1 convolutions of K partitions and aggregation by a topology per channel, summed.

    Topologies are ``relation [K, D, R] · differences [K, R, P*V*V]``, index order [target, source]; ``weight`` is
    ``[K*D, C]``, partition by partition. Topologies and values are recomputed in the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, relation: Tensor, differences: Tensor, weight: Tensor, bias: Tensor
    ) -> Tensor:
        v, p, t, c = x.shape
        k, d, _ = relation.shape
        ctx.save_for_backward(x, relation, differences, weight, bias)
        weights, biases = weight.view(k, d, c), bias.view(k, d, 1)
        people = ctx.people = people_at_a_time(x, WORKING_MAPS * max(c, d))
        out = x.new_empty(v, p, t, d)
        parts = (x.split(people, 1), differences.split(people * v * v, 2), out.split(people, 1))
        for part, own, result in zip(*parts, strict=True):
            rows = rows_by_person(part)
            total = None
            for i in range(k):
                values = torch.addmm(biases[i], weights[i], rows.T).view(-1, v, t)
                topologies = (relation[i] @ own[i]).view(-1, v, v)
                total = torch.bmm(topologies, values) if total is None else total.baddbmm_(topologies, values)
            assert total is not None
            put_rows(total.view(d, -1).T.contiguous(), result)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, relation, differences, weight, bias = ctx.saved_tensors
        v, _, t, c = x.shape
        k, d, _ = relation.shape
        weights, biases = weight.view(k, d, c), bias.view(k, d, 1)
        people = ctx.people
        grad_x, grad_differences = torch.empty_like(x), torch.empty_like(differences)
        grad_relation, grad_weight = torch.zeros_like(relation), torch.zeros_like(weights)
        grad_bias = bias.new_zeros(k, d)
        maps, tables = (x, grad, grad_x), (differences, grad_differences)
        parts = (*(m.split(people, 1) for m in maps), *(m.split(people * v * v, 2) for m in tables))
        for part, part_grad, result, own, grad_own in zip(*parts, strict=True):
            rows = rows_by_person(part)
            sent = rows_by_person(part_grad).T.contiguous().view(-1, v, t)
            grad_rows = torch.zeros_like(rows)
            values = rows.new_empty(d, len(rows))
            topology = rows.new_empty(d, own.shape[2])
            matrices, topologies = values.view(-1, v, t), topology.view(-1, v, v)
            for i in range(k):
                torch.addmm(biases[i], weights[i], rows.T, out=values)
                torch.bmm(sent, matrices.transpose(1, 2), out=topologies)  # the gradient of the topologies
                grad_relation[i].addmm_(topology, own[i].T)
                grad_own[i] = relation[i].T @ topology
                torch.mm(relation[i], own[i], out=topology)
                torch.bmm(topologies.transpose(1, 2), sent, out=matrices)  # and that of the values
                grad_rows.addmm_(values.T, weights[i])
                grad_weight[i].addmm_(values, rows)
                grad_bias[i] += values.sum(1)
            put_rows(grad_rows, result)
        return grad_x, grad_relation, grad_differences, grad_weight.view(k * d, c), grad_bias.view(-1)


def rows_by_person(x: Tensor) -> Tensor:
    """``[V, P, T, C]`` as ``[P*V*T, C]``: the features of a person are contiguous."""
    return x.transpose(0, 1).reshape(-1, x.shape[-1])


def put_rows(rows: Tensor, out: Tensor) -> None:
    """The inverse of `rows_by_person`, into ``out [V, P, T, C]``."""
    v, p, t, c = out.shape
    out.transpose(0, 1).copy_(rows.view(p, v, t, c))
