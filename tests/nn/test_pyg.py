"""torch-geometric's convolutions as spatial modules, and batches as its graphs."""

from __future__ import annotations

import pytest
import torch

from skelact.datasets.batch import SkeletonBatch
from skelact.errors import ConfigError
from skelact.layouts import get_layout, partition
from skelact.models.pyg import PyGGCNSettings
from skelact.nn.graph import SkeletonGraph
from skelact.nn.spatial.pyg import OWN_EDGES, PyGConv, convolutions

GRAPH = SkeletonGraph(partition("natops8", "self_inward_outward"))


def test_graph_convolution_is_its_formula() -> None:
    torch.manual_seed(0)
    conv = PyGConv(3, 5, GRAPH, "GraphConv")
    x = torch.randn(8, 2, 4, 3)
    neighbours = (torch.as_tensor(partition("natops8", "uniform"))[0].T != 0).float()  # target, source
    total = torch.einsum("wv,vptc->wptc", neighbours, x)
    expected = conv.conv.lin_rel(total) + conv.conv.lin_root(x)  # type: ignore[operator, union-attr]
    assert torch.allclose(conv(x), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("GATv2Conv", {"heads": 2, "concat": False}),
        ("TransformerConv", {"heads": 2, "concat": False}),
        ("ChebConv", {"K": 3}),
        ("SAGEConv", {}),
        ("TAGConv", {}),
    ],
)
def test_frames_and_people_stay_apart(name: str, options: dict) -> None:
    torch.manual_seed(0)
    conv = PyGConv(3, 6, GRAPH, name, options).eval()
    x = torch.randn(8, 3, 4, 3)
    whole = conv(x)
    assert whole.shape == (8, 3, 4, 6)
    people = [torch.stack([conv(x[:, p : p + 1, t : t + 1])[:, 0, 0] for t in range(4)], 1) for p in range(3)]
    alone = torch.stack(people, 1)
    assert torch.allclose(whole, alone, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"), [(name, {}) for name in OWN_EDGES] + [("GCNConv", {"improved": True})]
)
def test_own_edges_are_those_that_the_convolution_adds(name: str, options: dict) -> None:
    torch.manual_seed(0)
    ours = PyGConv(3, 6, GRAPH, name, options).eval()
    theirs = convolutions()[name](3, 6, **options).eval()
    assert theirs.add_self_loops
    theirs.load_state_dict(ours.conv.state_dict())
    x = torch.randn(8, 1, 1, 3)
    edges = torch.unique(torch.stack([GRAPH.col, GRAPH.row % 8]), dim=1)
    assert torch.equal(ours(x)[:, 0, 0], theirs(x[:, 0, 0], edges))


@pytest.mark.parametrize("name", [*OWN_EDGES, "GraphConv", "TransformerConv", "SAGEConv"])
def test_nothing_is_read_back(name: str) -> None:
    """On a device without values ``nonzero`` fails, for which a GPU would have to be waited for."""
    conv = PyGConv(3, 6, GRAPH, name).to("meta")
    assert conv(torch.randn(8, 2, 4, 3, device="meta")).shape == (8, 2, 4, 6)


def test_what_cannot_be_a_spatial_module() -> None:
    with pytest.raises(ConfigError, match="GATv3Conv"):
        PyGConv(3, 6, GRAPH, "GATv3Conv")
    with pytest.raises(ConfigError, match="add concat: false"):
        PyGConv(3, 6, GRAPH, "GATv2Conv", {"heads": 2})
    with pytest.raises(ConfigError, match="unexpected keyword"):
        PyGConv(3, 6, GRAPH, "GATv2Conv", {"head": 2})
    with pytest.raises(ConfigError, match="more than features and edges"):
        PyGConv(3, 6, GRAPH, "PointTransformerConv")


def test_options_reach_the_convolution() -> None:
    settings = PyGGCNSettings(channels=(8,), stride_blocks=(), conv="ChebConv", options={"K": 4})
    network = settings.build("natops8", 3, 3)
    assert len(network.blocks[0].spatial.conv.lins) == 4  # type: ignore[union-attr, index, arg-type]
    assert "GATv2Conv" in convolutions()


def test_a_batch_as_graphs_and_back() -> None:
    layout = get_layout("natops8")
    x, score = torch.randn(3, 5, 8, 2), torch.rand(3, 5, 8)
    batch = SkeletonBatch(x, score, torch.tensor([0, 0, 1]), torch.tensor([2, 1]), layout)
    graphs = batch.to_pyg()
    assert graphs.num_graphs == 2 and graphs.num_nodes == 24
    assert torch.equal(graphs.batch, torch.tensor([0] * 16 + [1] * 8))
    assert torch.equal(graphs.x[8 + 3], x[1, :, 3]) and graphs.person[11] == 1 and graphs.joint[11] == 3
    source, target = graphs.edge_index
    assert (graphs.person[source] == graphs.person[target]).all()
    bones = {
        tuple(sorted((int(a), int(b))))
        for a, b in zip(graphs.joint[source], graphs.joint[target], strict=True)
    }
    assert bones == {tuple(sorted(edge)) for edge in layout.edges}
    assert graphs.edge_index.shape[1] == 3 * 2 * len(layout.edges)
    back = SkeletonBatch.from_pyg(graphs, layout)
    for name in ("x", "score", "owner", "label"):
        assert torch.equal(getattr(back, name), getattr(batch, name)), name
