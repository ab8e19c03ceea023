"""The `Skeleton` record: validated once, honest about what is missing."""

from __future__ import annotations

import numpy as np
import pytest

from skelact import Skeleton
from skelact.errors import DataError, LayoutError


def make(**changes) -> Skeleton:
    values = {"xyz": np.ones((1, 4, 17, 3)), "score": None, "layout": "coco17", "fps": 30}
    return Skeleton(**{**values, **changes})


def test_missing_joints_are_zero_whatever_was_given() -> None:
    xyz, score = np.ones((1, 4, 17, 3)), np.ones((1, 4, 17))
    xyz[0, 1, 2], score[0, 1, 2] = np.nan, 0
    skeleton = make(xyz=xyz, score=score)
    assert (skeleton.xyz[0, 1, 2] == 0).all() and np.isfinite(skeleton.xyz).all()
    assert skeleton.xyz.sum() == 3 * (4 * 17 - 1)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"xyz": np.ones((4, 17, 3))}, DataError, r"must be \[people, frames"),
        ({"xyz": np.ones((1, 4, 17, 4))}, DataError, "2 or 3"),
        ({"xyz": np.ones((1, 4, 18, 3))}, LayoutError, "18 joints, but layout 'coco17' has 17"),
        ({"xyz": np.full((1, 4, 17, 3), np.inf)}, DataError, "'nose' of person 0 in frame 0 is not finite"),
        ({"score": np.full((1, 4, 17), 1.5)}, DataError, r"0\.\.1"),
        ({"score": np.full((1, 4, 17), np.nan)}, DataError, r"0\.\.1"),
        ({"score": np.ones((1, 4, 16))}, DataError, "like xyz"),
        ({"fps": 0}, DataError, "fps must be above 0"),
        ({"unit": "feet"}, DataError, "unit 'feet'"),
        ({"track_ids": [1, 1], "xyz": np.ones((2, 4, 17, 3))}, DataError, "different track ids"),
        ({"time": [0, 1, 1, 2]}, DataError, "increasing"),
        ({"origin": "floor"}, DataError, "origin 'floor'.*camera, hips"),
        ({"picture": np.zeros((1, 4, 17, 3))}, DataError, "picture must be"),
        ({"picture": np.full((1, 4, 17, 2), np.nan)}, DataError, "picture is not finite"),
        ({"frame_labels": ["a"]}, DataError, "4 frames, but 1"),
    ],
)
def test_bad_input_is_refused(changes: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        make(**changes)


def test_record_cannot_be_changed() -> None:
    skeleton = make()
    with pytest.raises(ValueError):
        skeleton.xyz[0] = 2
    with pytest.raises(AttributeError):
        skeleton.fps = 3  # type: ignore[misc]
    assert skeleton.with_(fps=15).fps == 15 and skeleton.fps == 30


def test_duration_uses_real_timestamps() -> None:
    assert make().duration == pytest.approx(4 / 30)
    assert make(time=[0, 0.5, 0.6, 2.0]).duration == pytest.approx(2 + 1 / 30)


def test_equality_sees_every_field() -> None:
    assert make().equals(make())
    for change in (
        {"fps": 29},
        {"label": "x"},
        {"id": "a"},
        {"info": {"subject": 1}},
        {"time": [0, 1, 2, 3]},
    ):
        assert not make().equals(make(**change))


def test_mirror_twice_is_the_identity_and_swaps_sides() -> None:
    rng = np.random.default_rng(0)
    score = (rng.random((1, 4, 17)) > 0.2).astype(np.float32)
    for unit, edge in (("m", 0.0), ("image", 1.0), ("px", 640.0)):
        skeleton = make(xyz=rng.random((1, 4, 17, 3)), score=score, unit=unit, info={"width": 640})
        once = skeleton.mirrored()
        left, right = skeleton.layout.positions("left_wrist", "right_wrist")
        there = score[0, :, right] > 0
        assert np.allclose(once.xyz[0, there, left, 0], edge - skeleton.xyz[0, there, right, 0])
        assert np.allclose(once.mirrored().xyz, skeleton.xyz, atol=1e-4)
        assert (once.score[0, :, left] == score[0, :, right]).all()
    with pytest.raises(DataError, match="width"):
        make(unit="px").mirrored()


def test_the_picture_goes_with_the_joints() -> None:
    picture = np.random.default_rng(0).random((1, 4, 17, 2)).astype(np.float32)
    score = np.ones((1, 4, 17))
    score[0, 1, 2] = 0
    skeleton = make(picture=picture, score=score, origin="hips")
    assert (skeleton.picture[0, 1, 2] == 0).all()
    seen = skeleton.in_picture()
    assert (seen.unit, seen.origin, seen.picture) == ("image", "camera", None)
    assert np.array_equal(seen.xyz, skeleton.picture) and seen.in_picture().equals(seen)
    assert skeleton.mirrored().in_picture().equals(seen.mirrored())
    assert np.allclose(skeleton.converted("kinect20").in_picture().xyz, seen.converted("kinect20").xyz)
    assert not skeleton.equals(make(score=score, origin="hips")) and not skeleton.equals(
        skeleton.with_(origin="camera")
    )
    assert skeleton.with_(xyz=skeleton.xyz[:, :2], score=skeleton.score[:, :2]).picture is None
    with pytest.raises(DataError, match="does not say where its joints are in a picture"):
        make().in_picture()
