"""Measurements of whole networks on a GPU against their yardsticks: forward, training, memory, CUDA graph, compiler."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from skelact.benchmark.models import (
    N_PEOPLE,
    check_names,
    make_network,
    relative_error,
    training_batch,
    training_step,
)
from skelact.benchmark.shown import words_of
from skelact.benchmark.timing import median, ratio, time_in_turn
from skelact.benchmark.yardsticks import YARDSTICKS
from skelact.benchmark.yardsticks.usual import to_usual
from skelact.models.base import SkeletonModel
from skelact.nn.fast import for_training, inference_form
from skelact.nn.fast.cuda_graph import Replay

KINDS = ("float32", "tf32", "bfloat16")
N_CLIPS, N_FRAMES = 32, 64
Row = dict[str, Any]


@contextmanager
def arithmetic(kind: str) -> Iterator[None]:
    """Let float32 products on a GPU run in TF32 (``tf32``), or not (every other kind)."""
    matmul, convolution = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if kind == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = kind == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = convolution


def measure_network(
    name: str, device: torch.device, seconds: float, n_clips: int = N_CLIPS, n_frames: int = N_FRAMES
) -> Iterator[Row]:
    """A network against its yardstick, forward and training, in every kind of arithmetic.

    Args:
        name: of `YARDSTICKS`.
        device: where.
        seconds: in all.
        n_clips, n_frames: of a batch; two people a clip.

    Yields:
        rows with ``what``; ``usual`` and ``ours``, people a second; ``ratio``; for a forward pass ``graph``, people
        a second of the inference form as a CUDA graph (or ``no graph``, why), and ``difference``, the largest of
        logits from the usual form's in float32, relative to the largest; on a GPU ``usual MB`` and ``ours MB``,
        peak memory above that before; for a training step ``graph``,
        people a second of our step as a CUDA graph, and ``graph ratio``, against the usual form.

    Raises:
        ConfigError: for a network that has no yardstick.
    """
    check_names([name])
    ours = make_network(name)
    usual = YARDSTICKS[name](ours).eval().to(device)  # made on the CPU, where the graph's constants are
    ours = ours.to(device)
    for kind in KINDS:
        with arithmetic(kind):
            yield _forward(name, kind, ours, usual, device, seconds / 2 / len(KINDS), n_clips, n_frames)
    for kind in KINDS:
        with arithmetic(kind):
            yield _training(name, kind, ours, usual, device, seconds / 2 / len(KINDS), n_clips, n_frames)


def _forward(
    name: str,
    kind: str,
    ours: SkeletonModel,
    usual: nn.Module,
    device: torch.device,
    seconds: float,
    n_clips: int,
    n_frames: int,
) -> Row:
    x, owner, _ = training_batch(device, n_clips, n_frames)
    padded, low = to_usual(x, n_clips, N_PEOPLE), kind == "bfloat16"
    # the network inside: the form itself may replay a graph of its own
    form = inference_form(ours, torch.bfloat16 if low else torch.float32).model

    def theirs() -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=low):
            return usual(padded)

    def mine() -> Tensor:
        return form(x, owner, None, n_clips)

    row: Row = {"what": f"{name} forward, {kind}"}
    with torch.no_grad():
        with arithmetic("float32"):
            reference = usual(padded)
        row["difference"] = relative_error(mine().float(), reference)
        memory = {side: _megabytes(run, device) for side, run in (("usual MB", theirs), ("ours MB", mine))}
        runs: dict[str, Callable[[], object]] = {"usual": theirs, "ours": mine}
        try:
            inputs = (x, owner, None, n_clips)
            replay = Replay(form, inputs)
            runs["graph"] = lambda: replay(inputs)
        except Exception as error:  # the network waits for the device, or there is none
            row["no graph"] = words_of(error)
        times = time_in_turn(runs, seconds, device=device)
    return row | _rates(times, len(x)) | _known(memory)


def _training(
    name: str,
    kind: str,
    ours: SkeletonModel,
    usual: nn.Module,
    device: torch.device,
    seconds: float,
    n_clips: int,
    n_frames: int,
) -> Row:
    x, owner, label = training_batch(device, n_clips, n_frames)
    padded, low = to_usual(x, n_clips, N_PEOPLE), kind == "bfloat16"
    mine, theirs = for_training(copy.deepcopy(ours).train()), copy.deepcopy(usual).train()
    steps: dict[str, Callable[[], object]] = {
        "usual": training_step(theirs, label, padded, low=low),
        "ours": training_step(mine, label, x, owner, None, n_clips, low=low),
    }
    memory = {f"{side} MB": _megabytes(step, device) for side, step in steps.items()}
    row: Row = {"what": f"{name} training step, {kind}"}
    try:
        steps["graph"] = _captured(steps["ours"])
    except Exception as error:  # the network waits for the device, or there is none
        row["no graph"] = words_of(error)
    times = time_in_turn(steps, seconds, device=device)
    if "graph" in times:
        row["graph ratio"] = ratio(times, "usual", "graph")
    return row | _rates(times, len(x)) | _known(memory)


def _captured(step: Callable[[], object]) -> Callable[[], object]:
    """A step as one CUDA graph, as `skelact.training.passes` replays it."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def measure_compiled(
    name: str,
    device: torch.device,
    seconds: float,
    n_clips: int = N_CLIPS,
    n_frames: int = N_FRAMES,
    backend: str = "inductor",
) -> Iterator[Row]:
    """``torch.compile`` of a network as it is written, forward and backward, against its training form.

    Args:
        name, device, seconds, n_clips, n_frames: as for `measure_network`.
        backend: of ``torch.compile``.

    Yields:
        rows with ``what``; ``ours`` and ``compiled``, people a second; ``ratio``, how many times faster compiled is;
        ``compiling s``.
    """
    check_names([name])
    plain = make_network(name).to(device)
    x, owner, label = training_batch(device, n_clips, n_frames)
    for kind in ("bfloat16", "tf32"):
        with arithmetic(kind):
            mine = for_training(copy.deepcopy(plain).train())
            network = torch.compile(copy.deepcopy(plain).train(), backend=backend)
            low = kind == "bfloat16"
            steps = {
                "ours": training_step(mine, label, x, owner, None, n_clips, low=low),
                "compiled": training_step(network, label, x, owner, None, n_clips, low=low),  # type: ignore[arg-type]
            }
            begin = time.perf_counter()
            steps["compiled"]()
            compiling = time.perf_counter() - begin
            times = time_in_turn(steps, seconds / 2, device=device)
            yield {
                "what": f"{name} training step compiled, {kind}",
                **{side: len(x) / median(values) for side, values in times.items()},
                "ratio": ratio(times, "ours", "compiled"),
                "compiling s": compiling,
            }


def _rates(times: dict[str, list[float]], people: int) -> Row:
    rates = {side: people / median(values) for side, values in times.items()}
    return {**rates, "ratio": ratio(times, "usual", "ours")}


def _megabytes(run: Callable[[], object], device: torch.device) -> float | None:
    """Peak memory of a run above that before it; None where the device does not count it."""
    if device.type != "cuda":
        return None
    run()  # what it keeps for good, such as gradients
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run()
    torch.cuda.synchronize(device)
    return (torch.cuda.max_memory_allocated(device) - before) / 1e6


def _known(values: dict[str, float | None]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
