"""Adaptive graph convolution (2s-AGCN's and AAGCN's): a graph of its own for every person."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.graph import SkeletonGraph
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.spatial.mix import people_at_a_time


class AdaptiveGraphConv(nn.Module):
    """Graph convolution whose graph is the skeleton's, plus a learned one, plus one seen in the person.

    ``out = Σ_k (A_k + B_k + C_k)ᵀ x W_k + b_k`` with ``C_k = softmax_source((θ_k x)ᵀ(φ_k x) / (E·T))``
    (Shi et al., "Two-stream adaptive graph convolutional networks", CVPR 2019). Gated (Shi et al.,
    "Skeleton-based action recognition with multi-stream adaptive graph convolutional networks", TIP
    2020): ``B_k + α tanh(...)``, where B starts as the skeleton's graph and α at 0.

    Args:
        channels_in, channels_out: C and D.
        graph: the topology; shared between layers.
        reduction: embeddings have D / reduction channels.
        gated: AAGCN's form.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        graph: SkeletonGraph,
        reduction: int = 4,
        gated: bool = False,
    ) -> None:
        super().__init__()
        k, v = graph.n_partitions, graph.n_joints
        self.graph, self.gated = graph, gated
        width = max(1, channels_out // reduction)
        self.embed_weight = nn.Parameter(torch.empty(2, k, channels_in, width))
        self.embed_bias = nn.Parameter(torch.zeros(2, k, width))
        self.weight = nn.Parameter(torch.empty(k, channels_in, channels_out))
        # A bias per partition, as the released 1x1 convolutions have it; only their sum counts.
        self.bias = nn.Parameter(torch.zeros(k, channels_out))
        nn.init.normal_(self.embed_weight, 0, math.sqrt(2 / width))
        nn.init.normal_(self.weight, 0, math.sqrt(2 / (k * channels_out)))
        if gated:  # index order [source, target], as in the released codes
            start = graph.dense(graph.value).view(k, v, v).transpose(1, 2).clone()
            self.learned = nn.Parameter(start)
            self.gate = nn.Parameter(torch.zeros(1))
        else:
            self.learned = nn.Parameter(torch.full((k, v, v), 1e-6))
            self.gate = None

    def fixed_adjacency(self) -> Tensor:
        """``[K, V, V]`` (target, source): the part of the graph that is the same for everybody."""
        learned = self.learned.transpose(1, 2).contiguous()
        if self.gated:
            return learned
        return self.graph.dense(self.graph.value).view(learned.shape).to(learned.dtype) + learned

    def adjacency(self, x: Tensor) -> Tensor:
        """``[P, K, V, V]`` (target, source): everybody's graph."""
        v, p, t, c = x.shape
        _, k, _, e = self.embed_weight.shape
        flat = self.embed_weight.permute(2, 0, 1, 3).reshape(c, 2 * k * e)
        both = functional.linear(x, flat.T, self.embed_bias.view(-1)).view(v, p, t, 2, k, e)
        theta, phi = both.permute(3, 1, 4, 0, 2, 5).reshape(2, p * k, v, t * e).unbind()
        seen = (phi @ theta.transpose(1, 2)).view(p, k, v, v) / (t * e)
        if self.gate is not None:
            return self.fixed_adjacency() + seen.tanh() * self.gate
        return self.fixed_adjacency() + seen.softmax(-1)

    def forward(self, x: Tensor) -> Tensor:
        bias = self.bias.sum(0)
        if (
            self.training
            and not torch.is_autocast_enabled(x.device.type)
            and not torch.compiler.is_compiling()
        ):
            return _AdaptiveMix.apply(  # type: ignore[return-value]
                x, self.fixed_adjacency(), self.gate, self.embed_weight, self.embed_bias, self.weight, bias
            )
        v, p, t, c = x.shape
        k, _, d = self.weight.shape
        matrix = self.adjacency(x).reshape(p, k * v, v)
        parts = (matrix @ x.permute(1, 0, 2, 3).reshape(p, v, t * c)).view(p, k, v, t, c)
        joined = parts.permute(2, 0, 3, 1, 4).reshape(v, p, t, k * c)
        return functional.linear(joined, self.weight.reshape(k * c, d).T, bias)

    def folded(self, norm: ChannelNorm | None, dtype: torch.dtype) -> FoldedAdaptiveGraphConv:
        """The inference form, with the norm that follows."""
        return FoldedAdaptiveGraphConv(self, norm, dtype)


def embed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """θ and φ of every partition, ``[2, K, V, P, T·E]``: each contiguous, to be compared without a copy."""
    v, p, t, c = x.shape
    _, k, _, e = weight.shape
    flat = x.reshape(1, -1, c).expand(2 * k, -1, -1)
    both = torch.baddbmm(bias.view(2 * k, 1, e), flat, weight.view(2 * k, c, e))
    return both.view(2, k, v, p, t * e)


def compare(both: Tensor) -> Tensor:
    """``[P, K, V, V]`` (target, source): mean products of the embeddings."""
    _, k, v, p, width = both.shape
    seen = both.new_empty(p, k, v, v)
    for i in range(k):
        source, target = both[0, i].transpose(0, 1), both[1, i].transpose(0, 1)
        seen[:, i] = torch.bmm(target, source.transpose(1, 2))
    return seen.div_(width)


def aggregate(x: Tensor, matrix: Tensor) -> Tensor:
    """Everybody's own graph product: ``[V, P, T, C]`` and ``[P, K, V, V]`` to ``[K, V·P·T, C]``."""
    v, p, t, c = x.shape
    k = matrix.shape[1]
    parts = x.new_empty(k * v, p, t * c)
    people = x.view(v, p, t * c).transpose(0, 1)
    torch.bmm(matrix.view(p, k * v, v), people, out=parts.transpose(0, 1))
    return parts.view(k, v * p * t, c)


def mix(parts: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``Σ_k parts_k W_k + b``, added up in place."""
    out = torch.addmm(bias, parts[0], weight[0])
    for part, one in zip(parts[1:], weight[1:], strict=True):
        out.addmm_(part, one)
    return out


class _AdaptiveMix(torch.autograd.Function):
    """The convolution for training in plain precision, a few people at a time.

    Only the input and the graphs are kept: embeddings and aggregated features are several times as large as
    the input, and made again in the backward pass while they are in the cache.
    """

    @staticmethod
    def forward(ctx, x, fixed, gate, embed_weight, embed_bias, weight, bias):  # type: ignore[no-untyped-def, override]
        out = x.new_empty(*x.shape[:3], weight.shape[2])
        people, graphs = people_at_a_time(x, len(weight) * x.shape[3]), []
        for part, result in zip(x.split(people, 1), out.split(people, 1), strict=True):
            part = part.contiguous()
            seen = compare(embed(part, embed_weight, embed_bias))
            graphs.append(seen.softmax(-1) if gate is None else seen.tanh_())
            matrix = fixed + (graphs[-1] if gate is None else graphs[-1] * gate)
            result.copy_(mix(aggregate(part, matrix), weight, bias).view(result.shape))
        ctx.save_for_backward(x, fixed, gate, embed_weight, embed_bias, weight, *graphs)
        return out

    @staticmethod
    def backward(ctx, grad):  # type: ignore[no-untyped-def, override]
        x, fixed, gate, embed_weight, embed_bias, weight, *graphs = ctx.saved_tensors
        k, c, d = weight.shape
        v, e = x.shape[0], embed_weight.shape[3]
        grad_x = torch.empty_like(x)
        grad_fixed, grad_weight = torch.zeros_like(fixed), torch.zeros_like(weight)
        grad_gate = None if gate is None else torch.zeros_like(gate)
        grad_embed, grad_embed_bias = torch.zeros_like(embed_weight), torch.zeros_like(embed_bias)
        split = (tensor.split(people_at_a_time(x, k * c), 1) for tensor in (x, grad, grad_x))
        for seen, part, part_grad, result in zip(graphs, *split, strict=True):
            part, flat_grad = part.contiguous(), part_grad.reshape(-1, d)
            _, p, t, _ = part.shape
            matrix = fixed + (seen if gate is None else seen * gate)
            parts = aggregate(part, matrix)
            grad_weight.baddbmm_(parts.transpose(1, 2), flat_grad.expand(k, -1, -1))
            grad_parts = torch.bmm(flat_grad.expand(k, -1, -1), weight.transpose(1, 2), out=parts)
            rows = grad_parts.view(k * v, p, t * c).transpose(0, 1)
            people = part.view(v, p, t * c).transpose(0, 1)
            grad_matrix = torch.bmm(rows, people.transpose(1, 2)).view(p, k, v, v)
            grad_fixed += grad_matrix.sum(0)
            if gate is None:
                slope = seen * (grad_matrix - (grad_matrix * seen).sum(-1, keepdim=True))
            else:
                grad_gate += (grad_matrix * seen).sum()  # type: ignore[operator]
                slope = grad_matrix * gate * (1 - seen * seen)
            both = _compare_backward(slope.div_(t * e), embed(part, embed_weight, embed_bias))
            grad_part = part.new_empty(v, p, t * c)
            torch.bmm(matrix.view(p, k * v, v).transpose(1, 2), rows, out=grad_part.transpose(0, 1))
            flat_both, flat_part = both.view(2 * k, -1, e), grad_part.view(-1, c)
            for one, slopes in zip(embed_weight.view(2 * k, c, e), flat_both, strict=True):
                flat_part.addmm_(slopes, one.T)
            columns = part.view(-1, c).T.expand(2 * k, -1, -1)
            grad_embed.view(2 * k, c, e).baddbmm_(columns, flat_both)
            grad_embed_bias += flat_both.sum(1).view(grad_embed_bias.shape)
            result.copy_(grad_part.view(result.shape))
        grad_bias = grad.sum((0, 1, 2))
        return grad_x, grad_fixed, grad_gate, grad_embed, grad_embed_bias, grad_weight, grad_bias


def _compare_backward(slope: Tensor, both: Tensor) -> Tensor:
    """Gradients of the embeddings, for a gradient of `compare`'s sums ``[P, K, V, V]``."""
    grad = torch.empty_like(both)
    for i in range(both.shape[1]):
        source, target = both[0, i].transpose(0, 1), both[1, i].transpose(0, 1)
        torch.bmm(slope[:, i].transpose(1, 2), target, out=grad[0, i].transpose(0, 1))
        torch.bmm(slope[:, i], source, out=grad[1, i].transpose(0, 1))
    return grad


class FoldedAdaptiveGraphConv:
    """`AdaptiveGraphConv` and the norm that follows it."""

    def __init__(self, conv: AdaptiveGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        scale, shift = scale_shift(norm, conv.weight)
        self.fixed = conv.fixed_adjacency().detach().to(dtype, copy=True).contiguous()
        self.gate = None if conv.gate is None else conv.gate.detach().to(dtype, copy=True)
        self.embed_weight = conv.embed_weight.detach().to(dtype, copy=True)
        self.embed_bias = conv.embed_bias.detach().to(dtype, copy=True)
        self.weight = (conv.weight * scale).detach().to(dtype).contiguous()
        self.bias = (conv.bias.sum(0) * scale + shift).detach().to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        seen = compare(embed(x, self.embed_weight, self.embed_bias))
        if self.gate is None:
            matrix = seen.softmax(-1).add_(self.fixed)
        else:
            matrix = seen.tanh_().mul_(self.gate).add_(self.fixed)
        return mix(aggregate(x, matrix), self.weight, self.bias).view(*x.shape[:3], -1)
