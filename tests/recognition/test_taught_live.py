"""Gestures spotted as frames come: soon after their end, once each, and not in idle movement."""

from __future__ import annotations

import numpy as np
import pytest
from gesture_recordings import recordings, stream

from skelact.errors import ConfigError, LayoutError
from skelact.layouts import SkeletonLayout
from skelact.recognition.taught import Vocabulary
from skelact.recognition.taught_examples import make_example
from skelact.recognition.taught_live import LiveGestures, spot_gestures

CLIPS = recordings(3, 6)


@pytest.fixture(scope="module")
def three() -> Vocabulary:
    vocabulary = Vocabulary(false_per_hour=120)
    for name in CLIPS:
        vocabulary.add(name, [make_example(clip) for clip in CLIPS[name][:3]], strict=False)
    for gesture in (
        vocabulary.gestures.values()
    ):  # what is tested is when a gesture is told, not how sure the encoder is
        gesture.threshold = min(gesture.threshold, 0.8)
    return vocabulary


def test_each_gesture_is_told_once_and_soon(three: Vocabulary) -> None:
    order = ["out", "wave", "out", "wave"]
    whole, spans = stream([CLIPS[name][3 + i % 3] for i, name in enumerate(order)])
    found = spot_gestures(three, whole)
    assert [one.name for one in found] == order
    for one, (begin, end) in zip(found, spans, strict=True):
        assert begin < one.decided <= end + 0.5  # the recordings end with hands at rest
        assert one.start < one.end <= one.decided <= one.end + 0.3 + 1e-6
        assert 0.5 < one.score <= 1


def test_resting_hands_tell_nothing(three: Vocabulary) -> None:
    whole, _ = stream([CLIPS["out"][3]], pause=6.0)
    n = round(5.5 * whole.fps)
    assert spot_gestures(three, whole.with_(xyz=whole.xyz[:, :n], score=whole.score[:, :n])) == []


def test_without_hands_nothing_is_asked(three: Vocabulary) -> None:
    live = LiveGestures(three, "pose_hands75")
    for t in range(60):
        assert live.push(t / 20, np.zeros((75, 3), np.float32), np.zeros(75, np.float32)) == []
    assert set(live.scores.values()) == {-1.0}


def test_frames_that_come_late_or_twice_are_left_out(three: Vocabulary) -> None:
    whole, _ = stream([CLIPS["out"][3]], pause=1.0)
    told = {}
    for doubled in (False, True):
        live, found = LiveGestures(three, whole.layout), []
        for t, (x, s) in enumerate(zip(whole.xyz[0], whole.score[0], strict=True)):
            for time in (t / 16, t / 16, t / 16 - 1) if doubled else (t / 16,):
                found += live.push(time, x, s)
        told[doubled] = found
    assert told[True] == told[False] != []


def test_another_person_begins_anew(three: Vocabulary) -> None:
    whole, _ = stream([CLIPS["out"][3]], pause=1.0)
    live = LiveGestures(three, whole.layout)

    def run() -> list:
        found = []
        for t, (x, s) in enumerate(zip(whole.xyz[0], whole.score[0], strict=True)):
            found += live.push(t / 16, x, s)
        return found

    first = run()
    live.reset()
    assert run() == first != []


def test_the_stride_says_how_often_is_asked(three: Vocabulary) -> None:
    whole, _ = stream([CLIPS["out"][3]], pause=1.0)
    asked = {}
    for stride in (0.1, 0.5):
        live, n = LiveGestures(three, whole.layout, stride=stride), 0
        for t, (x, s) in enumerate(zip(whole.xyz[0], whole.score[0], strict=True)):
            before = live._asked
            live.push(t / 16, x, s)
            n += live._asked != before
        asked[stride] = n
    assert asked[0.1] > 3 * asked[0.5]


def test_gestures_taught_meanwhile_are_spotted() -> None:
    vocabulary = Vocabulary(false_per_hour=120)
    vocabulary.add("wave", [make_example(clip) for clip in CLIPS["wave"][:3]], strict=False)
    whole, _ = stream([CLIPS["out"][4]], pause=1.0)
    live = LiveGestures(vocabulary, whole.layout)
    for t in range(8):
        live.push(t / 16, whole.xyz[0, t], whole.score[0, t])
    vocabulary.add("out", [make_example(clip) for clip in CLIPS["out"][:3]], strict=False)
    vocabulary.gestures["out"].threshold = 0.7
    found = []
    for t in range(8, whole.n_frames):
        found += live.push(t / 16, whole.xyz[0, t], whole.score[0, t])
    assert [one.name for one in found + live.finish()] == ["out"]


def test_many_gestures_share_a_few_windows() -> None:
    vocabulary = Vocabulary(false_per_hour=120)
    vocabulary.add("out", [make_example(clip) for clip in CLIPS["out"][:3]], strict=False)
    for k in range(8):
        gesture = vocabulary.gestures["out"]
        again = [type(e)(e.xyz, e.present, 0.5 * 1.35**k, e.layout) for e in gesture.examples]
        vocabulary.gestures[f"out{k}"] = type(gesture)(f"out{k}", again, 0.9)
    live = LiveGestures(vocabulary, "pose_hands75")
    assert len(live._lengths) == 6 and live._fits.any(0).all()
    assert (np.diff(live._lengths) > 0).all()


def test_what_cannot_be_spotted_is_said(three: Vocabulary) -> None:
    whole, _ = stream([CLIPS["out"][3]], pause=1.0)
    with pytest.raises(LayoutError, match="no whole hand"):
        spot_gestures(three, whole.converted("pose33"))
    with pytest.raises(ConfigError, match="empty"):
        spot_gestures(Vocabulary(), whole)
    with pytest.raises(LayoutError, match="no wrist or hand"):
        LiveGestures(three, SkeletonLayout("legs", ("mid_hip", "left_knee"), (-1, 0)))
