"""The yardstick for hands: what it counts, the sheet it draws, and a video that is not there."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

PATH = Path(__file__).parents[1] / "tools" / "measure_hands.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measure_hands", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_counts_hands_of_sure_wrists(tool: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    xy, score = np.full((4, 75, 2), 0.5), np.zeros((4, 75))
    score[:, 15], score[:, 16] = 0.9, [0.9, 0.9, 0.4, 0.9]
    score[:3, 33], score[:2, 54] = 0.3, 0.3
    xy[3, 16] = 1.2  # beyond the picture
    assert tool.report("x", xy, score, np.array([[2.0, 5.0], [4.0, 3.0]])).tolist() == [5, 6]
    said = "left 75%, right 50%; of 6 sure wrists 83% have a hand; 3.0 ms of the processor a frame, 4.0 by the clock"
    assert said in capsys.readouterr().out


class Nobody:
    """An estimator that finds nobody."""

    background = False

    def estimate(self, image: np.ndarray, time: float) -> list:
        return []

    def close(self) -> None:
        pass


@pytest.mark.parametrize("live", [True, False])
def test_live_frames_come_at_their_pace(
    tool: ModuleType, videos: Path, monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    one = Nobody()
    monkeypatch.setattr(tool, "make_auto", lambda *_, **__: one)
    waits: list[float] = []
    monkeypatch.setattr(tool.time, "sleep", waits.append)
    assert tool.main([str(videos / "sign_milk.mkv"), *(["--live"] if live else [])]) == 0
    assert one.background is live and len(waits) == (51 if live else 0)
    assert not live or max(waits) > 0.5  # of a video of 1.7 s, which is decoded sooner


def test_the_sheet_shows_what_was_drawn(tool: ModuleType, tmp_path: Path, videos: Path) -> None:
    import cv2

    path = videos / "sign_milk.mkv"
    xy, score = np.full((51, 75, 2), 0.5), np.zeros((51, 75))
    score[:, 33] = 0.9
    tool.draw_sheet({path: (xy, score)}, tmp_path / "a.png", 20, 0)
    tool.draw_sheet({path: (xy, score)}, tmp_path / "b.png", 20, 0)
    sheet = cv2.imread(str(tmp_path / "a.png"))
    assert sheet is not None and sheet.shape == (600, 1800, 3)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_missing_video_is_named(
    tool: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], models: None
) -> None:
    assert tool.main([str(tmp_path / "none.mp4")]) == 3
    assert "none.mp4" in capsys.readouterr().err


@pytest.fixture(scope="module")
def videos(shared_data: Path) -> Path:
    return shared_data / "videos"


@pytest.fixture(scope="module")
def models() -> None:
    from skelact.errors import DependencyError
    from skelact.pose.estimators import available_estimator
    from skelact.pose.model_files import find_model

    try:
        find_model("hand_landmarker_full", routes=("wheel",))
    except DependencyError as error:
        pytest.skip(f"MediaPipe's models cannot be had here: {error}")
    if available_estimator("auto") != "auto":
        pytest.skip("MoveNet is not here")
