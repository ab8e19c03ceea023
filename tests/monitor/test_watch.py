"""From pictures to events: real videos through the real estimators, the log, and the commands."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from skelact.cli import run
from skelact.errors import ConfigError, DataError
from skelact.layouts import get_layout
from skelact.monitor.actions import LiveActions
from skelact.monitor.falls import FallEvent
from skelact.monitor.log import Event, EventLog, as_activitynet, as_csv, as_omnifall, read_log
from skelact.monitor.people import LivePeople
from skelact.monitor.sources import Notice, Picture, read_source
from skelact.monitor.watch import Watch, WatchSettings
from skelact.monitor.zones import Zone
from skelact.pose.estimator import Detection
from skelact.recognition import Recogniser

VIDEOS = Path(__file__).parents[3] / "shared" / "data" / "videos"
real = pytest.mark.skipif(not VIDEOS.is_dir(), reason="the real videos are not here")
POSE = get_layout("pose33")


def standing(shift: float = 0.0, track: int | None = 0) -> Detection:
    """Somebody of 1.7 m who stands 3 m before a camera of 60 degrees, as MediaPipe gives them."""
    from skelact.datasets.synthetic.body import J, forward_kinematics, make_body
    from skelact.datasets.synthetic.motion import STANDING, Actor, make_style
    from skelact.skeleton import Skeleton

    rng = np.random.default_rng(0)
    actor = Actor(make_body(rng, 1.7), make_style(rng), rng, 30.0)
    joints = forward_kinematics(actor.body, actor.pose(STANDING)[None])[0] * [-1, 1, -1]
    joints -= joints[J["mid_hip"]]
    body = Skeleton(joints[None, None].astype(np.float32), None, "ntu25", 30.0).converted("pose33")
    xyz, score = body.xyz[0, 0], body.score[0, 0]
    camera = xyz + [shift, -0.2, 3.0]
    half = np.tan(np.radians(30))
    xy = 0.5 - camera[:, :2] / camera[:, 2:] / [2 * half, 2 * half * 480 / 640]
    return Detection(xyz, score, xy.astype(np.float32), track)


class Told:
    """An estimator that gives what it is told."""

    layout, unit, follows = POSE, "m", True

    def __init__(self, script: dict[float, list[Detection]] | None = None) -> None:
        self.script = script

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        return [standing()] if self.script is None else self.script.get(round(time, 2), [])

    def close(self) -> None: ...


def test_people_are_placed_where_they_stand() -> None:
    people = LivePeople(POSE, (640, 480), 60.0)
    for t in range(10):
        people.see([standing(0.0, 0), standing(0.8, 1)], t / 30)
    one, other = people.here(9 / 30)
    hips = POSE.positions("left_hip", "right_hip")
    assert one.xyz is not None and other.xyz is not None
    assert one.xyz[hips].mean(0) == pytest.approx([0, -0.2, 3.0], abs=0.15)
    assert other.xyz[hips].mean(0)[0] - one.xyz[hips].mean(0)[0] == pytest.approx(0.8, abs=0.1)
    assert people.see([standing(0.0, 0)], 2.2) == [] and len(people.here(2.2)) == 1
    assert people.see([standing(0.0, 0)], 2.4) == [1] and list(people.people) == [0]
    assert len(people.people[0].past) <= 12
    recording = people.people[0].recording(POSE, 1.0, 30.0)
    assert recording is not None and recording.n_frames == 2 and recording.origin == "camera"


def test_an_estimator_of_another_unit_is_refused() -> None:
    other = Told()
    other.unit = "px"
    with pytest.raises(ConfigError, match="metres or in the picture"):
        Watch("x", other, (640, 480))
    other.unit = "image"
    assert Watch("x", other, (640, 480)).people.flat


def test_frames_are_left_out_and_the_rate_is_kept() -> None:
    watch = Watch("x", Told(), (640, 480), settings=WatchSettings(fps=10, falls=None))
    image = np.zeros((480, 640, 3), np.uint8)
    looked = [watch.see(image, t / 30) is not None for t in range(30)]
    assert sum(looked) == 10 and watch.finish() == []


def test_actions_are_asked_about_seldom_and_end_when_somebody_leaves() -> None:
    asked = []

    class Fixed:
        def __init__(self) -> None:
            self.card = type("Card", (), {"label_names": ["walk", "fall"], "clip_seconds": 2.4})()

    actions = LiveActions(Fixed(), stride=0.4, rounds=2)  # type: ignore[arg-type]
    answers = iter([[0.9, 0.1]] * 4 + [[0.1, 0.9]] * 6)

    def answer(person, people, fps) -> np.ndarray:
        asked.append(person.track)
        return np.array(next(answers))

    actions._answer = answer  # type: ignore[method-assign]
    people = LivePeople(POSE, (640, 480), 60.0)
    changes = []
    for t in range(130):
        people.see([standing()], t / 30)
        changes += actions.ask(people, t / 30, 30.0)
        if t == 60:
            assert actions.current(0) == ("walk", pytest.approx(0.9))
    assert len(asked) == 9  # from 0.8 s on, every 0.4 s
    (walk,) = changes
    assert walk.label == "walk" and walk.start == pytest.approx(0.4, abs=0.5) and walk.score > 0.5
    assert actions.probability(0, "fall") == 0.9 and actions.probability(0, "sleep") == 0.0
    (fall,) = actions.leave(0, 5.0)
    assert (fall.label, fall.start, fall.end) == ("fall", walk.end, 5.0) and actions.leave(0, 6.0) == []


def events() -> list[Event]:
    return [
        Event("door", "action", "walk", 1, 2.0, 5.0, None, 0.8, "walk for 3.0 s"),
        Event("door", "fall", "fall", 1, 5.5, 5.5, None, 1.0, "fall at 5.5 s"),
        Event("hall", "action", "sitting", 2, 0.0, 9.0, 1_700_000_000.0, 0.5),
    ]


def test_the_log_keeps_and_filters(tmp_path: Path) -> None:
    with EventLog(tmp_path / "a" / "log.db") as log:
        written = [log.add(e) for e in events()]
        assert [e.id for e in written] == [1, 2, 3]
        assert list(log.read()) == written
        assert [e.id for e in log.read(kinds=("fall",))] == [2] and [
            e.id for e in log.read(kinds=("sitting",))
        ] == [3]
        assert [e.id for e in log.read(source="door", since=5.2)] == [2]
        assert [e.id for e in log.read(until=1.0)] == [3]
    with EventLog(tmp_path / "a" / "log.db") as log:  # it is opened again, and goes on
        assert log.add(events()[0]).id == 4
    assert [e.is_alarm for e in written] == [False, True, False]
    (tmp_path / "no.db").write_text("this is no database at all, but long enough to look at" * 30)
    with pytest.raises(DataError, match="not a log"):
        EventLog(tmp_path / "no.db")
    with pytest.raises(DataError, match="--log"):
        read_log(tmp_path / "missing.db")


def test_exports() -> None:
    rows = as_csv(events()).splitlines()
    assert len(rows) == 4 and rows[2].split(",")[2:4] == ["fall", "fall"]
    results = json.loads(as_activitynet(events()))["results"]
    assert results["door"][0] == {"label": "walk", "score": 0.8, "segment": [2.0, 5.0]}
    assert as_omnifall(events()).splitlines()[1] == "door,walk,2.000,5.000,1,0,"


def test_events_are_listed_drawn_and_exported(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    log = tmp_path / "log.db"
    with EventLog(log) as open_log:
        for event in events():
            open_log.add(event)
    words = ["events", str(log), "--out", str(tmp_path / "e.json"), "--format", "json"]
    assert run([*words, "--timeline", str(tmp_path / "t.png")]) == 0
    assert "1 alarm" in capsys.readouterr().out and (tmp_path / "t.png").stat().st_size > 3000
    assert len(json.loads((tmp_path / "e.json").read_text())) == 3
    assert run(["events", str(log), "--kinds", "fall", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["events"]) == 1
    assert run(["events", str(log), "--since", "2023-11-14T00:00", "--json"]) == 0
    assert [e["source"] for e in json.loads(capsys.readouterr().out)["events"]] == ["hall"]
    assert run(["events", str(log), "--since", "yesterday"]) == 2
    assert run(["events", str(log), "--out", str(log)]) == 2
    assert run(["events", str(log), "--kinds", "jump", "--timeline", str(tmp_path / "u.png")]) == 2
    assert run(["events"]) == 2


def test_wrong_words_of_monitor(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for words, said in (
        ([], "name a source or a configuration"), (["v.mp4", "--fps", "-1"], "fps must not be below 0"),
        (["v.mp4", "--fov", "200"], "field of view"),
        (["missing.mp4"], "missing.mp4"), (["v.mp4", "--overlay", "x.txt"], "overlay"),
    ):  # fmt: skip
        assert run(["monitor", *words]) != 0
        assert said in capsys.readouterr().err


@real
def test_a_fall_is_alarmed_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    log, film = tmp_path / "log.db", tmp_path / "film.mp4"
    words = ["monitor", str(VIDEOS / "fall_trip.mp4"), "--log", str(log), "--overlay", str(film), "--json"]
    assert run(words) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["frames"] == 49 and result["alarms"] == 1
    kinds = [e.kind for e in read_log(log)]
    assert kinds.count("fall") == 1 and "suspected_fall" in kinds
    assert {e.label for e in read_log(log) if e.kind == "action"} <= {
        "walk",
        "fall",
        "fallen",
        "jump",
        "other",
        "lying",
    }
    with av.open(str(film)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 49


@real
def test_nobody_is_watched_where_nobody_is(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["monitor", str(VIDEOS / "no_whole_person.mp4"), "--seconds", "2", "--fps", "10", "--json"]
    assert run(words) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["events"] == [] and result["frames"] == pytest.approx(20, abs=2)


@real
def test_the_network_is_asked_as_for_recordings() -> None:
    """Live and from a file somebody is named alike."""
    actions = LiveActions(Recogniser("everyday"))
    people = LivePeople(POSE, (640, 480), 60.0)
    for t in range(60):
        people.see([standing()], t / 30)
        actions.ask(people, t / 30, 30.0)
    said = actions.current(0)
    assert said is not None and said[0] in ("standing", "phone", "other")


def test_a_live_source_is_lost_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest frames first, what was passed over is counted; a stream that ends is opened again."""
    from skelact.io.video import Frame
    from skelact.monitor import sources

    opened = []

    class Stream:
        def __init__(self, source, timeout=0.0, **_) -> None:
            opened.append(source)
            if len(opened) == 2:
                raise DataError("not there")

        def __iter__(self):
            for i in range(6):
                time.sleep(0.02)
                yield Frame(i, i / 30, np.full((4, 4, 3), i, np.uint8))

        def close(self) -> None: ...

    monkeypatch.setattr(sources, "open_video", Stream)
    items, begin = [], time.monotonic()
    for item in read_source("rtsp://camera/x", seconds=1.0, timeout=0.5, pauses=(0.05,)):
        items.append(item)
        if isinstance(item, Picture) and len(items) == 1:
            time.sleep(0.07)  # slower than the camera
    assert time.monotonic() - begin < 2.5
    notices = [item.kind for item in items if isinstance(item, Notice)]
    assert notices[:2] == ["source_lost", "source_back"] and len(opened) >= 3
    pictures = [item for item in items if isinstance(item, Picture)]
    assert sum(p.dropped for p in pictures[:4]) >= 2
    assert all(b.time > a.time for a, b in pairwise(pictures))


