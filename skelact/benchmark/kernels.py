"""Measurements of one block and of the graph product, against the usual form."""

from __future__ import annotations

from typing import Any

import torch

from skelact.benchmark.gpu_kernels import product_runs
from skelact.benchmark.models import make_network, relative_error
from skelact.benchmark.timing import median, ratio, time_in_turn
from skelact.benchmark.yardsticks.stgcn import UsualBlock
from skelact.layouts import partition
from skelact.models.stgcn import STGCN
from skelact.nn.block import Block
from skelact.nn.fast.table import fold_block
from skelact.nn.graph import SkeletonGraph
from skelact.nn.spatial.fixed import FixedGraphConv


def measure_block(seconds: float = 3.0) -> list[dict[str, Any]]:
    """One block each of 64, 128 and 256 channels, forward, float32; people in packs of two, as in the network."""
    model = make_network("stgcn")
    assert isinstance(model, STGCN)
    people, pack = 32, 2
    rows = []
    for index, n_frames in ((1, 64), (5, 32), (8, 16)):
        block = model.blocks[index]
        assert isinstance(block, Block) and isinstance(block.spatial, FixedGraphConv)
        channels = block.spatial.weight.shape[1]
        packs = [torch.rand(25, pack, n_frames, channels) for _ in range(people // pack)]
        theirs = torch.cat(packs, 1).permute(1, 3, 2, 0).contiguous()
        usual = UsualBlock(block).eval()
        folded = fold_block(block, torch.float32)
        with torch.inference_mode():
            ours = torch.cat([folded(p) for p in packs], 1)
            error = relative_error(ours, usual(theirs).permute(3, 0, 2, 1))
            times = time_in_turn(
                {
                    "usual": lambda u=usual, t=theirs: u(t),
                    "ours": lambda f=folded, packs=packs: [f(p) for p in packs],
                },
                seconds,
            )
        rows.append(_row(f"block of {channels} channels, forward, float32, per person", times, people, error))
    return rows


def measure_propagate(seconds: float = 3.0) -> list[dict[str, Any]]:
    """Sparse against dense graph product: 25 joints, 3 partitions, 131,072 columns; forward and backward."""
    graph = SkeletonGraph(partition("ntu25", "spatial"))
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.randn(25, 131_072).to(dtype)
        times = time_in_turn(product_runs(x, graph, backward=False), seconds)
        rows.append(_propagate_row(f"propagate forward, {str(dtype)[6:]}", times))
    x = torch.randn(25, 131_072, requires_grad=True)
    learned = graph.value.clone().requires_grad_()
    grad = torch.randn(3, 25, 131_072)

    def stock() -> None:
        x.grad = learned.grad = None
        graph.edge_indices()[0].matmul(x, input_value=learned).view(3, 25, -1).backward(grad)

    times = time_in_turn({**product_runs(x, graph, backward=True), "stock": stock}, seconds)
    rows.append(_propagate_row("propagate forward and backward, learned edges, float32", times))
    rows[-1]["stock sparse ms"] = 1e3 * median(times["stock"])
    return rows


def _propagate_row(what: str, times: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "what": what,
        "sparse ms": 1e3 * median(times["sparse"]),
        "dense ms": 1e3 * median(times["dense"]),
        "ratio": ratio(times, "sparse", "dense"),
    }


def _row(what: str, times: dict[str, list[float]], people: int, error: float) -> dict[str, Any]:
    return {
        "what": what,
        "usual": people / median(times["usual"]),
        "ours": people / median(times["ours"]),
        "ratio": ratio(times, "usual", "ours"),
        "error": error,
    }
