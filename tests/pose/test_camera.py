"""Where people stand: the formula on projected bodies, and MediaPipe on rendered ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.datasets.synthetic import make_clip
from skelact.datasets.synthetic.render import VIEW, render_clip
from skelact.errors import ConfigError
from skelact.layouts import get_layout
from skelact.pose.camera import (
    ASSUMED_FOV,
    check_fov,
    joint_weights,
    place_in_camera,
    smooth_path,
    solve_translation,
    turn_to_ray,
    viewing_rays,
)
from skelact.pose.extract import extract_video

SIZE = (VIEW.width, VIEW.height)
FOV = float(np.degrees(2 * np.arctan(VIEW.width / 2 / VIEW.focal)))


def walk() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(camera coordinates [T, V, 3], about the hips, in the picture [T, V, 2]) of a walk without noise."""
    xyz = make_clip("walk", subject=3, noise=None).xyz[0].astype(float)
    pixels = VIEW.project(xyz)
    return xyz, xyz - xyz[:, :1], (pixels + 0.5) / SIZE


def test_projected_bodies_are_put_back_exactly() -> None:
    xyz, about_hips, xy = walk()
    rays = viewing_rays(xy, SIZE, FOV)
    assert rays == pytest.approx(xyz[..., :2] / xyz[..., 2:], abs=1e-6)
    weight = np.random.default_rng(0).random(xyz.shape[:2])
    assert solve_translation(about_hips, rays, weight) == pytest.approx(xyz[:, 0], abs=1e-4)
    wrong = rays.copy()
    wrong[:, 5] += 1  # a joint that does not count
    weight[:, 5] = 0
    assert solve_translation(about_hips, wrong, weight) == pytest.approx(xyz[:, 0], abs=1e-4)
    weight[:, 5] = 1
    assert np.abs(solve_translation(about_hips, wrong, weight) - xyz[:, 0]).max() > 0.3


def test_the_field_of_view_sets_the_distance() -> None:
    xyz, about_hips, xy = walk()
    narrow = solve_translation(about_hips, viewing_rays(xy, SIZE, FOV / 2), np.ones(xyz.shape[:2]))
    assert (narrow[:, 2] > 1.8 * xyz[:, 0, 2]).all()


def test_what_does_not_determine_a_place_is_not_known() -> None:
    xyz, about_hips, xy = walk()
    rays = viewing_rays(xy, SIZE, FOV)
    weight = np.ones(xyz.shape[:2])
    weight[3] = 0  # nobody
    weight[5, 1:] = 0  # one joint only
    rays[7] = -rays[7]  # behind the camera
    found = solve_translation(about_hips, rays, weight)
    assert np.flatnonzero(np.isnan(found).any(1)).tolist() == [3, 5, 7]


def test_a_body_off_the_axis_is_turned_onto_its_ray() -> None:
    ray = np.array([[0.4, -0.3], [0.0, 0.0]])
    turned = turn_to_ray(np.array([[[0, 0, 1.0]], [[1, 2, 3.0]]]), ray)
    assert turned[0, 0, :2] / turned[0, 0, 2] == pytest.approx(ray[0])
    assert np.linalg.norm(turned[0, 0]) == pytest.approx(1) and turned[1, 0] == pytest.approx([1, 2, 3])


def test_the_trunk_counts_most() -> None:
    layout = get_layout("pose_hands75")
    weight = dict(zip(layout.joints, joint_weights(layout), strict=True))
    assert weight["left_hip"] == weight["right_shoulder"] == 1
    assert max(weight[j] for j in ("nose", "left_wrist", "right_knee", "left_index_tip", "left_heel")) < 0.1


def test_smoothing_keeps_straight_lines_and_fills_what_is_not_known() -> None:
    time = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.06, 90))
    line = np.stack([time, 2 - time, 3 * time], 1)
    holed = line.copy()
    holed[40:43] = np.nan
    assert smooth_path(holed, np.ones(90), time) == pytest.approx(line, abs=1e-6)
    noisy = line + np.random.default_rng(1).normal(0, 0.05, line.shape)
    assert np.abs(smooth_path(noisy, np.ones(90), time) - line).mean() < 0.6 * np.abs(noisy - line).mean()
    holed[:] = np.nan
    assert np.isnan(smooth_path(holed, np.ones(90), time)).all()


