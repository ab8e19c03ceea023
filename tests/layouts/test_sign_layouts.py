"""Layouts of sign recognition: published joint lists, the sides of the face mesh, conversion by name."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.layouts import LAYOUTS, conversion, get_layout
from skelact.layouts.face import LEFT_EYE, LIPS, N_FACE, NOSE, RIGHT_EYE, face_point, mirror_face_point

SIGN = ("hands42", "holistic543", "sign27", "sign27_openhands", "sign118", "sign130")
# Indices that public code gives: COCO-WholeBody (SAM-SLR), pose_hands75 (OpenHands).
SAM_SLR = [0, 5, 6, 7, 8, 9, 10, 91, 95, 96, 99, 100, 103, 104, 107, 108, 111, 112, 116, 117, 120, 121, 124, 125,
           128, 129, 132]  # fmt: skip
OPENHANDS = [
    0,
    2,
    5,
    11,
    12,
    13,
    14,
    33,
    37,
    38,
    41,
    42,
    45,
    46,
    49,
    50,
    53,
    54,
    58,
    59,
    62,
    63,
    66,
    67,
    70,
    71,
    74,
]
SAM_SLR_EDGES = [(5, 6), (5, 7), (6, 8), (8, 10), (7, 9), (9, 11), (12, 13), (12, 14), (12, 16), (12, 18), (12, 20),
                 (14, 15), (16, 17), (18, 19), (20, 21), (22, 23), (22, 24), (22, 26), (22, 28), (22, 30), (24, 25),
                 (26, 27), (28, 29), (30, 31), (10, 12), (11, 22)]  # fmt: skip
PUBLIC_LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398)
# The winner's lips of the two halves of the picture of a face, which are mirror images in this order of pairs.
RIGHT_LIPS = {84, 181, 91, 146, 61, 185, 40, 39, 37, 87, 178, 88, 95, 78, 191, 80, 81, 82}
LEFT_LIPS = {314, 405, 321, 375, 291, 409, 270, 269, 267, 317, 402, 318, 324, 308, 415, 310, 311, 312}


def test_27_joints_are_the_published_ones() -> None:
    coco = LAYOUTS["coco17"].joints
    hand = [j.removeprefix("left_") for j in LAYOUTS["hands42"].joints[:21]]
    whole = {k: coco[k] for k in range(17)}
    whole |= {91 + k: f"left_{j}" for k, j in enumerate(hand)} | {
        112 + k: f"right_{j}" for k, j in enumerate(hand)
    }
    assert list(LAYOUTS["sign27"].joints) == [whole[k] for k in SAM_SLR]
    assert {frozenset(e) for e in LAYOUTS["sign27"].edges} == {
        frozenset((a - 5, b - 5)) for a, b in SAM_SLR_EDGES
    }
    assert list(LAYOUTS["sign27_openhands"].joints) == [LAYOUTS["pose_hands75"].joints[k] for k in OPENHANDS]


def test_face_points_are_the_published_ones() -> None:
    assert len(set(LIPS)) == 40 and len(set(RIGHT_EYE)) == 16
    assert set(LIPS) == RIGHT_LIPS | LEFT_LIPS | {0, 13, 14, 17}
    assert LEFT_EYE == PUBLIC_LEFT_EYE
    assert {mirror_face_point(face_point(k)) for k in RIGHT_LIPS} == {face_point(k) for k in LEFT_LIPS}
    assert [mirror_face_point(face_point(k)) for k in NOSE] == [face_point(k) for k in (1, 2, 327, 98)]
    assert mirror_face_point("face_468") is None and mirror_face_point("face_ab") is None


@pytest.mark.parametrize("name", SIGN)
def test_pairs_are_disjoint_and_cover_both_sides(name: str) -> None:
    layout = LAYOUTS[name]
    ends = [v for pair in layout.pairs for v in pair]
    assert len(ends) == len(set(ends))
    middle = set(range(len(layout))) - set(ends)
    for v in middle:
        joint = layout.joints[v]
        assert not joint.startswith(("left_", "right_")), joint
        assert mirror_face_point(joint) in (None, joint)
    x = np.arange(len(layout))
    mirror = np.array(layout.mirror)
    assert (x[mirror][mirror] == x).all() and len(ends) > 0


def test_order_of_holistic() -> None:
    joints = LAYOUTS["holistic543"].joints
    assert joints[:33] == LAYOUTS["pose33"].joints
    assert joints[33 : 33 + N_FACE] == tuple(map(face_point, range(N_FACE)))
    assert joints[501:] == LAYOUTS["hands42"].joints
    assert joints[:33] + joints[501:] == LAYOUTS["pose_hands75"].joints


@pytest.mark.parametrize("name", [n for n in SIGN if n != "holistic543"])
def test_holistic_becomes_every_sign_layout(name: str) -> None:
    plan = conversion("holistic543", name)
    assert not plan.missing
    xyz = np.random.default_rng(0).normal(size=(1, 543, 3))
    target = get_layout(name)
    new, score = plan.apply(xyz, np.ones((1, 543)))
    for v, joint in enumerate(target.joints):
        assert (new[0, v] == xyz[0, LAYOUTS["holistic543"].index[joint]]).all()
    assert (score == 1).all()


@pytest.mark.parametrize("name", ["sign27", "sign27_openhands", "hands42"])
def test_pose_and_hands_become_pruned_sets(name: str) -> None:
    assert not conversion("pose_hands75", name).missing


def test_wrists_are_tied_to_the_body() -> None:
    for name in ("holistic543", "sign27", "sign130"):
        layout = LAYOUTS[name]
        for side in ("left", "right"):
            hand, wrist = layout.positions(f"{side}_hand_wrist", f"{side}_wrist")
            assert layout.parents[hand] == wrist
    for name in ("sign118", "sign130"):
        assert LAYOUTS[name].joints[LAYOUTS[name].root] == "face_001"
        assert LAYOUTS[name].parents.count(-1) == 1


def test_only_face_points_are_taken_for_the_mesh() -> None:
    own = LAYOUTS["holistic543"].subset(["face_033", "face_263", "face_001"])
    assert own.mirror == (1, 0, 2) and own.pairs == ((1, 0),)
