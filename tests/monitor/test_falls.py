"""Falls, floors and getting up again, by people whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bodies import Way, scene

from skelact.datasets.synthetic.body import LAYOUT, J
from skelact.datasets.synthetic.everyday import falls, gestures, moves
from skelact.datasets.synthetic.everyday.generate import FPS
from skelact.datasets.synthetic.everyday.postures import lying
from skelact.io.falls import iter_ur_fall
from skelact.monitor.falls import FallEvent, FallSettings, FallWatch
from skelact.monitor.ground import Ground
from skelact.monitor.replay import replay

UR_FALL = Path(__file__).parents[3] / "shared" / "data" / "urfd-pose" / "pose_urfd_3classes.csv"
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
        np.concatenate([standing, lying]), FallSettings(long_on_floor=0, plunge=99, plunge_head=99, descent=0)
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
    settings = FallSettings(plunge=99, plunge_head=99, descent=0)
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
            assert one.ground.known or "not known" in events[1].describe()
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


def test_falls_are_known_by_how_long_the_way_down_takes() -> None:
    """Without speeds: a fall is down in a moment, who squats is not."""
    blind = FallSettings(plunge=99, plunge_head=99)
    xyz, _, end, _ = scene(falls.fall_over, 2)
    assert [e.kind for e in watch(xyz, blind)[0]][:2] == ["suspected_fall", "fall"]
    assert watch(xyz, FallSettings(plunge=99, plunge_head=99, descent=0.0))[0] == []
    slow = np.concatenate([xyz[: round((end - 1.5) * FPS)], np.repeat(xyz[round((end - 1.5) * FPS) :], 4, 0)])
    assert watch(slow, blind)[0] == []


def test_speeds_are_those_of_a_body_of_usual_size() -> None:
    """Where metres are guessed (without depth), everything may be a third too small."""
    xyz, _, _, _ = scene(falls.fall_over, 1)
    for share in (0.35, 0.66, 1.5):
        for other in (FallSettings(descent=0.0, plunge=99.0), FallSettings(descent=0.0, plunge_head=99.0)):
            kinds = [e.kind for e in watch(xyz * share, other)[0]]
            assert kinds[:2] == ["suspected_fall", "fall"], (share, other)
    small = scene(moves.sit_down, 2)[0] * 1.5
    assert watch(small)[0] == []


def test_a_floor_under_the_feet_of_who_sits() -> None:
    """Nobody has stood yet when somebody falls off a chair; of poses without depth."""
    xyz, _, end, _ = scene(moves.sit_down, 3, rest=2.0)
    deep = xyz[round(end * FPS) :]
    sitting = deep.copy()
    sitting[..., 2] = 3.0
    one = FallWatch(LAYOUT, Ground(LAYOUT))
    for t, joints in enumerate(deep):
        one.see(joints, SEEN, t / FPS)
    assert not one.ground.known
    one = FallWatch(LAYOUT, Ground(LAYOUT))
    for t, joints in enumerate(sitting):
        assert one.see(joints, SEEN, t / FPS) == []
    assert one.ground.floor is None and one.ground.known
    feet = sitting[-1, [J["left_ankle"], J["right_ankle"]]].mean(0)
    assert one.ground.height(feet) == pytest.approx(0.08, abs=0.05)
    assert one.evidence is not None and not one.evidence.floor_unknown
    up = one.ground.up
    hips = sitting[-1, J["mid_hip"]]
    turn = np.array([0.0, 0.0, 1.0])  # over sideways, about the hips, and down
    events = []
    for k in range(45):
        share = min(1.0, k / 12)
        lying = hips + (sitting[-1] - hips) @ _rotation(turn, 85 * share).T - 0.38 * share * up
        lying[:, 2] = 3.0
        events += one.see(lying, SEEN, (len(sitting) + k) / FPS)
    assert [e.kind for e in events] == ["suspected_fall", "fall"]


def _rotation(axis: np.ndarray, degrees: float) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis)).as_matrix()


def test_a_frame_that_is_wrong_changes_nothing() -> None:
    xyz, rest = fallen()
    broken = xyz.copy()
    broken[rest - 12 :: 3] = xyz[10]  # every third shows them upright
    assert [e.kind for e in watch(broken)[0]] == ["suspected_fall", "fall"]
    assert [e.kind for e in watch(broken, FallSettings(glitch=0.0))[0]] == []


def test_somebody_far_away_is_not_taken_for_who_fell() -> None:
    xyz, rest = fallen()
    swapped = xyz.copy()
    there = slice(rest - 6, rest + 8)
    swapped[there] = xyz[10] + [
        2.5,
        0,
        0,
    ]  # a second person, or a coat, under the same name for half a second
    one = FallWatch(LAYOUT, Ground(LAYOUT))
    places = []
    for t, joints in enumerate(swapped):
        one.see(joints, SEEN, t / FPS)
        places.append(one.place[0])
    assert max(places[there]) < xyz[10][J["mid_hip"]][0] + 1.5
    moved = xyz[:80] + np.where(np.arange(80) < 40, 0.0, 2.5)[:, None, None] * np.array([1.0, 0, 0])
    _, one = watch(moved)  # who stays there is believed after a second
    assert one.place[0] == pytest.approx(moved[-1, J["mid_hip"], 0], abs=0.1)


def test_who_is_up_when_the_verification_is_over_gives_no_alarm() -> None:
    xyz, _, end, camera = scene(falls.fall_over, 2, rest=2.0)
    rest, hips, above = round(end * FPS) + 10, J["mid_hip"], camera.rotation() @ [0.0, 1.0, 0.0]
    way = xyz[rest, hips] - xyz[20, hips]
    up = np.repeat(xyz[20:21] + way - way @ above * above, 60, 0)  # where they lay
    events, _ = watch(np.concatenate([xyz[: rest + 1], up]), FallSettings(verify=1.0, risen_seconds=1.5))
    assert [e.kind for e in events] == ["suspected_fall", "recovered"]


def test_a_plunge_may_come_after_somebody_is_low() -> None:
    """Who slides off a chair is low before the hips come down."""
    xyz, rest = fallen()
    low = xyz[rest + 10]
    up = Ground(LAYOUT).up
    one = FallWatch(LAYOUT, Ground(LAYOUT), FallSettings(descent=0.0, plunge_head=99))
    events: list[FallEvent] = []
    share = np.linspace(0, 1, 80)[:, None, None]
    down = xyz[79] * (1 - share) + (low + 0.25 * up) * share  # in four seconds
    still = np.repeat(low[None] + 0.25 * up, 10, 0)
    drop = low[None] + up * np.linspace(0.25, 0, 5)[:, None, None]
    for t, joints in enumerate(np.concatenate([xyz[:80], down, still])):
        events += one.see(joints, SEEN, t / FPS)
    assert events == [] and one.state == "on_floor"
    for t, joints in enumerate(np.concatenate([drop, np.repeat(low[None], 40, 0)])):
        events += one.see(joints, SEEN, (170 + t) / FPS)
    assert [e.kind for e in events][:2] == ["suspected_fall", "fall"]


@pytest.mark.slow
def test_a_source_that_ends_while_somebody_falls() -> None:
    xyz, _, end, _ = scene(falls.fall_over, 2)
    found = [watch(xyz[: round((end + share) * FPS)])[1].finish(end + share) for share in (-0.6, 0.0, 0.1)]
    assert [[e.kind for e in events] for events in found] == [[], ["fall"], ["fall"]]
    stands, _, _, _ = scene(gestures.pick_up, 2)
    for t in range(60, len(stands), 10):
        one = watch(stands[:t])[1]
        assert one.finish(t / FPS) == [], t


@pytest.mark.skipif(not UR_FALL.is_file(), reason="the real recordings are not here")
def test_real_falls_without_depth() -> None:
    """By physical evidence alone, without the network; the network's word finds the last one."""
    replayed = list(replay(iter_ur_fall(UR_FALL), lambda one: one.id))
    missed = [one.recording.id for one in replayed if not any(e.kind == "fall" for e in one.events)]
    assert len(replayed) == 30 and set(missed) <= {"fall-20"}
    late = []
    for one in replayed:
        names = list(one.recording.frame_labels or [])
        alarm = next((e.time for e in one.events if e.kind == "fall"), None)
        if alarm is not None:
            late.append(alarm - names.index("fallen") / one.recording.fps)
    assert np.median(late) < 1.5 and np.mean(np.array(late) < 2.0) > 0.95


def test_a_source_that_ends_in_broken_frames_gives_no_alarm() -> None:
    """Sensors end recordings with bodies that have collapsed in a frame or two."""
    xyz, rest = fallen()
    for n in (1, 2):
        _, one = watch(np.concatenate([xyz[:80], np.repeat(xyz[rest : rest + 1], n, 0)]))
        assert one.finish((80 + n) / FPS) == [], n
    long = np.concatenate([xyz[:80], np.repeat(xyz[rest : rest + 1], 4, 0)])
    assert [e.kind for e in watch(long)[1].finish(84 / FPS)] == ["fall"]
