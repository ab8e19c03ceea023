"""The one form of gestures: joints by name, axes, and resampling that knows what was not seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skelact.errors import DataError, LayoutError
from skelact.layouts import LAYOUTS, SkeletonLayout, get_layout
from skelact.skeleton import Skeleton
from skelact.transforms.gesture_form import (
    BRIDGE,
    EDGE,
    GESTURE_LAYOUT,
    LEFT_HAND,
    RIGHT_HAND,
    J,
    form_sources,
    frame_form,
    mirrored_form,
    resample,
    to_gesture_form,
)

HAND_JOINTS = {name.removeprefix("left_") for name in GESTURE_LAYOUT.joints[LEFT_HAND:RIGHT_HAND]}


def names_of(layout: str, joint: str) -> list[str]:
    return [get_layout(layout).joints[i] for i in form_sources(layout)[J[joint]]]


@pytest.mark.parametrize(
    "layout", ["natops8", "kinect20", "ntu25", "pose33", "pose_hands75", "hand21", "coco17", "sbu15"]
)
def test_layouts_with_arms_or_hands_are_known(layout: str) -> None:
    assert any(form_sources(layout)[J[f"right_{j}"]] for j in ("wrist", "hand_wrist"))


def test_joints_go_by_name_and_sparse_hands_keep_what_they_have() -> None:
    assert names_of("natops8", "left_middle_tip") == ["left_hand_tip"]
    assert names_of("natops8", "right_thumb_tip") == ["right_thumb"]
    assert names_of("natops8", "left_shoulder") == []
    assert names_of("pose_hands75", "head") == ["left_ear", "right_ear"]
    assert names_of("pose_hands75", "left_hand_wrist") == ["left_hand_wrist"]
    assert names_of("kinect20", "right_index_tip") == []
    assert names_of("sbu15", "left_wrist") == ["left_hand"]


def test_a_hand_without_a_side_is_the_right_one() -> None:
    sources = form_sources("hand21")
    assert [sources[RIGHT_HAND + i] for i in range(21)] == [(i,) for i in range(21)]
    assert not any(sources[:LEFT_HAND]) and not any(sources[LEFT_HAND:RIGHT_HAND])


def test_a_layout_without_arms_is_refused() -> None:
    legs = SkeletonLayout("legs", ("mid_hip", "left_knee", "left_ankle"), (-1, 0, 1))
    with pytest.raises(LayoutError, match=r"no wrist or hand.*pose_hands75"):
        form_sources(legs)
    assert "pose_hands75" in LAYOUTS


def test_pictures_are_turned_into_a_kinects_axes() -> None:
    xyz = np.zeros((1, 17, 2), np.float32)
    wrist = get_layout("coco17").index["left_wrist"]
    xyz[0, wrist] = [0.25, 0.5]
    joints, present = frame_form(xyz, np.ones((1, 17)), "coco17", "image", aspect=2.0)
    assert joints[0, J["left_wrist"]] == pytest.approx([-0.25, -0.25, 0]) and present[0, J["left_wrist"]] == 1
    joints, _ = frame_form(xyz, np.ones((1, 17)), "coco17", "px")
    assert joints[0, J["left_wrist"]] == pytest.approx([-0.25, -0.5, 0])
    joints, _ = frame_form(xyz, np.ones((1, 17)), "coco17", "unknown")
    assert joints[0, J["left_wrist"]] == pytest.approx([0.25, 0.5, 0])


def test_unsure_joints_are_missing() -> None:
    score = np.ones((1, 17), np.float32)
    wrist = get_layout("coco17").index["left_wrist"]
    score[0, wrist] = 0.1
    joints, present = frame_form(np.ones((1, 17, 2), np.float32), score, "coco17")
    assert present[0, J["left_wrist"]] == 0 and not joints[0, J["left_wrist"]].any()
    assert present[0, J["right_wrist"]] == 1


def test_a_picture_whose_size_is_known_keeps_its_proportions() -> None:
    xyz = np.full((1, 4, 17, 2), 0.5, np.float32)
    shapes = {}
    for info in ({}, {"width": 1000, "height": 500}):
        skeleton = Skeleton(xyz, None, "coco17", 10.0, "image", info=info)
        shapes[bool(info)] = to_gesture_form(skeleton)[0][0, J["left_wrist"], 1]
    assert shapes == pytest.approx({False: -0.375, True: -0.25})
    with pytest.raises(DataError, match="no number 3"):
        to_gesture_form(Skeleton(xyz, None, "coco17", 10.0), 3)


def line(times: list[float], seen: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One joint that moves by 1 a second."""
    t = torch.tensor([times], dtype=torch.float32)
    p = torch.tensor([seen], dtype=torch.float32)[..., None]
    x = (t[..., None, None] * torch.tensor([1.0, 2.0, 3.0])) * p[..., None]
    return x, p, t


