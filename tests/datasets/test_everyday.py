"""Synthetic daily life: what happens in the clips, the window that is cut, and the estimators' errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from skelact.datasets.synthetic.body import (
    DOF,
    J,
    forward_kinematics,
    limit_angles,
    make_body,
    stand_on_floor,
)
from skelact.datasets.synthetic.everyday import BODY15, EVERYDAY_CLASSES, make_everyday, make_everyday_clip
from skelact.datasets.synthetic.everyday.estimators import estimate, lose_arm, place_joints, with_face
from skelact.datasets.synthetic.everyday.generate import ACTIVITIES, FPS, cut_window, make_person
from skelact.datasets.synthetic.everyday.gestures import reach, stumble
from skelact.datasets.synthetic.everyday.moves import hop
from skelact.datasets.synthetic.everyday.takes import Take
from skelact.datasets.synthetic.everyday.throwing import toss
from skelact.datasets.synthetic.motion import Actor, Motion, warp_time
from skelact.errors import ConfigError


def world_of(label: str, number: int) -> tuple[np.ndarray, Take]:
    """True joints in the world ``[T, 25, 3]`` of a whole performance, the floor at y = 0, and the take."""
    actor = make_person(np.random.default_rng([3, number]))
    take = ACTIVITIES[label](actor)
    joints = forward_kinematics(actor.body, limit_angles(take.motion.angles))
    return stand_on_floor(joints, take.motion.drive, take.motion.rise), take


def test_the_classes() -> None:
    assert len(EVERYDAY_CLASSES) == 23 and len(BODY15) == 15
    omnifall = "walk fall fallen sit_down sitting lie_down lying stand_up standing other kneel_down kneeling"
    omnifall += " squat_down squatting crawl jump"
    assert EVERYDAY_CLASSES[:16] == tuple(omnifall.split())


@pytest.mark.parametrize("label", EVERYDAY_CLASSES)
def test_every_class_in_both_forms(label: str) -> None:
    for form, layout, dims, unit in (("3d", "body15", 3, "m"), ("2d", "coco17", 2, "px")):
        clip = make_everyday_clip(label, 5, form=form)  # type: ignore[arg-type]
        assert (clip.layout.name, clip.xyz.shape[3], clip.unit, clip.label) == (layout, dims, unit, label)
        assert clip.n_frames >= 8 and (clip.score > 0).mean() > 0.3
        assert clip.equals(make_everyday_clip(label, 5, form=form))  # type: ignore[arg-type]
        assert not clip.equals(make_everyday_clip(label, 6, form=form))  # type: ignore[arg-type]
    assert not make_everyday_clip(label, 5).equals(make_everyday_clip(label, 5, seed=1))


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="walk"):
        make_everyday_clip("wlak", 0)
    with pytest.raises(ConfigError, match="2d"):
        make_everyday_clip("walk", 0, form="4d")  # type: ignore[arg-type]


def test_exact_clips_have_bones_of_one_length_and_estimated_ones_do_not() -> None:
    left = BODY15.positions("left_knee", "left_ankle")

    def spread(exact: bool) -> float:
        x = make_everyday_clip("squat_down", 2, exact=exact).xyz[0][:, left]
        return float(np.ptp(np.linalg.norm(x[:, 0] - x[:, 1], axis=1)))

    assert spread(True) < 1e-5 < spread(False)


def test_what_the_body_does() -> None:
    fell: list[float] = []  # height of the head after a fall, in shares of that before
    for number in range(12):
        for label in EVERYDAY_CLASSES:
            world, take = world_of(label, number)
            height = world[:, J["head"], 1] / world[..., 1].max()
            begin, end = (min(round(t * FPS), len(world) - 1) for t in (take.begin, take.end))
            assert 0 <= begin < len(world) and begin <= end
            trunk = world[end, J["mid_shoulder"]] - world[end, J["mid_hip"]]
            if label in ("lie_down", "lying"):
                assert abs(trunk[1]) < 0.6 * np.linalg.norm(trunk), (label, number)
            if label == "fall":
                fell.append(world[end, J["head"], 1] / world[begin, J["head"], 1])
            if label in ("standing", "walk"):
                assert height.min() > 0.55, (label, number)
            if label == "jump":  # off the floor
                assert world[..., 1].min(1).max() > 0.025
            if label == "pick_up":  # a hand comes near the floor
                hands = world[:, [J["left_hand"], J["right_hand"]], 1]
                assert hands.min() < 0.45 * world[0, J["head"], 1], number
            if label == "sit_down":
                assert world[end, J["mid_hip"], 1] < 0.85 * world[0, J["mid_hip"], 1], number
            if label == "stand_up":
                assert world[end, J["mid_hip"], 1] > 1.1 * world[0, J["mid_hip"], 1], number
    assert np.median(fell) < 0.5 and sum(share < 0.75 for share in fell) >= 10


def test_hands_reach_the_head() -> None:
    for number in range(5):
        actor = make_person(np.random.default_rng(number))
        pose = reach(actor, {}, "head", (0.02, -0.05, 0.15), "main")
        joints = forward_kinematics(actor.body, actor.pose(pose)[None])[0]
        away = np.linalg.norm(joints[J[f"{actor.style.main}_hand"]] - joints[J["head"]])
        assert away < 0.27  # the hand's middle is behind the place by half a hand


def test_people_of_all_ages() -> None:
    people = [make_person(np.random.default_rng(i)) for i in range(200)]
    heights = np.array([p.body.height for p in people])
    assert heights.min() < 1.4 and heights.max() > 1.85
    bent = np.array([p.style.posture[DOF["spine_flex"]] for p in people])
    assert (bent > np.radians(12)).any() and min(p.style.tempo for p in people) < 0.65
    assert make_body(np.random.default_rng(0), 1.2).height == 1.2


def test_windows_show_the_action_or_a_part_of_what_goes_on() -> None:
    rng = np.random.default_rng(0)
    motion = Motion(np.zeros((100, len(DOF))))
    once, always = Take(motion, 2.0, 3.0), Take(motion, 0.0, 5.0, repeats=True)
    windows = [cut_window(once, 100, rng, FPS) for _ in range(300)]
    assert all(w.start <= 2.25 * FPS and w.stop >= 2.75 * FPS for w in windows)
    assert any(w.start < 2 * FPS - 5 for w in windows) and any(w.stop > 3 * FPS + 5 for w in windows)
    lengths = [w.stop - w.start for w in (cut_window(always, 100, rng, FPS) for _ in range(300))]
    assert min(lengths) >= 19 and max(lengths) <= 101 and np.ptp(lengths) > 30
    short = cut_window(Take(motion, 0.0, 0.2), 9, rng, FPS)
    assert short.stop - short.start >= 8


def test_the_rise_is_kept_when_time_is_warped_and_lifts_the_body() -> None:
    motion = Motion(np.zeros((40, len(DOF))), rise=np.linspace(0, 1, 40))
    warped = warp_time(motion, np.random.default_rng(0))
    assert warped.rise is not None and warped.rise[0] == 0 and warped.rise[-1] == pytest.approx(1)
    joints = forward_kinematics(make_body(np.random.default_rng(0)), motion.angles)
    lifted = stand_on_floor(joints, None, motion.rise) - stand_on_floor(joints)
    assert lifted[..., 1] == pytest.approx(np.broadcast_to(np.linspace(0, 1, 40)[:, None], (40, 25)))


def test_estimators_err_as_measured() -> None:
    truth = make_truth()
    errors, missing, far = [], [], []
    for seed in range(60):
        xyz, score = estimate(truth, np.random.default_rng(seed), FPS)
        about = xyz - xyz[:, [J["mid_hip"]]] - (truth - truth[:, [J["mid_hip"]]])
        errors.append(np.abs(about).mean(0))
        missing.append((score == 0).mean())
        far.append(np.abs(xyz - truth)[..., 2].mean())
    error = np.mean(errors, 0)
    assert error[J["left_wrist"]].mean() > 1.3 * error[J["left_shoulder"]].mean()
    assert error[:, 2].mean() > 1.2 * error[:, :2].mean()  # depth is the weakest
    assert 0.02 < error.mean() < 0.12 and 0.01 < np.mean(missing) < 0.25 and np.mean(far) > 0.05
    flat = estimate(truth, np.random.default_rng(1), FPS, depth=0.0)[0]
    assert np.array_equal(flat[..., 2], truth[..., 2]) and not np.array_equal(flat[..., 0], truth[..., 0])


def make_truth() -> np.ndarray:
    """Somebody who stands 3 m before the camera and faces it, ``[40, 25, 3]``."""
    actor = make_person(np.random.default_rng(0))
    world = stand_on_floor(forward_kinematics(actor.body, np.tile(actor.pose({}), (40, 1))))
    return world * [-1, 1, -1] + [0, -1, 3]


def test_faces_look_ahead_and_pictures_are_not_mirrored() -> None:
    face = with_face(make_truth())
    assert face["nose"][0, 2] < face["left_ear"][0, 2]  # nearer to the camera that it looks at
    from skelact.datasets.synthetic.everyday.generate import in_picture
    from skelact.skeleton import Skeleton

    flat = in_picture(Skeleton(make_truth()[None], None, "ntu25", FPS)).xyz[0, 0]
    at = flat[flat_index("left_shoulder", "right_shoulder", "nose", "left_ankle")]
    assert at[0, 0] > at[1, 0] and at[2, 1] < at[3, 1]  # left on the right, head above


def flat_index(*names: str) -> list[int]:
    from skelact.layouts import get_layout

    return get_layout("coco17").positions(*names)


def test_a_set_is_balanced_and_numbered() -> None:
    clips = list(make_everyday(2, first=1000))
    assert [c.label for c in clips] == [*EVERYDAY_CLASSES, *EVERYDAY_CLASSES]
    assert clips[0].id == "walk_01000" and {"height", "distance", "tilt"} <= set(clips[0].info)


def perform(take_of: Callable[[Actor], Take], number: int) -> tuple[np.ndarray, Take]:
    """True joints ``[T, 25, 3]`` of one way of doing something, the floor at y = 0, and the take."""
    actor = make_person(np.random.default_rng([4, number]))
    take = take_of(actor)
    joints = forward_kinematics(actor.body, limit_angles(take.motion.angles))
    return stand_on_floor(joints, take.motion.drive, take.motion.rise), take


def test_a_toss_moves_the_hand_and_hardly_the_trunk() -> None:
    for number in range(8):
        world, _ = perform(toss, number)
        about = world - world[:, [J["mid_hip"]]]
        reach_of = np.linalg.norm(world[0, J["left_shoulder"]] - world[0, J["left_elbow"]]) * 2
        moved = max(np.ptp(about[:, J[f"{side}_hand"]], axis=0).max() for side in ("left", "right"))
        assert moved > 0.6 * reach_of and np.ptp(about[:, J["mid_shoulder"]], axis=0).max() < 0.35, number


def test_hops_leave_the_floor_again_and_again() -> None:
    ahead = []
    for number in range(10):
        world, take = perform(hop, number)
        low = world[..., 1].min(1)
        off = low > low.min() + 0.02
        assert take.repeats and (np.diff(off.astype(int)) == 1).sum() >= 2, number
        ahead.append(np.ptp(world[:, J["mid_hip"], 2]))
    assert max(ahead) > 1.0


def test_who_stumbles_stays_up() -> None:
    lowest = []
    for number in range(12):
        world, _ = perform(stumble, number)
        lowest.append(world[:, J["head"], 1].min() / world[0, J["head"], 1])
        assert world[-1, J["head"], 1] > 0.85 * world[0, J["head"], 1], number
    assert min(lowest) > 0.35 and np.mean(lowest) < 0.95


def test_joints_are_placed_elsewhere_on_both_sides_alike() -> None:
    truth = make_truth()
    shares = []
    for seed in range(40):
        xyz = place_joints(truth, np.random.default_rng(seed))
        up = truth[0, J["mid_shoulder"]] - truth[0, J["mid_hip"]]
        shares.append(float((xyz - truth)[0, J["mid_hip"]] @ up / (up @ up)))
        assert np.array_equal(xyz[:, J["left_elbow"]], truth[:, J["left_elbow"]])
        shin = [np.linalg.norm(xyz[0, J[f"{s}_ankle"]] - xyz[0, J[f"{s}_knee"]]) for s in ("left", "right")]
        assert shin[0] == pytest.approx(shin[1], rel=0.02)
    assert -0.031 <= min(shares) < 0.03 and 0.15 < max(shares) <= 0.221


def test_one_arm_is_lost_for_some_time() -> None:
    truth = make_truth()
    arms = {
        s: [J[f"{s}_{j}"] for j in ("elbow", "wrist", "hand", "hand_tip", "thumb")] for s in ("left", "right")
    }
    sides = set()
    for seed in range(20):
        xyz = truth.copy()
        lose_arm(xyz, np.random.default_rng(seed), FPS)
        moved = (xyz != truth).any(-1)
        (side,) = {s for s, joints in arms.items() if moved[:, joints].any()}
        sides.add(side)
        assert set(np.flatnonzero(moved.any(0))) == set(arms[side])
        assert np.abs(xyz - truth).max() > 0.03
    assert sides == {"left", "right"}


@pytest.mark.parametrize("name", ["place_joints", "lose_arm"])
def test_clips_have_these_errors(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.datasets.synthetic.everyday import generate

    before = [make_everyday_clip("standing", i) for i in range(12)]
    exact = [make_everyday_clip("standing", i, exact=True) for i in range(3)]
    plain = {"place_joints": lambda xyz, rng: xyz, "lose_arm": lambda xyz, rng, fps: None}
    monkeypatch.setattr(generate, name, plain[name])
    after = [make_everyday_clip("standing", i) for i in range(12)]
    assert sum(not a.equals(b) for a, b in zip(before, after, strict=True)) >= 2
    assert all(a.equals(make_everyday_clip("standing", i, exact=True)) for i, a in enumerate(exact))


def test_who_lies_is_on_the_floor() -> None:
    """No legs that are bent into the floor lift the hips."""
    for label in ("fall", "fallen", "lying", "lie_down"):
        share = []
        for number in range(40):
            actor = make_person(np.random.default_rng([5, number]))
            take = ACTIVITIES[label](actor)
            joints = forward_kinematics(actor.body, limit_angles(take.motion.angles))
            world = stand_on_floor(joints, take.motion.drive)  # without the height of a bed
            end = min(round(take.end * FPS), len(world) - 1)
            share.append(world[end, J["mid_hip"], 1] / actor.body.height)
        assert np.quantile(share, 0.9) < 0.25 and max(share) < 0.45, label
