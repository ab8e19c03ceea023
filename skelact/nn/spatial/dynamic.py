"""Dynamic group graph convolution (DG-STGCN's): learned topologies that every input bends."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.nn.channel_major import JointsFirst, accumulate, product
from skelact.nn.norm import ChannelNorm, scale_shift
from skelact.nn.spatial.pairs import differences, in_steps
from skelact.nn.spatial.pairs_step import BendTopology, GroupAggregate


class DynamicGraphConv(nn.Module):
    """Graph convolution on K learned topologies, bent channel by channel and as a whole by the input.

    ``A_kc = A_k + α tanh(q_v - r_w) + β softmax_v(Σ_c q_v r_w)``; q and r are means over time of 1×1
    convolutions. Aggregation acts on K groups of channels between two 1×1 convolutions, the first with norm
    and ReLU (Duan et al., "DG-STGCN", arXiv 2210.05895; the same in ProtoGCN, CVPR 2025). The topologies do
    not come from the skeleton, but start as noise.

    Args:
        channels_in, channels_out: C and D.
        n_joints: V.
        n_partitions: K.
        ratio: channels of one group, as a share of D.
        subset_wise: α and β of every partition. Without, as in the released networks, those of the first
            hold for all, and the others stay unused.

    Raises:
        ConfigError: if a group has no channel.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        n_joints: int,
        n_partitions: int = 8,
        ratio: float = 0.125,
        subset_wise: bool = False,
    ) -> None:
        super().__init__()
        width = int(ratio * channels_out)
        if width < 1 or n_partitions < 1:
            raise ConfigError(
                f"{n_partitions} groups of {ratio:g} of {channels_out} channels leave none in a group; "
                "use more channels or a larger ratio"
            )
        self.n_partitions, self.subset_wise = n_partitions, subset_wise
        middle = n_partitions * width
        self.adjacency = nn.Parameter(torch.randn(n_partitions, n_joints, n_joints) * 0.02 + 0.04)
        self.alpha = nn.Parameter(torch.zeros(n_partitions))
        self.beta = nn.Parameter(torch.zeros(n_partitions))
        self.pre = nn.Linear(channels_in, middle)
        self.pre_norm = ChannelNorm(middle)
        self.pair = nn.Linear(channels_in, 2 * middle)  # rows: q, then r
        self.post = nn.Linear(middle, channels_out)
        self.keep_topology = False
        self.kept: Tensor | None = None  # [P, K*C', V, V], what the last input bent, if kept

    def topology(self, x: Tensor) -> Tensor:
        """``[K*C', P, V, V]`` of ``x [V, P, T, C]``, index order [target, source]."""
        v, p, _, _ = x.shape
        k = self.n_partitions
        pair = self.pair(x.mean(2)).permute(2, 1, 0).reshape(2, k, -1, p, v)
        source, target = pair.unbind(0)  # [K, C', P, V]
        alpha, beta = (a if self.subset_wise else a[:1].expand(k) for a in (self.alpha, self.beta))
        alike = target.permute(0, 2, 3, 1) @ source.permute(0, 2, 1, 3)  # [K, P, V target, V source]
        own = alike.softmax(-1) * beta[:, None, None, None]
        shared = (own + self.adjacency.transpose(1, 2)[:, None]).unsqueeze(1)
        if in_steps(self, x):
            topology = BendTopology.apply(source.contiguous(), target.contiguous(), shared, alpha)
        else:
            topology = differences(target, source) * -alpha[:, None, None, None, None] + shared
        assert isinstance(topology, Tensor)
        if self.keep_topology and self.training:
            bent = topology - self.adjacency.transpose(1, 2)[:, None, None]
            self.kept = bent.flatten(0, 1).permute(1, 0, 3, 2)
        return topology.flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        topology = self.topology(x)
        if in_steps(self, x):
            norm = self.pre_norm
            values = (
                self.pre.weight,
                self.pre.bias,
                norm.weight,
                norm.bias,
                self.post.weight,
                self.post.bias,
            )
            return GroupAggregate.apply(norm, x, topology, *values)  # type: ignore[return-value]
        features = self.pre_norm(self.pre(x)).relu_().permute(3, 1, 0, 2)  # [K*C', P, V, T]
        return self.post((topology @ features.to(topology.dtype)).permute(2, 1, 3, 0))

    def folded(self, norm: ChannelNorm | None, dtype: torch.dtype) -> JointsFirst:
        """The inference form, with the norm that follows."""
        return JointsFirst(self.folded_major(norm, dtype), dtype)

    def folded_major(self, norm: ChannelNorm | None, dtype: torch.dtype) -> FoldedDynamicGraphConv:
        """The channel-major inference form, with the norm that follows (see `channel_major`)."""
        return FoldedDynamicGraphConv(self, norm, dtype)


class FoldedDynamicGraphConv:
    """`DynamicGraphConv` and the norm that follows it, channel-major."""

    def __init__(self, conv: DynamicGraphConv, norm: ChannelNorm | None, dtype: torch.dtype) -> None:
        def fixed(value: Tensor) -> Tensor:
            return value.detach().to(dtype, copy=True)

        self.n_partitions = k = conv.n_partitions
        self.adjacency = fixed(conv.adjacency.transpose(1, 2))  # [target, source], as the topologies below
        alpha, beta = (a if conv.subset_wise else a[:1].expand(k) for a in (conv.alpha, conv.beta))
        self.alpha, self.beta = fixed(alpha)[:, None, None, None], fixed(beta)[:, None, None]
        scale, shift = scale_shift(conv.pre_norm, conv.pre.weight)
        self.pre_weight = fixed(conv.pre.weight * scale[:, None])
        self.pre_bias = fixed(conv.pre.bias * scale + shift)[:, None]
        self.pair_weight, self.pair_bias = fixed(conv.pair.weight), fixed(conv.pair.bias)[:, None]
        scale, shift = (s.expand(len(conv.post.bias)) for s in scale_shift(norm, conv.post.weight))
        self.post_weight = fixed(conv.post.weight * scale[:, None])
        self.shift = fixed(conv.post.bias * scale + shift)[:, None]

    def accumulate(self, x: Tensor, out: Tensor) -> None:
        """Add the convolution of ``x [P, C, V, T]`` to ``out [P, D, V*T]``."""
        p, _, v, t = x.shape
        pair = product(self.pair_weight, x.mean(3), self.pair_bias).view(p, 2, self.n_partitions, -1, v)
        source, target = pair.unbind(1)  # [P, K, C', V]
        shared = (target.transpose(2, 3) @ source).softmax(-1).mul_(self.beta).add_(self.adjacency)
        bent = (source.unsqueeze(-2) - target.unsqueeze(-1)).tanh_()
        topology = torch.addcmul(shared.unsqueeze(2), bent, self.alpha, out=bent).view(-1, v, v)
        features = product(self.pre_weight, x.flatten(2), self.pre_bias).relu_().view(-1, v, t)
        accumulate(out, self.post_weight, torch.bmm(topology, features).view(p, -1, v * t))
