"""Graph attention on the joints that are there: a disjoint union of the frames' graphs, without padding."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.attention import sparse_softmax


class JointUnion(NamedTuple):
    """The joints that are seen, of all people and frames, as one graph in torch-geometric's form.

    Args:
        place: of each node in ``[P·T·V]``, ``[n]``.
        edge_index: source and target node of each edge ``[2, E]``.
        kind: which of the skeleton's edges each one is ``[E]``.
    """

    place: Tensor
    edge_index: Tensor
    kind: Tensor


def joint_union(there: Tensor, edges: Tensor) -> JointUnion:
    """The graph of the joints that are there; edges with a missing end do not exist.

    On a GPU the numbers of joints and edges are read back.

    Args:
        there: booleans ``[P, T, V]``.
        edges: the skeleton's directed edges, source and target ``[2, S]``.
    """
    frames = there.flatten(0, 1)
    node = frames.flatten().long().cumsum(0).view(frames.shape) - 1
    place = frames.flatten().nonzero()[:, 0]
    source, target = edges
    frame, kind = (frames[:, source] & frames[:, target]).nonzero(as_tuple=True)
    edge_index = torch.stack([node[frame, source[kind]], node[frame, target[kind]]])
    return JointUnion(place, edge_index, kind)


class RaggedAttention(nn.Module):
    """GATv2 on a union of skeletons, with a learned weight a head for each of the skeleton's edges.

    Source: Brody, Alon and Yahav, "How attentive are graph attention networks?", ICLR 2022:
    ``s_vw = a · leaky_relu(W_source x_w + W_target x_v) + b_edge``, softmax over each joint's incoming edges.

    Args:
        channels_in, channels_out: C and D.
        n_edges: of the skeleton.
        heads: H; must divide D.
        slope: negative slope of the leaky ReLU.

    Raises:
        ConfigError: if the heads do not divide the channels.
    """

    def __init__(
        self, channels_in: int, channels_out: int, n_edges: int, heads: int = 4, slope: float = 0.2
    ) -> None:
        super().__init__()
        if heads < 1 or channels_out % heads:
            raise ConfigError(f"{heads} heads do not divide {channels_out} channels; choose a divisor")
        self.heads, self.slope = heads, slope
        self.source = nn.Linear(channels_in, channels_out)
        self.target = nn.Linear(channels_in, channels_out)
        self.value = nn.Linear(channels_in, channels_out)
        self.score = nn.Parameter(torch.empty(heads, channels_out // heads))
        self.edge = nn.Parameter(torch.zeros(n_edges, heads))
        nn.init.xavier_uniform_(self.score)
        nn.init.normal_(self.value.weight, 0, math.sqrt(2 / channels_out))
        self._softmax = sparse_softmax()

    def forward(self, x: Tensor, union: JointUnion) -> Tensor:
        """Nodes ``[n, C]`` to ``[n, D]``."""
        source, target = union.edge_index
        mixed = functional.leaky_relu(self.source(x)[source] + self.target(x)[target], self.slope)
        score = (mixed.unflatten(-1, (self.heads, -1)) * self.score.to(mixed.dtype)).sum(-1)
        weight = self._softmax(score + self.edge[union.kind].to(score.dtype), target, num_nodes=x.shape[0])
        values = self.value(x)
        message = values[source].unflatten(-1, (self.heads, -1)) * weight.to(values.dtype)[..., None]
        return torch.zeros_like(values).index_add(0, target, message.flatten(1).to(values.dtype))
