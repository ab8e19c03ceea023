"""Measurements of the network: whole, one block, and the graph product, against the usual form."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from skelact.benchmark.timing import median, ratio, time_in_turn
from skelact.benchmark.yardstick import UsualBlock, UsualSTGCN, to_usual
from skelact.layouts import partition
from skelact.models.stgcn import STGCN
from skelact.nn.graph import SkeletonGraph, propagate
from skelact.nn.inference import FoldedBlock

N_CLIPS, N_FRAMES, N_CLASSES = 16, 64, 60
ONE_PERSON_SHARE = 0.82  # of NTU RGB+D's clips


def _network(seed: int = 0) -> STGCN:
    """ST-GCN with running statistics that are not trivial."""
    torch.manual_seed(seed)
    model = STGCN("ntu25", N_CLASSES)
    model.train()
    with torch.no_grad():
        for _ in range(2):
            model(torch.randn(4, N_FRAMES, 25, 3))
    return model.eval()


def measure_stgcn(seconds: float = 6.0) -> list[dict[str, Any]]:
    """Whole ST-GCN forward and training step, per person and on an NTU-like mix, in float32 and bfloat16.

    Returns:
        rows with ``what``, ``ours`` and ``usual`` (people or clips a second), ``ratio`` and ``error``.
    """
    model = _network()
    usual = UsualSTGCN(model).eval()
    people = N_CLIPS * 2
    x = torch.randn(people, N_FRAMES, 25, 3)
    owner = torch.arange(N_CLIPS).repeat_interleave(2)
    padded = to_usual(x, N_CLIPS, 2)
    counts = torch.ones(N_CLIPS, dtype=torch.int64)
    counts[: round(N_CLIPS * (1 - ONE_PERSON_SHARE))] = 2
    mix_owner = torch.repeat_interleave(torch.arange(N_CLIPS), counts)
    mix = torch.randn(len(mix_owner), N_FRAMES, 25, 3)
    rows = []
    with torch.inference_mode():
        error = _relative(model.folded()(x, owner), usual(padded))
        reference = usual(padded)
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
            folded = model.folded(dtype)
            low = _relative(folded(x, owner).float(), reference)
            times = time_in_turn(
                {
                    "usual": lambda: usual(padded),
                    "ours": lambda folded=folded: folded(x, owner),
                    "mix": lambda folded=folded: folded(mix, mix_owner, n_clips=N_CLIPS),
                },
                seconds,
            )
            rows.append(
                _row(
                    f"ST-GCN forward, {name}, per person",
                    times,
                    "ours",
                    people,
                    error if dtype == torch.float32 else low,
                )
            )
            rows.append(_row(f"ST-GCN forward, {name}, NTU-like mix, per clip", times, "mix", N_CLIPS, None))
    rows += _measure_training(model, usual, x, owner, padded, seconds)
    return rows


def _measure_training(
    model: STGCN, usual: UsualSTGCN, x, owner, padded, seconds: float
) -> list[dict[str, Any]]:
    label = torch.randint(N_CLASSES, (N_CLIPS,), generator=torch.Generator().manual_seed(0))
    model.train()
    usual.train()

    def step(network: torch.nn.Module, *inputs: Any, low: bool = False):
        def run() -> None:
            network.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                loss = functional.cross_entropy(network(*inputs).float(), label)
            loss.backward()

        return run

    rows = []
    for name, low in (("float32", False), ("bfloat16", True)):
        times = time_in_turn({"usual": step(usual, padded), "ours": step(model, x, owner, low=low)}, seconds)
        rows.append(_row(f"ST-GCN training step, {name}, per person", times, "ours", len(x), None))
    model.eval()
    usual.eval()
    return rows


def measure_block(seconds: float = 3.0) -> list[dict[str, Any]]:
    """One block each of 64, 128 and 256 channels, forward, float32; people in packs of two, as in the network."""
    model = _network()
    people, pack = 32, 2
    rows = []
    for index, n_frames in ((1, 64), (5, 32), (8, 16)):
        block = model.blocks[index]
        assert hasattr(block, "spatial")
        channels = int(block.spatial.weight.shape[1])  # type: ignore[union-attr, arg-type]
        packs = [torch.rand(25, pack, n_frames, channels) for _ in range(people // pack)]
        theirs = torch.cat(packs, 1).permute(1, 3, 2, 0).contiguous()
        usual = UsualBlock(block).eval()  # type: ignore[arg-type]
        folded = FoldedBlock(block, torch.float32)  # type: ignore[arg-type]
        with torch.inference_mode():
            ours = torch.cat([folded(p) for p in packs], 1)
            error = _relative(ours, usual(theirs).permute(3, 0, 2, 1))
            times = time_in_turn(
                {
                    "usual": lambda u=usual, t=theirs: u(t),
                    "ours": lambda f=folded, packs=packs: [f(p) for p in packs],
                },
                seconds,
            )
        rows.append(
            _row(f"block of {channels} channels, forward, float32, per person", times, "ours", people, error)
        )
    return rows


def measure_propagate(seconds: float = 3.0) -> list[dict[str, Any]]:
    """Sparse against dense graph product: 25 joints, 3 partitions, 131,072 columns; forward and backward."""
    graph = SkeletonGraph(partition("ntu25", "spatial"))
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.randn(25, 131_072).to(dtype)
        weight = graph.value.to(dtype)
        with torch.no_grad():
            times = time_in_turn(
                {b: lambda b=b, x=x, w=weight: propagate(x, graph, w, b) for b in ("sparse", "dense")},
                seconds,
            )
        rows.append(_propagate_row(f"propagate forward, {str(dtype)[6:]}", times))
    x = torch.randn(25, 131_072, requires_grad=True)
    learned = graph.value.clone().requires_grad_()
    grad = torch.randn(3, 25, 131_072)

    def both(backend: str) -> None:
        x.grad = learned.grad = None
        propagate(x, graph, learned, backend).backward(grad)

    def stock() -> None:
        x.grad = learned.grad = None
        graph.edge_indices()[0].matmul(x, input_value=learned).view(3, 25, -1).backward(grad)  # type: ignore[union-attr]

    times = time_in_turn(
        {"sparse": lambda: both("sparse"), "dense": lambda: both("dense"), "stock": stock}, seconds
    )
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


def _relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def _row(
    what: str, times: dict[str, list[float]], ours: str, units: int, error: float | None
) -> dict[str, Any]:
    usual_units = N_CLIPS if "per clip" in what else units
    row = {
        "what": what,
        "usual": usual_units / median(times["usual"]),
        "ours": units / median(times[ours]),
        "ratio": ratio(times, "usual", ours) * units / usual_units,
    }
    return row if error is None else {**row, "error": error}
