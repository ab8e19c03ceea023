"""Releases whose input has a score channel: Kinetics-Skeleton JSON, and 2D poses of PYSKL pickles."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from published_helpers import NAME, bodies_of, walker, write_kinetics_raw, write_raw
from test_published_input import plain_frames

from skelact.errors import DataError
from skelact.io.ntu import parse_ntu
from skelact.models.published import published_input
from skelact.models.published.inputs.pyskl import clean_bodies

KINETICS_PARENT = {0: 0, 1: 0, 2: 1, 3: 2, 4: 3, 5: 1, 6: 5, 7: 6, 8: 2, 9: 8, 10: 9, 11: 5, 12: 11, 13: 12, 14: 0,
                   15: 0, 16: 14, 17: 15}  # fmt: skip
COCO_PARENT = {0: 0, 1: 0, 2: 0, 3: 1, 4: 2, 5: 0, 6: 0, 7: 5, 8: 6, 9: 7, 10: 8, 11: 0, 12: 0, 13: 11, 14: 12,
               15: 13, 16: 14}  # fmt: skip


def crowd() -> dict[int, list[np.ndarray]]:
    """People ``[18, 3]`` by frame number, up to seven; some joints are not seen but lie somewhere."""
    random = np.random.default_rng(0)
    frames = {}
    for number in (1, 2, 4, 5, 9, 40):
        people = [random.random((18, 3)).round(3) for _ in range(int(random.integers(1, 8)))]
        for person in people:
            person[random.random(18) < 0.2, 2] = 0
        frames[number] = people
    frames[6] = []
    frames[10] = [np.concatenate([random.random((18, 2)), np.zeros((18, 1))], 1)]
    return frames


@pytest.mark.parametrize(("name", "up"), [("stgcn", 1), ("2s_agcn", -1), ("aagcn", -1), ("msg3d", -1)])
def test_kinetics(tmp_path: Path, name: str, up: int) -> None:
    """The two surest of the first five people of each frame, around the middle of the picture."""
    expected = np.zeros((3, 300, 18, 2))
    for number, people in crowd().items():
        surest = sorted(people[:5], key=lambda person: -person[:, 2].sum())[:2]
        for m, person in enumerate(surest):
            for v, (x, y, score) in enumerate(person):
                expected[:, number, v, m] = (x - 0.5, up * (y - 0.5), score) if score else 0
    path = write_kinetics_raw(tmp_path / "clip.json", crowd())
    got = published_input(name, path)
    assert got.shape == expected.shape and np.abs(got - expected).max() < 1e-6
    if name != "stgcn":
        bone = published_input(name, path, "bone")
        for joint, parent in KINETICS_PARENT.items():  # the score channel too
            assert np.allclose(bone[:, :, joint], got[:, :, joint] - got[:, :, parent], atol=1e-6)


def test_kinetics_frames_that_the_release_does_not_hold(tmp_path: Path) -> None:
    path = write_kinetics_raw(tmp_path / "clip.json", {300: [np.random.default_rng(0).random((18, 3))]})
    with pytest.raises(DataError, match="the release holds 300"):
        published_input("stgcn", path)


def test_kinetics_of_other_joints(tmp_path: Path) -> None:
    path = write_kinetics_raw(tmp_path / "clip.json", {1: [np.random.default_rng(0).random((25, 3))]})
    with pytest.raises(DataError, match=r"OpenPose's 18 joints, the recording has 25"):
        published_input("stgcn", path)


SIZE = (240, 320)
REACH = np.float32(3 * 0.6)  # pixels around a joint in which it is drawn


def write_pickle(path: Path, *people: int, n_frames: int = 70, kind: str = "float16") -> list[np.ndarray]:
    """A pickle of recordings ``clip0``, ... with so many people each; returns x, y, score ``[M, T, 17, 3]``."""
    random = np.random.default_rng(1)
    found, annotations = [], []
    for k, n_people in enumerate(people):
        body = random.uniform(60, 180, (n_people, 1, 17, 2)) + random.normal(
            0, 3, (n_people, n_frames, 17, 2)
        )
        score = random.random((n_people, n_frames, 17))
        score[random.random(score.shape) < 0.1] = 0.0005  # below what is drawn
        body, score = body.astype(kind), score.astype(kind)
        body[0, 3, 5], score[0, 4, 6] = 0, 0
        found.append(np.concatenate([body, score[..., None]], -1).astype(np.float64))
        annotations.append({
            "frame_dir": f"clip{k}", "label": 0, "total_frames": n_frames, "img_shape": SIZE, "keypoint": body,
            "keypoint_score": score,
        })  # fmt: skip
    path.write_bytes(pickle.dumps({"split": {}, "annotations": annotations}))
    return found


def plain_volume(poses: np.ndarray, frames: list[list[int]]) -> np.ndarray:
    """``[clips, 17, 48, 64, 64]``: every joint of everybody in every frame, one after the other."""
    taken = poses[:, [t for clip in frames for t in clip]].copy()
    xs, ys = taken[..., 0][taken[..., 0] != 0], taken[..., 1][taken[..., 1] != 0]
    half = max(xs.max() - xs.min(), ys.max() - ys.min()) / 2 * 1.25
    left, right = (int((xs.max() + xs.min()) / 2 + side * half) for side in (-1, 1))
    top, bottom = (int((ys.max() + ys.min()) / 2 + side * half) for side in (-1, 1))
    out = np.zeros((len(frames), 17, 48, 64, 64))
    for m in range(len(taken)):
        for t in range(taken.shape[1]):
            for v, (x, y, score) in enumerate(taken[m, t]):
                if score < 1e-3:
                    continue
                # in single precision, which decides whether a pixel at a patch's border is drawn
                column = np.float32(x - left if x else 0) * np.float32(64 / (right - left))
                row = np.float32(y - top if y else 0) * np.float32(64 / (bottom - top))
                picture = out[t // 48, v, t % 48]
                for i in range(max(int(row - REACH), 0), min(int(row + REACH) + 1, 64)):
                    for j in range(max(int(column - REACH), 0), min(int(column + REACH) + 1, 64)):
                        height = score * np.exp(-((j - column) ** 2 + (i - row) ** 2) / 2 / 0.36)
                        picture[i, j] = max(picture[i, j], height)
    return out


@pytest.mark.parametrize(("clips", "n_frames"), [(1, 30), (2, 70), (1, 110)])
def test_posec3d(tmp_path: Path, clips: int, n_frames: int) -> None:
    """Sampled, cropped to the square around everybody in all clips, drawn, and again in a mirror."""
    (poses,) = write_pickle(tmp_path / "a.pkl", 2, n_frames=n_frames)
    got = published_input("posec3d_pyskl", tmp_path / "a.pkl", clips=clips)
    expected = plain_volume(poses, plain_frames(n_frames, clips, 48, False))
    assert got.shape == (2 * clips, 17, 48, 64, 64)
    assert np.abs(got[:clips] - expected).max() < 1e-6
    sides = [0, *(v + 1 if v % 2 else v - 1 for v in range(1, 17))]
    assert np.array_equal(got[clips:], got[:clips, sides, :, :, ::-1])
    whole = published_input("posec3d_pyskl", tmp_path / "a.pkl")
    assert np.array_equal(whole, poses.transpose(3, 1, 2, 0).astype(np.float32))


def test_posec3d_leaves_small_people_where_they_are(tmp_path: Path) -> None:
    poses = np.full((1, 50, 17, 2), 100.0, np.float32) + np.arange(17)[:, None] / 2
    entry = {"frame_dir": "a", "label": 0, "img_shape": SIZE, "keypoint": poses, "total_frames": 50}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"split": {}, "annotations": [entry]}))
    volume = published_input("posec3d_pyskl", tmp_path / "a.pkl", clips=1)
    row, column = np.unravel_index(volume[0, 0, 0].argmax(), (64, 64))
    assert (row, column) == (round(100 * 64 / 240), round(100 * 64 / 320))


def test_recordings_of_a_pickle(tmp_path: Path) -> None:
    poses = write_pickle(tmp_path / "a.pkl", 1, 3)
    got = published_input("posec3d_pyskl", tmp_path / "a.pkl", recording="clip1")
    assert np.array_equal(got, poses[1].transpose(3, 1, 2, 0).astype(np.float32))
    with pytest.raises(DataError, match=r"unknown recording ''; allowed: clip0, clip1"):
        published_input("posec3d_pyskl", tmp_path / "a.pkl")


def test_poses_that_pyskl_does_not_have(tmp_path: Path) -> None:
    for shape, name in (((1, 9, 17, 3), "protogcn"), ((1, 9, 18, 2), "posec3d_pyskl")):
        poses = np.random.default_rng(0).random(shape)
        entry = {"frame_dir": "a", "label": 0, "img_shape": SIZE, "keypoint": poses, "total_frames": 9}
        (tmp_path / "a.pkl").write_bytes(pickle.dumps({"split": {}, "annotations": [entry]}))
        with pytest.raises(DataError, match=r"does not hold all|COCO's 17 joints"):
            published_input(name, tmp_path / "a.pkl")


@pytest.mark.parametrize("name", ["stgcnpp_pyskl", "dgstgcn_pyskl"])
def test_ntu_poses_of_a_pickle(tmp_path: Path, name: str) -> None:
    """PYSKL's own file of NTU RGB+D gives what the raw file gives, from its cleaned poses on."""
    path = write_raw(tmp_path / NAME, bodies_of({5: (0, walker(30)), 6: (4, walker(20, 1, 1.0))}, 30))
    poses = clean_bodies(parse_ntu(path).bodies())
    entry = {"frame_dir": "a", "label": 0, "keypoint": poses, "total_frames": poses.shape[1]}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"split": {}, "annotations": [entry]}))
    for stream in ("joint", "bone_motion"):
        expected = published_input(name, path, stream)
        assert np.array_equal(published_input(name, tmp_path / "a.pkl", stream), expected)


