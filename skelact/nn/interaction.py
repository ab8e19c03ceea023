"""Messages between the joints of people who act on each other: one ragged graph a clip (PyG's disjoint union)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import MessagePassing

from skelact.errors import ConfigError, choices
from skelact.nn.spatial.heads import aggregate_heads

EDGES = ("learned", "nearest", "both")


def people_pairs(owner: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
    """The people of each clip who can act on each other.

    On a GPU their number is read back.

    Args:
        owner: ``[P]`` the clip of each person.
        there: ``[P]`` booleans, who is seen at all.

    Returns:
        every ordered pair (source, target) of different people of one clip ``[2, E]``, and each pair's share
        ``[E]``, as `InteractionConv` takes them; the last pair has no share, so that there always is one.
    """
    together = (owner[:, None] == owner[None]) & there[:, None] & there[None]
    together = together.fill_diagonal_(False)
    pairs = functional.pad(together.nonzero().T, (0, 1))
    share = 1 / together.sum(0).clamp_min(1)
    last = torch.arange(pairs.shape[1], device=owner.device) == pairs.shape[1] - 1
    return pairs, share[pairs[1]].masked_fill(last, 0.0)


class InteractionConv(MessagePassing):
    """What each joint receives from the joints of the other people of its clip, averaged over those people.

    Learned edges: every joint of one person to every joint of another, in H heads, ``A_h + g_h softmax(q kᵀ)``
    as in `HeadGraphConv`, with queries and keys of the mean over time (targets ask, sources answer). Nearest
    edges: in every frame, weights ``softmax_u(-s |p_v - p_u|²)`` over the joints u of the other person that
    are seen, which give the way to the nearest joint and what it carries. Edges between two skeletons: Li et
    al., two-person graph convolutional networks, 2022; nearest edges and any number of people: skelact's own.

    Args:
        channels_in, channels_out: C and D; D a multiple of the heads.
        n_joints: V.
        n_dims: values of a position.
        edges: ``learned``, ``nearest`` or ``both``.
        n_heads, rank: H, and channels of a head's queries and keys.

    Raises:
        ConfigError: for unknown edges, or channels that the heads cannot share.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        n_joints: int,
        n_dims: int = 3,
        edges: str = "both",
        n_heads: int = 4,
        rank: int = 8,
    ) -> None:
        super().__init__(aggr="add", node_dim=1)
        if edges not in EDGES:
            raise ConfigError(choices(edges, EDGES, "edges"))
        if n_heads < 1 or channels_out % n_heads:
            raise ConfigError(f"{channels_out} channels cannot be shared by {n_heads} heads; use a multiple")
        self.n_heads, self.rank, self.edges = n_heads, rank, edges
        self.value = nn.Linear(channels_in, channels_out)
        nn.init.normal_(self.value.weight, 0, math.sqrt(1 / channels_out))
        nn.init.zeros_(self.value.bias)
        if edges != "nearest":
            start = 0.5 * torch.eye(n_joints) + 0.02 * torch.randn(n_heads, n_joints, n_joints)
            self.adjacency = nn.Parameter(start)
            self.query, self.key = (nn.Linear(channels_in, n_heads * rank) for _ in range(2))
            self.gain = nn.Parameter(torch.zeros(n_heads))
        if edges != "learned":
            self.way = nn.Linear(n_dims + 1, channels_out)
            self.log_sharpness = nn.Parameter(torch.tensor(math.log(4.0)))

    def forward(self, x: Tensor, position: Tensor, seen: Tensor, people: Tensor, share: Tensor) -> Tensor:
        """Messages ``[V, P, T, D]``; 0 for who is alone.

        Args:
            x: features ``[V, P, T, C]``.
            position: of the joints ``[V, P, T, n_dims]``.
            seen: which joints are there ``[V, P, T]``.
            people: ordered pairs (source, target) of people of one clip ``[2, E]``, at least one.
            share: of each pair ``[E]``, one over the number of the target's partners; 0: the pair does not count.
        """
        v, p, _, _ = x.shape
        values = self.value(x)
        query = key = None
        if self.edges != "nearest":
            mean = x.mean(2)
            query, key = (layer(mean).view(v, p, self.n_heads, -1) for layer in (self.query, self.key))
        given = {"values": values, "position": position, "seen": seen, "query": query, "key": key}
        return self.propagate(people, share=share.to(x.dtype), **given)

    def message(
        self,
        values_j: Tensor,
        position_i: Tensor,
        position_j: Tensor,
        seen_j: Tensor,
        query_i: Tensor | None,
        key_j: Tensor | None,
        share: Tensor,
    ) -> Tensor:
        """Of each ordered pair of people, ``[V, E, T, D]``; ``_j`` is the source, ``_i`` the target."""
        out = torch.zeros_like(values_j)
        if query_i is not None and key_j is not None:
            logits = query_i.permute(1, 2, 0, 3) @ key_j.permute(1, 2, 3, 0) * self.rank**-0.5
            topology = self.adjacency + self.gain[:, None, None] * logits.softmax(-1)  # [E, H, V, V]
            out = aggregate_heads(values_j, topology)
        if self.edges == "learned":
            return out * share[:, None, None]
        here, there = position_i.permute(1, 2, 0, 3), position_j.permute(1, 2, 0, 3)  # [E, T, V, n_dims]
        nearness = -self.log_sharpness.exp() * (here[:, :, :, None] - there[:, :, None]).square().sum(-1)
        nearness = nearness.masked_fill(~seen_j.permute(1, 2, 0)[:, :, None], -1e4).softmax(-1)
        way = nearness @ there - here
        way = torch.cat([way, (way.square().sum(-1, keepdim=True) + 1e-8).sqrt()], -1)
        near = nearness.to(values_j.dtype) @ values_j.permute(1, 2, 0, 3)
        return (out + (self.way(way) + near).permute(2, 0, 1, 3)) * share[:, None, None]
