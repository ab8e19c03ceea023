"""Fixtures that several rooms share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # several processes of tests; before torch is imported
MOST_WORKERS = 8

SHARED = Path(__file__).parents[1].parent / "shared"


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One process for each core where folders are tested, this one alone for single files."""
    if any(".py" in name for name in config.args):
        return 0
    return min(
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        MOST_WORKERS,
    )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings beside the project; tests skip where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the folder of real recordings (../shared/data) is not here")
    return folder


@pytest.fixture(scope="session")
def shared_reference() -> Path:
    """Folder of published models' outputs beside the project; tests skip where it is absent."""
    folder = SHARED / "reference"
    if not folder.is_dir():
        pytest.skip("the folder of published outputs (../shared/reference) is not here")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium with a camera of its own making; tests of pages skip where it is not installed."""
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as player:
        camera = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
        one = player.chromium.launch(executable_path=program, args=["--no-sandbox", *camera])
        yield one
        one.close()
