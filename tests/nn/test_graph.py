"""`propagate` and the blocks: equal to a plain einsum, differentiable, indifferent to edge order."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.layouts import LAYOUTS, partition
from skelact.nn.graph import SkeletonGraph
from skelact.nn.norm import ChannelNorm, JointNorm
from skelact.nn.pooling import pool_clips
from skelact.nn.propagate import propagate
from skelact.nn.spatial.fixed import FixedGraphConv
from skelact.nn.temporal.conv import PointConv, TemporalConv

BACKENDS = ["sparse", "dense", "auto"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("layout", ["ntu25", "coco17", "natops8", "pose_hands75"])
def test_propagate_is_the_einsum(layout: str, backend: str) -> None:
    adjacency = torch.as_tensor(partition(layout, "spatial")).float()
    graph = SkeletonGraph(adjacency)
    x = torch.randn(len(LAYOUTS[layout]), 3, 5, 4)
    expected = torch.einsum("kvw,vptc->kwptc", adjacency, x)
    assert torch.allclose(propagate(x, graph, backend=backend), expected, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_propagate_gradients(backend: str) -> None:
    graph = SkeletonGraph(torch.as_tensor(partition("natops8", "spatial")))
    x = torch.randn(8, 2, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(graph.n_edges, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, w: propagate(x, graph, w, backend), (x, weight))


def test_relabelling_joints_relabels_the_result() -> None:
    adjacency = torch.as_tensor(partition("ntu25", "spatial")).float()
    x, order = torch.randn(25, 2, 3, 4), torch.randperm(25)
    mixed = SkeletonGraph(adjacency[:, order][:, :, order])
    straight = propagate(x, SkeletonGraph(adjacency), backend="sparse")
    assert torch.allclose(propagate(x[order], mixed, backend="sparse"), straight[:, order], atol=1e-6)


def test_bad_arguments() -> None:
    graph = SkeletonGraph(torch.as_tensor(partition("ntu25")))
    with pytest.raises(ConfigError, match="25 joints, but x has 24"):
        propagate(torch.zeros(24, 2), graph)
    with pytest.raises(ConfigError, match="unknown propagate backend 'magic'"):
        propagate(torch.zeros(25, 2), graph, backend="magic")


def test_graph_convolution_is_convolve_then_aggregate() -> None:
    """Our order (aggregate, then mix) gives what the released order (mix, then aggregate) gives."""
    torch.manual_seed(0)
    conv = FixedGraphConv(4, 6, SkeletonGraph(torch.as_tensor(partition("ntu25")))).double()
    torch.nn.init.normal_(conv.bias)
    torch.nn.init.uniform_(conv.importance)  # type: ignore[arg-type]
    adjacency = torch.as_tensor(partition("ntu25")) * conv.importance
    x = torch.randn(25, 2, 7, 4, dtype=torch.float64)
    mixed = torch.einsum("vptc,kcd->kvptd", x, conv.weight) + conv.bias[:, None, None, None]
    conv.graph.value = conv.graph.value.double()
    assert torch.allclose(conv(x), torch.einsum("kvw,kvptd->wptd", adjacency, mixed), atol=1e-6)


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_temporal_convolution_is_conv1d(stride: int, dilation: int) -> None:
    conv = TemporalConv(4, 6, 5, stride, dilation).double()
    x = torch.randn(3, 2, 16, 4, dtype=torch.float64)
    flat = x.reshape(6, 16, 4).transpose(1, 2)
    expected = functional.conv1d(flat, conv.weight[:, :, 0], conv.bias, stride, 2 * dilation, dilation)
    out = conv(x)
    assert torch.allclose(out.reshape(6, -1, 6), expected.transpose(1, 2)) and out.is_contiguous()


def test_channel_norm_is_batch_norm() -> None:
    ours, theirs = ChannelNorm(5), torch.nn.BatchNorm2d(5)
    x = torch.randn(4, 3, 6, 5)
    for mode in (True, False):
        ours.train(mode)
        theirs.train(mode)
        assert torch.allclose(ours(x), theirs(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1), atol=1e-6)
    assert torch.allclose(ours.running_var, theirs.running_var) and ours.num_batches_tracked == 1
    scale, shift = ours.scale_shift()
    assert torch.allclose(x * scale + shift, ours(x), atol=1e-6)


def test_joint_norm_ignores_absent_frames() -> None:
    x = torch.randn(3, 8, 5, 2)
    present = torch.ones(3, 8, dtype=torch.bool)
    present[2] = False
    with_absent, alone = JointNorm(5, 2), JointNorm(5, 2)
    a, b = with_absent(x, present), alone(x[:2])
    assert torch.allclose(a[:2], b, atol=1e-6) and torch.allclose(
        with_absent.running_mean, alone.running_mean
    )


def test_pool_clips_ignores_absent_people() -> None:
    x = torch.tensor([[1.0], [3.0], [100.0], [5.0]])
    owner, there = torch.tensor([0, 0, 0, 1]), torch.tensor([True, True, False, False])
    assert pool_clips(x, owner, 2, there).tolist() == [[2.0], [5.0]]
    assert pool_clips(x, owner, 2).tolist() == [[104 / 3], [5.0]] or torch.allclose(
        pool_clips(x, owner, 2), torch.tensor([[104 / 3], [5.0]])
    )


def test_point_convolution_strides_over_frames() -> None:
    conv = PointConv(3, 4, stride=2)
    x = torch.randn(2, 2, 5, 3)
    assert torch.allclose(conv(x), functional.linear(x[:, :, ::2], conv.weight, conv.bias))


def test_training_form_equals_the_plain_one() -> None:
    torch.manual_seed(0)
    conv = FixedGraphConv(3, 4, SkeletonGraph(torch.as_tensor(partition("natops8")))).double()
    conv.graph.value = conv.graph.value.double()
    torch.nn.init.normal_(conv.bias)
    x = torch.randn(8, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    results = []
    for mode in (True, False):
        conv.train(mode)
        conv.zero_grad()
        x.grad = None
        out = conv(x)
        out.square().sum().backward()
        results.append([out.detach(), x.grad, *(p.grad for p in conv.parameters())])
    for ours, plain in zip(*results, strict=True):
        assert torch.allclose(ours, plain, atol=1e-10)
    conv.train()
    assert torch.autograd.gradcheck(conv, (x,))
