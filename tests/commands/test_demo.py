"""The demo: each part answers rightly, and every command that it names works from where it was started."""

from __future__ import annotations

import re
import shlex
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from cli_helpers import refused, skelact, tree

from skelact.commands import demo_networks
from skelact.commands.demo import with_camera


def test_webcam_alone_is_the_first_camera() -> None:
    assert with_camera(["--webcam"]) == ["--webcam", "0"]
    assert with_camera(["--webcam", "--seconds", "3"]) == ["--webcam", "0", "--seconds", "3"]
    assert with_camera(["--seed", "1", "--webcam", "2"]) == ["--seed", "1", "--webcam", "2"]


def test_webcam_without_a_camera(tmp_path: Path) -> None:
    assert "there is no camera" in refused(3, "demo", "--webcam", 77, "--out", tmp_path / "demo")
    assert "--seconds" in refused(2, "demo", "--webcam", "--seconds", 0, "--out", tmp_path / "demo")


@pytest.fixture(scope="module")
def waving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video that stands for a camera: somebody waves."""
    from skelact.datasets.synthetic.render import render_clip

    path = tmp_path_factory.mktemp("camera") / "camera.mp4"
    render_clip(path, "wave", subject=12, camera=2, repetition=3, fps=20.0)
    return path


@pytest.mark.slow
def test_webcam_names_what_is_done(waving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = skelact("demo", "--webcam", waving, "--seconds", 20, "--json")
    assert done.code == 0 and "wave" in done.json["actions"] and done.json["frames"] > 40
    place = Path("skelact-demo/webcam")
    assert {"overlay.mp4", "timeline.png", "events.db"} <= tree(place)
    assert skelact("events", place / "events.db").code == 0
    short = skelact("demo", "--webcam", waving, "--seconds", 0.3, "--json")  # begins anew
    assert short.code == 0 and short.json["frames"] < 10 and short.json["timeline"] is None
    assert "timeline.png" not in tree(place) and "no action" in short.err


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demo was started, with a smaller training."""
    place = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(demo_networks, "TRAIN_SUBJECTS", (1, 2, 3, 4))
        patch.setattr(demo_networks, "ACTIONS", ("pick_up", "fall_forward", "wave", "kick"))
        done = skelact("demo", "--epochs", 2, "--json")
    assert done.code == 0, done.err
    (place / "said.txt").write_text(done.err)
    (place / "result.json").write_text(done.out)
    return place


@pytest.mark.slow
def test_what_ships_is_right(place: Path) -> None:
    import json

    result = json.loads((place / "result.json").read_text())
    assert [one["verdict"] for one in result["video"]["videos"]] == ["right", "right"]
    assert result["monitor"]["alarms"] == 1
    assert result["gestures"] == {"right": 4, "of": 4}
    assert len(result["fusion"]["weights"]) == 2 and 0 < result["sequence"]["agreement"] <= 1


@pytest.mark.slow
def test_every_part_has_its_pictures(place: Path) -> None:
    made = {p.name for p in (place / "skelact-demo" / "pictures").iterdir()}
    assert made == {
        "timeline.png", "probabilities.png", "sequence.png", "fusion.png", "video_wave.png", "video_kick.png",
        "monitor.png", "monitor_fall.png", *(f"gesture_{name}.png" for name in ("up", "out", "wave", "low")),
    }  # fmt: skip
    page = (place / "skelact-demo" / "report" / "report.html").read_text()
    assert page.count("data:image/png") >= len(made) + 4


@pytest.mark.slow
def test_every_command_of_the_report_works_from_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    page = (place / "skelact-demo" / "report" / "report.html").read_text()
    shown = [
        unescape(line)
        for block in re.findall(r"<section>.*?</section>", page, re.DOTALL)
        for code in re.findall(r"<pre>(.*?)</pre>", block, re.DOTALL)
        for line in code.splitlines()
    ]
    said = [line.strip() for line in (place / "said.txt").read_text().splitlines()]
    shown += [line for line in said if line.startswith("skelact ") and "skelact-demo/" in line]
    commands = {words[1]: words for line in shown if (words := shlex.split(line))}
    assert {"fuse", "predict", "events", "monitor", "teach", "evaluate"} <= set(commands)
    for line in dict.fromkeys(shown):
        words = shlex.split(line)[1:]
        if words[0] == "monitor":
            words += ["--seconds", "1"]
        assert skelact(*words).code == 0, line


@pytest.mark.slow
def test_the_demo_stands_without_mediapipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.commands import demo_video
    from skelact.errors import DependencyError

    def missing(*_: object) -> None:
        raise DependencyError("libGL.so.1 is missing")

    parts = {
        "make_data": Path("set.h5"), "train_networks": [], "fuse_networks": ({}, []), "recognise_sequence": ({}, []),
        "write_demo_report": {"report": "report.html"},
    }  # fmt: skip
    for name, outcome in parts.items():
        monkeypatch.setattr(demo_networks, name, lambda *_, outcome=outcome: outcome)
    monkeypatch.setattr(demo_video, "watch_videos", missing)
    monkeypatch.setattr(demo_video, "watch_fall", missing)
    monkeypatch.chdir(tmp_path)
    done = skelact("demo", "--json")
    assert done.code == 0 and "libGL.so.1 is missing" in done.err
    assert done.json["video"] is None and done.json["monitor"] is None and done.json["gestures"]["right"] == 4
    assert (
        "monitor/home.db" not in done.err and "taught.safetensors" in done.err
    )  # only what was made is named


@pytest.mark.slow
def test_the_whole_demo_names_every_action_rightly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = skelact("demo", "--no-video", "--json")
    assert done.code == 0 and done.json["top1"] == 1.0
    assert tuple(s["label"] for s in done.json["sequence"]["segments"]) == demo_networks.SEQUENCE
    assert done.json["sequence"]["agreement"] > 0.75 and np.isclose(done.json["fusion"]["fused"], 1.0)
