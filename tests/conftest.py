"""Fixtures that several rooms share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).parents[1].parent / "shared"


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
