"""torch-geometric's convolutions as spatial modules."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from skelact.errors import ConfigError, choices
from skelact.nn.graph import SkeletonGraph

# Convolutions with ``add_self_loops`` that take every node's own edge, at the end, if it is in the edges already.
# Left to add it themselves they search for it in every call, for which a GPU has to be waited for.
OWN_EDGES = ("GATConv", "GATv2Conv", "FeaStConv", "GCNConv", "SGConv")


class PyGConv(nn.Module):
    """A convolution of ``torch_geometric.nn`` by name, on the skeleton's edges in every frame.

    People and frames form a disjoint union of graphs (PyG's batch), so that attention convolutions, which
    cannot share one graph between many signals, work too. It costs several times as much as `propagate`. On a
    GPU, convolutions that look for self-loops (``ChebConv``, ``EGConv``, ...; not those in `OWN_EDGES`) wait for
    the device in every call.

    Args:
        channels_in, channels_out: C and D.
        graph: the topology; edges of all its partitions, without its weights.
        conv: the class's name, such as ``GATv2Conv``, ``TransformerConv``, ``ChebConv``.
        options: further arguments of the class, such as ``{"heads": 4, "concat": False}``.

    Raises:
        ConfigError: for a name that torch-geometric does not have, arguments that it does not take, or a
            convolution that does not give D channels.
    """

    edges: Tensor

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        graph: SkeletonGraph,
        conv: str = "GATv2Conv",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        known = convolutions()
        if conv not in known:
            raise ConfigError(choices(conv, known, "torch-geometric convolution"))
        try:
            self.conv = known[conv](channels_in, channels_out, **dict(options or {}))
        except (TypeError, ValueError, AssertionError) as error:
            raise ConfigError(
                f"{conv}({channels_in}, {channels_out}, options={dict(options or {})}): {error}"
            ) from None
        self.n_joints, self.channels_out = graph.n_joints, channels_out
        edges = torch.unique(torch.stack([graph.col, graph.row % graph.n_joints]), dim=1)
        weighted = getattr(self.conv, "improved", False)  # a node's own edge counts twice
        if conv in OWN_EDGES and getattr(self.conv, "add_self_loops", False) and not weighted:
            self.conv.__dict__["add_self_loops"] = False
            own = torch.arange(graph.n_joints).expand(2, -1)
            edges = torch.cat([edges[:, edges[0] != edges[1]], own], 1)
        self.register_buffer("edges", edges, persistent=False)
        with torch.no_grad():
            try:
                shape = self.conv(torch.zeros(graph.n_joints, channels_in), self.edges).shape
            except TypeError as error:
                raise ConfigError(f"{conv} needs more than features and edges: {error}") from None
        if tuple(shape) != (graph.n_joints, channels_out):
            raise ConfigError(
                f"{conv} gives {list(shape)[1:]} channels where {channels_out} are needed; with several heads, add "
                "concat: false to its options"
            )

    def forward(self, x: Tensor) -> Tensor:
        """``[V, P, T, C]`` to ``[V, P, T, D]``."""
        v, p, t, c = x.shape
        nodes = x.permute(1, 2, 0, 3).reshape(-1, c)
        first = torch.arange(p * t, device=x.device) * v
        edges = (self.edges[:, None] + first[None, :, None]).flatten(1)
        return self.conv(nodes, edges).view(p, t, v, -1).permute(2, 0, 1, 3)


def convolutions() -> dict[str, type[nn.Module]]:
    """torch-geometric's convolutions that can be made from two numbers of channels, by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from torch_geometric.nn import conv
    found = {}
    for name in conv.__all__:
        kind = getattr(conv, name)
        if inspect.isclass(kind) and list(inspect.signature(kind).parameters)[:2] == [
            "in_channels",
            "out_channels",
        ]:
            found[name] = kind
    return found
