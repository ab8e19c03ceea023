"""The kinematic human: geometry, limits, contact, dynamics, determinism, cameras, files."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from skelact.datasets.synthetic import (
    ACTION_NAMES,
    ACTIONS,
    CAMERAS,
    SensorNoise,
    make_clip,
    make_set,
    write_ntu_folder,
)
from skelact.datasets.synthetic.body import LIMITS, RADII, J, forward_kinematics, limit_angles, make_body
from skelact.datasets.synthetic.generate import NOISE, make_motion, make_subject
from skelact.datasets.synthetic.sensor import get_camera, hidden_joints
from skelact.errors import ConfigError
from skelact.layouts import get_layout

LAYOUT = get_layout("ntu25")
FALLS = [a for a in ACTION_NAMES if a.startswith("fall_")]
SILENT = SensorNoise(0, 0, 0, 0, 0, 0)


def bone_lengths(xyz):
    child, parent = np.array(LAYOUT.bones).T
    return np.linalg.norm(xyz[..., child, :] - xyz[..., parent, :], axis=-1)


def test_there_are_enough_actions():
    assert len(ACTIONS) >= 12
    for name in (
        "walk",
        "sit_down",
        "stand_up",
        "lie_down",
        "pick_up",
        "wave",
        "clap",
        "kick",
        "throw",
        *FALLS,
    ):
        assert ACTIONS[name].n_people == 1
    assert len(FALLS) == 4
    assert ACTIONS["shake_hands"].n_people == ACTIONS["push"].n_people == 2


@pytest.mark.parametrize("action", ACTION_NAMES)
def test_bones_keep_their_length_and_differ_between_subjects(action):
    one, other = (make_clip(action, subject=s, noise=None) for s in (1, 2))
    lengths = bone_lengths(one.xyz.astype(np.float64))
    assert np.ptp(lengths, axis=1).max() < 1e-5
    assert np.abs(lengths[0, 0] - bone_lengths(other.xyz[0, 0])).max() > 0.005


def test_subjects_are_of_human_size():
    heights = [make_subject(s)[0].height for s in range(1, 80)]
    assert 1.5 <= min(heights) < 1.6 and 1.8 < max(heights) <= 1.95
    body = make_body(np.random.default_rng(0))
    standing = forward_kinematics(body, np.zeros((1, len(LIMITS))))[0]
    ankle_to_head = standing[J["head"], 1] - standing[J["left_ankle"], 1]
    assert ankle_to_head + 0.075 + 0.062 * body.height == pytest.approx(body.height, abs=0.02)
    assert standing[J["left_shoulder"], 0] > 0 > standing[J["right_shoulder"], 0]
    assert standing[J["left_foot"], 2] > standing[J["left_ankle"], 2]  # toes point forward


@pytest.mark.parametrize("action", ACTION_NAMES)
def test_joint_angles_stay_within_their_limits(action):
    low, high = np.radians(np.array(list(LIMITS.values()))).T
    for subject in (1, 5):
        angles = make_motion(action, subject=subject, angles=True)
        assert (angles >= low - 1e-9).all() and (angles <= high + 1e-9).all()
    assert np.allclose(limit_angles(np.full((1, len(low)), 99.0)), high)


@pytest.mark.parametrize("action", ACTION_NAMES)
def test_nobody_sinks_into_the_floor_or_floats(action):
    for subject in (1, 4):
        world = make_motion(action, subject=subject)
        clearance = (world[..., 1] - RADII).min(-1)
        assert clearance.min() > -1e-9
        assert clearance.max() < 1e-6
        feet = world[:, :, [J["left_foot"], J["right_foot"]], 1]
        assert feet.min() >= 0


@pytest.mark.parametrize("action", ["sit_down", "wave", "clap", "stand_up"])
def test_standing_feet_do_not_slide(action):
    world = make_motion(action, subject=2)[0]
    foot = world[:, [J["left_foot"], J["right_foot"]]].mean(1)
    assert np.linalg.norm(foot - foot[0], axis=-1).max() < 0.15


def test_motion_is_smooth():
    for action in ACTION_NAMES:
        world = make_motion(action, subject=3)
        speed = np.linalg.norm(np.diff(world, axis=1), axis=-1) * 30
        assert speed.max() < 16, action  # metres per second
        assert speed[..., J["mid_hip"]].max() < 6, action


def test_walking_goes_somewhere_and_the_stance_foot_rests():
    world = make_motion("walk", subject=1)[0]
    hips = world[:, J["mid_hip"]]
    assert np.linalg.norm((hips[-1] - hips[0])[[0, 2]]) > 1.0
    feet = np.linalg.norm(np.diff(world[:, [J["left_foot"], J["right_foot"]]], axis=0), axis=-1) * 30
    assert np.median(feet.min(1)) < 0.35 and feet.max() > 1.5
    forward = np.cross(world[0, J["left_hip"]] - world[0, J["right_hip"]], [0, 1, 0])
    assert forward @ (hips[10] - hips[0]) > 0


def drop_speed(world):
    """Fastest fall of the head over a fifth of a second, m/s."""
    head = world[0, :, J["head"], 1]
    return ((head[:-6] - head[6:]) * 5).max()


def test_falls_end_low_and_come_faster_than_lying_down():
    lying = [make_motion("lie_down", subject=s) for s in range(1, 9)]
    calm = [drop_speed(w) for w in lying]
    assert max(w[0, -1, J["head"], 1] for w in lying) < 0.45
    for action in FALLS:
        falls = [make_motion(action, subject=s) for s in range(1, 9)]
        assert max(w[0, -1, J["head"], 1] for w in falls) < 0.5, action
        assert max(w[0, -1, J["mid_hip"], 1] for w in falls) < 0.45, action
        speed = [drop_speed(w) for w in falls]
        assert np.median(speed) > 1.3 * np.median(calm), action
        assert np.median(speed) > np.max(calm), action
    for action in ("wave", "clap", "walk", "throw"):
        assert make_motion(action, subject=1)[0, :, J["mid_hip"], 1].min() > 0.6


def test_hands_meet_when_clapping_and_shaking():
    for subject in range(1, 6):
        clap = make_motion("clap", subject=subject)[0]
        gap = np.linalg.norm(clap[:, J["left_hand"]] - clap[:, J["right_hand"]], axis=-1)
        assert gap.min() < 0.15 and gap.max() > 0.35
        shake = make_motion("shake_hands", subject=subject)
        gap = np.linalg.norm(shake[0, :, J["right_hand"]] - shake[1, :, J["right_hand"]], axis=-1)
        assert gap.min() < 0.16 and gap[0] > 0.4


def test_a_hand_goes_down_to_pick_up():
    for subject in range(1, 9):
        world = make_motion("pick_up", subject=subject)[0]
        hands = world[:, [J["left_hand_tip"], J["right_hand_tip"]], 1].min(1)
        assert hands.min() < 0.32 and hands[-1] > 0.6
        assert world[:, J["mid_hip"], 1].min() > 0.3


def test_a_pushed_person_moves_away():
    for subject in range(1, 6):
        push = make_motion("push", subject=subject)[:, :, J["mid_hip"]]
        apart = np.linalg.norm(push[0] - push[1], axis=-1)
        assert apart[-1] > apart[0] + 0.05


def test_same_arguments_same_clip_and_other_seeds_another():
    a, b = (make_clip("throw", subject=3, camera=1, repetition=2, seed=5) for _ in range(2))
    assert a.equals(b)
    others = [
        make_clip("throw", subject=3, camera=1, repetition=2, seed=6),
        make_clip("throw", subject=3, camera=1, repetition=1, seed=5),
        make_clip("throw", subject=4, camera=1, repetition=2, seed=5),
    ]
    assert not any(a.xyz.shape == o.xyz.shape and np.allclose(a.xyz, o.xyz) for o in others)


def test_names_and_facts():
    clip = make_clip("kick", subject=7, camera=3, repetition=2, setup=4)
    assert clip.id == f"S004C003P007R002A{ACTION_NAMES.index('kick') + 1:03d}"
    assert clip.label == "kick" and clip.layout.name == "ntu25" and clip.unit == "m" and clip.fps == 30
    assert clip.info["subject"] == 7 and clip.info["camera"] == 3 and clip.info["setup"] == 4


def test_set_is_balanced_and_as_long_as_asked():
    clips = list(make_set(45, subjects=(1, 2), cameras=(2,), repetitions=(1,), seed=1))
    assert Counter(c.label for c in clips) == dict.fromkeys(ACTION_NAMES, 3)
    assert len({c.id for c in clips}) == 45
    every = list(make_set(actions=("wave", "walk"), subjects=(1, 2), cameras=(1, 2), repetitions=(1, 2)))
    assert len(every) == 16 and len({c.id for c in every}) == 16


def test_two_cameras_see_one_rigid_motion():
    for action in ("fall_sideways", "push"):
        a, b = (make_clip(action, subject=2, camera=c, noise=None).xyz.astype(np.float64) for c in (1, 4))
        p, q = a.reshape(-1, 3), b.reshape(-1, 3)
        pc, qc = p - p.mean(0), q - q.mean(0)
        u, _, vt = np.linalg.svd(pc.T @ qc)
        rotation = u @ vt
        assert np.linalg.det(rotation) == pytest.approx(1)  # no mirror image
        assert np.abs(pc @ rotation - qc).max() < 1e-4
        assert np.abs(p - q).max() > 0.3


def test_coordinates_are_kinects():
    clip = make_clip("wave", subject=1, camera=2, noise=None)
    xyz = clip.xyz[0]
    assert 2 < xyz[:, J["mid_hip"], 2].mean() < 5
    assert (xyz[:, J["head"], 1] > xyz[:, J["left_foot"], 1]).all()
    assert (xyz[:, J["left_shoulder"], 0] < xyz[:, J["right_shoulder"], 0]).all()  # facing the camera
    for number in CAMERAS:
        rotation = get_camera(number).rotation()
        assert np.allclose(rotation @ rotation.T, np.eye(3)) and np.linalg.det(rotation) == pytest.approx(1)


def test_conventions_match_a_real_recording(shared_data):
    from skelact.io.ntu import read_ntu

    real = read_ntu(shared_data / "ntu" / "S001C001P001R001A001.skeleton")
    mine = make_clip("wave", subject=1, camera=2, noise=None)

    def mean(clip, joint):
        return clip.xyz[0][:, J[joint]].mean(0)

    for clip in (real, mine):
        assert mean(clip, "head")[1] > mean(clip, "mid_hip")[1] > mean(clip, "left_foot")[1]
        assert mean(clip, "left_shoulder")[0] < mean(clip, "right_shoulder")[0]
    ratio = np.median(bone_lengths(mine.xyz[0]), 0) / np.median(bone_lengths(real.xyz[0]), 0)
    names = [LAYOUT.joints[v] for v, _ in LAYOUT.bones]
    big = [i for i, n in enumerate(names) if n.split("_")[-1] in ("knee", "ankle", "elbow", "wrist", "spine")]
    assert (ratio[big] > 0.7).all() and (ratio[big] < 1.45).all()


def test_noise_is_small_where_seen_and_marked_where_hidden():
    true = make_clip("walk", subject=1, camera=1, noise=None)
    seen = make_clip("walk", subject=1, camera=1, noise=replace(NOISE, swap=0, id_change=0, missing=0))
    error = np.linalg.norm(seen.xyz - true.xyz, axis=-1)
    assert 0.001 < np.median(error[seen.score == 1]) < 0.03
    assert set(np.unique(seen.score)) <= {0.5, 1.0}
    assert (error[seen.score == 0.5]).mean() > (error[seen.score == 1]).mean()
    nothing = make_clip("walk", subject=1, camera=1, noise=SILENT)
    assert np.array_equal(nothing.xyz, true.xyz) and (nothing.score == 1).all()


def test_far_bodies_are_noisier():
    noise = SensorNoise(1, 0, 0, 0, 0, 0)
    from skelact.datasets.synthetic.sensor import sense

    still = np.zeros((1, 400, 25, 3)) + [0, 0, 2.0]
    spread = [
        (sense(still + [0, 0, extra], noise, np.random.default_rng(0), 30)[0]).std(1).mean()
        for extra in (0, 2.0)
    ]
    assert spread[1] > 3 * spread[0] > 0


def test_the_body_hides_what_is_behind_it():
    side = make_clip("wave", subject=1, camera=2, noise=None).xyz.astype(np.float64)
    body = side.copy()
    body[..., J["left_hand"], :] = body[..., J["spine"], :] * 1.12  # behind the back
    body[..., J["right_hand"], :] = body[..., J["spine"], :] * 0.85  # before the chest
    hidden = hidden_joints(body)
    assert hidden[..., J["left_hand"]].all() and not hidden[..., J["right_hand"]].any()


def test_missing_swapped_and_changed_identities_happen():
    lost = make_clip("fall_backward", subject=2, camera=1, noise=replace(NOISE, missing=1.0, id_change=0))
    assert (lost.score == 0).any() and (lost.xyz[lost.score == 0] == 0).all()
    base = make_clip("push", subject=1, noise=SILENT)
    swapped = make_clip("push", subject=1, noise=replace(SILENT, swap=1.0))
    same = np.abs(base.xyz - swapped.xyz).max((2, 3)) < 1e-6
    assert same[:, 0].all() and not same[:, -1].any()
    assert np.allclose(base.xyz[::-1, -1], swapped.xyz[:, -1])
    broken = make_clip("wave", subject=1, noise=replace(SILENT, id_change=1.0))
    there = (broken.score > 0).any(-1)
    assert broken.n_people == 2 and not (there[0] & there[1]).any() and there[0, 0] and there[1, -1]


def test_unknown_names_and_numbers_are_refused():
    with pytest.raises(ConfigError, match="Did you mean 'walk'"):
        make_clip("wallk", subject=1)
    with pytest.raises(ConfigError, match="no camera 9"):
        make_clip("walk", subject=1, camera=9)
    with pytest.raises(ConfigError, match="subject must be"):
        make_clip("walk", subject=0)
    with pytest.raises(ConfigError, match="fps must be above 0"):
        make_clip("walk", subject=1, fps=0)
    with pytest.raises(ConfigError, match="at least one"):
        list(make_set(subjects=()))
    with pytest.raises(ConfigError, match="n_clips"):
        list(make_set(0))


def test_other_frame_rates_give_the_same_duration():
    for action in ("walk", "fall_forward"):
        slow, fast = (make_clip(action, subject=1, fps=f, noise=None) for f in (10, 60))
        assert slow.duration == pytest.approx(fast.duration, abs=0.45)


def test_written_files_are_read_back(tmp_path):
    from skelact.io.ntu import parse_ntu

    noise = replace(NOISE, missing=0, id_change=0, swap=0)
    ticks = []
    paths = write_ntu_folder(
        tmp_path / "raw", 15, subjects=(1,), cameras=(2,), noise=noise, progress=lambda *a: ticks.append(a)
    )
    assert [p.name for p in paths] == [f"S001C002P001R001A{i + 1:03d}.skeleton" for i in range(15)]
    assert ticks[-1][:2] == (15, 15)
    assert (tmp_path / "raw" / "classes.txt").read_text().split() == list(ACTION_NAMES)
    assert sorted(p.suffix for p in (tmp_path / "raw").iterdir() if p.suffix != ".skeleton") == [".txt"]
    for path, clip in zip(paths, make_set(15, subjects=(1,), cameras=(2,), noise=noise), strict=True):
        raw = parse_ntu(path)
        assert raw.n_bodies == clip.n_people
        first = np.array(path.read_text().split("\n")[4].split()[:3], float)  # first joint of the first body
        assert np.abs(first - clip.xyz[0, 0, 0]).max() < 1e-4
