"""Hands go to the nearest wrist; recordings are compared after alignment."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.layouts import get_layout
from skelact.pose.compare import align_and_compare, align_similarity
from skelact.pose.hands import assign_hands, join_hands
from skelact.skeleton import Skeleton

SIZE = np.array([640, 480])


def pose() -> np.ndarray:
    xyz = np.full((33, 3), 0.5, np.float32)
    xyz[[11, 12, 23, 24], :2] = [[0.6, 0.3], [0.4, 0.3], [0.58, 0.7], [0.42, 0.7]]
    xyz[15, :2], xyz[16, :2] = (0.7, 0.5), (0.3, 0.5)  # left wrist on the right of the picture
    xyz[15, 2] = -0.2
    return xyz


def hand(x: float, y: float) -> np.ndarray:
    return np.linspace([x, y, 0.0], [x + 0.05, y - 0.1, 0.05], 21).astype(np.float32)


def test_hands_by_distance_each_at_most_once() -> None:
    left, right = hand(0.72, 0.52), hand(0.31, 0.48)
    assert assign_hands([pose()], [right, left], SIZE) == [(1, 0)]
    assert assign_hands([pose()], [left, right], SIZE) == [(0, 1)]
    assert assign_hands([pose()], [left], SIZE) == [(0, None)]
    # Two hands near one wrist: the nearer one gets it, and the other may not pass for the other side.
    assert assign_hands([pose()], [hand(0.71, 0.5), hand(0.74, 0.55)], SIZE) == [(0, None)]
    assert assign_hands([pose()], [hand(0.02, 0.98)], SIZE) == [(None, None)]  # somebody else's
    assert assign_hands([], [left], SIZE) == []
    assert assign_hands([pose()], [], SIZE) == [(None, None)]


def test_two_people_share_out_their_hands() -> None:
    near, far = pose(), pose()
    near[:, 0] = near[:, 0] * 0.4
    far[:, 0] = far[:, 0] * 0.4 + 0.55
    hands = [hand(*p[w, :2]) for p in (far, near) for w in (16, 15)]
    assert assign_hands([near, far], hands, SIZE) == [(3, 2), (1, 0)]


def test_joined_skeleton() -> None:
    layout = get_layout("pose_hands75")
    xyz, score = join_hands(pose(), np.full(33, 0.9), [hand(0.72, 0.52)], [0.8], (0, None))
    rows = layout.positions("left_hand_wrist", "left_pinky_tip", "right_hand_wrist")
    assert xyz.shape == (75, 3)
    assert xyz[rows[0]] == pytest.approx([0.72, 0.52, -0.2])  # depth hangs on the pose's wrist
    assert score[rows[1]] == pytest.approx(0.8)
    assert score[rows[2]] == 0 and (xyz[rows[2]] == 0).all()
    metric, _ = join_hands(pose(), np.ones(33), [hand(0.0, 0.0)], [0.8], (0, None), metric=True)
    assert metric[rows[0]] == pytest.approx(pose()[15])


def turned(points: np.ndarray) -> np.ndarray:
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    return 1.7 * points @ turn.T + [3, -2, 5]


def test_alignment_undoes_a_similarity_but_not_a_mirror() -> None:
    a = np.random.default_rng(0).normal(0, 1, (20, 3))
    assert align_similarity(a, turned(a)) == pytest.approx(turned(a))
    assert np.abs(align_similarity(a, a * [-1, 1, 1]) - a * [-1, 1, 1]).mean() > 0.1


def test_compare_by_name_and_time() -> None:
    rng = np.random.default_rng(0)
    body, sway = rng.normal(0, 0.4, (33, 3)), rng.normal(0, 0.3, (33, 3))
    time_a, time_b = np.arange(60) / 30, np.arange(40) / 20

    def path(t: np.ndarray) -> np.ndarray:
        return body + np.sin(t)[:, None, None] * sway

    a = Skeleton(path(time_a)[None], None, "pose33", 30, time=time_a + 5, id="a")
    ntu = a.with_(xyz=turned(path(time_b))[None], score=None, time=None, fps=20.0).converted("ntu25")
    score = np.array(ntu.score)
    score[0, :5] = 0
    b = ntu.with_(score=score, id="b")
    result = align_and_compare(a, b)
    assert result["mean"] < 2e-3 and result["mean_whole"] < 2e-3
    assert result["n_frames"] == 35 and result["unit"] == "m"
    assert "left_knee" in result["per_joint"] and "left_hand_tip" not in result["per_joint"]
    moved = np.array(b.xyz)
    moved[..., b.layout.index["left_knee"], 1] += 1.0
    worse = align_and_compare(a, b.with_(xyz=moved))
    assert max(worse["per_joint"], key=worse["per_joint"].get) == "left_knee"
    with pytest.raises(DataError, match="coordinates"):
        align_and_compare(a.with_(xyz=a.xyz[..., :2]), b)
    with pytest.raises(DataError, match="no frame"):
        align_and_compare(a.with_(score=np.zeros_like(a.score)), b)