def test_absent_frames_stay_absent() -> None:
    xyz, about_hips, xy = walk()
    score = np.ones(xyz.shape[:2], np.float32)
    score[10:20] = 0
    time = np.arange(len(xyz)) / 30
    placed, new = place_in_camera(about_hips, xy, score, get_layout("ntu25"), SIZE, FOV, time)
    assert (new == score).all() and not placed[10:20].any()
    error = np.linalg.norm(placed - xyz, axis=2)[score > 0]  # the turn onto the ray has no business here
    assert error.mean() < 0.25
    score[:] = 0
    assert not place_in_camera(about_hips, xy, score, get_layout("ntu25"), SIZE, FOV, time)[1].any()


@pytest.mark.parametrize("fov", [0, -60, 180, float("nan")])
def test_impossible_fields_of_view_are_refused(fov: float) -> None:
    with pytest.raises(ConfigError, match=r"1 to 170.*84\.1"):
        check_fov(fov)


@pytest.mark.slow
@pytest.mark.parametrize("action", ["walk", "fall_forward", "fall_backward", "fall_sideways"])
@pytest.mark.parametrize("subject", [1, 2])
def test_rendered_paths_are_found(models, tmp_path: Path, action: str, subject: int) -> None:
    # Whoever lies with the body along the line of sight is the hardest: MediaPipe does not see how long they are,
    # and what it says of them differs from machine to machine (0.77 to above 0.95; off by 14 to 22 %).
    least, off_by = (0.7, 0.25) if action == "fall_backward" else (0.9, 0.13)
    truth = render_clip(tmp_path / "a.mp4", action, subject=subject)
    found = extract_video(tmp_path / "a.mp4", people="one", fov=FOV)
    assert (found.unit, found.origin) == ("m", "camera")
    assert found.info["fov"] == pytest.approx(FOV) and found.info["fov_assumed"] == 0
    joints = found.layout.positions("left_hip", "right_hip")
    there = (found.score[0, :, joints] > 0).all(0)
    path, wanted = found.xyz[0][there][:, joints].mean(1), truth.xyz[0, : found.n_frames][there, 0]
    spread, meant = path - path.mean(0), wanted - wanted.mean(0)
    assert (spread * meant).sum() / np.sqrt((spread**2).sum() * (meant**2).sum()) >= least
    if action != "walk":
        assert np.corrcoef(path[:, 1], wanted[:, 1])[0, 1] > (
            0.93 if action == "fall_backward" else 0.98
        )  # height
    assert np.linalg.norm(path - wanted, axis=1).mean() < off_by * wanted[:, 2].mean()
    # the picture is kept beside, and agrees with where the metres are projected
    assert found.picture is not None
    rays = viewing_rays(found.picture[0][there], SIZE, FOV)
    off = np.abs(found.xyz[0][there][..., :2] / found.xyz[0][there][..., 2:] - rays)[
        found.score[0][there] > 0
    ]
    assert np.median(off) < 0.02


@pytest.mark.slow
def test_an_assumed_field_of_view_is_said(models, tmp_path: Path) -> None:
    render_clip(tmp_path / "a.mp4", "wave", subject=1)
    found = extract_video(tmp_path / "a.mp4", people="one", seconds=0.5)
    assert found.info["fov"] == ASSUMED_FOV and found.info["fov_assumed"] == 1
    world = extract_video(tmp_path / "a.mp4", people="one", seconds=0.5, coordinates="world")
    assert world.origin == "hips" and "fov" not in world.info and world.picture is not None
    image = extract_video(tmp_path / "a.mp4", people="one", seconds=0.5, coordinates="image")
    assert image.origin == "camera" and image.picture is None
    assert np.allclose(image.in_picture().xyz, world.in_picture().xyz, atol=0.005)
