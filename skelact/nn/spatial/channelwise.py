"""Channel-wise topology refinement (CTR-GCN's): one topology per channel, refined by the input."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.spatial.pairs import channel_major, differences, joints_first, people_first


class ChannelwiseGraphConv(nn.Module):
    """Graph convolution with a topology per channel, shared topologies refined by pairs of joints.

    ``R_kc = A_k + α · (w_kc · tanh(q_u - r_v) + b_kc)`` and ``out_c = Σ_k R_kc x W_kc`` (Chen et al.,
    "Channel-wise topology refinement graph convolution", ICCV 2021); q and r are means over time.

    Args:
        channels_in, channels_out: C and D.
        adjacency: ``[K, V, V]``, where the shared topologies start; index order [target, source].
        n_relations: channels of q and r; None: C/8, and 8 for inputs of up to 16 channels.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        adjacency: np.ndarray | Tensor,
        n_relations: int | None = None,
    ) -> None:
        super().__init__()
        start = torch.as_tensor(adjacency).to(torch.get_default_dtype())
        k = len(start)
        if n_relations is None:
            n_relations = 8 if channels_in <= 16 else channels_in // 8
        self.n_partitions, self.n_relations = k, n_relations
        self.adjacency = nn.Parameter(start.clone())
        self.alpha = nn.Parameter(torch.zeros(1))
        # rows: for q and then for r, partition by partition
        self.pair = nn.Linear(channels_in, 2 * k * n_relations)
        self.value = nn.Linear(channels_in, channels_out * k)  # rows: channel by channel, then partition
        self.relation = nn.Parameter(torch.empty(k, channels_out, n_relations))
        self.relation_bias = nn.Parameter(torch.zeros(k, channels_out))
        nn.init.normal_(self.pair.weight, 0, (2 / n_relations) ** 0.5)
        nn.init.normal_(self.value.weight, 0, (2 / channels_out) ** 0.5)
        nn.init.normal_(self.relation, 0, (2 / channels_out) ** 0.5)
        nn.init.zeros_(self.pair.bias)
        nn.init.zeros_(self.value.bias)

    def topology(self, x: Tensor) -> Tensor:
        """``[P, D, K, V, V]`` of ``x [V, P, T, C]``, index order [source, target]."""
        v, p, _, _ = x.shape
        k, d, r = self.relation.shape
        pair = self.pair(x.mean(2)).view(v, p, 2, k, r).permute(1, 2, 3, 4, 0)
        target, source = pair.unbind(1)  # [P, K, R, V]
        pairs = -differences(source, target)  # [P, K, R, V source, V target]
        weight, bias = self.relation * self.alpha, self.relation_bias * self.alpha
        refined = weight @ pairs.flatten(3) + bias[..., None]
        shared = self.adjacency.transpose(1, 2)
        return (refined.view(p, k, d, v, v) + shared[:, None]).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        v, p, t, _ = x.shape
        k, d, _ = self.relation.shape
        values = channel_major(self.value.weight, self.value.bias, people_first(x)).view(p, d, k * v, t)
        topology = self.topology(x).reshape(p, d, k * v, v)
        out = topology.transpose(2, 3) @ values.to(topology.dtype)  # [P, D, V, T]
        return out.permute(2, 0, 3, 1).contiguous()

    def folded(self, norm: ChannelNorm | None, dtype: torch.dtype) -> FoldedChannelwiseGraphConv:
        """The inference form, with the norm that follows."""
        return FoldedChannelwiseGraphConv(self, norm, dtype)


class FoldedChannelwiseGraphConv:
    """`ChannelwiseGraphConv` and the norm that follows it.

    The shared topology and the bias are two more relations, so that one product makes the topology.
    """

    def __init__(self, conv: ChannelwiseGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        scale, shift = scale_shift(norm, conv.relation)
        k, d, r = conv.relation.shape
        v = conv.adjacency.shape[1]
        scale = scale * conv.relation.new_ones(d)
        refine = -conv.alpha * conv.relation * scale[:, None]
        extra = torch.stack([scale.expand(k, d), conv.alpha * conv.relation_bias * scale], -1)
        self.relation = torch.cat([refine, extra], -1).detach().to(dtype)  # [K, D, R + 2]
        shared = conv.adjacency.transpose(1, 2).reshape(k, 1, v * v)
        self.shared = torch.cat([shared, torch.ones_like(shared)], 1).detach().to(dtype)
        self.pair_weight = conv.pair.weight.detach().to(dtype, copy=True)
        self.pair_bias = conv.pair.bias.detach().to(dtype, copy=True)
        self.value_weight = conv.value.weight.detach().to(dtype, copy=True)
        self.value_bias = conv.value.bias.detach().to(dtype, copy=True)
        self.shift = (shift * torch.ones_like(scale)).detach().to(dtype)

    def __call__(self, x: Tensor) -> Tensor:
        v, p, t, _ = x.shape
        k, d, r = self.relation.shape
        pair = functional.linear(x.mean(2), self.pair_weight, self.pair_bias)
        target, source = pair.view(v, p, 2, k, r - 2).permute(1, 2, 3, 4, 0).unbind(1)
        pairs = differences(source, target).flatten(3)
        pairs = torch.cat([pairs, self.shared.expand(p, k, 2, v * v)], 2)
        topology = (self.relation @ pairs).transpose(1, 2).reshape(p * d, k * v, v)
        values = channel_major(self.value_weight, self.value_bias, people_first(x)).view(p * d, k * v, t)
        out = torch.bmm(topology.transpose(1, 2), values).view(p, d, v * t)
        return joints_first(out.transpose(1, 2).add(self.shift), v)
