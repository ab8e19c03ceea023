"""Zones, homes of several cameras, and their configuration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bodies import scene

from skelact.cli import run
from skelact.datasets.synthetic.body import LAYOUT
from skelact.datasets.synthetic.everyday import falls
from skelact.datasets.synthetic.everyday.generate import FPS
from skelact.errors import ConfigError, DataError
from skelact.layouts import get_layout
from skelact.monitor import household
from skelact.monitor.falls import FallWatch
from skelact.monitor.ground import Ground
from skelact.monitor.home import Home, load_home
from skelact.monitor.log import read_log
from skelact.monitor.people import LivePerson
from skelact.monitor.watch import Moment
from skelact.monitor.zones import Zone, Zones

VIDEOS = Path(__file__).parents[3] / "shared" / "data" / "videos"
COCO = get_layout("coco17")
SQUARE = [(0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0)]


def person(x: float, y: float, track: int = 0) -> LivePerson:
    return LivePerson(track, 0.0, xy=np.full((17, 2), (x, y)), score=np.ones(17))


def test_points_inside_and_outside() -> None:
    zone = Zone(SQUARE)
    assert zone.holds(0.25, 0.75) and not zone.holds(0.75, 0.75) and not zone.holds(0.25, 0.25)
    corner = Zone([(0, 0), (1, 0), (1, 1), (0.5, 0.5), (0, 1)])  # not convex
    assert corner.holds(0.1, 0.8) and not corner.holds(0.5, 0.8)


def test_inertia() -> None:
    zones = Zones({"bed": Zone(SQUARE, "bed", 3), "hall": Zone(SQUARE, "floor", 1)}, COCO)
    assert zones.see(person(0.9, 0.9)) == [] and not zones.rests(person(0.9, 0.9))
    assert zones.see(person(0.2, 0.8)) == ["hall"] and zones.see(person(0.2, 0.8)) == ["hall"]
    assert zones.see(person(0.2, 0.8)) == ["bed", "hall"] == zones.inside(0) and zones.inside(7) == []
    assert zones.see(person(0.9, 0.9)) == ["bed"] and zones.see(person(0.2, 0.8)) == ["bed", "hall"]
    assert (
        zones.rests(person(0.9, 0.9)) and zones.rests(person(0.9, 0.9)) and not zones.rests(person(0.9, 0.9))
    )
    assert zones.see(person(0.2, 0.8, track=1)) == ["bed", "hall"]  # somebody new is where they are
    zones.leave(1)
    assert not zones.ignores(np.full((17, 2), 0.3), np.ones(17))
    assert Zones({"tv": Zone(SQUARE, "ignore")}, COCO).ignores(np.full((17, 2), (0.3, 0.7)), np.ones(17))


def test_who_falls_onto_a_bed_is_not_on_the_floor() -> None:
    xyz, _, _, _ = scene(falls.fall_over, 2)
    for resting, kinds in ((False, ["suspected_fall", "fall"]), (True, [])):
        one = FallWatch(LAYOUT, Ground(LAYOUT))
        seen = np.ones(len(LAYOUT))
        events = [e for t, x in enumerate(xyz) for e in one.see(x, seen, t / FPS, 0.0, resting)]
        assert [e.kind for e in events] == kinds


HOME = """
log: {log}
actions: false
cameras:
  living room:
    source: {source}
    fps: 5
    zones:
      sofa: {{kind: sofa, polygon: [[0, 0.5], [0.5, 0.5], [0.5, 1], [0, 1]]}}
  hall: {{source: {other}, verify: 3, fps: 5}}
"""


def test_a_home_is_read_and_wrong_ones_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "home.yaml"
    file.write_text(HOME.format(log="a.db", source="0", other="rtsp://x/y"))
    home = load_home(file)
    assert list(home.cameras) == ["living room", "hall"] and home.cameras["living room"].source == "0"
    assert home.cameras["hall"].watched().falls.verify == 3  # type: ignore[union-attr]
    assert home.cameras["living room"].watched().zones["sofa"].kind == "sofa"
    for text, words in (
        ("{}", "cameras"), ("cameras: {a: {}}", "source"), ("cameras: {a: {source: 0, fps: -1}}", "fps"),
        ("cameras: {a: {source: 0, zones: {b: {polygon: [[0, 0]]}}}}", "3 corners"),
        ("cameras: {a: {source: 0, zones: {b: {polygon: [[0, 0], [1, 0], [1, 7]]}}}}", "0 to 1"),
        ("cameras: {a: {source: 0, colour: red}}", "colour"), ("cameras: [", "YAML"),
        ("cameras: {a: {source: 0, zones: {b: {kind: chair, polygon: [[0, 0], [1, 0], [1, 1]]}}}}", "chair"),
    ):  # fmt: skip
        file.write_text(text)
        with pytest.raises(ConfigError, match=words):
            load_home(file)
    with pytest.raises(ConfigError, match="cannot read"):
        load_home(tmp_path / "none.yaml")


def test_several_cameras_are_watched_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def watch(name, *rest):
        if name == "broken":
            raise DataError("no camera there")
        for t in range(3):
            yield Moment(float(t), [], {}, {}, [], 0.0, 0.0)

    monkeypatch.setattr(household, "_watch", watch)
    from skelact.monitor.home import CameraSettings

    cameras = {name: CameraSettings("0") for name in ("a", "b", "broken")}
    found = list(household.watch_home(Home(cameras), lambda: None, None))  # type: ignore[arg-type,return-value]
    assert sorted(name for name, m in found if not m.events) == ["a"] * 3 + ["b"] * 3
    ((name, moment),) = [(n, m) for n, m in found if m.events]
    assert (
        name == "broken" and moment.events[0].kind == "source_lost" and "no camera" in moment.events[0].text
    )
    with pytest.raises(DataError, match="no camera"):
        list(household.watch_home(Home({n: cameras["a"] for n in ("broken",)}), lambda: None, None))  # type: ignore[arg-type,return-value]
    stopped = household.watch_home(Home(cameras), lambda: None, None)  # type: ignore[arg-type,return-value]
    next(stopped)
    stopped.close()  # nobody waits for ever


@pytest.mark.slow
@pytest.mark.skipif(not VIDEOS.is_dir(), reason="the real videos are not here")
def test_two_real_videos_by_one_configuration(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    log, file = tmp_path / "log.db", tmp_path / "home.yaml"
    text = HOME.format(log=log, source=VIDEOS / "fall_trip.mp4", other=VIDEOS / "sign_yes.mkv")
    file.write_text(
        text.replace("fps: 5\n    zones", "fps: 0\n    zones").replace(
            "[[0, 0.5], [0.5, 0.5], [0.5, 1], [0, 1]]", "[[0, 0], [0.01, 0], [0, 0.01]]"
        )
    )
    assert run(["monitor", "--config", str(file), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["alarms"] == 1 and {e.source for e in read_log(log) if e.is_alarm} == {"living room"}
    file.write_text(
        text.replace("fps: 5\n    zones", "fps: 0\n    zones").replace(
            "[[0, 0.5], [0.5, 0.5], [0.5, 1], [0, 1]]", "[[0, 0], [1, 0], [1, 1], [0, 1]]"
        )
    )
    assert run(["monitor", "--config", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["alarms"] == 0  # the whole picture is a sofa
    assert run(["monitor", "--config", str(file), "--overlay", str(tmp_path / "o.mp4")]) == 2
    assert run(["monitor", "0", "--config", str(file)]) == 2
