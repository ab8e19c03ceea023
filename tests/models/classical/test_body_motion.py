"""Motion as a body sees it: the same wherever the camera stands and however large people are."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.datasets.synthetic import make_clip
from skelact.errors import DataError, LayoutError
from skelact.models.classical.body_motion import (
    N_BINS,
    body_motion,
    frame_features,
    motion_histogram,
    window_features,
)
from skelact.skeleton import Skeleton

CLIP = make_clip("wave", subject=1, noise=None)


def changed(turn: float = 0.0, size: float = 1.0) -> Skeleton:
    c, s = np.cos(turn), np.sin(turn)
    about = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return CLIP.with_(xyz=(CLIP.xyz @ about.T * size + [1, 2, 3]).astype(np.float32))


def test_neither_place_nor_turn_nor_size_matters() -> None:
    here, there = body_motion(CLIP), body_motion(changed(1.1, 1.4))
    for name in ("position", "velocity", "path", "lean"):
        assert np.allclose(getattr(here, name), getattr(there, name), atol=2e-4), name
    for name, value in frame_features(here).items():
        assert value.shape[0] == len(here) and np.allclose(value, frame_features(there)[name], atol=0.03)


def test_axes_are_left_up_forward() -> None:
    """Somebody of ntu25 with arms out, who then walks forward; y is up, they look to +z, so their left is +x."""
    joints = CLIP.layout.index
    body = np.zeros((30, 25, 3), np.float32)
    body[:, joints["left_hip"]], body[:, joints["right_hip"]] = [0.1, 1, 0], [-0.1, 1, 0]
    body[:, joints["left_shoulder"]], body[:, joints["right_shoulder"]] = [0.2, 1.5, 0], [-0.2, 1.5, 0]
    body[:, joints["left_wrist"]] = [0.7, 1.5, 0]
    score = (np.abs(body).sum(-1) > 0).astype(np.float32)
    body[..., 2] += np.arange(30)[:, None] / 30  # 1 m/s
    motion = body_motion(Skeleton(body[None], score[None], "ntu25", 30.0))
    assert np.allclose(motion.position[:, 2], [1.4, 1.0, 0], atol=1e-4)  # of the trunk's 0.5 m
    assert np.allclose(motion.path[3:-3], [0, 0, 2], atol=1e-4) and np.allclose(motion.lean, [0, 1, 0])
    assert np.allclose(motion.velocity, 0, atol=1e-4)


def test_frame_rates_and_missing_joints_change_little() -> None:
    slow = CLIP.with_(xyz=CLIP.xyz[:, ::2], score=CLIP.score[:, ::2], fps=15.0)
    assert np.allclose(body_motion(CLIP).position, body_motion(slow).position, atol=0.05)
    score = CLIP.score.copy()
    score[0, 10:14, CLIP.layout.index["right_wrist"]] = 0
    score[0, 20:30, CLIP.layout.index["left_hip"]] = 0
    holes = body_motion(CLIP.with_(score=score))
    assert np.isfinite(holes.velocity).all() and not holes.seen[12] and holes.seen[5]
    assert np.allclose(holes.position[:4], body_motion(CLIP).position[:4], atol=0.05)


def test_histogram_directions_and_bands() -> None:
    speed = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 3.0, 0.0], [1.0, 1.0, 1.0]])
    found = motion_histogram(speed, fast=2.0)
    assert found.shape == (4, N_BINS) and np.allclose(found[0], 0)
    assert np.allclose(found[1, :8], [0] * 4 + [0.125] * 4) and np.allclose(found[1, 8:], 0)
    assert found[2, :8].sum() == pytest.approx(1) and found[2, 8:].sum() == pytest.approx(0.5)
    assert found[3].argmax() == 7  # all three axes up
    near = motion_histogram(np.array([[1.0, 1e-6, 0.0], [1.0, -1e-6, 0.0]]))
    assert np.allclose(near[0], near[1], atol=1e-5)


def test_windows() -> None:
    motion = body_motion(CLIP)
    seconds = len(motion) / motion.rate
    features, begins = window_features(motion, 1.0, 0.5, n_parts=2)
    assert features.shape == (len(begins), 2 * 6 * 16) and begins[1] == pytest.approx(0.5, abs=0.05)
    assert begins[-1] + 1.0 <= seconds + 1e-6 and (features >= 0).all()
    whole, _ = window_features(motion, 100.0)
    assert whole.shape == (1, 96)
    motion.seen[:] = False
    assert len(window_features(motion, 1.0)[0]) == 0


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(DataError, match="two coordinates"):
        body_motion(CLIP.with_(xyz=CLIP.xyz[..., :2]))
    score = CLIP.score.copy()
    score[:, :, CLIP.layout.index["left_hip"]] = 0
    with pytest.raises(DataError, match="never there"):
        body_motion(CLIP.with_(score=score))
    with pytest.raises(LayoutError, match="left_hip"):
        body_motion(Skeleton(np.ones((1, 9, 8, 3)), None, "natops8", 20.0))
