"""Multi-head graph convolution: a topology per group of channels (SkelactNet)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from skelact.errors import ConfigError, choices

TOPOLOGIES = ("learned", "clip", "frame")


class HeadGraphConv(nn.Module):
    """``out_h = (A_h + g_h softmax_v(q_h k_hᵀ)) x W_h``, for H heads of D / H channels each.

    One 1×1 convolution computes the values of all heads, at a third of the cost of a graph convolution with
    three partitions. The topologies A are learned and initialised with the skeleton's partitions. Topology
    refinement by attention (after 2s-AGCN and DG-STGCN) has a gain g that is initialised with 0.

    Args:
        channels_in, channels_out: C and D; D a multiple of the heads.
        adjacency: ``[K, V, V]``, index order [source, target], as `skelact.layouts.partition` returns it;
            head h is initialised with partition h mod K, the last quarter of the heads with 0.
        n_heads: H.
        topology: ``learned`` without refinement; refined per ``clip`` (queries and keys are means over time);
            or refined per ``frame``, which is causal.
        rank: channels of a head's queries and keys.

    Raises:
        ConfigError: for an unknown topology, or channels that are no multiple of the heads.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        adjacency: np.ndarray,
        n_heads: int = 8,
        topology: str = "clip",
        rank: int = 8,
    ) -> None:
        super().__init__()
        if topology not in TOPOLOGIES:
            raise ConfigError(choices(topology, TOPOLOGIES, "topology"))
        if n_heads < 1 or channels_out % n_heads:
            raise ConfigError(f"{channels_out} channels cannot be shared by {n_heads} heads; use a multiple")
        self.n_heads, self.topology, self.rank = n_heads, topology, rank
        start = torch.as_tensor(adjacency).transpose(1, 2).to(torch.get_default_dtype())
        with_start = n_heads - n_heads // 4
        heads = [
            start[h % len(start)] if h < with_start else torch.zeros_like(start[0]) for h in range(n_heads)
        ]
        self.adjacency = nn.Parameter(torch.stack(heads) + 0.02 * torch.randn(n_heads, *start.shape[1:]))
        self.value = nn.Linear(channels_in, channels_out)
        nn.init.normal_(self.value.weight, 0, math.sqrt(2 / channels_out))
        nn.init.zeros_(self.value.bias)
        if topology != "learned":
            self.pair = nn.Linear(channels_in, 2 * n_heads * rank)  # queries, then keys
            self.gain = nn.Parameter(torch.zeros(n_heads))

    def forward(self, x: Tensor) -> Tensor:
        values = self.value(x)
        if self.topology == "learned":
            return aggregate_heads(values, self.adjacency)
        return aggregate_heads(
            values,
            refine_topology(x, self.adjacency, self.pair.weight, self.pair.bias, self.gain, self.topology),
        )


def refine_topology(
    x: Tensor, adjacency: Tensor, weight: Tensor, bias: Tensor, gain: Tensor, topology: str
) -> Tensor:
    """Learned topologies refined by the input: ``[P, H, V, V]`` (target, source), or ``[P, T, H, V, V]`` for
    ``frame``."""
    n_heads = len(adjacency)
    features = x.mean(2, keepdim=True) if topology == "clip" else x
    v, p, t, _ = features.shape
    projected = torch.nn.functional.linear(features, weight, bias).view(v, p, t, 2, n_heads, -1)
    queries, keys = projected.permute(3, 1, 2, 4, 0, 5)  # [P, T, H, V, rank]
    attention = (queries @ keys.transpose(3, 4) * queries.shape[-1] ** -0.5).softmax(-1)
    refined = adjacency + gain[:, None, None] * attention
    return refined.squeeze(1) if topology == "clip" else refined


def aggregate_heads(x: Tensor, topology: Tensor) -> Tensor:
    """Mix joints: ``[V, P, T, D]`` along ``[H, V, V]``, ``[P, H, V, V]`` or ``[P, T, H, V, V]``."""
    v, p, t, d = x.shape
    n_heads = topology.shape[-3]
    parts = x.reshape(v, p, t, n_heads, -1)
    if topology.ndim == 3:
        flat = parts.permute(3, 0, 1, 2, 4).reshape(n_heads, v, -1)
        return torch.bmm(topology, flat).view(n_heads, v, p, t, -1).permute(1, 2, 3, 0, 4).reshape(v, p, t, d)
    if topology.ndim == 4 and n_heads == 1:
        return (topology[:, 0] @ x.reshape(v, p, t * d).transpose(0, 1)).view(p, v, t, d).transpose(0, 1)
    if topology.ndim == 4:
        flat = parts.permute(1, 3, 0, 2, 4).reshape(p, n_heads, v, -1)
        out = (topology @ flat).view(p, n_heads, v, t, -1)
        return out.permute(2, 0, 3, 1, 4).reshape(v, p, t, d)
    out = topology @ parts.permute(1, 2, 3, 0, 4)
    return out.permute(3, 0, 1, 2, 4).reshape(v, p, t, d)
