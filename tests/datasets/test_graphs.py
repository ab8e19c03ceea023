"""A set as torch-geometric's graphs, in its own loader and through its own convolution."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GATv2Conv, global_mean_pool

from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.gather import Sampling
from skelact.datasets.graphs import SkeletonGraphs
from skelact.datasets.pipeline import Normalise, Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.layouts import get_layout
from skelact.skeleton import Skeleton

LAYOUT = get_layout("natops8")
PIPELINE = Pipeline(Sampling(n_frames=6), Normalise("none", "none"))


@pytest.fixture(scope="module")
def data() -> SkeletonSet:
    """Five clips of one or two people and 7 to 11 frames; the last has no label."""
    random = np.random.default_rng(0)
    clips = []
    for k in range(5):
        people, frames = 1 + k % 2, 7 + k
        xyz = random.normal(size=(people, frames, 8, 3)) + 3 * (k % 2)
        label = None if k == 4 else "ab"[k % 2]
        clips.append(Skeleton(xyz, np.ones(xyz.shape[:3]), LAYOUT, 30.0, "m", label, f"clip{k}"))
    return SkeletonSet.from_skeletons(clips)


def test_every_clip_is_a_graph(data: SkeletonSet) -> None:
    graphs = data.to_pyg(pipeline=PIPELINE)
    assert isinstance(graphs, SkeletonGraphs) and len(graphs) == 5
    for clip, graph in enumerate(graphs):
        batch = PIPELINE(data, torch.tensor([clip]))
        assert graph.num_nodes == 8 * batch.n_people and graph.x.shape == (graph.num_nodes, 6, 3)
        assert torch.equal(graph.x[:8], batch.x[0].transpose(0, 1)) and graph.y.tolist() == [
            data.labels[clip]
        ]
        assert graph.num_edges == 2 * len(LAYOUT.edges) * batch.n_people
    assert [int(g.y) for g in data.to_pyg(torch.tensor([3, 0]), PIPELINE)] == [1, 0]
    with pytest.raises(IndexError):
        graphs[5]


def test_the_loader_makes_the_batch_that_networks_see(data: SkeletonSet) -> None:
    (joined,) = DataLoader(data.to_pyg(pipeline=PIPELINE), batch_size=5)
    batch, back = PIPELINE(data, torch.arange(5)), SkeletonBatch.from_pyg(joined, LAYOUT)
    for name in ("x", "score", "owner", "label"):
        assert torch.equal(getattr(back, name), getattr(batch, name)), name


def test_a_network_of_torch_geometric_learns_from_it(data: SkeletonSet) -> None:
    torch.manual_seed(0)
    conv, head = GATv2Conv(18, 8), torch.nn.Linear(8, 2)
    optimiser = torch.optim.Adam([*conv.parameters(), *head.parameters()], 0.02)
    loader = DataLoader(data.to_pyg(torch.arange(4), PIPELINE), batch_size=2, shuffle=True)
    losses = []
    for _ in range(30):
        total = 0.0
        for batch in loader:
            nodes = conv(batch.x.flatten(1), batch.edge_index).relu()
            logits = head(global_mean_pool(nodes, batch.batch))
            loss = torch.nn.functional.cross_entropy(logits, batch.y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += float(loss.detach())
        losses.append(total)
    assert losses[-1] < 0.2 * losses[0]


def test_training_samples_at_random(data: SkeletonSet) -> None:
    pipeline = Pipeline(Sampling(n_frames=6, crop=(0.3, 0.6)))

    def first(seed: int) -> torch.Tensor:
        return SkeletonGraphs(data, None, pipeline, True, torch.Generator().manual_seed(seed))[0].x

    assert torch.equal(first(1), first(1)) and not torch.equal(first(1), first(2))
