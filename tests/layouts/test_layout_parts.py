"""Limbs: every joint in one, none too long, left and right alike."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.errors import LayoutError
from skelact.layouts import LAYOUTS, get_layout
from skelact.layouts.parts import joint_parts, part_table


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("largest", [1, 3, 4, 6, 100])
def test_every_joint_is_in_one_part(name: str, largest: int) -> None:
    parts = joint_parts(name, largest)
    assert sorted(v for part in parts for v in part) == list(range(len(LAYOUTS[name])))
    assert max(map(len, parts)) <= largest
    table = part_table(name, largest)
    assert [row[row >= 0].tolist() for row in table] == parts
    assert (table[:, 0] >= 0).all() and np.count_nonzero(table >= 0) == len(LAYOUTS[name])


@pytest.mark.parametrize("name", ["ntu25", "kinect20", "sbu15", "pose33", "pose_hands75", "coco17"])
def test_left_and_right_are_treated_alike(name: str) -> None:
    mirror = get_layout(name).mirror
    parts = [set(part) for part in joint_parts(name)]
    assert all({mirror[v] for v in part} in parts for part in parts)


def test_limbs_of_ntu() -> None:
    layout = get_layout("ntu25")
    parts = {layout.joints[part[0]]: [layout.joints[v] for v in part] for part in joint_parts(layout)}
    assert parts["left_hip"] == ["left_hip", "left_knee", "left_ankle", "left_foot"]
    assert set(parts["mid_shoulder"]) == {"mid_shoulder", "neck", "head", "spine", "mid_hip"}
    assert len(parts) == 5 and len(parts["right_shoulder"]) == 6


def test_a_part_needs_a_joint() -> None:
    with pytest.raises(LayoutError, match="at least 1 joint, got largest=0"):
        joint_parts("ntu25", 0)
