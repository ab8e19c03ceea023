"""Falls, floors and getting up again, by people whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from bodies import Way, scene

from skelact.datasets.synthetic.body import LAYOUT, J
from skelact.datasets.synthetic.everyday import falls, gestures, moves
from skelact.datasets.synthetic.everyday.generate import FPS
from skelact.datasets.synthetic.everyday.postures import lying
from skelact.monitor.falls import FallEvent, FallSettings, FallWatch
from skelact.monitor.ground import Ground

SEEN = np.ones(len(LAYOUT))


def watch(xyz: np.ndarray, settings: FallSettings | None = None) -> tuple[list[FallEvent], FallWatch]:
    """What happens to somebody, frame by frame."""
    one = FallWatch(LAYOUT, Ground(LAYOUT), settings)
    events = [event for t, joints in enumerate(xyz) for event in one.see(joints, SEEN, t / FPS)]
    return events, one


def test_floor_and_gravity_are_learned_from_who_walks() -> None:
    for number in range(6):
        xyz, begin, _, camera = scene(moves.walk, number)
        ground = Ground(LAYOUT)
        assert ground.floor is None
        for t in range(round(begin * FPS)):
            ground.see(xyz[t], SEEN, t / FPS)
        up = camera.rotation() @ [0.0, 1.0, 0.0]
        assert np.degrees(np.arccos(min(1, ground.up @ up))) < 3, number
        assert ground.floor is not None
        assert ground.height(camera.view(np.zeros(3))) == pytest.approx(0, abs=0.12), number


def test_who_lies_is_no_floor() -> None:
    """Somebody lying along the camera's view is straight, but far from upright."""
    xyz, _, end, _ = scene(falls.fall_over, 1)
    ground = Ground(LAYOUT)
    for t in range(round(end * FPS) + 5, len(xyz)):
        ground.see(xyz[t], SEEN, t / FPS)
    assert ground.floor is None


@pytest.mark.parametrize("way", [falls.fall_over, falls.collapse], ids=["fall_over", "collapse"])
def test_falls_are_alarmed_soon(way: Way) -> None:
    found, delays = 0, []
    for number in range(12):
        xyz, begin, end, _ = scene(way, number)
        events, _ = watch(xyz)
        kinds = [e.kind for e in events if e.time >= begin]
        if kinds[:2] == ["suspected_fall", "fall"]:
            found += 1
            delays.append(next(e.time for e in events if e.kind == "fall") - end)
            alarm = next(e for e in events if e.kind == "fall")
            assert (
                alarm.plunge > 0.9
                and alarm.evidence.hips_share < 0.45
                and "above the floor" in alarm.describe()
            )
        assert not [e for e in events if e.time < begin]
    assert found >= 11 and np.median(delays) < 2.0


@pytest.mark.parametrize(
    "way",
    [moves.walk, moves.sit_down, moves.jump, gestures.pick_up, gestures.stumble, gestures.other, moves.crawl],
    ids=lambda way: way.__name__,
)
def test_nobody_is_woken_for_daily_life(way: Way) -> None:
    for number in range(6):
        events, one = watch(scene(way, number)[0])
        assert [e.kind for e in events] == [] and one.state in ("upright", "falling", "cannot_judge"), number


def fallen(number: int = 2) -> tuple[np.ndarray, int]:
    """A fall that is alarmed, and the frame in which the body has come to rest."""
    xyz, _, end, _ = scene(falls.fall_over, number, rest=2.0)
    return xyz, round(end * FPS) + 10


def test_getting_up_in_time_cancels_and_later_recovers() -> None:
    xyz, rest = fallen()
    up = xyz[:60]
    events, one = watch(np.concatenate([xyz[: rest + 2], up]), FallSettings(verify=5.0))
    assert [e.kind for e in events] == ["suspected_fall", "recovered"] and one.state == "upright"
    events, _ = watch(np.concatenate([xyz, up]), FallSettings(verify=0.5))
    assert [e.kind for e in events] == ["suspected_fall", "fall", "recovered"]


def test_one_alarm_for_one_fall() -> None:
    xyz, _ = fallen()
    events, _ = watch(np.concatenate([xyz, np.repeat(xyz[-1:], 60 * 20, 0)]))
    assert [e.kind for e in events] == ["suspected_fall", "fall"]


