"""Which of several ways to the same result is the fastest here: measured once, kept for the process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

log = logging.getLogger(__name__)

BUSY_CYCLES = 40_000_000  # about 20 ms, in which a few runs are launched
RUNS = 3  # timed runs of each way; the fastest counts
# How much faster than the usual way another must be: near ties are not left to chance.
MARGIN = 1.3
_chosen: dict[str, str] = {}


def choose(
    key: Sequence[object],
    ways: Mapping[str, Callable[..., Tensor]],
    inputs: tuple[Tensor, ...],
    trains: bool,
    usual: str,
) -> str:
    """The name of the fastest of ``ways``, measured on its first use.

    Args:
        key: what the choice depends on (device, type, shape); the same in every process that is to agree.
        ways: name to a function of ``inputs``; they give the same numbers.
        inputs: what is measured with.
        trains: measure forward and backward passes.
        usual: taken where the others are not clearly faster, and where nothing can be measured (while a CUDA
            graph is captured).
    """
    text = "|".join(map(str, key))
    if _chosen.get(text) not in ways:
        if len(ways) == 1 or is_capturing(inputs[0]):
            return usual
        times = {name: _time_or_skip(name, run, inputs, trains, usual) for name, run in ways.items()}
        best = min(times, key=lambda name: times[name])
        _chosen[text] = best if times[usual] > MARGIN * times[best] else usual
        log.info("%s: %s", text, _chosen[text])
    return _chosen[text]


def can_measure(x: Tensor) -> bool:
    """Whether ``x`` has values here: not under compilers, tracers and on a device without values."""
    return not (torch.compiler.is_compiling() or torch.jit.is_tracing() or x.device.type == "meta")


def is_capturing(x: Tensor) -> bool:
    """Whether a CUDA graph is being captured: then nothing may wait for the device."""
    return x.device.type == "cuda" and torch.cuda.is_current_stream_capturing()


def device_name(device: torch.device) -> str:
    """The GPU's name, ``cpu``, ..."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def arithmetic(x: Tensor) -> str:
    """The type of ``x``, or ``tf32`` where a GPU's float32 products may run in that."""
    return "tf32" if x.dtype == torch.float32 and allows_tf32(x) else str(x.dtype)


def allows_tf32(x: Tensor) -> bool:
    """Whether float32 products of ``x`` may run in TF32."""
    return x.device.type == "cuda" and torch.get_float32_matmul_precision() != "highest"


def chosen_backends() -> dict[str, str]:
    """What has been chosen in this process so far, by device, type and shape."""
    return dict(_chosen)


def restore_backends(chosen: Mapping[str, str]) -> None:
    """Keep to earlier choices, as a training that is continued must (ways differ in the last digit)."""
    _chosen.update(chosen)


def _time_or_skip(
    name: str, run: Callable[..., Tensor], inputs: tuple[Tensor, ...], trains: bool, usual: str
) -> float:
    """Like `time_way`; infinite for a way that does not run here, such as a kernel that is too large."""
    try:
        return time_way(name, run, inputs, trains)
    except Exception as error:
        if name == usual:
            raise
        log.warning("'%s' does not run here and is left out: %s: %s", name, type(error).__name__, error)
        return float("inf")


def time_way(name: str, run: Callable[..., Tensor], inputs: tuple[Tensor, ...], trains: bool) -> float:
    """Seconds of the fastest of a few runs of the way called ``name``.

    On a GPU they are the device's own, without the time that launching takes: what is chosen here runs within CUDA
    graphs, in training and inference, and launching overlaps with computing elsewhere.
    """

    def run_once() -> None:
        if trains:
            with torch.enable_grad():
                leaves = [x.detach().requires_grad_() for x in inputs]
                out = run(*leaves)
            torch.autograd.grad(out, leaves, torch.ones_like(out), allow_unused=True)
        else:
            with torch.no_grad():
                run(*inputs)

    run_once()  # the first run loads libraries and compiles kernels
    if inputs[0].device.type == "cuda":
        return min(device_seconds(run_once, inputs[0].device) for _ in range(RUNS))
    best = float("inf")
    for _ in range(RUNS):
        begin = time.perf_counter()
        run_once()
        best = min(best, time.perf_counter() - begin)
    return best


def device_seconds(run: Callable[[], object], device: torch.device, repeats: int = 1) -> float:
    """Seconds of a GPU for one of ``repeats`` runs that were launched while it was kept busy."""
    with torch.cuda.device(device):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        torch.cuda._sleep(BUSY_CYCLES)
        begin.record()
        for _ in range(repeats):
            run()
        end.record()
        torch.cuda.synchronize()
        return begin.elapsed_time(end) / 1e3 / repeats
