"""Measurements of the graph product and the graph convolution on any device, against its memory's bandwidth."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from skelact.benchmark.shown import words_of
from skelact.benchmark.timing import median, ratio, time_in_turn
from skelact.layouts import partition
from skelact.nn.fast.graph_conv import mix_into
from skelact.nn.fast.triton_spatial import can_fuse, spatial_product
from skelact.nn.graph import SkeletonGraph
from skelact.nn.propagate import BACKENDS, is_available, propagate
from skelact.nn.spatial.fixed import mix

TYPES = ("float32", "bfloat16", "float16")
COLUMNS = (131_072, 524_288, 2_097_152)  # people × frames × channels, such as 128 × 64 × 64
BLOCKS = ((128, 64, 64, 64), (128, 32, 128, 128), (128, 16, 256, 256))  # people, frames, channels in and out
Row = dict[str, Any]


def measure_copy(device: torch.device, n_bytes: int = 1 << 30) -> float:
    """Bytes a second, read and written, of a copy on the device."""
    source = torch.zeros(n_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    times = time_in_turn({"copy": lambda: target.copy_(source)}, rounds=5, device=device)
    return 2 * n_bytes / min(times["copy"])


def measure_products(
    device: torch.device,
    seconds: float,
    columns: Sequence[int] = COLUMNS,
    types: Sequence[str] = TYPES,
    layout: str = "ntu25",
    copy_bytes: int = 1 << 30,
) -> Iterator[Row]:
    """`propagate` with every backend, forward, and forward and backward with learned edges.

    Args:
        device: where.
        seconds: in all.
        columns: sizes of the features ``[V, columns]``.
        types: of the features.
        layout: of the graph, partitioned as ST-GCN's.
        copy_bytes: size of the copy that the device's bandwidth is measured with.

    Yields:
        rows with ``what``, ``ms``, ``GB/s`` (what must be read and written at least: features and their
        aggregates once, and in the backward pass once more the features and both gradients) and ``share %``, its
        share of a copy's; or ``error``, for a backend that does not run here.
    """
    bandwidth = measure_copy(device, copy_bytes)
    yield {"what": "copy", "GB/s": bandwidth / 1e9}
    graph = SkeletonGraph(partition(layout, "spatial")).to(device)
    k, v = graph.n_partitions, graph.n_joints
    cases = list(itertools.product(columns, types, (False, True)))
    for n, kind, backward in cases:
        x = torch.randn(v, n, device=device).to(getattr(torch, kind))
        what = f"propagate, forward{' and backward' if backward else ''}, {kind}, {n:,} columns"
        moved = x.element_size() * v * n * ((1 + k) + (2 + k) * backward)
        runs, errors = _that_run(product_runs(x, graph, backward))
        yield from ({"what": f"{what}, {name}", "error": error} for name, error in errors.items())
        for name, times in time_in_turn(runs, seconds / len(cases), device=device, launching=False).items():
            rate = moved / median(times)
            yield {
                "what": f"{what}, {name}",
                "ms": 1e3 * median(times),
                "GB/s": rate / 1e9,
                "share %": 100 * rate / bandwidth,
            }


def product_runs(x: Tensor, graph: SkeletonGraph, backward: bool) -> dict[str, Callable[[], object]]:
    """A run of `propagate` on ``x [V, N]`` by each backend that there is for it."""
    weight = graph.value.to(x.dtype)
    names = [name for name in BACKENDS if is_available(name, x, graph)]
    if not backward:
        return {name: _without_grad(propagate, x, graph, weight, name) for name in names}
    grad = torch.randn(graph.n_partitions, *x.shape, device=x.device).to(x.dtype)

    def both(backend: str) -> None:
        leaves = x.detach().requires_grad_(), weight.detach().requires_grad_()
        out = propagate(leaves[0], graph, leaves[1], backend)
        torch.autograd.grad(out, leaves, grad)

    return {name: lambda name=name: both(name) for name in names}


def _without_grad(run: Callable[..., object], *arguments: object) -> Callable[[], object]:
    def call() -> object:
        with torch.no_grad():
            return run(*arguments)

    return call


def _that_run(
    runs: dict[str, Callable[[], object]],
) -> tuple[dict[str, Callable[[], object]], dict[str, str]]:
    """Those that run here, and the errors of the others."""
    good, errors = {}, {}
    for name, run in runs.items():
        try:
            run()
            if torch.cuda.is_available():  # what failed there is said by the next that waits
                torch.cuda.synchronize()
            good[name] = run
        except Exception as error:  # of any library below
            errors[name] = words_of(error)
    return good, errors


def measure_spatial(
    device: torch.device,
    seconds: float,
    blocks: Sequence[tuple[int, int, int, int]] = BLOCKS,
    types: Sequence[str] = TYPES,
    layout: str = "ntu25",
) -> Iterator[Row]:
    """A fixed graph convolution in one kernel against `propagate` and matrix products.

    Args:
        device, seconds, types, layout: as for `measure_products`.
        blocks: people, frames, channels in and channels out of each size.

    Yields:
        rows with ``what``, ``apart ms``, ``fused ms``, ``ratio`` and ``difference``, the largest relative to
        the largest value; or ``error``, where something did not run.
    """
    graph = SkeletonGraph(partition(layout, "spatial")).to(device)
    cases = list(itertools.product(blocks, types, (False, True)))
    for (people, frames, c, d), kind, backward in cases:
        dtype = getattr(torch, kind)
        what = f"graph convolution {c} to {d}, forward{' and backward' if backward else ''}, {kind}"
        x = torch.randn(graph.n_joints, people, frames, c, device=device).to(dtype)
        weight = torch.randn(graph.n_partitions, c, d, device=device).to(dtype) / c**0.5
        bias = torch.randn(graph.n_joints, d, device=device).to(dtype)
        inputs = (x, graph.value.to(dtype), weight, bias)
        if not can_fuse(x, graph.n_joints):
            yield {"what": what, "error": f"the fused kernel does not run on {device.type}"}
            continue
        ways = _convolutions(graph, backward)
        runs, errors = _that_run({name: _call(way, inputs, backward) for name, way in ways.items()})
        if errors:
            yield {"what": what, "error": "; ".join(f"{n}: {e}" for n, e in errors.items())}
            continue
        with torch.no_grad():
            apart, fused = (way(*inputs) for way in ways.values())
        times = time_in_turn(runs, seconds / len(cases), device=device, launching=False)
        yield {
            "what": what,
            "apart ms": 1e3 * median(times["apart"]),
            "fused ms": 1e3 * median(times["fused"]),
            "ratio": ratio(times, "apart", "fused"),
            "difference": float((fused - apart).abs().max() / apart.abs().max()),
        }


def _convolutions(graph: SkeletonGraph, backward: bool) -> dict[str, Callable[..., Tensor]]:
    def apart(x: Tensor, edges: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        parts = propagate(x, graph, edges)
        return mix(parts, weight, bias) if backward else mix_into(parts, weight, bias[:, None])

    def fused(x: Tensor, edges: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        matrix = graph.dense(edges).view(graph.n_partitions, graph.n_joints, -1)
        return spatial_product(x.flatten(1, 2), matrix, weight, bias).view(*x.shape[:3], -1)

    return {"apart": apart, "fused": fused}


def _call(way: Callable[..., Tensor], inputs: tuple[Tensor, ...], backward: bool) -> Callable[[], object]:
    if not backward:
        return _without_grad(way, *inputs)

    def both() -> None:
        leaves = [x.detach().requires_grad_() for x in inputs]
        out = way(*leaves)
        torch.autograd.grad(out, leaves, torch.ones_like(out))

    return both
