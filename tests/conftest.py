"""Fixtures that several rooms share."""

from __future__ import annotations

from pathlib import Path

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