@pytest.mark.parametrize("name", ["stgcnpp_pyskl", "dgstgcn_pyskl", "protogcn"])
def test_poses_with_scores(tmp_path: Path, name: str) -> None:
    """Positions from -1 to 1 over the picture; the score of a bone or a motion is the mean of its ends."""
    (poses,) = write_pickle(tmp_path / "a.pkl", 3, kind="float32")
    joint = poses.copy()
    joint[..., 0], joint[..., 1] = joint[..., 0] / 160 - 1, joint[..., 1] / 120 - 1
    bone = joint.copy()
    for v, parent in COCO_PARENT.items():
        bone[:, :, v, :2] = joint[:, :, v, :2] - joint[:, :, parent, :2]
        bone[:, :, v, 2] = (joint[:, :, v, 2] + joint[:, :, parent, 2]) / 2
    streams = {"joint": joint, "bone": bone}
    for stream in ("joint", "bone"):
        moved = np.zeros_like(joint)
        moved[:, :-1] = streams[stream][:, 1:] - streams[stream][:, :-1]
        moved[:, :-1, :, 2] = (streams[stream][:, 1:, :, 2] + streams[stream][:, :-1, :, 2]) / 2
        streams[f"{stream}_motion"] = moved
    for stream, expected in streams.items():
        got = published_input(name, tmp_path / "a.pkl", stream)
        assert np.abs(got - expected.transpose(3, 1, 2, 0)).max() < 1e-5, stream
    clips = published_input(name, tmp_path / "a.pkl", clips=2)
    assert clips.shape == (2, 3, 100, 17, 2)  # the third person is left out
