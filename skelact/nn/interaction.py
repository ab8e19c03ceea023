"""Messages between the joints of people who act on each other: one ragged graph a clip, PyG's disjoint union."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

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
    people = torch.arange(owner.shape[0], device=owner.device)
    together = together & (people[:, None] != people[None])
    pairs = functional.pad(together.nonzero().T, (0, 1))
    share = 1 / together.sum(0).clamp_min(1)
    last = torch.arange(pairs.shape[1], device=owner.device) == pairs.shape[1] - 1
    return pairs, share[pairs[1]].masked_fill(last, 0.0)


class InteractionConv(nn.Module):
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
        super().__init__()
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
        source, target = people
        message = torch.zeros_like(values[:, source])
        if query is not None and key is not None:
            logits = (
                query[:, target].permute(1, 2, 0, 3) @ key[:, source].permute(1, 2, 3, 0) * self.rank**-0.5
            )
            topology = self.adjacency + self.gain[:, None, None] * logits.softmax(-1)  # [E, H, V, V]
            message = message + aggregate_heads(values[:, source], topology)
        if self.edges != "learned":
            message = message + self._from_nearest(values[:, source], position, seen, source, target)
        message = message * share.to(x.dtype)[:, None, None]
        return torch.zeros_like(values).index_add(1, target, message.to(values.dtype))

    def _from_nearest(
        self, values: Tensor, position: Tensor, seen: Tensor, source: Tensor, target: Tensor
    ) -> Tensor:
        """Of each pair, the way to the source's nearest joints and what these carry, ``[V, E, T, D]``."""
        here, there = (
            position[:, people].permute(1, 2, 0, 3) for people in (target, source)
        )  # [E, T, V, n_dims]
        nearness = -self.log_sharpness.exp() * (here[:, :, :, None] - there[:, :, None]).square().sum(-1)
        nearness = nearness.masked_fill(~seen[:, source].permute(1, 2, 0)[:, :, None], -1e4).softmax(-1)
        way = nearness @ there - here
        way = torch.cat([way, (way.square().sum(-1, keepdim=True) + 1e-8).sqrt()], -1)
        return (self.way(way) + nearness.to(values.dtype) @ values.permute(1, 2, 0, 3)).permute(2, 0, 1, 3)
