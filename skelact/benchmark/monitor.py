"""Live use: a network frame by frame against the clip network in a window that slides by one frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from skelact.benchmark.timing import median, ratio, time_in_turn
from skelact.models import MODELS
from skelact.models.continual import continual_form
from skelact.nn.fast import inference_form

LAYOUT, N_CLASSES = "ntu25", 60
# Name: network, its settings, frames of a window. CoST-GCN's table has 300 frames of NTU RGB+D.
NETWORKS: dict[str, tuple[str, dict[str, Any], int]] = {
    "ST-GCN": ("stgcn", {}, 300),
    "2s-AGCN, frame topology": ("agcn", {"frame_topology": True}, 300),
    "CTR-GCN, frame topology": ("ctrgcn", {"frame_topology": True}, 64),
    "ST-GCN++": ("stgcnpp", {}, 100),
    "SkelactNet, causal": ("skelactnet", {"causal": True}, 64),
    "SkelactNet of the everyday model's size": (
        "skelactnet", {"causal": True, "topology": "learned", "channels": (48, 48, 96, 96, 192)}, 32,
    ),
    "GRU": ("gru", {"bidirectional": False}, 64),
}  # fmt: skip


def measure_continual(seconds: float = 6.0, names: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
    """Measure networks, one person at a time in float32.

    Args:
        seconds: for each network's timing.
        names: of `NETWORKS`; all if empty.

    Returns:
        rows with ``what``, ``window`` (frames), million operations (a multiplication and an addition are two) of a
        prediction by the clip network and of a frame of the continual one (a mean over the network's stride), how many
        times ``fewer``, milliseconds of the clip network as it is written, of its inference form, and of a frame, and
        how many times faster a frame is than each.
    """
    for what in names or NETWORKS:
        name, settings, window = NETWORKS[what]
        torch.manual_seed(0)
        model = MODELS[name](**settings).build(LAYOUT, N_CLASSES, 3).eval()
        with torch.inference_mode():
            yield {"what": what, **compare(model, window, seconds)}


def compare(model: Any, window: int, seconds: float) -> dict[str, Any]:
    """A row's figures; see `measure_continual`."""
    x = torch.randn(1, window, len(model.layout), model.channels_in)
    form, fast = continual_form(model, window), inference_form(model)
    state = form.begin()
    n_frames = max(8, 2 * form.stride)  # whole rounds of the strides

    def frames() -> None:
        for k in range(n_frames):
            form.step(x[:, k % window], state)

    for _ in range((form.delay + window) // n_frames + 1):
        frames()
    clip, frame = count_operations(lambda: model(x)), count_operations(frames) / n_frames
    times = time_in_turn({"clip": lambda: model(x), "fast": lambda: fast(x), "frames": frames}, seconds)
    one = {**times, "frames": [t / n_frames for t in times["frames"]]}
    return {
        "window": window,
        "MFLOP clip": clip / 1e6,
        "MFLOP frame": frame / 1e6,
        "fewer": clip / frame,
        "ms clip": 1e3 * median(one["clip"]),
        "ms clip, inference form": 1e3 * median(one["fast"]),
        "ms frame": 1e3 * median(one["frames"]),
        "faster": ratio(one, "clip", "frames"),
        "faster than the form": ratio(one, "fast", "frames"),
        "delay": form.delay,
    }


def count_operations(run: Callable[[], object]) -> int:
    """Operations of the matrix products and convolutions of a run; a multiplication and an addition are two."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()