def sample(
    x: torch.Tensor, p: torch.Tensor, t: torch.Tensor, a: float, b: float, n: int
) -> tuple[list, list]:
    xyz, there = resample(x, p, t, torch.tensor([a]), torch.tensor([b]), n)
    return xyz[0, :, 0, 0].tolist(), there[0, :, 0].tolist()


def test_resampling_goes_straight_between_frames() -> None:
    values, there = sample(*line([0, 0.1, 0.25, 0.3, 0.5], [1] * 5), 0.0, 0.5, 11)
    assert values == pytest.approx([0.05 * i for i in range(11)], abs=1e-6) and there == [1] * 11


def test_short_gaps_are_bridged_and_long_ones_are_missing() -> None:
    times = [0.1 * i for i in range(11)]
    short = [1, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1]
    assert 0.3 < BRIDGE < 0.5
    values, there = sample(*line(times, short), 0.0, 1.0, 11)
    assert there == [1] * 11 and values[3] == pytest.approx(0.3, abs=1e-6)
    long = [1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1]
    values, there = sample(*line(times, long), 0.0, 1.0, 11)
    assert pytest.approx(0.15) == EDGE
    assert there == [1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1]  # a sight holds for a moment before and after
    assert (
        values[4] == 0
        and values[2] == pytest.approx(0.1, abs=1e-6)
        and values[7] == pytest.approx(0.8, abs=1e-6)
    )


def test_mirroring_twice_changes_nothing() -> None:
    rng = np.random.default_rng(0)
    xyz, present = (
        rng.normal(size=(4, len(GESTURE_LAYOUT), 3)).astype(np.float32),
        rng.integers(0, 2, (4, len(GESTURE_LAYOUT))),
    )
    once = mirrored_form(xyz, present)
    assert once[0][:, J["left_wrist"]] == pytest.approx(xyz[:, J["right_wrist"]] * [-1, 1, 1])
    twice = mirrored_form(*once)
    assert np.array_equal(twice[0], xyz) and np.array_equal(twice[1], present)


@pytest.mark.parametrize("seen", [("left", "right"), ("left",), ("right",)])
@pytest.mark.parametrize("exchanged", [False, True])
def test_a_hand_belongs_to_the_wrist_that_it_is_at(seen: tuple[str, ...], exchanged: bool) -> None:
    layout = get_layout("pose_hands75")
    xyz, score = np.zeros((1, 75, 3), np.float32), np.zeros((1, 75), np.float32)
    at = {"left": (1.0, 5.0, 0.0), "right": (-1.0, 5.0, 0.0)}
    other = {"left": "right", "right": "left"}
    for side, place in at.items():
        xyz[0, layout.index[f"{side}_wrist"]], score[0, layout.index[f"{side}_wrist"]] = place, 1
        named = other[side] if exchanged else side  # what the estimator calls the hand at this wrist
        for v, joint in enumerate(layout.joints):
            if side in seen and joint.startswith(f"{named}_") and joint[len(named) + 1 :] in HAND_JOINTS:
                xyz[0, v], score[0, v] = np.add(place, 0.02), 1
    joints, present = frame_form(xyz, score, layout)
    for side, first in (("left", LEFT_HAND), ("right", RIGHT_HAND)):
        assert present[0, first : first + 21].tolist() == [side in seen] * 21
        if side in seen:
            assert joints[0, first : first + 21] == pytest.approx(np.tile(np.add(at[side], 0.02), (21, 1)))
