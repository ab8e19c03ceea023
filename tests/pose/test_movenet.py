"""MoveNet finds several people at once, with identities, on real video."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import ConfigError, DependencyError
from skelact.io.video import open_video
from skelact.pose.extract import extract_video
from skelact.pose.movenet import MoveNet, MoveNetFinder, MoveNetPose

VIDEOS = Path(__file__).parents[3] / "shared" / "data" / "videos"
FIGHTS = VIDEOS.parent / "fight-surv"
real = pytest.mark.skipif(not VIDEOS.is_dir(), reason="the real videos are not here")


@pytest.fixture(scope="module")
def net() -> MoveNet:
    try:
        return MoveNet(min_score=0.2)
    except DependencyError as error:
        pytest.skip(f"MoveNet cannot be had: {error}")


def frames(name: str, n: int) -> list[np.ndarray]:
    with open_video(VIDEOS / name) as video:
        return [frame.image for frame, _ in zip(video, range(n), strict=False)]


@real
def test_three_people_are_found_and_keep_their_names(net: MoveNet) -> None:
    estimator = MoveNetPose(min_score=0.2)
    ids, first = [], None
    for i, image in enumerate(frames("exercise_three_people.avi", 30)):
        people = estimator.estimate(image, i / 30)
        ids.append([one.track_id for one in people])
        first = first or people
    assert ids == [[0, 1, 2]] * 30
    assert first is not None and all(one.xyz.shape == (17, 3) for one in first)
    left_shoulder, right_shoulder = first[0].xy[5], first[0].xy[6]
    assert left_shoulder[0] > right_shoulder[0]  # they face the camera
    assert all(one.xy[0, 1] < one.xy[15, 1] for one in first)  # noses above ankles


@real
def test_the_places_do_not_depend_on_the_pictures_size_and_shape(net: MoveNet) -> None:
    image = frames("exercise_three_people.avi", 1)[0]
    height, width = image.shape[:2]
    expected = sorted(net.find(image), key=lambda one: one.xy[0, 0])
    wide = np.zeros((height, width + 200, 3), np.uint8)
    wide[:, :width] = image
    found = sorted(net.find(wide), key=lambda one: one.xy[0, 0])
    assert len(found) == len(expected) == 3
    for one, other in zip(found, expected, strict=True):
        both = (one.score > 0.3) & (other.score > 0.3)
        shift = one.xy[both] * [(width + 200) / width, 1] - other.xy[both]
        assert np.abs(shift).mean() < 0.03


@real
def test_a_video_becomes_recordings_in_the_picture(net: MoveNet) -> None:
    found = extract_video(
        VIDEOS / "fall_trip.mp4", estimator="movenet", coordinates="image", people="many", seconds=0.6
    )
    assert found.layout.name == "coco17" and found.unit == "image"
    assert found.n_people == 1 and (found.score > 0).any(-1).mean() > 0.9


def test_nobody_in_noise_and_wrong_settings(net: MoveNet) -> None:
    assert net.find(np.full((64, 200, 3), 90, np.uint8)) == []
    with pytest.raises(ConfigError, match="at least 32 pixels"):
        MoveNet(size=8)
    sure = MoveNet(min_score=1.0)
    assert sure.find(np.zeros((64, 64, 3), np.uint8)) == []
    closed = MoveNetPose()
    closed.close()
    with pytest.raises(ConfigError, match="closed"):
        closed.estimate(np.zeros((64, 64, 3), np.uint8), 0.0)
    with pytest.raises(ConfigError, match="coordinates"):
        extract_video("x.mp4", estimator="movenet", coordinates="camera")


def test_without_litert_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(DependencyError, match=r"skelact\[movenet\]"):
        MoveNet()


@real
def test_the_least_score_is_kept_to(net: MoveNet) -> None:
    image = frames("exercise_three_people.avi", 1)[0]
    assert len(MoveNet(min_score=0.1).find(image)) >= len(MoveNet(min_score=0.99).find(image)) == 0


@real
def test_people_near_the_camera_are_found_in_a_second_look(net: MoveNet) -> None:
    def large(found: list) -> int:
        return sum((one.box[2:] - one.box[:2]).max() > 0.5 for one in found)

    pictures = frames("arm_wrestling.mp4", 40)[::10]
    both = MoveNetFinder(min_score=0.2)
    assert (
        sum(large(both.find(image)) for image in pictures)
        >= sum(large(net.find(image)) for image in pictures) + 2
    )
    assert all(both.find(image) == [] for image in frames("no_whole_person.mp4", 5))


@real
def test_a_border_moves_nobody(net: MoveNet) -> None:
    image = frames("fall_trip.mp4", 1)[0]
    (one,), (other,) = net.find(image), MoveNet(384, 0.2, border=1.5).find(image)
    sure = (one.score > 0.4) & (other.score > 0.4)
    assert sure.sum() > 6 and np.abs(one.xy - other.xy)[sure].mean() < 0.02


@real
def test_people_upside_down_are_found_in_a_third_look(net: MoveNet) -> None:
    """Where they are, joints on the right sides, each once; nobody new in the picture as it was."""
    finder = MoveNetFinder()
    for name, n_people in (("clean_and_jerk.mp4", 1), ("exercise_three_people.avi", 3)):
        image = frames(name, 1)[0]
        expected, found = (
            sorted(
                (one for one in finder.find(turned) if one.sure), key=lambda one: one.xy[:, 0].mean() * sign
            )
            for turned, sign in ((image, 1), (np.ascontiguousarray(image[::-1, ::-1]), -1))
        )
        assert len(expected) == len(found) == n_people
        for one, other in zip(expected, found, strict=True):
            sure = (one.score > 0.4) & (other.score > 0.4)
            assert sure.sum() > 8 and np.abs(1 - other.xy - one.xy)[sure].mean() < 0.02
            assert np.array_equal(other.xyz[:, :2], other.xy)
    assert net.find(np.ascontiguousarray(frames("clean_and_jerk.mp4", 1)[0][::-1, ::-1])) == []


@pytest.mark.slow
@real
def test_people_whose_parts_are_sure_are_people_and_are_followed(net: MoveNet) -> None:
    """A surveillance camera of 144 lines: hardly anybody is sure as a whole."""
    with open_video(FIGHTS / "fi001.mp4") as video:
        pictures = [frame.image for frame in video][:36:3]
    by_whole = [len(MoveNet().find(image)) for image in pictures]
    by_parts = [len([one for one in MoveNetFinder().find(image) if one.sure]) for image in pictures]
    assert np.count_nonzero(by_parts) >= np.count_nonzero(by_whole) + 4
    with open_video(FIGHTS / "fi020.mp4") as video:
        pictures = [frame.image for frame in video]
    found, estimator = [MoveNetFinder().find(image) for image in pictures], MoveNetPose()
    followed = [len(estimator.estimate(image, i / 25)) for i, image in enumerate(pictures)]
    assert np.count_nonzero(followed) >= sum(any(one.sure for one in people) for people in found) + 3


@real
def test_a_part_of_somebody_is_nobody(net: MoveNet) -> None:
    image = np.ascontiguousarray(frames("exercise_three_people.avi", 1)[0][::-1, ::-1])
    assert len(MoveNet(parts=0.3).find(image)) >= 1  # a trunk, by the joints of a head for feet
    assert [one.sure for one in MoveNetFinder().find(image)].count(True) == 3


@real
def test_who_is_doubtful_is_nobody_new(net: MoveNet, monkeypatch: pytest.MonkeyPatch) -> None:
    image = frames("exercise_three_people.avi", 1)[0]
    estimator = MoveNetPose()
    assert len(estimator.estimate(image, 0.0)) == 3
    finder = estimator._net
    assert finder is not None
    doubted = [replace(one, sure=False) for one in finder.find(image)]
    monkeypatch.setattr(finder, "find", lambda image: doubted)
    assert [one.track_id for one in estimator.estimate(image, 0.1)] == [0, 1, 2]
    anew = MoveNetPose()
    monkeypatch.setattr(anew, "_net", finder)
    assert anew.estimate(image, 0.0) == []
