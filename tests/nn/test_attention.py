"""Graph attention: torch-geometric's softmax against a dense one, heads against an einsum, edges only."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.layouts import get_layout, partition
from skelact.nn.attention import GraphAttention
from skelact.nn.fast.table import fold
from skelact.nn.graph import SkeletonGraph
from skelact.nn.norm import ChannelNorm
from skelact.nn.spatial.heads import aggregate_heads


def make(layout: str = "ntu25", heads: int = 2, channels: int = 8) -> GraphAttention:
    torch.manual_seed(0)
    near = torch.as_tensor(get_layout(layout).hops)[None]
    return GraphAttention(5, channels, SkeletonGraph(((near >= 0) & (near <= 1)).double()), heads).double()


def dense_weights(layer: GraphAttention, x: torch.Tensor) -> torch.Tensor:
    """``[P, H, V, V]`` by a masked softmax over whole rows."""
    pooled = x.mean(2)
    source, target = layer.source(pooled), layer.target(pooled)  # [V, P, D]
    pairs = functional.leaky_relu(target[:, None] + source[None], layer.slope)  # [w, v, P, D]
    pairs = pairs.unflatten(-1, (layer.heads, -1))
    scores = torch.einsum("wvphd,hd->phwv", pairs, layer.score)
    edge = torch.zeros(layer.graph.n_joints, layer.graph.n_joints, dtype=torch.bool)
    edge[layer.graph.row, layer.graph.col] = True
    return scores.masked_fill(~edge, -torch.inf).softmax(-1)


@pytest.mark.parametrize("layout", ["ntu25", "natops8", "pose_hands75"])
@pytest.mark.parametrize("heads", [1, 4])
def test_sparse_softmax_is_the_dense_one(layout: str, heads: int) -> None:
    layer = make(layout, heads)
    x = torch.randn(len(get_layout(layout)), 3, 6, 5, dtype=torch.float64)
    weights = layer.matrices(layer.coefficients(x))
    assert torch.allclose(weights, dense_weights(layer, x), atol=1e-12)
    assert torch.allclose(weights.sum(-1), torch.ones(()).double())
    values = layer.value(x).unflatten(-1, (heads, -1))
    expected = torch.einsum("phwv,vpthd->wpthd", weights, values).flatten(3) + layer.bias
    assert torch.allclose(layer(x), expected, atol=1e-12)


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_heads_are_products_of_their_own(heads: int) -> None:
    matrices, values = torch.randn(3, heads, 7, 7), torch.randn(7, 3, 5, 8)
    expected = torch.einsum("phwv,vpthd->wpthd", matrices, values.unflatten(-1, (heads, -1)))
    assert torch.allclose(aggregate_heads(values, matrices), expected.flatten(3), atol=1e-5)


def test_only_neighbours_are_heard() -> None:
    layer = make()
    x = torch.randn(25, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    hand = get_layout("ntu25").index["left_hand"]
    layer(x)[hand].sum().backward()
    assert x.grad is not None
    heard = set(x.grad.abs().sum((1, 2, 3)).nonzero().flatten().tolist())
    assert heard == set((get_layout("ntu25").hops[hand] <= 1).nonzero()[0].tolist())


def test_folded_form_keeps_its_weights() -> None:
    layer, norm = make(), ChannelNorm(8).double()
    x = torch.randn(25, 2, 4, 5, dtype=torch.float64)
    norm.train()
    norm(layer(x))
    norm.eval()
    folded, before = fold(layer, norm, torch.float64), norm(layer(x)).detach()
    with torch.no_grad():
        assert torch.allclose(folded(x), before, atol=1e-12)
        for parameter in layer.parameters():
            parameter.add_(1.0)
        assert torch.allclose(folded(x), before, atol=1e-12)


def test_bad_arguments() -> None:
    graph = SkeletonGraph(torch.as_tensor(partition("ntu25", "uniform")))
    with pytest.raises(ConfigError, match="3 heads do not divide 8 channels"):
        GraphAttention(5, 8, graph, 3)
    with pytest.raises(ConfigError, match="graph of 1 partition, got 3"):
        GraphAttention(5, 8, SkeletonGraph(torch.as_tensor(partition("ntu25"))), 2)
