"""Networks in onnxruntime beside PyTorch: a clip of one person, its normalisation and streams with it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from skelact.benchmark.timing import median, ratio, time_in_turn
from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Pipeline
from skelact.layouts import get_layout
from skelact.models import MODELS
from skelact.nn.fast import inference_form
from skelact.recognition.export import Exported
from skelact.recognition.export_onnx import onnx_session, to_onnx

LAYOUT, N_CLASSES, FRAMES = "ntu25", 60, 64


def measure_onnx(seconds: float = 6.0, names: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """Measure networks over skeletons in their default sizes, float32, one thread, joints as the only stream.

    Args:
        seconds: for each network.
        names: of `skelact.models.MODELS`; all if empty.

    Returns:
        rows with ``what``, milliseconds of a clip in PyTorch as it is written, in its inference form, and in
        onnxruntime, and the ratios of these to onnxruntime's.
    """
    for name in names or MODELS:
        yield {"what": name, **compare(name, seconds)}


def compare(name: str, seconds: float, **settings: Any) -> dict[str, Any]:
    """A row's figures; see `measure_onnx`."""
    torch.manual_seed(0)
    model = MODELS[name](**settings).build(LAYOUT, N_CLASSES, 3).eval()
    layout, pipeline = get_layout(LAYOUT), Pipeline(Sampling(n_frames=FRAMES))
    plain = Exported(model, pipeline, layout, "camera").eval()
    two = torch.randn(2, FRAMES, len(layout), 3), torch.ones(2, FRAMES, len(layout))
    one = two[0][:1], two[1][:1]
    run = onnx_session(to_onnx(plain, two))
    fast = Exported(inference_form(model), pipeline, layout, "camera").eval()
    with torch.inference_mode():
        times = time_in_turn(
            {"plain": lambda: plain(*one), "fast": lambda: fast(*one), "onnx": lambda: run(*one)}, seconds
        )
    return {
        "ms PyTorch": 1e3 * median(times["plain"]),
        "ms inference form": 1e3 * median(times["fast"]),
        "ms onnxruntime": 1e3 * median(times["onnx"]),
        "onnxruntime faster than PyTorch": ratio(times, "plain", "onnx"),
        "than the inference form": ratio(times, "fast", "onnx"),
    }
