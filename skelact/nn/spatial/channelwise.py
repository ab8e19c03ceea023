"""Channel-wise topology refinement of CTR-GCN."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.nn.spatial.adaptive import by_frame


class ChannelwiseGraphConv(nn.Module):
    """Graph convolution with a topology per channel: shared topologies refined by the input.

    ``R_kc = A_k + α · (w_kc · tanh(q_u - r_v) + b_kc)`` and ``out_c = Σ_k R_kc x W_kc`` (Chen et al.,
    "Channel-wise topology refinement graph convolution", ICCV 2021); q and r are means over time.

    Args:
        channels_in, channels_out: C and D.
        adjacency: ``[K, V, V]``, initial shared topologies; index order [target, source].
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
        # output channels: q, then r, each partition by partition
        self.pair = nn.Linear(channels_in, 2 * k * n_relations)
        self.value = nn.Linear(
            channels_in, channels_out * k
        )  # output channels: channel by channel, then partition
        self.relation = nn.Parameter(torch.empty(k, channels_out, n_relations))
        self.relation_bias = nn.Parameter(torch.zeros(k, channels_out))
        nn.init.normal_(self.pair.weight, 0, (2 / n_relations) ** 0.5)
        nn.init.normal_(self.value.weight, 0, (2 / channels_out) ** 0.5)
        nn.init.normal_(self.relation, 0, (2 / channels_out) ** 0.5)
        nn.init.zeros_(self.pair.bias)
        nn.init.zeros_(self.value.bias)

    def relations(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Factors ``[K, D, R + 2]`` and ``[K, R + 2, P*V*V]`` of the refined topologies of ``x [V, P, T, C]``.

        Their product has index order [target, source]. The shared topology and the bias are appended to the R
        relations.
        """
        v, p, _, _ = x.shape
        k, _, r = self.relation.shape
        pair = self.pair(x.mean(2)).permute(2, 1, 0).reshape(2, k, r, p, v)
        differences = pairwise_differences(pair[0], pair[1]).flatten(3)  # [K, R, P, V*V]
        shared = self.adjacency.view(k, 1, 1, v * v).expand(k, 1, p, v * v).to(differences.dtype)
        differences = torch.cat([differences, shared, torch.ones_like(shared)], 1).flatten(2)
        weight = torch.cat([self.relation, self.relation_bias.unsqueeze(2)], 2) * self.alpha
        return torch.cat([weight[..., :r], torch.ones_like(weight[..., :1]), weight[..., r:]], 2), differences

    def by_partition(self) -> tuple[Tensor, Tensor]:
        """Weights ``[K*D, C]`` and biases ``[K*D]`` of the values, partition by partition."""
        k, d, _ = self.relation.shape
        weight = self.value.weight.view(d, k, -1).transpose(0, 1).reshape(k * d, -1)
        return weight, self.value.bias.view(d, k).T.reshape(-1)

    def forward(self, x: Tensor) -> Tensor:
        v, p, _, _ = x.shape
        k, d, _ = self.relation.shape
        relation, differences = self.relations(x)
        weight, bias = self.by_partition()
        topology = (relation @ differences).view(k, d, p, v, v)
        return self.aggregate(topology, functional.linear(x, weight, bias))

    def aggregate(self, topology: Tensor, values: Tensor) -> Tensor:
        """See `aggregate_by_channel`."""
        return aggregate_by_channel(topology, values)


class FrameChannelwiseGraphConv(ChannelwiseGraphConv):
    """The same with q and r of every frame alone instead of means over time: causal, with the same weights."""

    def forward(self, x: Tensor) -> Tensor:
        return by_frame(super().forward, x)


def aggregate_by_channel(topology: Tensor, values: Tensor) -> Tensor:
    """``out_c = Σ_k R_kc · values_kc`` by topologies ``[K, D, P, V, V]``, index order [target, source].

    Args:
        topology: of every partition, channel and person.
        values: ``[V, P, T, K*D]``, partition by partition.

    Returns:
        ``[V, P, T, D]``.
    """
    v, p, t, _ = values.shape
    k, d = topology.shape[:2]
    parts = topology @ values.view(v, p, t, k, d).permute(3, 4, 1, 0, 2).to(topology.dtype)
    out = parts[0] if k == 1 else parts.sum(0)  # [D, P, V, T]
    return out.permute(2, 1, 3, 0).contiguous()


def pairwise_differences(first: Tensor, second: Tensor) -> Tensor:
    """``tanh(first_u - second_v)`` of all pairs of joints: ``[..., V]`` twice to ``[..., V, V]``."""
    return torch.tanh(first.unsqueeze(-1) - second.unsqueeze(-2))