def test_a_live_source_that_was_never_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.monitor import sources

    def fails(*_: object, **__: object) -> None:
        raise DataError("no camera 7")

    monkeypatch.setattr(sources, "open_video", fails)
    with pytest.raises(DataError, match="no camera 7"):
        next(iter(read_source(7)))


def test_who_is_lost_on_the_floor_is_taken_up_again() -> None:
    """A track that is lost on the floor goes on under the next name near it, and is forgotten after a while."""
    watch = Watch("x", Told({}), (640, 480))
    image = np.zeros((480, 640, 3), np.uint8)

    def see(found: list[Detection], at: float) -> None:
        watch.estimator.script = {round(at, 2): found}  # type: ignore[attr-defined]
        watch.see(image, at)

    for t in range(5):
        see([standing(0.0, 0)], t / 10)
    one = watch._falls[0]
    one.state, one._risen_since = "on_floor", None
    see([], 3.0)
    assert list(watch.people.people) == [] and watch._falls[0] is one  # it is watched on
    see([standing(2.5, 1)], 3.1)
    assert watch._falls[1] is not one and watch._falls[0] is one  # somebody else, far away
    see([standing(0.3, 2)], 3.2)
    assert watch._falls[2] is one and 0 not in watch._falls
    one.state, one._risen_since = "on_floor", None
    see([], 400.0)
    assert 2 in watch._falls
    see([], 900.0)
    assert watch._falls == {}


def test_passwords_of_cameras_reach_no_event_and_no_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from skelact.monitor import watch as room

    address = "rtsp://ann:s3cret@camera/x"
    lost = Notice(1.0, "source_lost", f"{address}: nothing came")
    monkeypatch.setattr(room, "read_source", lambda *_: iter([lost]))
    (moment,) = room.watch_source(lambda size: Watch("x", Told(), size), address)
    assert moment.events[0].kind == "source_lost" and "camera/x" in moment.events[0].source
    assert "s3cret" not in repr(moment.events) + caplog.text


def test_a_falls_event_names_its_zone() -> None:
    everywhere = Zone([(0, 0), (1, 0), (1, 1), (0, 1)], "floor")
    watch = Watch("x", Told(), (640, 480), settings=WatchSettings(zones={"kitchen": everywhere}))
    for t in range(12):
        watch.see(np.zeros((480, 640, 3), np.uint8), t / 10)
    evidence = watch._falls[0].evidence
    assert evidence is not None
    event = watch._fall(0, FallEvent("fall", 1.0, evidence, 1.2))
    assert event.text.endswith(", in kitchen") and not watch._fall(
        5, FallEvent("fall", 1.0, evidence, 1.2)
    ).text.endswith("kitchen")
