"""Minimal filtering, F(2×2, 3×3) and F(4×4, 3×3), against direct convolution: error, time, and what PyTorch runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.benchmark.models import relative_error
from skelact.benchmark.timing import median, ratio, time_in_turn
from skelact.nn.fast.conv import ConvForm, MinimalConvForm
from skelact.nn.winograd import winograd_conv2d

# Channels and side of the map of 3×3 convolutions, as in a ResNet-18 on pictures of 112 × 112 and 224 × 224.
MAPS = ((64, 28), (128, 28), (256, 14))
FRAMES = 16
NONE = "not told"


def measure_winograd(
    seconds: float = 3.0, maps: tuple[tuple[int, int], ...] = MAPS, frames: int = FRAMES
) -> list[dict[str, Any]]:
    """Measure 3×3 convolutions, and 3×3×3 ones by minimal filtering along time, in float32.

    Args:
        seconds: for each map.
        maps: channels and side of each.
        frames: of the maps of 3×3×3 convolutions.

    Returns:
        rows with ``what``, ``error`` (the largest difference from the convolution in float64, relative to its largest
        value), ``ms`` of a run, ``ratio`` (how many times faster than PyTorch's convolution) and ``by``, what computes
        it: for PyTorch, the implementation and the algorithm that oneDNN names.
    """
    rows = []
    for channels, side in maps:
        torch.manual_seed(0)
        rows += _pictures(channels, side, seconds) + _clips(channels, frames, side, seconds)
    return rows


def _pictures(channels: int, side: int, seconds: float) -> list[dict[str, Any]]:
    """Rows of a 3×3 convolution."""
    x, weight = torch.randn(1, channels, side, side), torch.randn(channels, channels, 3, 3)
    runs = {
        "PyTorch": lambda: functional.conv2d(x, weight, padding=1),
        "direct, by im2col": lambda: unfolded_conv2d(x, weight),
        "F(2x2, 3x3)": lambda: winograd_conv2d(x, weight, None, 1, 2),
        "F(4x4, 3x3)": lambda: winograd_conv2d(x, weight, None, 1, 4),
    }
    exact = functional.conv2d(x.double(), weight.double(), padding=1)
    return _rows(f"3x3, {channels} channels, {side}x{side}", runs, exact, (x, weight), seconds)


def _clips(channels: int, frames: int, side: int, seconds: float) -> list[dict[str, Any]]:
    """Rows of a 3×3×3 convolution."""
    conv = nn.Conv3d(channels, channels, 3, padding=1, bias=False).eval()
    x = torch.randn(1, channels, frames, side, side).to(memory_format=torch.channels_last_3d)
    weight = conv.weight.detach().contiguous(memory_format=torch.channels_last_3d)
    direct, minimal = (form(conv, False, torch.float32) for form in (ConvForm, MinimalConvForm))
    runs = {
        "PyTorch": lambda: functional.conv3d(x, weight, padding=1),
        "weight reordered once": lambda: direct(x),
        "F(4, 3) along time": lambda: minimal(x),
    }
    exact = functional.conv3d(x.double(), weight.double(), padding=1)
    what = f"3x3x3, {channels} channels, {frames}x{side}x{side}"
    return _rows(what, runs, exact, (x, weight), seconds)


def unfolded_conv2d(x: Tensor, weight: Tensor) -> Tensor:
    """A 3×3 convolution ``[N, C, H, W]``, ``[D, C, 3, 3]`` with padding 1 as one matrix product."""
    columns = functional.unfold(x, 3, padding=1)  # [N, C·9, H·W]
    return (weight.flatten(1) @ columns).unflatten(2, x.shape[2:])


def _rows(
    what: str, runs: dict[str, Any], exact: Tensor, inputs: tuple[Tensor, Tensor], seconds: float
) -> list[dict[str, Any]]:
    with torch.inference_mode():
        errors = {name: relative_error(run().double(), exact) for name, run in runs.items()}
        times = time_in_turn(runs, seconds)
    by = {"PyTorch": onednn_implementation(*inputs)}
    return [
        {
            "what": what,
            "how": name,
            "error": errors[name],
            "ms": 1e3 * median(times[name]),
            "ratio": ratio(times, "PyTorch", name),
            "by": by.get(name, "skelact"),
        }
        for name in runs
    ]


def onednn_implementation(x: Tensor, weight: Tensor) -> str:
    """Which implementation oneDNN takes for PyTorch's convolution of such tensors with padding 1, and which algorithm.

    It is asked in a process of its own, whose oneDNN tells what it runs.

    Args:
        x: ``[N, C, …]``, its shape and memory format count.
        weight: ``[D, C, …]``.

    Returns:
        for instance ``brg_conv_fwd:avx512_core, convolution_direct``; ``not told`` where PyTorch uses no oneDNN.
    """
    dims = x.ndim - 2
    last = {2: torch.channels_last, 3: torch.channels_last_3d}[dims]
    form = "torch.contiguous_format" if x.is_contiguous() else str(last)
    code = (
        f"import torch; torch.set_num_threads(1); form = {form}\n"
        f"x = torch.randn({list(x.shape)}).to(memory_format=form)\n"
        f"weight = torch.randn({list(weight.shape)}).to(memory_format=form)\n"
        f"with torch.inference_mode(): torch.nn.functional.conv{dims}d(x, weight, padding=1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True, capture_output=True, text=True, env={**os.environ, "ONEDNN_VERBOSE": "1"},
    )  # fmt: skip
    return read_verbose(done.stdout)


def read_verbose(text: str) -> str:
    """The implementation and the algorithm of the last convolution in what oneDNN's verbose mode wrote."""
    found = re.findall(r"^onednn_verbose,.*exec,cpu,convolution,([^,]+),.*alg:(\w+)", text, re.MULTILINE)
    return ", ".join(found[-1]) if found else NONE
