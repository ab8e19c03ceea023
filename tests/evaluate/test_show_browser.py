"""The page of recordings in a real browser, from a file: turned, scrubbed, played, compared; on a desk and a phone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skelact.datasets.synthetic import make_clip
from skelact.evaluate.show.page import write_show_page
from skelact.skeleton import Skeleton

pytest.importorskip("playwright.sync_api")

SIZES = {"desk": (1280, 800), "phone": (390, 844)}
PIXELS = "() => document.querySelector('figure canvas').toDataURL()"


@contextmanager
def looking(
    browser: Any,
    folder: Path,
    recordings: Sequence[Skeleton],
    size: str = "desk",
    scheme: str = "light",
    **options,
) -> Iterator[Any]:
    """An open page; it must meet no fault and ask for nothing but itself."""
    path = write_show_page(folder / "page.html", recordings, **options)
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        has_touch=size == "phone",
        offline=True,
    )
    page, faults = context.new_page(), []
    page.set_default_timeout(10_000)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.on("request", lambda one: None if one.url == path.as_uri() else faults.append(one.url))
    page.goto(path.as_uri())
    try:
        yield page
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert faults == []
    finally:
        context.close()


def state(page: Any) -> dict[str, Any]:
    return page.evaluate("window.skelactShow.state()")


def seek(page: Any, frame: int) -> None:
    page.evaluate("(frame) => window.skelactShow.seek(frame)", frame)


def joint(page: Any, name: str, scene: int = 0) -> dict[str, Any] | None:
    return next((j for j in state(page)["scenes"][scene] if j["name"] == name), None)


def holey() -> Skeleton:
    """A clip whose left wrist is missing in frame 3, seen badly in frame 4, and that shows nobody in frame 5."""
    clip = make_clip("wave", subject=1, noise=None)
    score = np.array(clip.score)
    wrist = clip.layout.index["left_wrist"]
    score[:, 3, wrist], score[:, 4, wrist], score[:, 5] = 0, 0.1, 0
    return clip.with_(score=score)


@pytest.mark.parametrize(
    ("size", "scheme"), [("desk", "light"), pytest.param("phone", "dark", marks=pytest.mark.slow)]
)
def test_turned_zoomed_scrubbed_and_played(browser: Any, tmp_path: Path, size: str, scheme: str) -> None:
    clip = make_clip("wave", subject=1)
    with looking(browser, tmp_path, [clip], size, scheme) as page:
        seen, before = state(page), page.evaluate(PIXELS)
        assert seen["frame"] == 0 and not seen["flat"] and seen["theme"] == scheme
        assert len(seen["scenes"][0]) == 25

        canvas = page.locator("figure canvas")
        box = canvas.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 80, y + 20, steps=4)
        page.mouse.up()
        turned = state(page)
        assert turned["yaw"] == pytest.approx(seen["yaw"] + 0.8) and turned["pitch"] > seen["pitch"]
        assert page.evaluate(PIXELS) != before
        page.mouse.wheel(0, -400)
        page.wait_for_function("() => window.skelactShow.state().zoom > 1.5")
        page.get_by_role("button", name="Reset").click()
        assert state(page)["zoom"] == 1 and state(page)["yaw"] == seen["yaw"]
        page.wait_for_timeout(100)
        assert page.evaluate(PIXELS) == before

        page.locator("#scrub").fill("40")
        assert state(page)["frame"] == 40 and "frame 40 of 85" in page.locator("#clock").inner_text()
        assert page.evaluate(PIXELS) != before
        page.get_by_role("button", name="Play").click()
        page.wait_for_function("() => window.skelactShow.state().frame > 45")
        page.get_by_role("button", name="Pause").click()
        stopped = state(page)["frame"]
        page.wait_for_timeout(150)
        assert state(page)["frame"] == stopped


def test_the_picture_is_the_recording(browser: Any, tmp_path: Path) -> None:
    clip = make_clip("wave", subject=1, noise=None)
    with looking(browser, tmp_path, [clip]) as page:
        page.keyboard.press("1")
        place = {j["name"]: (j["x"], j["y"]) for j in state(page)["scenes"][0]}
        assert place["head"][1] < place["mid hip"][1] < place["left foot"][1]
        assert place["left shoulder"][0] > place["right shoulder"][0]  # facing us
        across = place["left shoulder"][0] - place["right shoulder"][0]
        page.keyboard.press("2")
        place = {j["name"]: (j["x"], j["y"]) for j in state(page)["scenes"][0]}
        assert abs(place["left shoulder"][0] - place["right shoulder"][0]) < 0.6 * across
        page.keyboard.press("3")
        place = {j["name"]: (j["x"], j["y"]) for j in state(page)["scenes"][0]}
        assert abs(place["head"][1] - place["mid hip"][1]) < across


def test_what_is_missing_is_not_drawn(browser: Any, tmp_path: Path) -> None:
    with looking(browser, tmp_path, [holey()]) as page:
        assert joint(page, "left wrist") and page.locator(".empty").is_hidden()
        for frame, n in ((3, 24), (4, 24), (5, 0), (6, 25)):
            seek(page, frame)
            drawn = [j["name"] for j in state(page)["scenes"][0]]
            assert len(drawn) == n and ("left wrist" in drawn) == (n == 25)
            assert page.locator(".empty").is_visible() == (n == 0)
    with looking(browser, tmp_path, [holey()], min_score=0.0) as page:
        seek(page, 4)
        assert joint(page, "left wrist") is not None
        seek(page, 3)
        assert joint(page, "left wrist") is None


def test_it_begins_where_somebody_is(browser: Any, tmp_path: Path) -> None:
    clip = make_clip("wave", subject=1)
    score = np.array(clip.score)
    score[:, :7] = 0
    with looking(browser, tmp_path, [clip.with_(score=score)]) as page:
        assert state(page)["frame"] == 7


def test_names_of_joints(browser: Any, tmp_path: Path) -> None:
    clip = make_clip("wave", subject=1, noise=None)
    with looking(browser, tmp_path, [clip]) as page:
        box, at = page.locator("figure canvas").bounding_box(), joint(page, "head")
        page.mouse.move(box["x"] + at["x"], box["y"] + at["y"])
        page.locator("#tip", has_text="head").wait_for()
        said = page.locator("#tip").inner_text()
        own = clip.xyz[0, 0, clip.layout.index["head"]]
        assert ", ".join(f"{v:.2f}" for v in own) + " m" in said and "score 1.00" in said
        page.mouse.move(box["x"] + 5, box["y"] + box["height"] - 60)
        assert page.locator("#tip").is_hidden()
    with looking(browser, tmp_path, [clip], "phone") as page:
        box, at = page.locator("figure canvas").bounding_box(), joint(page, "right foot")
        page.touchscreen.tap(box["x"] + at["x"] + 6, box["y"] + at["y"] + 6)
        page.locator("#tip", has_text="foot").wait_for()


def hips_apart(page: Any) -> float:
    """Pixels between the middles of the hips of two recordings that are drawn over each other."""
    middles: dict[str, list[tuple[float, float]]] = {}
    for j in state(page)["scenes"][0]:
        if j["name"] in ("left hip", "right hip"):
            middles.setdefault(j["recording"], []).append((j["x"], j["y"]))
    one, two = (np.mean(at, axis=0) for at in middles.values())
    return float(np.hypot(*(one - two)))


def test_two_beside_each_other_and_overlaid(browser: Any, tmp_path: Path) -> None:
    one, two = make_clip("wave", subject=1), make_clip("walk", subject=2).converted("coco17")
    two = two.with_(id="walking")
    with looking(browser, tmp_path, [one, two], compare=True) as page:
        assert page.locator("figure").count() == 2
        assert [len(scene) for scene in state(page)["scenes"]] == [25, int((two.score[0, 0] > 0).sum())]
        seek(page, 30)
        now = state(page)["recordings"]
        assert [r["frame"] for r in now] == [30, 30] and now[1]["id"] == "walking"
        longest = max(one.n_frames, two.n_frames) - 1
        page.keyboard.press("End")
        now = state(page)["recordings"]
        assert [r["frame"] for r in now] == [min(longest, s.n_frames - 1) for s in (one, two)]
        page.get_by_label("Overlaid").check()
        assert page.locator("figure").count() == 1 and state(page)["colours"] == "recording"
        assert {j["recording"] for j in state(page)["scenes"][0]} == {one.id, "walking"}
        assert hips_apart(page) > 30
        page.get_by_label("Hips together").check()
        assert hips_apart(page) < 3
        page.get_by_label("Beside it").select_option("nothing")
        assert page.locator("figure").count() == 1 and len(state(page)["recordings"]) == 1


def test_flat_recordings_do_not_turn(browser: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    image = Skeleton(rng.uniform(0.2, 0.8, (2, 9, 17, 2)), None, "coco17", 25, "image", id="flat")
    with looking(browser, tmp_path, [image]) as page:
        seen = state(page)
        assert seen["flat"] and page.locator("#views").is_hidden() and seen["colours"] == "person"
        place = {(j["person"], j["name"]): (j["x"], j["y"]) for j in seen["scenes"][0]}
        xy = image.xyz[:, 0]
        drawn = np.array([[place[m, n.replace("_", " ")] for n in image.layout.joints] for m in range(2)])
        scale = np.ptp(drawn[..., 0]) / np.ptp(xy[..., 0])
        want = (xy - xy[0, 0]) * scale
        assert drawn - drawn[0, 0] == pytest.approx(want, abs=0.5)  # y grows downwards on both
        page.keyboard.press("d")
        assert {(j["x"], j["y"]) for j in state(page)["scenes"][0]} == set(place.values())


def test_frame_labels_lead_to_their_moment(browser: Any, tmp_path: Path) -> None:
    clip = make_clip("wave", subject=1)
    half = clip.n_frames // 2
    clip = clip.with_(frame_labels=["rest"] * half + ["stroke"] * (clip.n_frames - half))
    with looking(browser, tmp_path, [clip]) as page:
        assert page.locator("#labels .now").inner_text() == "rest"
        band = page.locator("#band")
        box = band.bounding_box()
        band.click(position={"x": box["width"] * 0.9, "y": 8})
        page.locator("#labels .now", has_text="stroke").wait_for()
        assert state(page)["frame"] == pytest.approx(0.9 * clip.n_frames, abs=2)


def test_keys_and_theme(browser: Any, tmp_path: Path) -> None:
    with looking(browser, tmp_path, [make_clip("wave", subject=1)], scheme="dark") as page:
        colour = "getComputedStyle(document.body).backgroundColor"
        dark = page.evaluate(colour)
        page.get_by_role("button", name="Dark or light").click()
        assert state(page)["theme"] == "light" and page.evaluate(colour) != dark
        for key, frame in (
            ("ArrowRight", 1),
            ("Shift+ArrowRight", 11),
            ("ArrowLeft", 10),
            ("Home", 0),
            ("End", 84),
        ):
            page.keyboard.press(key)
            assert state(page)["frame"] == frame
        page.keyboard.press("Space")
        assert state(page)["playing"] is False  # the button has the focus, and switched the theme
        page.locator("figure canvas").focus()
        page.keyboard.press("Space")
        assert state(page)["playing"] is True
        page.keyboard.press("c")
        assert state(page)["colours"] == "person"
