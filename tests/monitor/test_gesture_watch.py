"""Taught gestures on the monitor: named, logged, taught from the page's request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gesture_recordings import recordings, stream

from skelact.errors import ConfigError
from skelact.monitor.gestures import Gestures, GestureWatch, SharedVocabulary
from skelact.monitor.watch import Watch, WatchSettings
from skelact.pose.estimator import Detection
from skelact.recognition.taught import Vocabulary
from skelact.recognition.taught_examples import make_example
from skelact.skeleton import Skeleton

CLIPS = recordings(3, 6)


@pytest.fixture
def shared(tmp_path: Path) -> SharedVocabulary:
    vocabulary = Vocabulary(false_per_hour=120)
    for name in ("out", "wave"):
        vocabulary.add(name, [make_example(clip) for clip in CLIPS[name][:3]], strict=False)
    for gesture in vocabulary.gestures.values():
        gesture.threshold = min(gesture.threshold, 0.8)
    vocabulary.save(tmp_path / "v.safetensors")
    return SharedVocabulary(tmp_path / "v.safetensors")


def play(watch: GestureWatch, whole: Skeleton, track: int = 4, begin: float = 0.0) -> list:
    found = []
    for t in range(whole.n_frames):
        found += watch.see({track: (whole.xyz[0, t], whole.score[0, t])}, begin + t / whole.fps)
    return found


def test_gestures_become_events(shared: SharedVocabulary) -> None:
    whole, spans = stream([CLIPS["out"][3], CLIPS["wave"][4]])
    watch = GestureWatch("hall", whole.layout, shared, wall=1000.0)
    events = play(watch, whole)
    assert [(e.kind, e.label, e.person, e.source) for e in events] == [
        ("gesture", "out", 4, "hall"), ("gesture", "wave", 4, "hall"),
    ]  # fmt: skip
    for event, (begin, end) in zip(events, spans, strict=True):
        assert begin < event.end < end + 0.35 and event.wall == 1000.0 + event.start
        assert 0 < event.score <= 1 and not event.is_alarm and event.text == f"gesture {event.label}"
    last = events[-1].end
    shown = watch.current(4, last + 1.0)
    assert shown is not None and shown[0] == "wave"
    assert watch.current(4, last + 5.0) is None and watch.current(5, last) is None
    watch.leave(4)
    assert watch.current(4, last) is None


def test_two_people_are_told_apart(shared: SharedVocabulary) -> None:
    whole, _ = stream([CLIPS["out"][3]])
    other, _ = stream([CLIPS["wave"][3]])
    watch, events = GestureWatch("hall", whole.layout, shared), []
    for t in range(min(whole.n_frames, other.n_frames)):
        both = {1: (whole.xyz[0, t], whole.score[0, t]), 2: (other.xyz[0, t], other.score[0, t])}
        events += watch.see(both, t / 16)
    assert sorted((e.person, e.label) for e in events) == [(1, "out"), (2, "wave")]
    assert all(e.wall is None for e in events)


def teach(watch: GestureWatch, clip: Skeleton, name: str, begin: float) -> None:
    watch.record(4, name, clip.n_frames / clip.fps - 0.1)
    play(watch, clip, begin=begin)


def test_a_gesture_is_taught_by_three_examples(shared: SharedVocabulary) -> None:
    gestures = Gestures(shared)
    watch = gestures.watch("hall", CLIPS["up"][0].layout, None)
    for k in range(3):
        assert "up" not in Vocabulary.load(shared.path).names
        teach(watch, CLIPS["up"][k], "up", 10.0 * k)
        if k < 2:
            assert gestures.status()["waiting"] == {"up": k + 1}
            assert f"example {k + 1} recorded" in gestures.status()["said"]
    status = gestures.status()
    assert (
        status["gestures"] == {"out": 3, "wave": 3, "up": 3}
        and status["waiting"] == {}
        and status["version"] == 3
    )
    assert "taught with 3 examples" in status["said"]
    assert Vocabulary.load(shared.path).names == ["out", "wave", "up"]
    teach(watch, CLIPS["up"][4], "up", 50.0)
    assert len(Vocabulary.load(shared.path).gestures["up"].examples) == 4
    with shared.lock:
        shared.vocabulary.gestures["up"].threshold = 0.8
    whole, _ = stream([CLIPS["up"][5]])
    assert "up" in [e.label for e in play(watch, whole, begin=100.0)]


def test_a_new_file_is_made(tmp_path: Path) -> None:
    shared = SharedVocabulary(tmp_path / "new.safetensors")
    watch = GestureWatch("hall", CLIPS["up"][0].layout, shared)
    for k in range(3):
        teach(watch, CLIPS["out"][k], "out", 10.0 * k)
    assert Vocabulary.load(tmp_path / "new.safetensors").names == ["out"]


def test_what_cannot_be_taught_is_said(shared: SharedVocabulary) -> None:
    before = shared.path.read_bytes()
    gestures = Gestures(shared)
    with pytest.raises(ConfigError, match="no pictures yet"):
        gestures.record("hall", 4, "up", 2.0)
    watch = gestures.watch("hall", CLIPS["up"][0].layout, None)
    for seconds in (0.1, 60.0, float("nan")):
        with pytest.raises(ConfigError, match=r"0\.5 to 8 seconds"):
            gestures.record("hall", 4, "up", seconds)
    with pytest.raises(ConfigError, match="1 to 60 characters"):
        gestures.record("hall", 4, " \n ", 2.0)
    gestures.record("hall", 4, "up", 2.0)
    with pytest.raises(ConfigError, match="is being recorded"):
        gestures.record("hall", 4, "up", 2.0)
    assert gestures.status()["recording"] == [{"camera": "hall", "person": 4, "gesture": "up"}]
    for t in range(30):  # somebody else is seen
        watch.see({9: (CLIPS["up"][0].xyz[0, 0], CLIPS["up"][0].score[0, 0])}, t / 16)
    status = gestures.status()
    assert status["recording"] == [] and "not seen any more" in status["said"]
    unseen = CLIPS["up"][0].with_(score=np.zeros_like(CLIPS["up"][0].score))
    teach(watch, unseen, "up", 10.0)
    assert "a wrist or hand is seen on 0 of" in gestures.status()["said"]
    for k in range(3):
        teach(watch, CLIPS["out"][3 + k], "reach", 30.0 + 10 * k)
    assert "too like 'out'" in gestures.status()["said"] and gestures.status()["waiting"] == {}
    assert shared.path.read_bytes() == before


class Seen:
    """An estimator that sees what a recording shows."""

    unit, follows = "m", True

    def __init__(self, whole: Skeleton) -> None:
        self.whole, self.layout, self.next = whole, whole.layout, 0

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        xyz, score = self.whole.xyz[0, self.next], self.whole.score[0, self.next]
        self.next += 1
        half = np.tan(np.radians(30))
        xy = 0.5 - xyz[:, :2] / np.maximum(xyz[:, 2:], 0.3) / [2 * half, 1.5 * half]
        hips = xyz[[self.layout.index["left_hip"], self.layout.index["right_hip"]]].mean(0)
        return [Detection(xyz - hips, score, xy, 4)]

    def close(self) -> None:
        pass


def test_a_watched_source_names_gestures(shared: SharedVocabulary) -> None:
    whole, _ = stream([CLIPS["out"][3]])
    estimator = Seen(whole)
    gestures = Gestures(shared)
    watch = Watch(
        "hall", estimator, (640, 480), settings=WatchSettings(falls=None),
        gestures=gestures.watch("hall", whole.layout, None),
    )  # fmt: skip
    image = np.zeros((480, 640, 3), np.uint8)
    moments = [watch.see(image, t / whole.fps) for t in range(whole.n_frames)]
    events = [e for m in moments if m is not None for e in m.events]
    assert [(e.kind, e.label, e.person) for e in events] == [("gesture", "out", 4)]
    shown = [m.gestures.get(4) for m in moments if m is not None]
    assert shown[0] is None and any(one is not None and one[0] == "out" for one in shown)
