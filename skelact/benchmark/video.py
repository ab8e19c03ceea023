"""Networks over video: weights, multiply-adds, clips a second, memory; and against torchvision's where it is there."""

from __future__ import annotations

import contextlib
import ctypes
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from skelact.benchmark.models import TYPES, process_memory, relative_error
from skelact.benchmark.operations import count_multiply_adds
from skelact.benchmark.timing import median, ratio, time_in_turn
from skelact.errors import ConfigError, choices
from skelact.models.video import VideoModel, create_video_model, list_video_models
from skelact.nn.fast import inference_form
from skelact.nn.fast.conv import has_onednn

N_CLASSES = 400
# Channels, frames and pixels of the papers' clips, by family.
INPUTS = {
    "single_frame": (3, 1, 170),
    "early_fusion": (3, 10, 170),
    "late_fusion": (3, 16, 170),
    "slow_fusion": (3, 10, 170),
    "two_stream": (3, 1, 224),
    "tsn": (3, 3, 224),
    "pooled": (3, 16, 224),
    "words": (2, 60, 144),
    "c3d": (3, 16, 112),
    "i3d": (3, 64, 224),
    "resnet3d": (3, 16, 112),
    "r2plus1d": (3, 16, 112),
    "slowfast": (3, 32, 224),
    "slowonly": (3, 8, 224),
    "fast3d": (3, 16, 112),
    "lrcn": (3, 16, 227),
    "gru_rcn": (3, 10, 224),
    "convlstm": (3, 30, 224),
    "videolstm": (3, 30, 224),
    "convgrbm": (1, 16, 64),
    "torchvision": (3, 16, 112),
}
# torchvision's networks that are one of ours, with the settings that make ours the same.
TORCHVISION: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet3d_18": ("r3d_18", {"shortcut": "B", "stem_pool": False, "stem_frames": 3}),
    "r2plus1d_18": ("r2plus1d_18", {}),
}


def measure_video(
    names: Sequence[str] = (), seconds: float = 6.0, size: int = 0, clips: int = 1, memory: bool = True
) -> Iterator[dict[str, Any]]:
    """Measure networks over video, one row after the other.

    Args:
        names: of `list_video_models`; all if empty.
        seconds: for each network's timing.
        size: pixels along a side instead of the papers'; 0: the papers'.
        clips: at once.
        memory: measure peak memory too, each network in a process of its own.

    Returns:
        rows with ``what``, ``input``, ``weights`` (millions), ``GFLOP`` (see `count_multiply_adds`), clips a second of
        the network as it is written (``plain``) and of its inference form by type (bfloat16 where the processor has
        its instructions; emulated, it is up to a hundred times slower), ``error`` (of the logits in float32, relative
        to the largest), ``MB`` (peak memory of the form's run beside its weights), and for
        torchvision's networks ``torchvision`` (clips a second) and ``ratio`` (how many times faster our form is).

    Raises:
        ConfigError: for unknown names or a size too small for a network.
    """
    check_video_names(names)
    for name in names or list_video_models():
        yield measure_one(name, seconds, size, clips, memory)


def check_video_names(names: Sequence[str]) -> None:
    """Raise `ConfigError` for a name that is not in `list_video_models`."""
    for name in names:
        if name not in list_video_models():
            raise ConfigError(choices(name, list_video_models(), "network over video"))


def measure_one(name: str, seconds: float, size: int, clips: int, memory: bool) -> dict[str, Any]:
    """The row of one network; see `measure_video`."""
    model, x = make_clip_network(name, size, clips)
    model.check_input(x)
    row: dict[str, Any] = {
        "what": name,
        "input": "x".join(map(str, x.shape[1:])),
        "weights": sum(p.numel() for p in model.parameters()) / 1e6,
        "GFLOP": count_multiply_adds(model, x[:1]) / 1e9,
    }
    types = {kind: dtype for kind, dtype in TYPES.items() if kind == "float32" or has_onednn(dtype)}
    forms = {kind: inference_form(model, dtype) for kind, dtype in types.items()}
    with torch.inference_mode():
        row["error"] = relative_error(forms["float32"](x), model(x))
        runs = {"plain": lambda: model(x), **{kind: lambda f=form: f(x) for kind, form in forms.items()}}
        theirs = torchvision_network(name)
        if theirs is not None:
            runs["torchvision"] = lambda: theirs(x)
        times = time_in_turn(runs, seconds)
    row |= {kind: clips / median(values) for kind, values in times.items()}
    if theirs is not None:
        row["ratio"] = ratio(times, "torchvision", "float32")
    if memory:
        row["MB"] = measure_memory(name, size, clips)
    return row


def make_clip_network(name: str, size: int = 0, clips: int = 1) -> tuple[VideoModel, Tensor]:
    """A network with random weights in evaluation mode, and clips of its paper's kind ``[N, C, T, H, W]``."""
    torch.manual_seed(0)
    family = name if name in INPUTS else name.rpartition("_")[0]
    channels, frames, pixels = INPUTS[family]
    changes = TORCHVISION.get(name, ("", {}))[1]
    model = create_video_model(name, N_CLASSES, channels, **changes).eval()
    return model, torch.randn(clips, channels, frames, size or pixels, size or pixels)


def torchvision_network(name: str) -> nn.Module | None:
    """torchvision's network of the same layers, or None where there is none or torchvision is not installed."""
    if name not in TORCHVISION:
        return None
    try:
        from torchvision.models import video
    except (ImportError, RuntimeError):
        return None
    return getattr(video, TORCHVISION[name][0])().eval()


def measure_memory(name: str, size: int = 0, clips: int = 1) -> float:
    """Peak memory [MB] of the float32 form's first run beside its weights (reordered copies count)."""
    code = (
        f"from skelact.benchmark.video import report_video_peak; report_video_peak({name!r}, {size}, {clips})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout))


def report_video_peak(name: str, size: int, clips: int) -> None:
    """Write how far a run of the inference form lifts this process's memory, in MB, to standard output."""
    torch.set_num_threads(1)
    model, x = make_clip_network(name, size, clips)
    form = inference_form(model)
    del model
    with contextlib.suppress(OSError, AttributeError):  # Linux: forget what making the network took
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    before = process_memory("VmRSS")
    with torch.inference_mode():
        form(x)
    sys.stdout.write(json.dumps(process_memory("VmHWM") - before))
