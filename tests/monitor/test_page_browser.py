"""The page in a real browser, on a phone and a desk, light and dark, by pointer and by keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from variants import slow_but

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("playwright.sync_api")
from page_home import PlayedHome, alarm, moment, played

from skelact.monitor.home import load_home
from skelact.monitor.page.settings import PageSettings
from skelact.monitor.page.tokens import hash_token
from skelact.monitor.watch import Moment
from skelact.monitor.zones import Zone

TOKEN = "correct horse battery staple"
SIZES = {"phone": (360, 740), "desk": (1280, 800)}
COLOURS = """(canvas) => {
  const pen = canvas.getContext("2d");
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  const seen = {};
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3] > 200) { const k = [data[i], data[i + 1], data[i + 2]].join(); seen[k] = (seen[k] || 0) + 1; }
  }
  return seen;
}"""


@contextmanager
def looking(
    browser: Any, home: PlayedHome, size: str = "desk", scheme: str = "light"
) -> Iterator[tuple[Any, list[str]]]:
    """A page that is open, and the faults that it has met."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=size == "phone"
    )
    page, faults = context.new_page(), []
    page.set_default_timeout(10_000)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("request", lambda one: None if one.url.startswith(home.address) else faults.append(one.url))
    page.goto(home.address)
    try:
        yield page, faults
    finally:
        context.close()


def by_keyboard(page: Any, reached: Callable[[], bool], key: str = "Tab", most: int = 60) -> None:
    for _ in range(most):
        page.keyboard.press(key)
        if reached():
            return
    pytest.fail(f"{key} does not lead there")


@pytest.mark.parametrize(
    ("size", "scheme"),
    [
        ("phone", "dark"),
        pytest.param("desk", "light", marks=pytest.mark.slow),
        pytest.param("phone", "light", marks=pytest.mark.slow),
        pytest.param("desk", "dark", marks=pytest.mark.slow),
    ],
)
def test_a_fall_is_seen_acknowledged_and_a_zone_is_drawn(
    browser: Any, tmp_path: Path, size: str, scheme: str
) -> None:
    with played(tmp_path) as home:
        home.tell(alarm("living room", 3))
        home.play()
        with looking(browser, home, size, scheme) as (page, faults):
            card = page.get_by_role("article", name="living room")
            canvas = card.locator("canvas")
            page.wait_for_function("() => document.querySelector('.people li')")
            page.wait_for_timeout(200)
            colours = canvas.evaluate(COLOURS)
            assert colours.get("179,93,147", 0) > 50, "person 3's skeleton is drawn in their colour"
            assert card.get_by_text("Person 3").is_visible() and card.get_by_text("walk 87 %").is_visible()
            assert "1 person" in canvas.get_attribute("aria-label")
            assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
            background = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert background == {"light": "rgb(244, 246, 248)", "dark": "rgb(14, 19, 24)"}[scheme]

            banner = page.get_by_role("alert").filter(has_text="Fall: living room, person 3")
            assert banner.is_visible() and page.title() == "1 alarm – skelact"
            focused = "() => document.activeElement.getAttribute('aria-label') || ''"
            by_keyboard(page, lambda: page.evaluate(focused).startswith("Acknowledge: Fall, living room"))
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"
            page.keyboard.press("Enter")
            page.locator(".banner").wait_for(state="detached")
            assert home.attention.open() == [] and page.title() == "skelact"
            page.locator("#events .event.alarm .mark-text", has_text="acknowledged").wait_for()

            card.get_by_role("button", name="Edit zones").click()
            card.get_by_label("New zone").select_option("bed")
            card.get_by_role("button", name="Draw zone").click()
            box = canvas.bounding_box()
            for x, y in ((0.5, 0.5), (0.9, 0.5), (0.9, 0.8), (0.5, 0.5)):  # the first again closes it
                page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])
            card.get_by_role("button", name="Save zones").click()
            card.locator(".zones").wait_for(state="hidden")
            zones = load_home(home.config).cameras["living room"].zones
            assert list(zones) == ["sofa", "bed"]
            page.wait_for_function(
                "() => document.querySelector('.card canvas').getAttribute('role') === 'img'"
            )
            drawn = [v for corner in zones["bed"].polygon for v in corner]
            assert drawn == pytest.approx([0.5, 0.5, 0.9, 0.5, 0.9, 0.8], abs=0.02)
        assert faults == []


