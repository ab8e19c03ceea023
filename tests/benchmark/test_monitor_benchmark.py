"""What a frame costs beside a whole window."""

from __future__ import annotations

import pytest
import torch

from skelact.benchmark import monitor
from skelact.models import MODELS


def test_operations_as_counted_by_hand() -> None:
    a, b = torch.randn(3, 4), torch.randn(4, 5)
    assert monitor.count_operations(lambda: a @ b) == 2 * 3 * 4 * 5


def test_a_frame_costs_its_share_of_the_clip() -> None:
    """Without strides the frame's operations times the frames are the clip's."""
    model = MODELS["stgcn"](channels=(8, 8), stride_blocks=()).build("ntu25", 4, 3).eval()
    with torch.inference_mode():
        row = monitor.compare(model, 32, 0.01)
    assert row["fewer"] == pytest.approx(32, rel=0.1)
    assert row["MFLOP clip"] / row["MFLOP frame"] == pytest.approx(row["fewer"])
    assert row["delay"] == 8 and row["ms frame"] > 0 and row["faster"] > 1


def test_rows_have_their_networks_name() -> None:
    (row,) = monitor.measure_continual(0.01, ("GRU",))
    assert row["what"] == "GRU" and row["window"] == 64 and row["delay"] == 0
    assert all(name in MODELS for name, _, _ in monitor.NETWORKS.values())
