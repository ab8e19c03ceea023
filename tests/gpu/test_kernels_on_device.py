"""The graph product and the graph convolution on a device: equal to an einsum in double precision, with gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from skelact.layouts import partition
from skelact.nn.fast.triton_channels import channel_product
from skelact.nn.fast.triton_graph import is_available as is_triton_available
from skelact.nn.fast.triton_spatial import can_fuse, spatial_product
from skelact.nn.graph import SkeletonGraph
from skelact.nn.measure import chosen_backends
from skelact.nn.propagate import BACKENDS, is_available, propagate

ERRORS = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 2e-3}
LAYOUTS = ["ntu25", "natops8", "pose_hands75"]


def differences(results: tuple[Tensor, ...], expected: tuple[Tensor, ...]) -> list[float]:
    return [
        float((one.double().cpu() - other).abs().max() / other.abs().max())
        for one, other in zip(results, expected, strict=True)
    ]


@pytest.mark.parametrize("dtype", ERRORS, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("backend", [*BACKENDS, "auto"])
def test_propagate(device: torch.device, backend: str, layout: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    graph = SkeletonGraph(partition(layout, "spatial"))
    k, v = graph.n_partitions, graph.n_joints
    x = torch.randn(v, 3, 7, 13).to(dtype)
    weight = torch.randn(graph.n_edges).to(dtype)
    push = torch.randn(k, *x.shape).to(dtype)
    exact = [value.double().requires_grad_() for value in (x, weight)]
    out = torch.einsum("kwv,vptc->kwptc", graph.dense(exact[1]).view(k, v, v), exact[0])
    expected = (out.detach(), *torch.autograd.grad(out, exact, push.double()))

    graph = graph.to(device)
    leaves = [value.to(device).requires_grad_() for value in (x, weight)]
    if backend != "auto" and not is_available(backend, leaves[0].flatten(1), graph):
        pytest.skip(f"'{backend}' does not run here")
    if backend == "sparse" and dtype == torch.float16 and device.type == "cpu":
        pytest.skip("torch has no sparse product in float16 on a CPU")
    ours = propagate(leaves[0], graph, leaves[1], backend)
    results = (ours.detach(), *torch.autograd.grad(ours, leaves, push.to(device)))
    assert all(one.dtype == dtype for one in results)
    assert max(differences(results, expected)) < ERRORS[dtype]


@pytest.mark.parametrize("dtype", ERRORS, ids=str)
@pytest.mark.parametrize(("n", "c", "d"), [(77, 3, 64), (64, 64, 64), (130, 100, 40)])
def test_graph_convolution(device: torch.device, n: int, c: int, d: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    matrix = torch.as_tensor(partition("ntu25", "spatial")).float().transpose(1, 2)
    tensors = [torch.randn(25, n, c), matrix, torch.randn(3, c, d) / c**0.5, torch.randn(25, d)]
    tensors, push = [value.to(dtype) for value in tensors], torch.randn(25, n, d).to(dtype)
    if device.type == "cpu" and not can_fuse(tensors[0], 25):
        pytest.skip("the fused kernel needs a GPU; tests/nn/fast runs it under Triton's interpreter")
    exact = [value.double().requires_grad_() for value in tensors]
    out = torch.einsum("kuv,vnc,kcd->und", *(exact[i] for i in (1, 0, 2))) + exact[3][:, None]
    expected = (out.detach(), *torch.autograd.grad(out, exact, push.double()))
    leaves = [value.to(device).requires_grad_() for value in tensors]
    ours = spatial_product(*leaves)
    results = (ours.detach(), *torch.autograd.grad(ours, leaves, push.to(device)))
    assert max(differences(results, expected)) < 2 * ERRORS[dtype]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize(
    ("k", "d", "p", "v", "t"), [(3, 64, 5, 25, 64), (1, 20, 3, 17, 13), (8, 16, 2, 8, 40)]
)
def test_aggregation_by_channel(
    device: torch.device, dtype: torch.dtype, k: int, d: int, p: int, v: int, t: int
) -> None:
    torch.manual_seed(0)
    tensors = [torch.randn(k, d, p, v, v).to(dtype), torch.randn(v, p, t, k * d).to(dtype)]
    push = torch.randn(v, p, t, d).to(dtype)
    if not is_triton_available(tensors[0].to(device)):
        pytest.skip("the kernels need a GPU; tests/nn/fast runs them under Triton's interpreter")
    exact = [value.double().requires_grad_() for value in tensors]
    out = torch.einsum("kdpwu,uptkd->wptd", exact[0], exact[1].view(v, p, t, k, d))
    expected = (out.detach(), *torch.autograd.grad(out, exact, push.double()))
    leaves = [value.to(device).requires_grad_() for value in tensors]
    ours = channel_product(*leaves)
    results = (ours.detach(), *torch.autograd.grad(ours, leaves, push.to(device)))
    assert max(differences(results, expected)) < ERRORS[dtype]


def test_auto_measures_large_products(device: torch.device) -> None:
    graph = SkeletonGraph(partition("natops8")).to(device)
    x = torch.randn(8, 1 << 18, device=device)
    before = set(chosen_backends())
    out = propagate(x, graph)
    new = set(chosen_backends()) - before
    assert len(new) <= 1  # an earlier test may have measured the same
    assert torch.allclose(out[0], graph.dense(graph.value)[:8] @ x, atol=1e-4)
    assert torch.equal(propagate(x, graph), out)
