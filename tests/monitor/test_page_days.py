"""The life log on the page: its figures by hand, and in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from variants import slow_but

pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")
from page_home import PlayedHome, played  # noqa: E402
from test_page_browser import looking  # noqa: E402

from skelact.errors import ConfigError  # noqa: E402
from skelact.monitor.attention import Attention  # noqa: E402
from skelact.monitor.log import Event  # noqa: E402
from skelact.monitor.page.days import day_of  # noqa: E402

TODAY = date(2026, 3, 10)


def at(hour: float, back: int = 0, day: date = TODAY) -> float:
    """Seconds since 1970 of an hour of the local day."""
    midnight = datetime.combine(day - timedelta(days=back), datetime.min.time())
    return midnight.timestamp() + 3600 * hour


def did(label: str, wall: float, minutes: float, camera: str = "hall", person: int = 1) -> Event:
    return Event(camera, "action", label, person, 5.0, 5.0 + 60 * minutes, wall, 0.9, label)


def filled(attention: Attention, day: date = TODAY) -> None:
    for event in (
        did("sitting", at(9, 2, day), 60), did("walk", at(9, 1, day), 30), did("sitting", at(10, 1, day), 20),
        did("sitting", at(8, 0, day), 90), did("walk", at(9.5, 0, day), 10), did("walk", at(12, 0, day), 20, "room", 2),
        Event("hall", "fall", "fall", 1, 5.0, 5.0, at(13, 0, day), 1.0, "fall at 5.0 s: hips 0.1 m above the floor"),
    ):  # fmt: skip
        attention.take(event)


def test_a_day_by_hand() -> None:
    attention = Attention()
    filled(attention)
    day = day_of(attention, "2026-03-10")
    assert day["day"] == "2026-03-10" and day["end"] - day["begin"] == 86_400 and not day["own_time"]
    hall, room = day["people"]
    assert (hall["person"], room["person"]) == ("hall 1", "room 2")
    assert [(label, start - day["begin"], end - start) for label, start, end, _ in hall["spans"]] == [
        ("sitting", 8 * 3600, 5400), ("walk", 9.5 * 3600, 600),
    ]  # fmt: skip
    trends = {one["label"]: one for one in day["trends"]}
    assert trends["sitting"]["seconds"] == 5400 and trends["sitting"]["usual"] == 2400  # 60 and 20 minutes
    assert trends["walk"] == {
        "label": "walk", "seconds": 1800, "times": 2, "usual": 900, "lowest": 0, "highest": 1800,
    }  # fmt: skip
    assert day["days_before"] == 2 and [one["kind"] for one in day["alarms"]] == ["fall"]
    assert [one["person"] for one in day_of(attention, "2026-03-10", alone=True)["people"]] == ["home"]
    assert day_of(attention)["day"] == "2026-03-10"  # the newest
    assert day_of(attention, "2026-03-09")["days_before"] == 1
    assert day_of(attention, "2020-01-01") == {"day": "2020-01-01"} and day_of(Attention()) == {"day": None}
    for wrong in ("yesterday", "2026-13-01", "9999-12-31"):
        with pytest.raises(ConfigError, match="day"):
            day_of(attention, wrong)


def test_a_file_has_days_of_its_own() -> None:
    attention = Attention()
    attention.take(Event("a.mp4", "action", "walk", 1, 3.0, 9.0, None, 0.9, "walk"))
    day = day_of(attention)
    assert day["own_time"] and day["people"][0]["spans"] == [["walk", 3.0, 9.0, 0.9]]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PlayedHome]:
    with played(tmp_path) as one:
        filled(one.attention, date.today())
        yield one


def test_the_day_over_the_wire(home: PlayedHome) -> None:
    found = httpx.get(f"{home.address}/api/lifelog", params={"day": date.today().isoformat()}).json()
    assert [one["person"] for one in found["people"]] == ["hall 1", "room 2"]
    assert httpx.get(f"{home.address}/api/lifelog", params={"day": "x"}).status_code == 400
    assert httpx.get(f"{home.address}/api/lifelog", params={"day": "9" * 90}).status_code == 422


@pytest.mark.parametrize("size", slow_but(["phone", "desk"], "phone"))
def test_the_day_in_a_browser(home: PlayedHome, browser: Any, size: str) -> None:
    home.play()
    with looking(browser, home, size) as (page, faults):
        page.wait_for_selector("#activities tbody tr")
        lanes = page.locator("#lanes .lane")
        assert lanes.locator(".lane-name").all_text_contents() == ["hall 1", "room 2"]
        first, second = (
            float(bar.get_attribute("x")) for bar in lanes.nth(0).locator("rect").element_handles()
        )
        assert abs(first - 1000 * 8 / 24) < 1 and abs(second - 1000 * 9.5 / 24) < 1
        rows = page.locator("#activities tbody tr")
        assert "".join((rows.nth(0).text_content() or "").split()).startswith("Sitting1h30min1")
        assert "40 min (20 min to 1 h 0 min)" in rows.nth(0).text_content()
        assert "Fall" in page.locator("#day-alarms").text_content()
        page.locator("#alone").select_option("true")
        page.wait_for_function("() => document.querySelectorAll('#lanes .lane').length === 1")
        page.locator("#day-before").click()
        page.wait_for_function("() => document.querySelectorAll('#lanes rect').length === 2")
        before = (date.today() - timedelta(days=1)).isoformat()
        assert page.locator("#day").input_value() == before
        page.locator("#day").fill("2020-01-01")
        page.locator("#no-day").wait_for(state="visible")
        assert not page.locator("#activities").is_visible()
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0 and not faults
