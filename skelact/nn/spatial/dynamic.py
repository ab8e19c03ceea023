"""Dynamic group graph convolution of DG-STGCN."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError
from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial.channelwise import aggregate_by_channel, pairwise_differences


class DynamicGraphConv(nn.Module):
    """Graph convolution on K learned topologies with channel-wise and group-wise refinement by the input.

    ``A_kc = A_k + α tanh(q_v - r_w) + β softmax_v(Σ_c q_v r_w)``; q and r are means over time of 1×1
    convolutions. Aggregation acts on K groups of channels between two 1×1 convolutions, the first with norm
    and ReLU (Duan et al., "DG-STGCN", arXiv 2210.05895; the same in ProtoGCN, CVPR 2025). The topologies
    are initialised with noise, not from the skeleton.

    Args:
        channels_in, channels_out: C and D.
        n_joints: V.
        n_partitions: K.
        ratio: channels of one group, as a share of D.
        subset_wise: α and β per partition. False, as in the released networks: those of the first partition
            are used for all.

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
        self.pair = nn.Linear(channels_in, 2 * middle)  # output channels: q, then r
        self.post = nn.Linear(middle, channels_out)
        self.keep_topology = False
        self.kept: Tensor | None = None  # [P, K*C', V, V] refinement of the last input, if kept

    def topology(self, x: Tensor) -> Tensor:
        """``[K*C', P, V, V]`` of ``x [V, P, T, C]``, index order [target, source]."""
        v, p, _, _ = x.shape
        k = self.n_partitions
        pair = self.pair(x.mean(2)).permute(2, 1, 0).reshape(2, k, -1, p, v)
        source, target = pair.unbind(0)  # [K, C', P, V]
        alpha, beta = (a if self.subset_wise else a[:1].expand(k) for a in (self.alpha, self.beta))
        similarity = target.permute(0, 2, 3, 1) @ source.permute(0, 2, 1, 3)  # [K, P, V target, V source]
        refined = similarity.softmax(-1) * beta[:, None, None, None]
        shared = (refined + self.adjacency.transpose(1, 2)[:, None]).unsqueeze(1)
        topology = self.refine(source, target, shared, alpha)
        if self.keep_topology and self.training:
            refined = topology - self.adjacency.transpose(1, 2)[:, None, None]
            self.kept = refined.flatten(0, 1).permute(1, 0, 3, 2)
        return topology.flatten(0, 1)

    def refine(self, source: Tensor, target: Tensor, shared: Tensor, alpha: Tensor) -> Tensor:
        """``α tanh(q_v - r_w) + shared`` of ``q, r [K, C', P, V]``: ``[K, C', P, V target, V source]``."""
        return pairwise_differences(target, source) * -alpha[:, None, None, None, None] + shared

    def forward(self, x: Tensor) -> Tensor:
        topology = self.topology(x)
        features = self.pre_norm(self.pre(x)).relu()  # [V, P, T, K*C']
        return self.post(self.aggregate(topology.unsqueeze(0), features))

    def aggregate(self, topology: Tensor, values: Tensor) -> Tensor:
        """See `aggregate_by_channel`: all groups are one partition here."""
        return aggregate_by_channel(topology, values)
