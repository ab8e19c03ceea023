"""Quiet hours."""

from __future__ import annotations

import time

import pytest

from skelact.errors import ConfigError
from skelact.monitor.hours import QuietHours, seconds_of


def at(text: str) -> float:
    """Seconds since 1970 of a time today."""
    return time.mktime(time.strptime(f"2026-05-04 {text}", "%Y-%m-%d %H:%M"))


@pytest.mark.parametrize(
    ("hours", "now", "wait"),
    [
        (("22:00", "07:00"), "23:00", 8 * 3600),
        (("22:00", "07:00"), "06:59", 60),
        (("22:00", "07:00"), "07:00", 0),
        (("22:00", "07:00"), "21:59", 0),
        (("13:00", "15:30"), "13:00", 2.5 * 3600),
        (("13:00", "15:30"), "15:30", 0),
        (("13:00", "15:30"), "12:59", 0),
    ],
)
def test_waiting(hours: tuple[str, str], now: str, wait: float) -> None:
    assert QuietHours(*hours).wait(at(now)) == pytest.approx(wait)


@pytest.mark.parametrize("text", ["24:00", "7", "22.00", "22:60", 1320, ""])
def test_what_is_no_time_of_day(text: object) -> None:
    with pytest.raises(ConfigError, match="22:00"):
        seconds_of(text)  # type: ignore[arg-type]


def test_no_hours() -> None:
    with pytest.raises(ConfigError, match="are none"):
        QuietHours("08:00", "8:00")
