"""The rows of the measurement of minimal filtering, and what oneDNN says of itself."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from skelact.benchmark import winograd
from skelact.commands import benchmark
from skelact.commands.ui import UI


def test_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, bool]] = []

    def told(x: torch.Tensor, weight: torch.Tensor) -> str:
        asked.append((x.ndim, x.is_contiguous()))
        return "some, convolution_direct"

    monkeypatch.setattr(winograd, "onednn_implementation", told)
    rows = winograd.measure_winograd(0.01, ((64, 8),), frames=8)
    assert asked == [(4, True), (5, False)]
    by_name = {row["how"]: row for row in rows[:4]}
    assert list(by_name) == ["PyTorch", "direct, by im2col", "F(2x2, 3x3)", "F(4x4, 3x3)"]
    assert [row["how"] for row in rows[4:]] == ["PyTorch", "weight reordered once", "F(4, 3) along time"]
    for row in rows:
        assert 0 < row["error"] < 1e-4 and row["ms"] > 0 and row["ratio"] > 0
        assert row["by"] == ("some, convolution_direct" if row["how"] == "PyTorch" else "skelact")
    # larger tiles need fewer products and lose precision
    assert by_name["F(4x4, 3x3)"]["error"] > 2 * by_name["F(2x2, 3x3)"]["error"]
    assert rows[6]["error"] > 1.5 * rows[5]["error"]


def test_unfolding_is_the_convolution() -> None:
    x, weight = torch.randn(2, 3, 5, 7), torch.randn(4, 3, 3, 3)
    expected = functional.conv2d(x, weight, padding=1)
    assert torch.allclose(winograd.unfolded_conv2d(x, weight), expected, atol=1e-5)


def test_what_onednn_says() -> None:
    text = (
        "onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32::,,,64x64,0.1\n"
        "onednn_verbose,v1,primitive,exec,cpu,convolution,jit_wino:avx512_core,forward_training,src:f32::f0 "
        "dst:f32::f0,attr-scratchpad:user,alg:convolution_winograd,mb1_ic64oc64,0.36\n"
    )
    assert winograd.read_verbose(text) == "jit_wino:avx512_core, convolution_winograd"
    assert winograd.read_verbose("nothing") == winograd.NONE


@pytest.mark.slow
@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch has no oneDNN")
def test_a_process_is_asked() -> None:
    x, weight = torch.zeros(2, 32, 3, 8, 8), torch.zeros(32, 32, 3, 3, 3)
    last = torch.channels_last_3d
    said = winograd.onednn_implementation(x.to(memory_format=last), weight.to(memory_format=last))
    assert "convolution_" in said and said != winograd.NONE


def test_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    monkeypatch.setattr(winograd, "measure_winograd", lambda seconds: seen.append(seconds) or [{"what": "a"}])
    assert benchmark.main(["winograd", "--seconds", "2"], UI(quiet=True)) == 0 and seen == [1.0]
