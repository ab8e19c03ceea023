"""CUDA graphs of inference: one launch for a whole network, for input shapes that come again and again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

log = logging.getLogger(__name__)

AFTER = 3  # calls with one shape before it is captured: shapes that come once are not worth it
MOST = 8  # shapes that are kept; each has its own memory on the device
MARGIN = 1.1  # how much faster replaying must be
RUNS = 5  # timed runs; the fastest counts
Input = Tensor | int | None
Function = Callable[..., Tensor]


class ShapeGraphs:
    """Captures a function of tensors as a CUDA graph for each shape of its inputs, and replays it.

    A shape is captured at its `AFTER`-th call; the graph is kept only if its output is that of the function and
    replaying is measured faster. Wherever that does not hold (on the CPU, under compilers, while another graph is
    captured, where the function waits for the device or the graph does not fit) the function runs as it is.
    One thread at a time may call it: a graph has one place for its inputs.

    Memory that a function keeps between calls and may replace must not be used while a graph is captured: see
    `skelact.nn.measure.is_capturing`.
    """

    def __init__(self) -> None:
        self.graphs: dict[tuple[Any, ...], Replay | None] = {}
        self.calls: dict[tuple[Any, ...], int] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> ShapeGraphs:
        return ShapeGraphs()  # a graph belongs to the memory of the weights that it was captured with

    def __reduce__(self) -> tuple[type[ShapeGraphs], tuple[()]]:
        return ShapeGraphs, ()

    def clear(self) -> None:
        """Forget all graphs; whoever moves the weights must."""
        self.graphs.clear()
        self.calls.clear()

    def __call__(self, run: Function, *inputs: Input) -> Tensor:
        """``run(*inputs)``, by a graph where there is one. ``run`` must be the same function every time."""
        if not may_capture(inputs):
            return run(*inputs)
        key = shape_key(inputs)
        if key not in self.graphs:
            if not self._is_due(key):
                return run(*inputs)
            self.graphs[key] = capture_if_faster(run, inputs)
        replay = self.graphs[key]
        return run(*inputs) if replay is None else replay(inputs)

    def _is_due(self, key: tuple[Any, ...]) -> bool:
        if len(self.graphs) >= MOST:
            return False
        if len(self.calls) > 100 * MOST:  # shapes that never come again
            self.calls.clear()
        self.calls[key] = self.calls.get(key, 0) + 1
        return self.calls[key] >= AFTER


def shape_key(inputs: tuple[Input, ...]) -> tuple[Any, ...]:
    """What a graph is captured for: shapes, strides, types and devices of tensors, and everything else by value."""
    return tuple(
        (tuple(x.shape), x.stride(), x.dtype, x.device) if isinstance(x, Tensor) else x for x in inputs
    )


def may_capture(inputs: tuple[Input, ...]) -> bool:
    """Whether inputs are on a GPU, need no gradient, and nobody else compiles or captures."""
    tensors = [x for x in inputs if isinstance(x, Tensor)]
    return (
        bool(tensors)
        and all(x.device.type == "cuda" and not x.requires_grad for x in tensors)
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
        and not torch.is_autocast_enabled("cuda")
        and not torch.cuda.is_current_stream_capturing()
    )


def capture_if_faster(run: Function, inputs: tuple[Input, ...]) -> Replay | None:
    """A graph of ``run(*inputs)``; None if it cannot be captured, is not equal, or is not faster."""
    try:
        with torch.inference_mode(False), torch.no_grad():
            replay = Replay(run, inputs)
            expected, out = run(*inputs), replay(inputs)
            if not torch.allclose(out, expected, rtol=1e-2, atol=1e-3 * float(expected.abs().max())):
                raise RuntimeError("the graph's output is not that of the function")
            plain = _fastest(lambda: run(*inputs), replay.device)
            graph = _fastest(lambda: replay(inputs), replay.device)
    except RuntimeError as error:
        log.warning("no CUDA graph of this shape: %s: %s", type(error).__name__, error)
        return None
    log.info("CUDA graph: %.3f ms, without %.3f ms", 1e3 * graph, 1e3 * plain)
    return replay if plain > MARGIN * graph else None


class Replay:
    """A captured graph with input and output memory of its own."""

    def __init__(self, run: Function, inputs: tuple[Input, ...]) -> None:
        self.inputs = tuple(x.clone() if isinstance(x, Tensor) else x for x in inputs)
        self.device = device = next(x.device for x in inputs if isinstance(x, Tensor))
        self.graph = torch.cuda.CUDAGraph()
        side = torch.cuda.Stream(device)
        side.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(side):
            for _ in range(2):  # what is measured or compiled on first use must be done before
                run(*self.inputs)
        torch.cuda.current_stream(device).wait_stream(side)
        # other threads, which make batches meanwhile, are not part of it
        with (
            torch.cuda.device(device),
            torch.cuda.graph(self.graph, capture_error_mode="thread_local"),
        ):
            self.out = run(*self.inputs)

    def __call__(self, inputs: tuple[Input, ...]) -> Tensor:
        for mine, given in zip(self.inputs, inputs, strict=True):
            if isinstance(mine, Tensor) and isinstance(given, Tensor):
                mine.copy_(given, non_blocking=True)
        self.graph.replay()
        return self.out.clone()


def _fastest(run: Callable[[], Tensor], device: torch.device) -> float:
    best = float("inf")
    for _ in range(RUNS):
        torch.cuda.synchronize(device)
        begin = time.perf_counter()
        run()
        torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - begin)
    return best
