"""Identities on synthetic people, and the smoothing filter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from skelact.pose.smoothing import OneEuro, smooth_track
from skelact.pose.tracking import PoseTracker, Sighting, box_overlap, drop_duplicates, pose_distance

BODY = np.random.default_rng(3).uniform([-30, -90], [30, 90], (33, 2))


def person(x: float, y: float = 200.0, score: float = 0.9, look: np.ndarray | None = None) -> Sighting:
    return Sighting(BODY + [x, y], np.full(33, score), look)


def follow(tracker: PoseTracker, seen: list[Sighting], time: float) -> dict[int, Sighting]:
    """One frame; whoever is not known begins a track."""
    pairs = tracker.update(seen, time)
    known = {id(s) for _, s in pairs}
    pairs += [(tracker.resume(s, time) or tracker.add(s, time), s) for s in seen if id(s) not in known]
    return {t.id: s for t, s in pairs}


def test_overlap_and_distance() -> None:
    assert box_overlap(np.array([0, 0, 2, 2]), np.array([1, 1, 3, 3])) == pytest.approx(1 / 7)
    assert box_overlap(np.array([0, 0, 1, 1]), np.array([2, 2, 3, 3])) == 0
    a = person(0).points
    assert pose_distance(a, a + [18, 0]) == pytest.approx(18 / np.ptp(a, axis=0).max())


def test_duplicates_are_dropped_but_neighbours_kept() -> None:
    kept = drop_duplicates([person(100, score=0.7), person(104, score=0.9), person(180)])
    assert sorted((s.points.mean(0)[0] - BODY.mean(0)[0]) for s in kept) == pytest.approx([104, 180])


def test_bodies_that_share_a_head_are_one_person() -> None:
    one = person(100, score=0.9)
    half = one.points.copy()  # the body drawn up to half its height
    half[5:, 1] = half[5:, 1].min() + (half[5:, 1] - half[5:, 1].min()) / 2
    other = Sighting(half, np.full(33, 0.5))
    assert pose_distance(one.points, other.points) > 0.12
    assert drop_duplicates([one, other], 0.02) == [one]
    apart = Sighting(half + np.r_[np.full(5, 20), np.zeros(28)][:, None], other.score)  # cheek to cheek
    assert len(drop_duplicates([one, apart], 0.02)) == 2
    unseen = Sighting(half, np.r_[np.zeros(5), np.full(28, 0.5)])
    assert len(drop_duplicates([one, unseen], 0.02)) == 2


def doubtful(x: float) -> Sighting:
    return replace(person(x, score=0.95), sure=False)


def test_doubtful_sightings_continue_whom_no_sure_one_does() -> None:
    tracker = PoseTracker()
    assert tracker.update([doubtful(100)], 0.0) == []
    here, there = tracker.add(person(100), 0.0), tracker.add(person(300), 0.0)
    near, sure, far = doubtful(100), person(108), doubtful(300)
    pairs = tracker.update([near, sure, far], 0.1)
    assert {track.id: id(one) for track, one in pairs} == {here.id: id(sure), there.id: id(far)}


def test_of_two_that_are_one_the_sure_one_is_kept() -> None:
    sure = person(102, score=0.4)
    assert drop_duplicates([doubtful(100), sure]) == [sure]


def test_two_people_who_cross_keep_their_identities() -> None:
    tracker = PoseTracker()
    red, blue = np.zeros(48), np.zeros(48)
    red[0], blue[20] = 1, 1
    for i in range(60):
        seen = [person(100 + 6 * i, look=red), person(454 - 6 * i, look=blue)]
        if abs(seen[0].points[0, 0] - seen[1].points[0, 0]) < 30:
            seen = seen[:1]  # one hides the other
        found = follow(tracker, seen[::-1] if i % 2 else seen, i / 30)
        if i == 0:
            first = {m: s.look.argmax() for m, s in found.items()}
        for m, s in found.items():
            assert first[m] == s.look.argmax()
    assert len(first) == 2


def test_occlusion_and_keeping() -> None:
    tracker = PoseTracker(keep_seconds=2.0)
    for i in range(10):
        assert list(follow(tracker, [person(100 + i)], i / 30)) == [0]
    follow(tracker, [], 1.0)
    assert list(follow(tracker, [person(112)], 1.5)) == [0]  # back within two seconds
    follow(tracker, [], 4.0)
    assert list(follow(tracker, [person(112)], 4.1)) == [1]  # too late


def test_somebody_else_somewhere_else_is_a_new_person() -> None:
    tracker = PoseTracker()
    follow(tracker, [person(100)], 0.0)
    assert sorted(follow(tracker, [person(100), person(400)], 0.1)) == [0, 1]
    assert sorted(follow(tracker, [person(400)], 0.2)) == [1]


def test_many_people_in_any_order() -> None:
    rng = np.random.default_rng(0)
    tracker = PoseTracker()
    places = np.arange(6) * 120.0
    names: dict[int, float] = {}
    for i in range(40):
        seen = [person(x + 8 * np.sin(0.3 * i + x), 200 + rng.normal(0, 2)) for x in places]
        order = rng.permutation(6)
        for m, s in follow(tracker, [seen[k] for k in order], i / 15).items():
            k = float(np.abs(places - (s.points.mean(0)[0] - BODY.mean(0)[0])).argmin())
            assert names.setdefault(m, k) == k
    assert len(names) == 6


# --- smoothing ---


def test_rest_is_calmed_and_fast_motion_kept() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(120) / 30
    still = np.tile(BODY, (120, 1, 1)) + rng.normal(0, 1.0, (120, 33, 2))
    score = np.ones((120, 33))
    calm = smooth_track(still, score, time)
    assert np.diff(calm, axis=0).std() < 0.35 * np.diff(still, axis=0).std()
    fast = np.tile(BODY, (120, 1, 1))
    fast[:, 0, 0] += 200 * np.sin(2 * np.pi * time)
    lag = np.abs(smooth_track(fast, score, time)[:, 0, 0] - fast[:, 0, 0]).max()
    assert lag < 40  # of a stroke of 400
    constant = smooth_track(np.tile(BODY, (120, 1, 1)), score, time)
    assert constant == pytest.approx(np.tile(BODY, (120, 1, 1)))


def test_stream_and_batch_give_the_same_numbers() -> None:
    rng = np.random.default_rng(1)
    time = np.cumsum(rng.uniform(0.01, 0.1, 80))
    xyz = rng.normal(0, 1, (80, 33, 3))
    score = rng.uniform(0.1, 1, (80, 33)) * (rng.random((80, 33)) > 0.2)
    stream = OneEuro()
    one_by_one = np.stack([stream(x, s, float(t)) for x, s, t in zip(xyz, score, time, strict=True)])
    assert np.array_equal(one_by_one, smooth_track(xyz, score, time))


def test_missing_stays_missing_and_a_gap_starts_anew() -> None:
    xyz = np.tile(BODY, (40, 1, 1)).astype(np.float32)
    xyz[20:] += 500
    score = np.ones((40, 33), np.float32)
    score[10:20, 5] = 0
    xyz[10:20, 5] = 0
    time = np.arange(40) / 30
    out = smooth_track(xyz, score, time)
    assert (out[10:20, 5] == 0).all()
    assert out[20, 5] == pytest.approx(xyz[20, 5])  # no trace of where it was before the gap
    assert np.abs(out[20, 6] - xyz[20, 6]).max() > 1  # the others glide there


def test_hardly_visible_joints_move_more_slowly() -> None:
    xyz = np.tile(BODY, (3, 1, 1))
    xyz[1:] += 5
    sure = smooth_track(xyz, np.ones((3, 33)), np.arange(3) / 30)
    unsure = smooth_track(xyz, np.full((3, 33), 0.1), np.arange(3) / 30)
    assert (np.abs(unsure[1] - BODY) < np.abs(sure[1] - BODY)).all()


def test_units_do_not_matter() -> None:
    rng = np.random.default_rng(2)
    xyz = np.tile(BODY, (30, 1, 1)) + rng.normal(0, 3, (30, 33, 2))
    score, time = np.ones((30, 33)), np.arange(30) / 30
    assert smooth_track(xyz / 480, score, time) * 480 == pytest.approx(smooth_track(xyz, score, time))
