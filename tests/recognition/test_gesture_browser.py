"""The exported vocabulary in real Chromium: the same answers as in Python, from the same frames."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("onnx")
from gesture_recordings import recordings, stream

from skelact.errors import DependencyError
from skelact.io.packaged import wrong_checksum
from skelact.recognition.browser import packages
from skelact.recognition.browser.server import GestureServer, page_files
from skelact.recognition.taught import Vocabulary
from skelact.recognition.taught_examples import make_example
from skelact.recognition.taught_export import export_vocabulary
from skelact.recognition.taught_live import LiveGestures

RUN = """async ({ frames, scores }) => {
  const { loadModel } = await import("/model.js");
  const { Spotter } = await import("/gestures.js");
  const model = await loadModel();
  const spotter = new Spotter(model.parameters, model.ask);
  const said = [], found = [];
  for (const [i, frame] of frames.entries()) {
    found.push(...(await spotter.push(frame.time, frame.joints, scores[i])));
    said.push([...spotter.scores]);
  }
  return { lengths: spotter.lengths, said, found: [...found, ...spotter.finish()] };
}"""


def taught() -> Vocabulary:
    vocabulary = Vocabulary(false_per_hour=60.0)
    for name, clips in recordings(3, 3).items():
        vocabulary.add(name, [make_example(clip) for clip in clips], strict=False)
    return vocabulary


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Vocabulary, GestureServer]]:
    try:
        packages.find_scripts()
    except DependencyError as error:
        pytest.skip(f"the browser's packages cannot be had here: {error}")
    vocabulary = taught()
    folder = export_vocabulary(vocabulary, tmp_path_factory.mktemp("exported"))
    try:
        files = page_files(folder)
    except DependencyError as error:
        pytest.skip(f"MediaPipe's models cannot be had here: {error}")
    with GestureServer(files, 0) as server:
        yield vocabulary, server


@pytest.mark.slow
def test_the_browser_answers_as_python_does(browser: Any, served: tuple[Vocabulary, GestureServer]) -> None:
    vocabulary, server = served
    clips = recordings(3, 2, seed=7)
    whole, _ = stream([clips["out"][0], clips["wave"][1]], pause=0.8)
    score = whole.score.copy()
    score[0, 22:32, 54:] = (
        0  # a hand that is lost for 0.6 s is missing, one that is lost for a frame is bridged
    )
    score[0, 40::7, 33:54] = 0.1  # as good as unseen
    whole = whole.with_(score=score)
    live = LiveGestures(vocabulary, whole.layout)
    times = np.arange(whole.n_frames) / whole.fps
    said, found = [], []
    for time, xyz, score in zip(times, whole.xyz[0], whole.score[0], strict=True):
        found += live.push(float(time), xyz, score)
        said.append(list(live.scores.values()))
    found += live.finish()
    frames = [{"time": float(t), "joints": x.tolist()} for t, x in zip(times, whole.xyz[0], strict=True)]
    page, faults = browser.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda one: faults.append(one.text) if one.type == "error" else None)
    page.on("request", lambda one: None if one.url.startswith(server.address) else faults.append(one.url))
    page.goto(server.address)
    page.get_by_text("Ready").wait_for(timeout=60_000)
    answer = page.evaluate(RUN, {"frames": frames, "scores": whole.score[0].tolist()})
    page.close()
    assert faults == []
    assert answer["lengths"] == pytest.approx(list(live._lengths))
    asked = [i for i, row in enumerate(said) if row and max(row) > -1]
    assert len(asked) > 20
    for i in asked:
        assert answer["said"][i] == pytest.approx(said[i], abs=1e-4), f"frame {i}"
    assert [one["name"] for one in answer["found"]] == [one.name for one in found] != []
    assert [one["decided"] for one in answer["found"]] == pytest.approx([one.decided for one in found])


@pytest.mark.slow
def test_the_page_runs_with_a_camera(browser: Any, served: tuple[Vocabulary, GestureServer]) -> None:
    _, server = served
    page, faults = browser.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on(
        "request",
        lambda one: None if one.url.startswith((server.address, "blob:")) else faults.append(one.url),
    )
    page.goto(server.address)
    page.get_by_text("Ready").wait_for(timeout=60_000)
    page.get_by_role("button", name="Use the camera").click()
    page.locator("#state", has_text="Nobody is seen").wait_for(
        timeout=120_000
    )  # Chromium's camera shows a pattern
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped").wait_for()
    page.close()
    assert faults == []


def test_only_its_own_files_are_served_to_this_machine(served: tuple[Vocabulary, GestureServer]) -> None:
    import http.client

    _, server = served
    host = server.address.removeprefix("http://")

    def ask(path: str, **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer

    page = ask("/")
    assert page.status == 200 and "default-src 'none'" in (page.getheader("Content-Security-Policy") or "")
    assert ask("/gestures.onnx").status == 200
    for path in ("/../gestures.json", "/%2e%2e/etc/passwd", "/etc/passwd", "/static/index.html"):
        assert ask(path).status == 404, path
    assert ask("/", Host="evil.example").status == 403
    assert ask("/", Host=f"localhost:{host.split(':')[1]}").status == 200


def test_a_folder_of_ones_own_is_checked(tmp_path: Path) -> None:
    with pytest.raises(DependencyError, match="npm pack onnxruntime-web"):
        packages.find_scripts(tmp_path)
    for name in packages.SCRIPTS:
        (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(DependencyError, match="checksum"):
        packages.find_scripts(tmp_path)
    with pytest.raises(DependencyError, match="not a folder"):
        packages.find_scripts(tmp_path / "none")
    assert wrong_checksum(tmp_path / "vision_bundle.mjs", packages.SCRIPTS["vision_bundle.mjs"].sha256)