def test_zones_by_keyboard_alone(browser: Any, tmp_path: Path) -> None:
    with played(tmp_path) as home, looking(browser, home) as (page, faults):
        home.live.feed("hall", moment(0.0, []))
        card = page.get_by_role("article", name="hall")
        card.get_by_role("button", name="Edit zones").press("Enter")
        page.keyboard.press("Tab")  # nothing here depends on where the focus was
        card.get_by_label("New zone").select_option("door")
        card.get_by_role("button", name="Draw zone").press("Enter")
        for keys in (["Space"], ["ArrowRight"] * 10 + ["Space"], ["ArrowDown"] * 10 + ["Space"]):
            for key in keys:
                page.keyboard.press(key)
        assert card.get_by_role("status").inner_text().startswith("3 corners")
        page.keyboard.press("Enter")
        page.keyboard.type(" to the garden")  # the name has the focus
        card.get_by_role("button", name="Save zones").press("Enter")
        card.locator(".zones").wait_for(state="hidden")
        (zone,) = load_home(home.config).cameras["hall"].zones.items()
        assert zone[0] == "door to the garden" and zone[1].kind == "door"
        assert [v for xy in zone[1].polygon for v in xy] == pytest.approx(
            [0.5, 0.5, 0.7, 0.5, 0.7, 0.7], abs=0.001
        )
        card.get_by_role("button", name="Edit zones").click()
        card.get_by_role("button", name="Delete zone door to the garden").click()
        card.get_by_role("button", name="Save zones").click()
        card.locator(".zones").wait_for(state="hidden")
        assert load_home(home.config).cameras["hall"].zones == {} and faults == []


@pytest.mark.slow
def test_alarms_are_suspended_and_told_again(browser: Any, tmp_path: Path) -> None:
    with played(tmp_path) as home, looking(browser, home, "phone") as (page, faults):
        home.live.feed("hall", moment(0.0, []))
        home.tell(alarm("hall", 3))
        page.get_by_role("alert").get_by_role("button", name="Suspend").click()
        page.get_by_label("Whose").select_option("3")
        page.get_by_label("How long").select_option("60")
        page.get_by_role("dialog").get_by_role("button", name="Suspend").click()
        card = page.get_by_role("article", name="hall", exact=True)
        card.get_by_text("Alarms of person 3 suspended until").wait_for()
        assert home.attention.suspended("hall", 3) and not home.attention.suspended("hall", 4)
        home.tell(alarm("hall", 3, "long_on_floor"))
        page.get_by_text("suspended, nobody was told").wait_for()
        card.get_by_role("button", name="Tell again").click()
        page.get_by_text("suspended, nobody was told").wait_for(state="detached")
        assert home.attention.suspensions() == []
        page.get_by_role("button", name="Suspend alarms of living room").click()
        page.keyboard.press("Escape")
        assert home.attention.suspensions() == [] and faults == []


@pytest.mark.parametrize("size", slow_but(["desk", "phone"], "phone"))
def test_alarms_of_all_cameras_are_suspended_and_that_is_shown(
    browser: Any, tmp_path: Path, size: str
) -> None:
    with played(tmp_path) as home, looking(browser, home, size) as (page, faults):
        home.live.feed("hall", moment(0.0, []))
        page.get_by_role("button", name="Suspend all alarms").click()
        assert page.get_by_label("Whose").inner_text() == "everybody, all cameras"
        page.get_by_label("How long").select_option("60")
        page.get_by_role("dialog").get_by_role("button", name="Suspend").click()
        shown = page.locator("#suspended-all")
        shown.get_by_text("Alarms of all cameras suspended until").wait_for()
        assert home.attention.suspended("hall", 3) and home.attention.suspended("living room", None)
        home.tell(alarm("hall", 3))
        page.get_by_text("suspended, nobody was told").wait_for()
        page.locator("#events").get_by_text("alarms suspended until").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        shown.get_by_role("button", name="Tell again").click()
        shown.wait_for(state="hidden")
        page.get_by_text("suspended, nobody was told").wait_for(state="detached")
        assert home.attention.suspensions() == [] and faults == []


