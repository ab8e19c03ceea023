"""Gestures on the page: live names, and a button that teaches, by keyboard and in Chromium."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
from gesture_recordings import recordings
from page_home import PlayedHome, moment, person, played

from skelact.datasets.synthetic.body import LAYOUT
from skelact.monitor.gestures import Gestures, SharedVocabulary
from skelact.monitor.watch import Moment
from skelact.recognition.taught import Vocabulary
from skelact.skeleton import Skeleton

CLIPS = recordings(1, 4)["up"]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PlayedHome]:
    with played(tmp_path) as one:
        one.live.gestures = Gestures(SharedVocabulary(tmp_path / "v.safetensors"))
        yield one


def show(home: PlayedHome, at: float, gesture: str | None = None) -> None:
    joints = CLIPS[0].converted(LAYOUT).xyz[0, 0]
    plain = moment(at, [person(3, joints)])
    made = {} if gesture is None else {3: (gesture, 0.9)}
    one = Moment(**{**{f: getattr(plain, f) for f in plain.__dataclass_fields__}, "gestures": made})
    home.live.feed("living room", one)


def ask(home: PlayedHome, path: str, body: dict[str, Any] | None = None) -> tuple[int, dict[str, Any]]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(home.address + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def make(home: PlayedHome, clip: Skeleton, begin: float) -> None:
    """The watch of the living room sees somebody make a gesture."""
    assert home.live.gestures is not None
    watch = home.live.gestures._watches["living room"]
    for t in range(clip.n_frames):
        watch.see({3: (clip.xyz[0, t], clip.score[0, t])}, begin + t / clip.fps)


def test_the_api_names_and_teaches(home: PlayedHome) -> None:
    assert home.live.gestures is not None
    show(home, 1.0, "up")
    status, state = ask(home, "/api/state")
    assert status == 200 and state["people"][0]["people"][0]["gesture"] == "up"
    assert state["gestures"]["gestures"] == {} and ask(home, "/api/home")[1]["gestures"] is True
    body = {"camera": "living room", "person": 3, "gesture": "up", "seconds": 1.5}
    status, said = ask(home, "/api/teach", body)
    assert status == 400 and "no pictures yet" in said["error"]
    home.live.gestures.watch("living room", CLIPS[0].layout, None)
    for change, code in (
        ({"camera": "cellar"}, 404), ({"gesture": ""}, 422), ({"seconds": 100}, 422), ({"person": -1}, 422),
        ({"gesture": "\n"}, 400), ({"extra": 1}, 422),
    ):  # fmt: skip
        assert ask(home, "/api/teach", {**body, **change})[0] == code, change
    for k in range(3):
        status, said = ask(home, "/api/teach", body)
        assert status == 200 and said["recording"] == [
            {"camera": "living room", "person": 3, "gesture": "up"}
        ]
        assert ask(home, "/api/teach", body)[0] == 400  # one at a time
        make(home, CLIPS[k], 10.0 * k)
    assert Vocabulary.load(home.live.gestures.shared.path).names == ["up"]
    assert ask(home, "/api/state")[1]["gestures"]["gestures"] == {"up": 3}


def test_without_gestures_nothing_is_taught(tmp_path: Path) -> None:
    with played(tmp_path) as home:
        show(home, 1.0)
        body = {"camera": "living room", "person": 3, "gesture": "up"}
        assert ask(home, "/api/teach", body)[0] == 404
        assert ask(home, "/api/home")[1]["gestures"] is False
        assert ask(home, "/api/state")[1]["gestures"] is None


@pytest.mark.slow
def test_the_teach_button(home: PlayedHome) -> None:
    """By keyboard alone, with every word where screen readers find it."""
    import shutil

    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("Chromium is not installed")
    assert home.live.gestures is not None
    home.live.gestures.watch("living room", CLIPS[0].layout, None)
    show(home, 1.0, "high five")
    with playwright.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page, faults = browser.new_page(), []
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
        page.on("request", lambda one: None if one.url.startswith(home.address) else faults.append(one.url))
        page.goto(home.address)
        card = page.get_by_role("article", name="living room")
        card.get_by_text("gesture: high five").wait_for()
        card.get_by_role("button", name="Teach a gesture of person 3, living room").press("Enter")
        dialog = page.get_by_role("dialog", name="Teach a gesture: person 3, living room")
        assert dialog.is_visible()
        assert page.evaluate("document.activeElement.id") == "teach-name"
        assert dialog.get_by_label("Gesture", exact=True).get_attribute("aria-describedby") == "teach-help"
        page.keyboard.type("up")
        dialog.get_by_label("Length of the example").select_option("1.5")
        dialog.get_by_role("button", name="Record an example").press("Enter")
        said = dialog.get_by_role("status")
        said.get_by_text("In 3").wait_for()
        said.get_by_text("Make the gesture now").wait_for()
        assert dialog.get_by_role("button", name="Record an example").is_disabled()
        make(home, CLIPS[0], 10.0)
        said.get_by_text("example 1 recorded, 2 more are needed").wait_for()
        assert dialog.get_by_role("button", name="Record an example").is_enabled()
        page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")
        browser.close()
    assert faults == []
