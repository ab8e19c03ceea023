"""Multiply-adds as counted by hand, and the rows of the table of networks over video."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from skelact.benchmark import video
from skelact.benchmark.operations import count_multiply_adds
from skelact.commands import benchmark
from skelact.commands.ui import UI
from skelact.errors import ConfigError
from skelact.models.video import VIDEO_MODELS, create_video_model
from skelact.nn.conv_recurrent import ConvGRU


def test_convolutions_and_linear_layers() -> None:
    net = nn.Sequential(nn.Conv3d(3, 8, (3, 5, 5), (1, 2, 2), (1, 2, 2)), nn.BatchNorm3d(8), nn.ReLU()).eval()
    assert count_multiply_adds(net, torch.zeros(2, 3, 4, 10, 10)) == 2 * 8 * 4 * 5 * 5 * (3 * 75)
    grouped = nn.Conv2d(4, 6, 3, groups=2)
    assert count_multiply_adds(grouped, torch.zeros(1, 4, 5, 5)) == 6 * 9 * (2 * 9)
    assert count_multiply_adds(nn.Linear(7, 5), torch.zeros(3, 2, 7)) == 6 * 35


def test_recurrent_cells() -> None:
    lstm = nn.LSTM(5, 4, 2, batch_first=True, bidirectional=True)
    first, second = 2 * (4 * 4) * (5 + 4), 2 * (4 * 4) * (8 + 4)
    assert count_multiply_adds(lstm, torch.zeros(2, 3, 5)) == 2 * 3 * (first + second)
    cell = ConvGRU(2, 3)
    places, steps = 16, 5
    expected = places * steps * 9 * (3 * 3 * 2 + 2 * 3 * 3 + 3 * 3)
    assert count_multiply_adds(cell, torch.zeros(1, steps, 2, 4, 4)) == expected


def test_the_convgrbm_is_counted_and_left_as_it_was() -> None:
    model = create_video_model(
        "convgrbm", 3, 1, n_maps=4, window=5, pool=2, filters=8, kernel=3, hidden=16
    ).eval()
    x = torch.randn(1, 1, 5, 12, 12)
    pairs, places, window = 4, 8 * 8, 25
    gated = pairs * 4 * places * (window**2 + window)
    conv = 8 * (2 * 2 * 2) * 4 * 27
    expected = gated + conv + 8 * 4 * 16 + 16 * 3
    for _ in range(2):
        assert count_multiply_adds(model, x) == expected
    assert "hidden_input" not in vars(model.grbm)  # type: ignore[arg-type]


def test_published_counts() -> None:
    """38.5 GFLOPs of C3D (mmaction2)."""
    model, x = video.make_clip_network("c3d")
    assert round(count_multiply_adds(model.to("meta"), x.to("meta")) / 1e9, 1) == 38.5


@pytest.mark.parametrize("low", [True, False])
def test_rows_of_the_table(low: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(video.INPUTS) == set(VIDEO_MODELS)
    monkeypatch.setattr(video, "has_onednn", lambda dtype: low)
    (row,) = video.measure_video(["tsn"], seconds=0.01, size=32, memory=False)
    assert row["input"] == "3x3x32x32" and row["error"] < 1e-5
    assert min(row[name] for name in ("weights", "GFLOP", "plain", "float32")) > 0
    assert ("bfloat16" in row) == low  # emulated it is not measured
    with pytest.raises(ConfigError, match="unknown network over video 'resnet'"):
        video.check_video_names(["resnet"])
    with pytest.raises(ConfigError, match="at least"):
        list(video.measure_video(["lrcn"], seconds=0.01, size=16, memory=False))


def test_the_command_prints_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def measured(*values: object) -> list[dict[str, object]]:
        seen.extend(values)
        return [{"what": "tsn", "GFLOP": 1.5}]

    monkeypatch.setattr(video, "measure_video", measured)
    ui = UI(quiet=True)
    assert benchmark.main(["video", "--names", "tsn", "lrcn", "--seconds", "2", "--size", "64"], ui) == 0
    assert seen == [("tsn", "lrcn"), 2.0, 64]
    with pytest.raises(ConfigError, match="--size must be above 0"):
        benchmark.main(["video", "--size", "0"], ui)
    with pytest.raises(ConfigError, match="network over video 'resnet'"):
        benchmark.main(["video", "--names", "resnet"], ui)


@pytest.mark.slow
def test_peak_memory_is_at_least_that_of_the_maps_and_reordered_weights() -> None:
    """R3D-18's weights of 133 MB are laid out once more."""
    assert 100 < video.measure_memory("resnet3d_18", 32) < 600
