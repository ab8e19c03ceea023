"""Numbers and errors as people read them."""

from __future__ import annotations

from typing import Any


def shown(value: Any) -> Any:
    """A number as people read it; anything else as it is."""
    if isinstance(value, float):
        return f"{value:.1e}" if 0 < abs(value) < 1e-3 else f"{value:.2f}" if value < 100 else f"{value:,.0f}"
    return value


def words_of(error: BaseException) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"
