"""Networks in onnxruntime beside PyTorch."""

from __future__ import annotations

import pytest
from small_models import SMALL

from skelact.cli import run

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from skelact.benchmark.onnx import compare, measure_onnx


def test_a_row() -> None:
    row = compare("stgcn", 0.01, **SMALL["stgcn"])
    assert set(row) == {
        "ms PyTorch", "ms inference form", "ms onnxruntime", "onnxruntime faster than PyTorch",
        "than the inference form",
    }  # fmt: skip
    assert all(value > 0 for value in row.values())
    (named,) = measure_onnx(0.01, ("tcn",))
    assert named["what"] == "tcn"


def test_unknown_networks_are_refused(capsys: pytest.CaptureFixture) -> None:
    assert run(["benchmark", "onnx", "--names", "stgcm"]) == 2
    assert "network" in capsys.readouterr().err