def test_what_is_lost_is_said_and_the_timeline_is_filtered(browser: Any, tmp_path: Path) -> None:
    with played(tmp_path) as home, looking(browser, home) as (page, _):
        home.live.feed("hall", moment(0.0, []))
        lost = home.attention.take(alarm("hall", None, "source_lost"))
        home.live.feed("hall", Moment(1.0, [], {}, {}, [lost], 0.0, 0.0), [lost])
        home.tell(alarm("living room", 1, "<b>fall</b>"))  # words are no markup
        page.get_by_role("article", name="hall").get_by_text("Lost, trying again since").wait_for()
        page.locator("#events li").nth(1).wait_for()
        assert page.locator("#events b").count() == 0
        page.get_by_label("Show").select_option(label="Cameras lost and back")
        page.wait_for_function("() => document.querySelectorAll('#events li').length === 1")
        page.get_by_label("Camera", exact=True).select_option("living room")
        page.get_by_text("Nothing has happened yet.").wait_for()
        assert page.locator("#health td.state.lost").count() == 1
        home.server.close()
        page.get_by_text("No connection, trying again").wait_for()


@pytest.mark.slow
def test_zones_of_another_browser_are_drawn(browser: Any, tmp_path: Path) -> None:
    with played(tmp_path) as home, looking(browser, home) as (page, faults):
        home.live.feed("hall", moment(0.0, []))
        canvas = page.get_by_role("article", name="hall").locator("canvas")
        page.get_by_text("Live", exact=True).wait_for()
        assert "37,99,235" not in canvas.evaluate(COLOURS)
        home.live.change_zones("hall", {"way out": Zone([(0.1, 0.1), (0.9, 0.1), (0.9, 0.9)], "door")})
        for _ in range(30):
            page.wait_for_timeout(100)
            if canvas.evaluate(COLOURS).get("37,99,235", 0) > 100:
                break
        assert canvas.evaluate(COLOURS).get("37,99,235", 0) > 100 and faults == []


def test_logging_in_and_out(browser: Any, tmp_path: Path) -> None:
    settings = PageSettings(port=0, token=hash_token(TOKEN), pictures=True)
    with played(tmp_path, settings) as home, looking(browser, home) as (page, _):
        home.live.feed("hall", moment(0.0, []))
        page.get_by_role("textbox", name="Token").fill("not the token at all")
        page.keyboard.press("Enter")
        page.get_by_text("this is not the page's token").wait_for()
        page.get_by_role("textbox", name="Token").fill(TOKEN)
        page.keyboard.press("Enter")
        page.get_by_text("Live", exact=True).wait_for()
        canvas = page.get_by_role("article", name="hall").locator("canvas")
        page.wait_for_timeout(800)
        colours = canvas.evaluate(COLOURS)
        assert max(colours.values()) > 10_000  # the camera's picture, which is of one colour
        assert page.evaluate("document.cookie") == ""  # no script reads it
        page.get_by_role("button", name="Log out").click()
        page.get_by_text("This page asks for a token").wait_for()


@pytest.mark.slow
def test_ten_browsers_at_once(browser: Any, tmp_path: Path) -> None:
    with played(tmp_path) as home:
        home.play(10.0)
        contexts = [browser.new_context(viewport={"width": 360, "height": 740}) for _ in range(10)]
        pages = [context.new_page() for context in contexts]
        for page in pages:
            page.goto(home.address)
        for page in pages:
            page.get_by_text("Person 7").wait_for()
        for context in contexts:
            context.close()
