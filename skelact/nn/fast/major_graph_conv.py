"""Channel-major inference forms of graph convolutions (see `skelact.nn.fast.channel_major`)."""

from __future__ import annotations

import torch
from torch import Tensor

from skelact.nn.fast.channel_major import MajorForm, accumulate, product
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.spatial.channelwise import ChannelwiseGraphConv
from skelact.nn.spatial.dynamic import DynamicGraphConv
from skelact.nn.spatial.learned import LearnedGraphConv


class MajorLearnedGraphConv(MajorForm):
    """`LearnedGraphConv`."""

    matrix: Tensor
    weight: Tensor

    def __init__(self, conv: LearnedGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        super().__init__()
        scale, shift = scale_shift(norm, conv.weight)
        weight = (conv.weight * scale).permute(2, 1, 0)  # input channels: by channel, then partition
        shift = (conv.joint_bias() * scale + shift).T
        self.keep(dtype, matrix=conv.matrix(), weight=weight.flatten(1), shift=shift)

    def accumulate(self, x: Tensor, out: Tensor) -> None:
        p, c, v, t = x.shape
        parts = torch.bmm(self.matrix.expand(p * c, *self.matrix.shape), x.reshape(p * c, v, t))
        accumulate(out.flatten(2), self.weight, parts.view(p, -1, v * t))


class MajorChannelwiseGraphConv(MajorForm):
    """`ChannelwiseGraphConv`.

    Shared topology and bias are appended to the relations: one product gives the refined topology.
    """

    relation: Tensor
    shared: Tensor
    pair_weight: Tensor
    pair_bias: Tensor
    value_weight: Tensor
    value_bias: Tensor

    def __init__(self, conv: ChannelwiseGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        super().__init__()
        k, d, _ = conv.relation.shape
        v = conv.adjacency.shape[1]
        scale, shift = (s.expand(d) for s in scale_shift(norm, conv.relation))
        refine = -conv.alpha * conv.relation * scale[:, None]
        extra = torch.stack([scale.expand(k, d), conv.alpha * conv.relation_bias * scale], -1)
        shared = conv.adjacency.transpose(1, 2).reshape(k, 1, v * v)
        self.keep(
            dtype,
            relation=torch.cat([refine, extra], -1),  # [K, D, R + 2]
            shared=torch.cat([shared, torch.ones_like(shared)], 1),
            pair_weight=conv.pair.weight,
            pair_bias=conv.pair.bias[:, None],
            value_weight=conv.value.weight,
            value_bias=conv.value.bias[:, None],
            shift=shift[:, None],
        )

    def accumulate(self, x: Tensor, out: Tensor) -> None:
        p, _, v, t = x.shape
        k, d, r = self.relation.shape
        pair = product(self.pair_weight, x.mean(3), self.pair_bias).view(p, 2, k, r - 2, v)
        differences = x.new_empty(p, k, r, v * v)
        differences[:, :, -2:] = self.shared
        inner = differences[:, :, :-2].view(p, k, r - 2, v, v)
        torch.sub(pair[:, 1].unsqueeze(-1), pair[:, 0].unsqueeze(-2), out=inner).tanh_()
        topology = x.new_empty(p, d, k, v * v)  # index order [source, target]
        for i in range(k):
            torch.bmm(self.relation[i].expand(p, d, r), differences[:, i], out=topology[:, :, i])
        values = product(self.value_weight, x.flatten(2), self.value_bias).view(p * d, k * v, t)
        out.view(p * d, v, t).baddbmm_(topology.view(p * d, k * v, v).transpose(1, 2), values)


class MajorDynamicGraphConv(MajorForm):
    """`DynamicGraphConv`."""

    adjacency: Tensor
    alpha: Tensor
    beta: Tensor
    pre_weight: Tensor
    pre_bias: Tensor
    pair_weight: Tensor
    pair_bias: Tensor
    post_weight: Tensor

    def __init__(self, conv: DynamicGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        super().__init__()
        self.n_partitions = k = conv.n_partitions
        alpha, beta = (a if conv.subset_wise else a[:1].expand(k) for a in (conv.alpha, conv.beta))
        pre_scale, pre_shift = scale_shift(conv.pre_norm, conv.pre.weight)
        scale, shift = (s.expand(len(conv.post.bias)) for s in scale_shift(norm, conv.post.weight))
        self.keep(
            dtype,
            adjacency=conv.adjacency.transpose(1, 2),  # [target, source], as the topologies below
            alpha=alpha[:, None, None, None],
            beta=beta[:, None, None],
            pre_weight=conv.pre.weight * pre_scale[:, None],
            pre_bias=(conv.pre.bias * pre_scale + pre_shift)[:, None],
            pair_weight=conv.pair.weight,
            pair_bias=conv.pair.bias[:, None],
            post_weight=conv.post.weight * scale[:, None],
            shift=(conv.post.bias * scale + shift)[:, None],
        )

    def accumulate(self, x: Tensor, out: Tensor) -> None:
        p, _, v, t = x.shape
        pair = product(self.pair_weight, x.mean(3), self.pair_bias).view(p, 2, self.n_partitions, -1, v)
        source, target = pair.unbind(1)  # [P, K, C', V]
        shared = (target.transpose(2, 3) @ source).softmax(-1).mul_(self.beta).add_(self.adjacency)
        refined = (source.unsqueeze(-2) - target.unsqueeze(-1)).tanh_()
        topology = torch.addcmul(shared.unsqueeze(2), refined, self.alpha, out=refined).view(-1, v, v)
        features = product(self.pre_weight, x.flatten(2), self.pre_bias).relu_().view(-1, v, t)
        accumulate(out.flatten(2), self.post_weight, torch.bmm(topology, features).view(p, -1, v * t))
