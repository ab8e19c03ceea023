"""Several people with identities: MoveNet finds them and MediaPipe reads each, or MediaPipe looks alone."""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import ConfigError, DependencyError
from skelact.io.video import open_video
from skelact.pose.estimator import Detection, PoseEstimator
from skelact.pose.estimators import available_estimator, find_estimator
from skelact.pose.extract import extract_video
from skelact.pose.follower import Follower
from skelact.pose.search import COMMON, in_metres
from skelact.pose.several_people import SeveralPeople
from skelact.pose.tracking import Sighting


def look(estimator: PoseEstimator, path: Path, n: int, start: float = 0.0) -> list[list[Detection]]:
    with open_video(path, start=start) as video:
        return [
            estimator.estimate(frame.image, frame.time) for frame, _ in zip(video, range(n), strict=False)
        ]


@pytest.fixture
def everybody(models) -> SeveralPeople:
    if available_estimator("auto") != "auto":
        pytest.skip("MoveNet cannot be had here")
    estimator = find_estimator("auto").make("auto", coordinates="world")
    assert isinstance(estimator, SeveralPeople) and isinstance(estimator, PoseEstimator)
    return estimator


def test_three_people_are_read_from_the_first_frame_on(everybody: SeveralPeople, videos: Path) -> None:
    with everybody:
        found = look(everybody, videos / "exercise_three_people.avi", 12)
    assert [[d.track_id for d in people] for people in found] == [[0, 1, 2]] * 12
    for one in found[0]:
        assert one.xyz.shape == (33, 3) and 0.9 < np.ptp(one.xyz[:, 1]) < 2.2
    places = np.array([[d.xy[:, 0].mean() for d in people] for people in found])
    assert np.ptp(places, axis=0).max() < 0.1 and np.diff(np.sort(places, axis=1), axis=1).min() > 0.1


def test_two_who_embrace_stay_two(everybody: SeveralPeople, videos: Path) -> None:
    """In each other's arms BlazePose sees one of them, so that the other is known by MoveNet's joints."""
    with everybody:
        found = look(everybody, videos / "ntu_hug_two_people.mp4", 12, start=1.6)
    assert [[d.track_id for d in people] for people in found] == [[0, 1]] * 12
    shown = np.array([[(d.score > 0).sum() for d in people] for people in found])
    assert (shown == 33).any(0).all() and (shown <= 17).any()
    for people, later in pairwise(found):
        for a, b in zip(people, later, strict=True):
            both = (a.score > 0.3) & (b.score > 0.3)
            assert np.abs(a.xyz[both] - b.xyz[both]).mean() < 0.15  # metres


def test_nobody_is_imagined(everybody: SeveralPeople, videos: Path) -> None:
    with everybody:
        assert look(everybody, videos / "no_whole_person.mp4", 40) == [[]] * 40


def test_one_person_only(models, everybody: SeveralPeople, videos: Path) -> None:
    everybody.close()
    one = find_estimator("auto").make("one")
    found = look(one, videos / "exercise_three_people.avi", 6)
    one.close()
    assert [[d.track_id for d in people] for people in found] == [[0]] * 6


@pytest.mark.slow
def test_mediapipe_alone_keeps_three_identities(models, videos: Path) -> None:
    with SeveralPeople() as estimator:
        found = look(estimator, videos / "exercise_three_people.avi", 26)
    late = found[16:]
    assert all(len(people) == 3 for people in late)
    assert len({tuple(d.track_id for d in people) for people in late}) == 1


def test_joints_of_the_picture_in_metres_take_size_and_depth_of_the_last_reading() -> None:
    rng = np.random.default_rng(0)
    size = np.array([640, 480])
    body = rng.uniform(-0.8, 0.8, (33, 3))
    pixels = [320, 240] - body[:, :2] * 200
    last = Detection(body, np.ones(33), pixels / size)
    there = np.ones(17, bool)
    there[10] = False
    moved = (pixels[COMMON] + [50, -20]) / size
    assert np.allclose(in_metres(moved, there, last, size), body[COMMON])
    raised = moved.copy()
    raised[9, 1] -= 40 / 480  # a wrist, 20 cm up
    found = in_metres(raised, there, last, size)
    assert found[9, 1] - found[5, 1] == pytest.approx(body[COMMON][9, 1] - body[COMMON][5, 1] + 0.2)


def test_without_movenet_mediapipe_looks_alone_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with pytest.raises(DependencyError, match="checksum"):
        (tmp_path / "net.tflite").write_bytes(b"another")
        available_estimator("auto", model=tmp_path / "net.tflite")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    assert available_estimator("auto") == "mediapipe"
    assert "skelact[movenet]" in caplog.text and "LiteRT is not installed" in caplog.text
    assert available_estimator("movenet") == "movenet"


