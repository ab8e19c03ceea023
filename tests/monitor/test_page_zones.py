"""Zones from the page into the home's file and the watch that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
import numpy as np  # noqa: E402
from page_home import PlayedHome, played  # noqa: E402

from skelact.datasets.synthetic.body import LAYOUT  # noqa: E402
from skelact.errors import ConfigError  # noqa: E402
from skelact.monitor.home import load_home  # noqa: E402
from skelact.monitor.page.keep_zones import keep_zones  # noqa: E402
from skelact.monitor.zones import Zone  # noqa: E402

SQUARE = [[0.1, 0.5], [0.4, 0.5], [0.4, 0.9], [0.1, 0.9]]
JOINTS = np.tile([[0.0, 0.0, 3.0]], (len(LAYOUT), 1))


@pytest.fixture
def home(tmp_path: Path) -> Iterator[PlayedHome]:
    with played(tmp_path) as one:
        yield one


@pytest.fixture
def ask(home: PlayedHome) -> Iterator[Any]:
    with httpx.Client(base_url=home.address) as client:
        yield client


def test_zones_are_checked_kept_and_used(home: PlayedHome, ask: Any) -> None:
    before = home.config.read_text()
    assert ask.get("/api/zones").json()["zones"]["living room"]["sofa"]["kind"] == "sofa"
    drawn = {
        "bed by the door": {"kind": "bed", "polygon": SQUARE},
        "yes": {"kind": "ignore", "polygon": SQUARE[:3]},
    }
    answer = ask.put("/api/zones", json={"camera": "living room", "zones": drawn}).json()
    assert answer["saved"] and list(answer["zones"]) == list(drawn)
    kept = load_home(home.config).cameras
    assert {
        name: (z.kind, [list(p) for p in z.polygon]) for name, z in kept["living room"].zones.items()
    } == {name: (z["kind"], z["polygon"]) for name, z in drawn.items()}
    text = home.config.read_text()
    assert (
        "# our home" in text and "# above the shelf" in text and "s3cret" in text
    )  # everything else is there
    assert [line for line in before.splitlines() if "sofa" not in line and "zones" not in line] == [
        line for line in text.splitlines() if "zones" not in line
    ]
    assert home.home.cameras["living room"].zones["yes"].kind == "ignore"  # in use at once
    assert ask.put("/api/zones", json={"camera": "hall", "zones": drawn}).json()["saved"]
    assert ask.put("/api/zones", json={"camera": "living room", "zones": {}}).json()["zones"] == {}
    cameras = load_home(home.config).cameras
    assert cameras["hall"].zones["yes"].kind == "ignore" and cameras["hall"].fps == 5
    for zones, words in (
        ({"x": {"kind": "bed", "polygon": SQUARE[:2]}}, "3 corners"),
        ({"x": {"kind": "chair", "polygon": SQUARE}}, "chair"),
        ({"x": {"polygon": [[0, 0], [2, 0], [1, 1]]}}, "0 to 1"), ({"": {"polygon": SQUARE}}, "name"),
        ({"a\nb": {"polygon": SQUARE}}, "name"),
        ({"x": {"polygon": SQUARE * 30}}, "corners"), ({str(n): {"polygon": SQUARE} for n in range(31)}, "at most 30"),
    ):  # fmt: skip
        answer = ask.put("/api/zones", json={"camera": "hall", "zones": zones})
        assert answer.status_code == 400 and words in answer.json()["error"]
    assert ask.put("/api/zones", json={"camera": "attic", "zones": {}}).status_code == 400
    home.config.chmod(0o640)
    ask.put("/api/zones", json={"camera": "hall", "zones": drawn})
    assert home.config.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in home.config.parent.iterdir() if "home.yaml" in p.name] == ["home.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        "cameras:\n  a:\n    # first\n    source: 0  # number\n    zones:\n      b:\n        kind: bed\n"
        "        polygon: [[0, 0], [1, 0], [1, 1]]\n    # then\n    fps: 3\n  c: {source: 1}\nlog: x.db\n",
        "cameras: {a: {source: 0, zones: {b: {polygon: [[0, 0], [1, 0], [1, 1]]}}, fps: 3}, c: {source: 1}}\n",
        "cameras:\n  a: {source: 0, fps: 3,}\n  c:\n    source: 1\n",
        "cameras:\n  a:\n    source: 0\n    fps: 3\n    zones:\n  c:\n    source: 1\n",
        "cameras:\n  a: &one\n    source: 0\n    fps: 3\n    zones: {}\n  c: *one\n",
        '{"cameras": {"a": {"source": 0, "fps": 3}, "c": {"source": 1}}}',
    ],
)
def test_zones_are_written_into_files_of_any_form(tmp_path: Path, text: str) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(text)
    zones = {
        "näxt: door": Zone([(0, 0), (1, 0), (0.33333333, 1)], "door", inertia=7),
        "n": Zone([(0, 0), (1, 0), (1, 1)]),
    }
    keep_zones(file, "a", zones)
    found = load_home(file)
    assert found.cameras["a"].fps == 3 and "c" in found.cameras
    assert found.cameras["a"].zones["näxt: door"].inertia == 7 and found.cameras["a"].zones["n"].kind == "bed"
    for word in ("# first", "# number", "# then"):
        assert (word in file.read_text()) == (word in text)
    keep_zones(file, "a", {})
    assert load_home(file).cameras["a"].zones == {}
    with pytest.raises(ConfigError, match="no camera 'x'"):
        keep_zones(file, "x", zones)


def test_zones_reach_the_watch_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from test_watch import Told

    from skelact.monitor import household, watch
    from skelact.monitor.home import CameraSettings, Home
    from skelact.monitor.sources import Picture

    pictures = [Picture(t / 10, np.zeros((48, 64, 3), np.uint8)) for t in range(6)]
    monkeypatch.setattr(watch, "read_source", lambda *_: iter(pictures))
    camera = CameraSettings("0")
    seen = []
    for _, one in household.watch_home(Home({"a": camera}), Told, None):  # type: ignore[arg-type]
        seen.append(len(one.people))
        if len(seen) == 3:
            camera.zones = {"all": Zone([(0, 0), (1, 0), (1, 1), (0, 1)], "ignore")}
    assert seen == [1, 1, 1, 0, 0, 0]
