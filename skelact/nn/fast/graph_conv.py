"""Inference forms of graph convolutions, joint-major."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from skelact.nn.attention import GraphAttention
from skelact.nn.fast.form import Form, frozen
from skelact.nn.fast.spatial import aggregate_and_mix
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.propagate import propagate
from skelact.nn.spatial.fixed import FixedGraphConv
from skelact.nn.spatial.heads import HeadGraphConv, aggregate_heads, refine_topology
from skelact.nn.spatial.learned import LearnedGraphConv
from skelact.nn.spatial.multiscale import MultiScaleGraphConv
from skelact.nn.stc_attention import JointFrameChannelAttention, joint_frame_channel_weights


def mix_into(parts: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``Σ_k parts_k W_k + b`` of ``[K, V, P, T, C]``, ``[K, C, D]`` and ``[V, 1, D]``: ``[V, P, T, D]``."""
    k, v, p, t, c = parts.shape
    flat = parts.view(k, -1, c)
    out = flat[0] @ weight[0]
    for i in range(1, k):
        out.addmm_(flat[i], weight[i])
    return out.view(v, p * t, -1).add_(bias).view(v, p, t, -1)


class FixedGraphConvForm(Form):
    """`FixedGraphConv` and the norm that follows it."""

    working = 4.0  # features of all partitions
    edges: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, conv: FixedGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        super().__init__()
        scale, shift = scale_shift(norm, conv.weight)
        edges = conv.edge_weight()
        bias = (conv.joint_bias(edges) * scale + shift)[:, None]
        self.graph, self.backend = conv.graph, conv.backend
        self.keep(dtype, edges=edges, weight=conv.weight * scale, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.backend != "auto":
            return self._apart(x, self.edges, self.weight, self.bias[:, 0])
        return aggregate_and_mix(x, self.graph, self.edges, self.weight, self.bias[:, 0], self._apart)

    def _apart(self, x: Tensor, edges: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return mix_into(propagate(x, self.graph, edges, self.backend), weight, bias[:, None])


class DenseGraphConvForm(Form):
    """A graph convolution with a dense topology, and the norm that follows it."""

    matrix: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, matrix: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        super().__init__()
        self.keep(
            dtype, matrix=matrix.view(len(weight), -1, matrix.shape[1]), weight=weight, bias=bias[:, None]
        )

    @classmethod
    def of_learned(cls, conv: LearnedGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> Form:
        """Of a `LearnedGraphConv`."""
        scale, shift = scale_shift(norm, conv.weight)
        return cls(conv.matrix(), conv.weight * scale, conv.joint_bias() * scale + shift, dtype)

    @classmethod
    def of_scales(cls, conv: MultiScaleGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> Form:
        """Of a `MultiScaleGraphConv`."""
        scale, shift = scale_shift(norm, conv.weight)
        bias = (conv.bias * scale + shift).expand(conv.graph.n_joints, -1)
        return cls(conv.adjacency(), conv.weight * scale, bias, dtype)

    def forward(self, x: Tensor) -> Tensor:
        v, p, t, c = x.shape
        k, n, _ = self.matrix.shape
        flat, out = x.reshape(v, -1), x.new_empty(n * p * t, self.weight.shape[2])
        for i in range(k):  # partition by partition, within the cache
            part = (self.matrix[i] @ flat).view(-1, c)
            if i:
                out.addmm_(part, self.weight[i])
            else:
                torch.mm(part, self.weight[0], out=out)
        return out.view(n, p * t, -1).add_(self.bias).view(n, p, t, -1)


class HeadGraphConvForm(Form):
    """`HeadGraphConv` and the norm that follows it.

    The norm's scale is folded into the values' weights; its shift, and the values' bias times the summed edge
    weights, are added at the end.
    """

    weight: Tensor
    bias: Tensor
    shift: Tensor
    adjacency: Tensor
    pair_weight: Tensor
    pair_bias: Tensor
    gain: Tensor

    def __init__(self, conv: HeadGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        super().__init__()
        scale, shift = (s * torch.ones_like(conv.value.bias) for s in scale_shift(norm, conv.value.weight))
        self.keep(
            dtype,
            weight=conv.value.weight * scale[:, None],
            bias=conv.value.bias * scale,
            shift=shift,
            adjacency=conv.adjacency,
        )
        self.topology = conv.topology
        if conv.topology != "learned":
            self.keep(dtype, pair_weight=conv.pair.weight, pair_bias=conv.pair.bias, gain=conv.gain)

    def forward(self, x: Tensor) -> Tensor:
        values = functional.linear(x, self.weight, self.bias)
        topology = self.adjacency
        if self.topology != "learned":
            topology = refine_topology(
                x, topology, self.pair_weight, self.pair_bias, self.gain, self.topology
            )
        return aggregate_heads(values, topology).add_(self.shift)


class GraphAttentionForm(Form):
    """`GraphAttention` and the norm that follows it.

    The norm scales channels and commutes with the attention: its scale is folded into the values' weights.
    """

    working = 0.5
    value: Tensor
    bias: Tensor

    def __init__(self, layer: GraphAttention, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        super().__init__()
        scale, shift = scale_shift(norm, layer.bias)
        self.keep(dtype, value=layer.value.weight * scale.unsqueeze(-1), bias=layer.bias * scale + shift)
        # coefficients are computed from means over time, at little cost in full precision
        self.exact = torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype
        self.layer = frozen(layer).to(self.exact)

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean(2, keepdim=True, dtype=self.exact)
        matrices = self.layer.matrices(self.layer.coefficients(pooled)).to(x.dtype)
        return aggregate_heads(functional.linear(x, self.value), matrices).add_(self.bias)


class JointFrameChannelAttentionForm(Form):
    """`JointFrameChannelAttention` in place."""

    def __init__(
        self, module: JointFrameChannelAttention, norm: ChannelNorm | None, dtype: torch.dtype
    ) -> None:
        super().__init__()
        assert norm is None
        self.module = frozen(module).to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        weight, channel = joint_frame_channel_weights(x, *self.module.layers())
        return x.mul_(weight).mul_(channel)
