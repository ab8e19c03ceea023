"""Which variants of a test stand for the others by default; all of them run with ``pytest -m slow``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow_but(names: Iterable[Any], *quick: Any) -> list[Any]:
    """The names as parameters, all but ``quick`` marked as slow."""
    names = list(names)
    assert set(quick) <= set(names), set(quick) - set(names)
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]
