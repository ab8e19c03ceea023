"""``skelact benchmark chain`` and ``falls``: figures of a camera's pace, and of recordings."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from skelact.benchmark import chain, soak
from skelact.cli import run
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic import make_set
from skelact.errors import ConfigError
from skelact.io.store import write_store
from skelact.io.video import write_video
from skelact.layouts import get_layout


class Slow:
    """Looks at a picture for a given time, and sees nobody."""

    layout, unit, follows = get_layout("pose33"), "m", False
    seconds = 0.0

    def estimate(self, image: np.ndarray, at: float) -> list[object]:
        assert image.shape == (480, 640, 3)
        time.sleep(self.seconds)
        return []

    def close(self) -> None: ...


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(chain, "available_estimator", lambda name: name)
    monkeypatch.setattr(chain, "find_estimator", lambda _: SimpleNamespace(make=lambda *_, **__: Slow()))
    monkeypatch.setattr(chain, "WARM_UP", 0.3)
    path = tmp_path / "v.mp4"
    write_video(path, np.zeros((10, 48, 64, 3), np.uint8), 10.0)
    return path


def test_a_fast_chain_keeps_pace(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slow, "seconds", 0.0)
    row = chain.measure_chain(video, cameras=2, fps=10, seconds=2.0)
    assert row["frames/s"] == pytest.approx(10, rel=0.2)
    assert row["ms looking"] < 20 and row["peak MB"] > 50


def test_a_slow_one_passes_frames_over_and_takes_the_newest(
    video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Slow, "seconds", 0.25)
    row = chain.measure_chain(video, fps=20, seconds=2.0)
    assert 2 <= row["frames/s"] <= 4.5 and 70 < row["passed over %"] < 90
    assert row["ms looking"] >= 250 and row["ms, 95 %"] < 600  # it does not fall behind more and more


def test_the_commands(
    video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--video", str(video), "--names", "movenet", "--json"]
    assert run(["benchmark", "chain", *words, "--seconds", "1", "--cameras", "2", "--fps", "10"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["chain"]
    assert row["frames/s"] > 5
    monkeypatch.setattr(soak, "available_estimator", lambda name: name)
    monkeypatch.setattr(soak, "find_estimator", lambda _: SimpleNamespace(make=lambda *_, **__: Slow()))
    monkeypatch.setattr(soak, "SETTLED", 0.01)
    monkeypatch.setattr(Slow, "estimate", lambda *_: [])
    assert run(["benchmark", "soak", *words, "--minutes", "0.02"]) == 0
    assert len(json.loads(capsys.readouterr().out)["soak"]) == soak.ROWS


def test_senseless_numbers_are_refused(video: Path) -> None:
    for changes in ({"cameras": 0}, {"fps": 0.0}, {"seconds": 0.0}):
        with pytest.raises(ConfigError, match="above 0"):
            chain.measure_chain(video, **changes)  # type: ignore[arg-type]


def test_falls_of_a_set_by_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = make_set(actions=("fall_backward", "wave"), subjects=(1,), repetitions=(1, 2), cameras=(2,))
    write_store(tmp_path / "s.h5", list(made))
    assert len(SkeletonSet.open(tmp_path / "s.h5")) == 4
    code = run(["benchmark", "falls", "--sets", str(tmp_path / "s.h5"), "--falls", "fall_backward", "--json"])
    (row,) = json.loads(capsys.readouterr().out)["falls"]
    assert code == 0 and row["clips"] == 4 and row["falls"] == 2 and row["false"] == 0
    assert run(["benchmark", "falls"]) == 2 and "--sets" in capsys.readouterr().err


def test_a_soak_tells_memory_and_what_happened(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slow, "seconds", 0.002)
    monkeypatch.setattr(soak, "available_estimator", lambda name: name)
    monkeypatch.setattr(soak, "find_estimator", lambda _: SimpleNamespace(make=lambda *_, **__: Slow()))
    monkeypatch.setattr(soak, "SETTLED", 0.01)
    monkeypatch.setattr(Slow, "estimate", lambda self, image, at: time.sleep(self.seconds) or [])
    rows = list(soak.measure_soak(video, minutes=0.04))
    assert len(rows) == soak.ROWS and rows[-1]["rounds"] > 3 and rows[-1]["frames"] > 40
    assert "growth %" not in rows[0] and abs(rows[-1]["growth %"]) < 20 and rows[-1]["MB"] > 50
    with pytest.raises(ConfigError, match="minutes"):
        next(soak.measure_soak(video, minutes=0))
