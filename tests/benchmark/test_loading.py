"""The rows of the measurement of loading, on small videos."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from motion_pictures import encode, pan

from skelact.benchmark import loading
from skelact.commands import benchmark
from skelact.commands.ui import UI
from skelact.errors import ConfigError, DataError
from skelact.io.video_frames import frame_times, read_frames


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sways")
    assert len(loading.make_videos(folder, (70, 96), (48, 64))) == 2
    return folder


@pytest.mark.slow
def test_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, bool]] = []
    measured = loading.measure_waiting

    def waiting(files: list[Path], width: float, crop: int, resident: bool, *others: object) -> dict:
        seen.append((width, resident))
        return measured(files, width, crop, resident, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(loading, "measure_waiting", waiting)
    rows = list(loading.measure_loading(folder, 0.01, widths=(1 / 16,), crop=16, workers=0))
    assert seen == [(1 / 16, True), (1 / 16, False)]
    assert [row.get("against") for row in rows] == [
        "PyAV", "PyAV, seeking", *["DIS alone", "decoding and DIS"] * 2, "DIS alone, of the whole picture",
        *["DIS alone"] * 2, None, None,
    ]  # fmt: skip
    for row in rows[:9]:
        assert row["ratio"] > 0 and row["ours"] > 0 and row["other"] > 0
    assert all(0 < row["file / video"] <= 1.2 for row in rows[2:7]) and rows[7]["decoding"] > 0
    assert "64 x 48" in rows[2]["what"]
    assert rows[6]["what"] == "flow of 64 x 48 from its file, read at 64 x 48"
    for row, kept in zip(rows[9:], ("pictures in memory", "pictures decoded for every batch"), strict=True):
        assert kept in row["what"] and row["clips/s"] > 0 and 0 <= row["waiting %"] <= 100


def test_both_ways_give_the_same_frames(folder: Path) -> None:
    path = folder / "sway96.mp4"
    times = frame_times(path)[50:60]
    expected = read_frames(path, times)
    np.testing.assert_array_equal(np.stack(loading.plain_frames(path, times)), expected)
    assert not loading.plain_frames(path, times, convert=False)


def test_what_cannot_be_measured(tmp_path: Path) -> None:
    encode(tmp_path / "short.mp4", pan(10, (1, 0), 48, 64))
    with pytest.raises(DataError, match=r"no video of .* has 64 frames"):
        list(loading.measure_loading(tmp_path))
    with pytest.raises(ConfigError, match=r"got \[0\], 112 and 1"):
        list(loading.measure_loading(tmp_path, widths=[0]))
    encode(tmp_path / "long.avi", pan(70, (1, 0), 16, 16), "mjpeg")
    assert loading.measure_motion(tmp_path / "long.avi", 0.01)["error"] == "mjpeg has none"


def test_the_command(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []

    def measure(*values: object) -> list[dict[str, object]]:
        seen.extend(values)
        return [{"what": "flow", "ratio": 60.0}]

    monkeypatch.setattr(loading, "measure_loading", measure)
    words = ["loading", "--videos", str(folder), "--seconds", "2"]
    assert benchmark.main(words, UI(quiet=True)) == 0
    assert seen == [str(folder), 2.0] and not list(tmp_path.iterdir())
    assert benchmark.main([*words, "--out", str(tmp_path / "out")], UI(quiet=True)) == 0
    assert "| what | ratio |\n| --- | --- |\n| flow | 60.00 |" in (tmp_path / "out/benchmark.md").read_text()
    assert json.loads((tmp_path / "out/benchmark.json").read_text())["loading"] == [
        {"what": "flow", "ratio": 60.0}
    ]
