"""Forms of the adaptive graph convolution (2s-AGCN, AAGCN)."""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.nn.fast.form import Form
from skelact.nn.fast.gate import TrainingForm
from skelact.nn.fast.people import people_at_a_time
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.spatial.adaptive import AdaptiveGraphConv


class AdaptiveGraphConvStep(TrainingForm, AdaptiveGraphConv):
    """`AdaptiveGraphConv` that saves only its input and the adjacencies for the backward pass."""

    def step(self, x: Tensor) -> Tensor:
        values = (self.gate, self.embed_weight, self.embed_bias, self.weight, self.bias.sum(0))
        return AdaptiveMix.apply(x, self.fixed_adjacency(), *values)


class AdaptiveGraphConvForm(Form):
    """`AdaptiveGraphConv` and the norm that follows it."""

    fixed: Tensor
    gate: Tensor
    embed_weight: Tensor
    embed_bias: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, conv: AdaptiveGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        super().__init__()
        scale, shift = scale_shift(norm, conv.weight)
        self.gated = conv.gate is not None
        if conv.gate is not None:
            self.keep(dtype, gate=conv.gate)
        self.keep(
            dtype,
            fixed=conv.fixed_adjacency(),
            embed_weight=conv.embed_weight,
            embed_bias=conv.embed_bias,
            weight=conv.weight * scale,
            bias=conv.bias.sum(0) * scale + shift,
        )

    def forward(self, x: Tensor) -> Tensor:
        similarity = compare(embed(x, self.embed_weight, self.embed_bias))
        matrix = (similarity.tanh_().mul_(self.gate) if self.gated else similarity.softmax(-1)).add_(
            self.fixed
        )
        return mix(aggregate(x, matrix), self.weight, self.bias).view(*x.shape[:3], -1)


def embed(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """θ and φ of every partition, ``[2, K, V, P, T·E]``: each contiguous."""
    v, p, t, c = x.shape
    _, k, _, e = weight.shape
    flat = x.reshape(1, -1, c).expand(2 * k, -1, -1)
    both = torch.baddbmm(bias.view(2 * k, 1, e), flat, weight.view(2 * k, c, e))
    return both.view(2, k, v, p, t * e)


def compare(both: Tensor) -> Tensor:
    """``[P, K, V, V]`` (target, source): mean products of the embeddings."""
    _, k, v, p, width = both.shape
    similarity = both.new_empty(p, k, v, v)
    for i in range(k):
        source, target = both[0, i].transpose(0, 1), both[1, i].transpose(0, 1)
        similarity[:, i] = torch.bmm(target, source.transpose(1, 2))
    return similarity.div_(width)


def aggregate(x: Tensor, matrix: Tensor) -> Tensor:
    """Graph product with an adjacency per person: ``[V, P, T, C]`` and ``[P, K, V, V]`` to ``[K, V·P·T, C]``."""
    v, p, t, c = x.shape
    k = matrix.shape[1]
    parts = x.new_empty(k * v, p, t * c)
    people = x.reshape(v, p, t * c).transpose(0, 1)
    torch.bmm(matrix.view(p, k * v, v), people, out=parts.transpose(0, 1))
    return parts.view(k, v * p * t, c)


def mix(parts: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``Σ_k parts_k W_k + b``, accumulated in place."""
    out = torch.addmm(bias, parts[0], weight[0])
    for part, one in zip(parts[1:], weight[1:], strict=True):
        out.addmm_(part, one)
    return out


class AdaptiveMix(torch.autograd.Function):
    """The convolution for training, computed for a few people at a time.

    Embeddings and aggregated features, several times as large as the input, are recomputed in the backward
    pass.
    """

    @staticmethod
    def forward(ctx, x, fixed, gate, embed_weight, embed_bias, weight, bias):
        out = x.new_empty(*x.shape[:3], weight.shape[2])
        people, graphs = people_at_a_time(x, len(weight) * x.shape[3]), []
        for part, result in zip(x.split(people, 1), out.split(people, 1), strict=True):
            part = part.contiguous()
            similarity = compare(embed(part, embed_weight, embed_bias))
            graphs.append(similarity.softmax(-1) if gate is None else similarity.tanh_())
            matrix = fixed + (graphs[-1] if gate is None else graphs[-1] * gate)
            result.copy_(mix(aggregate(part, matrix), weight, bias).view(result.shape))
        ctx.save_for_backward(x, fixed, gate, embed_weight, embed_bias, weight, *graphs)
        return out

    @staticmethod
    def backward(ctx, grad):
        x, fixed, gate, embed_weight, embed_bias, weight, *graphs = ctx.saved_tensors
        k, c, d = weight.shape
        v, e = x.shape[0], embed_weight.shape[3]
        grad_x = torch.empty_like(x)
        grad_fixed, grad_weight = torch.zeros_like(fixed), torch.zeros_like(weight)
        grad_gate = None if gate is None else torch.zeros_like(gate)
        grad_embed, grad_embed_bias = torch.zeros_like(embed_weight), torch.zeros_like(embed_bias)
        split = (tensor.split(people_at_a_time(x, k * c), 1) for tensor in (x, grad, grad_x))
        for similarity, part, part_grad, result in zip(graphs, *split, strict=True):
            part, flat_grad = part.contiguous(), part_grad.reshape(-1, d)
            _, p, t, _ = part.shape
            matrix = fixed + (similarity if gate is None else similarity * gate)
            parts = aggregate(part, matrix)
            grad_weight.baddbmm_(parts.transpose(1, 2), flat_grad.expand(k, -1, -1))
            grad_parts = torch.bmm(flat_grad.expand(k, -1, -1), weight.transpose(1, 2), out=parts)
            rows = grad_parts.view(k * v, p, t * c).transpose(0, 1)
            people = part.view(v, p, t * c).transpose(0, 1)
            grad_matrix = torch.bmm(rows, people.transpose(1, 2)).view(p, k, v, v)
            grad_fixed += grad_matrix.sum(0)
            if gate is None:
                slope = similarity * (grad_matrix - (grad_matrix * similarity).sum(-1, keepdim=True))
            else:
                grad_gate += (grad_matrix * similarity).sum()
                slope = grad_matrix * gate * (1 - similarity * similarity)
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