def test_quality_and_least_score_arrive(models, everybody: SeveralPeople, videos: Path) -> None:
    everybody.close()
    for name in ("auto", "movenet"):
        sizes, read = [], []
        for quality in ("lite", "full", "heavy"):
            made = find_estimator(name, quality=quality).make("many", quality=quality)
            finder = getattr(made, "_finder", None) or made._net  # type: ignore[attr-defined]
            sizes.append(finder._near.size)
            if isinstance(made, SeveralPeople):
                read.append(made._landmarkers.take().quality)
            made.close()
        assert sizes == [192, 256, 384] and read == (["lite", "full", "heavy"] if name == "auto" else [])
        found = extract_video(
            videos / "fall_trip.mp4", estimator=name, coordinates="image", min_score=0.99, seconds=0.4
        )
        assert found.n_people == 0 and found.info["people"] == "many"
    with pytest.raises(ConfigError, match=r"quality 'best'; allowed: lite, full, heavy"):
        extract_video(videos / "fall_trip.mp4", estimator="mediapipe", quality="best")
    with pytest.raises(ConfigError, match=r"min_score must lie in 0\.\.1, got 2"):
        extract_video(videos / "fall_trip.mp4", min_score=2)


def test_depth_is_not_asked_of_who_has_none() -> None:
    for coordinates in ("camera", "world"):
        with pytest.raises(ConfigError, match=r"sees no depth.*--coordinates image.*--estimator auto"):
            extract_video("x.mp4", estimator="movenet", coordinates=coordinates)


@pytest.mark.slow
def test_whom_blazepose_cannot_read_the_finder_follows_in_the_picture(models, shared_data: Path) -> None:
    """People of a surveillance camera, 144 lines: in metres hardly anybody is read, in the picture they are."""
    if available_estimator("auto") != "auto":
        pytest.skip("MoveNet cannot be had here")
    found, said = {}, {}
    for coordinates in ("image", "world"):
        with find_estimator("auto").make("many", coordinates=coordinates) as estimator:
            found[coordinates] = look(estimator, shared_data / "fight-surv" / "fi001.mp4", 20)
            assert isinstance(estimator, SeveralPeople)
            said[coordinates] = " ".join(estimator.warnings)
    assert [[d.track_id for d in people] for people in found["image"]] == [[0]] * 20
    assert all(0.2 < d.score[COMMON].mean() < 0.5 for people in found["image"] for d in people)
    assert sum(map(len, found["world"])) < 10
    assert not said["image"] and "cannot read in metres" in said["world"]


def test_who_is_left_out_is_told_with_the_recording(models, shared_data: Path) -> None:
    if available_estimator("auto") != "auto":
        pytest.skip("MoveNet cannot be had here")
    found = extract_video(shared_data / "fight-surv" / "fi001.mp4", people="many", seconds=0.6)
    assert "cannot read in metres" in str(found.info["warnings"])


def test_who_is_doubtful_is_followed_in_the_picture_alone(
    models, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In metres BlazePose must read them."""
    if available_estimator("auto") != "auto":
        pytest.skip("MoveNet cannot be had here")
    with open_video(videos / "stagger_no_fall.mp4") as video:
        first, second = (frame.image for frame, _ in zip(video, range(2), strict=False))
    followed = {}
    for coordinates in ("image", "world"):
        with (
            find_estimator("auto").make("many", coordinates=coordinates) as estimator,
            monkeypatch.context() as patch,
        ):
            assert isinstance(estimator, SeveralPeople)
            assert len(estimator.estimate(first, 0.0)) == 1
            finder = estimator._finder
            doubted = [replace(one, sure=False) for one in finder.find(second)]
            patch.setattr(finder, "find", lambda image, doubted=doubted: doubted)
            patch.setattr(Follower, "look", lambda *_: None)
            followed[coordinates] = [one.track_id for one in estimator.estimate(second, 1.2)]
    assert followed == {"image": [0], "world": []}


def test_who_is_lost_after_a_few_readings_goes_on_where_somebody_is_found(everybody: SeveralPeople) -> None:
    """First readings of somebody new may be far off: below the picture, where the legs are thought to be."""
    image = np.zeros((100, 200, 3), np.uint8)

    def seen(left: float, top: float, right: float, bottom: float) -> Sighting:
        points = np.array([[left, top], [right, bottom]] * 16 + [[left, top]])
        return Sighting(points, np.ones(33))

    with everybody:
        tracker = everybody._tracker
        track = tracker.add(seen(50, 60, 90, 400), 0.0)
        place = seen(60, 20, 100, 95)
        assert tracker.resume(place, 0.1) is None  # too unlike
        assert everybody._just_begun(seen(150, 20, 190, 95), image, 0.1) is None  # elsewhere
        other = tracker.add(seen(150, 20, 190, 95), 0.0)
        assert everybody._just_begun(place, image, 0.1) is None  # which of two?
        tracker.remove(other)
        track.n_seen = 9
        assert everybody._just_begun(place, image, 0.1) is None  # well known, so it is somebody else
        track.n_seen = 3
        assert everybody._just_begun(place, image, 0.1) is track and track.time == 0.1
        assert np.array_equal(track.box, place.box)
