"""Whole networks against the field's usual form: forward, a mix like NTU's, latency, training, memory."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.benchmark.timing import median, ratio, time_in_turn
from skelact.benchmark.yardsticks import YARDSTICKS
from skelact.benchmark.yardsticks.usual import to_usual
from skelact.errors import ConfigError, choices
from skelact.models import MODELS
from skelact.models.base import SkeletonModel
from skelact.nn.fast import for_training, inference_form

N_CLIPS, N_PEOPLE, N_FRAMES, N_CLASSES, N_JOINTS = 16, 2, 64, 60, 25
ONE_PERSON_SHARE = 0.82  # of NTU RGB+D's clips
TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def measure_models(
    names: Sequence[str] = (), seconds: float = 6.0, device: str = "cpu"
) -> list[dict[str, Any]]:
    """Measure networks against their yardsticks, which are shown equal to them.

    Args:
        names: of `YARDSTICKS`; all if empty.
        seconds: for each measurement.
        device: where they run; memory is measured on the CPU alone.

    Returns:
        rows with ``what``, ``usual`` and ``ours`` (people, clips or steps' people a second; MB for memory),
        ``ratio`` (how many times better ours is) and ``error`` (largest difference of logits, relative to
        the largest logit of the usual form in float32).

    Raises:
        ConfigError: for a network that has no yardstick.
    """
    check_names(names)
    rows = []
    for name in names or YARDSTICKS:
        ours = make_network(name)
        usual = YARDSTICKS[name](ours).eval().to(device)  # made on the CPU, where the graph's constants are
        ours = ours.to(device)
        rows += _measure_forward(name, ours, usual, seconds, device)
        rows += _measure_training(name, ours, usual, seconds, device)
        if device == "cpu":
            rows.append(_measure_memory(name))
    return rows


def check_names(names: Sequence[str]) -> None:
    """Raise `ConfigError` for a network that has no yardstick."""
    for name in names:
        if name not in YARDSTICKS:
            raise ConfigError(choices(name, YARDSTICKS, "network with a yardstick"))


def make_network(name: str, seed: int = 0) -> SkeletonModel:
    """A network in evaluation mode, with running statistics that are not trivial and nothing left at zero."""
    torch.manual_seed(seed)
    model = MODELS[name]().build("ntu25", N_CLASSES, 3).train()
    with torch.no_grad():
        for value in model.parameters():
            value.add_(torch.randn_like(value), alpha=0.02)
        for _ in range(2):
            model(torch.randn(4, N_FRAMES, N_JOINTS, 3))
    return model.eval()


def _measure_forward(
    name: str, ours: SkeletonModel, usual: nn.Module, seconds: float, device: str
) -> list[dict[str, Any]]:
    people = N_CLIPS * N_PEOPLE
    x = torch.randn(people, N_FRAMES, N_JOINTS, 3, device=device)
    owner = torch.arange(N_CLIPS, device=device).repeat_interleave(N_PEOPLE)
    counts = torch.ones(N_CLIPS, dtype=torch.int64, device=device)
    counts[: round(N_CLIPS * (1 - ONE_PERSON_SHARE))] = N_PEOPLE
    mix_owner = torch.repeat_interleave(torch.arange(N_CLIPS, device=device), counts)
    mix = torch.randn(len(mix_owner), N_FRAMES, N_JOINTS, 3, device=device)
    padded, one_padded = to_usual(x, N_CLIPS, N_PEOPLE), to_usual(x[:1], 1, 1)
    rows = []
    with torch.inference_mode():
        reference = usual(padded)
        for kind, dtype in TYPES.items():
            form = inference_form(ours, dtype)
            error = relative_error(form(x, owner), reference)
            runs = {"usual": lambda: usual(padded), "ours": lambda f=form: f(x, owner)}
            runs["mix"] = lambda f=form: f(mix, mix_owner, n_clips=N_CLIPS)
            times = time_in_turn(runs, seconds, device=device)
            rows.append(_row(f"{name} forward, {kind}, per person", times, "ours", people, people, error))
            rows.append(
                _row(f"{name} forward, {kind}, NTU-like mix, per clip", times, "mix", N_CLIPS, N_CLIPS)
            )
            one = {"usual": lambda: usual(one_padded), "ours": lambda f=form: f(x[:1])}
            rows.append(
                _row(
                    f"{name} one person alone, {kind}",
                    time_in_turn(one, seconds / 2, device=device),
                    "ours",
                    1,
                    1,
                )
            )
    return rows


def training_step(
    network: nn.Module, label: Tensor, *inputs: Tensor | int | None, low: bool = False
) -> Callable[[], None]:
    """A step of training without the optimiser: forward, the family's own loss term, backward."""

    extra_loss = getattr(network, "extra_loss", None)

    def run() -> None:
        network.zero_grad(set_to_none=True)
        with torch.autocast(label.device.type, torch.bfloat16, enabled=low):
            loss = functional.cross_entropy(network(*inputs).float(), label)
            extra = None if extra_loss is None else extra_loss(label)
        (loss if extra is None else loss + extra).backward()

    return run


def training_batch(
    device: torch.device | str = "cpu", n_clips: int | None = None, n_frames: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """``(x [P, T, V, 3], owner, label)`` of clips of two people each."""
    n_clips, n_frames = n_clips or N_CLIPS, n_frames or N_FRAMES
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n_clips * N_PEOPLE, n_frames, N_JOINTS, 3, generator=generator)
    label = torch.randint(N_CLASSES, (n_clips,), generator=generator)
    return x.to(device), torch.arange(n_clips, device=device).repeat_interleave(N_PEOPLE), label.to(device)


def _measure_training(
    name: str, ours: SkeletonModel, usual: nn.Module, seconds: float, device: str
) -> list[dict[str, Any]]:
    x, owner, label = training_batch(device)
    padded = to_usual(x, N_CLIPS, N_PEOPLE)
    ours = copy.deepcopy(ours).train()
    for_training(ours)
    usual.train()
    rows = []
    for kind in TYPES:
        low = kind == "bfloat16"
        steps = {
            "usual": training_step(usual, label, padded, low=low),
            "ours": training_step(ours, label, x, owner, low=low),
        }
        times = time_in_turn(steps, seconds, device=device)
        rows.append(_row(f"{name} training step, {kind}, per person", times, "ours", len(x), len(x)))
    return rows


def _measure_memory(name: str) -> dict[str, Any]:
    """Peak memory of a training step above that before it, each form in a fresh process."""
    peaks = {}
    for form in ("usual", "ours"):
        code = f"from skelact.benchmark.models import report_peak; report_peak({name!r}, {form!r})"
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        peaks[form] = json.loads(done.stdout)
    what = f"{name} training step, float32, peak memory (MB)"
    return {"what": what, **peaks, "ratio": peaks["usual"] / peaks["ours"]}


def report_peak(name: str, form: str) -> None:
    """Write how far a training step lifts this process's memory, in MB, to standard output."""
    torch.set_num_threads(1)
    model: nn.Module = for_training(make_network(name))
    x, owner, label = training_batch()
    inputs: tuple[Tensor, ...] = (x, owner)
    if form == "usual":
        model, inputs = YARDSTICKS[name](make_network(name)), (to_usual(x, N_CLIPS, N_PEOPLE),)
    step = training_step(model.train(), label, *inputs)
    before = process_memory("VmRSS")
    step()
    step()
    sys.stdout.write(json.dumps(process_memory("VmHWM") - before))


def process_memory(field: str) -> float:
    """``VmRSS`` (now) or ``VmHWM`` (peak) of this process in MB."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
            return next(int(line.split()[1]) for line in status if line.startswith(field)) / 1024
    except OSError:  # no such file system: the peak so far is all there is to know
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def relative_error(a: Tensor, b: Tensor) -> float:
    """The largest difference, relative to the largest value of ``b``."""
    return float((a - b).abs().max() / b.abs().max())


def _row(
    what: str,
    times: dict[str, list[float]],
    ours: str,
    units: int,
    usual_units: int,
    error: float | None = None,
) -> dict[str, Any]:
    row = {
        "what": what,
        "usual": usual_units / median(times["usual"]),
        "ours": units / median(times[ours]),
        "ratio": ratio(times, "usual", ours) * units / usual_units,
    }
    return row if error is None else {**row, "error": error}