def test_long_on_the_floor_without_a_fall_that_was_seen() -> None:
    xyz, rest = fallen()
    standing, lying = xyz[:80], np.repeat(xyz[rest + 20 : rest + 21], 25 * 20, 0)
    one = FallWatch(LAYOUT, Ground(LAYOUT), FallSettings(long_on_floor=10.0))
    events: list[FallEvent] = []
    for t, joints in enumerate(standing):
        events += one.see(joints, SEEN, t / FPS)
    for t in range(100):  # out of sight meanwhile
        events += one.see(None, None, len(standing) / FPS + t / FPS)
    assert one.state == "cannot_judge"
    for t, joints in enumerate(lying):
        events += one.see(joints, SEEN, 60 + t / FPS)
    assert [e.kind for e in events] == ["long_on_floor"]
    assert events[0].time - 60 == pytest.approx(10, abs=0.2)
    quiet = watch(
        np.concatenate([standing, lying]), FallSettings(long_on_floor=0, plunge=99, plunge_head=99)
    )[0]
    assert quiet == []


def test_alarms_go_on_when_the_person_is_lost_on_the_floor() -> None:
    xyz, rest = fallen()
    one = FallWatch(LAYOUT, Ground(LAYOUT), FallSettings(verify=6.0))
    events = [e for t in range(rest + 3) for e in one.see(xyz[t], SEEN, t / FPS)]
    assert [e.kind for e in events] == ["suspected_fall"]
    later = [e for t in range(rest + 3, rest + 140) for e in one.see(None, None, t / FPS)]
    assert [e.kind for e in later] == ["fall"]


def test_a_network_that_sees_a_fall_counts_like_a_plunge() -> None:
    xyz, rest = fallen()
    slow = np.concatenate([xyz[:80], xyz[rest + 15 : rest + 16].repeat(60, 0)])
    settings = FallSettings(plunge=99, plunge_head=99)
    assert watch(slow, settings)[0] == []
    one = FallWatch(LAYOUT, Ground(LAYOUT), settings)
    events = [
        e for t, joints in enumerate(slow) for e in one.see(joints, SEEN, t / FPS, 0.9 if t > 70 else 0.0)
    ]
    assert [e.kind for e in events] == ["suspected_fall", "fall"]


def test_before_the_floor_is_known_a_drop_is_judged() -> None:
    found = 0
    for number in range(8):
        xyz, begin, _, _ = scene(falls.fall_over, number)
        events, one = watch(xyz[max(0, round(begin * FPS) - 8) :])
        if [e.kind for e in events][:2] == ["suspected_fall", "fall"]:
            found += 1
            assert one.ground.floor is not None or "not known" in events[1].describe()
    assert found >= 6
    for way in (moves.sit_down, gestures.pick_up, gestures.wave, moves.stay(lying)):
        for number in range(5):
            xyz, begin, _, _ = scene(way, number, rest=0.5)
            events, one = watch(xyz[round(begin * FPS) :])
            assert [e.kind for e in events if e.kind != "suspected_fall"] == [], number


def test_the_end_of_the_source_does_not_swallow_an_alarm() -> None:
    xyz, rest = fallen()
    events, one = watch(xyz[: rest + 2], FallSettings(verify=9.0))
    assert [e.kind for e in events] == ["suspected_fall"]
    assert [e.kind for e in one.finish(99.0)] == ["fall"] and one.finish(99.0) == []
    assert watch(xyz[:60])[1].finish(3.0) == []


def test_who_vanishes_while_falling_is_told_about() -> None:
    """Estimators lose people who fall towards the camera."""
    xyz, begin, end, _ = scene(falls.fall_over, 2)
    one = FallWatch(LAYOUT, Ground(LAYOUT))
    events: list[FallEvent] = []
    for t in range(len(xyz)):
        low = one._low_since is not None
        seen = t < begin * FPS or not low
        events += one.see(xyz[t], SEEN, t / FPS) if seen else one.see(None, None, t / FPS)
    assert [e.kind for e in events] == ["suspected_fall", "fall"]
    assert events[1].time - end < 3.0


def test_who_lies_flat_with_hips_seen_too_high_is_on_the_floor() -> None:
    xyz, _, end, camera = scene(falls.fall_over, 5)
    rest = round(end * FPS) + 8
    up = camera.rotation() @ [0.0, 1.0, 0.0]
    standing = xyz[10, J["mid_hip"]] @ up - camera.view(np.zeros(3)) @ up
    lifted = xyz.copy()
    lifted[rest - 12 :] += 0.4 * standing * up
    assert [e.kind for e in watch(lifted)[0]][:2] == ["suspected_fall", "fall"]
    assert watch(lifted, FallSettings(flat=180.0))[0] == []
