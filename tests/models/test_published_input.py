"""What each release is fed: its authors' arrays, and the rules of its scripts one by one."""

# ruff: noqa: NPY002  (the releases draw from numpy's old random numbers)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from published_helpers import NAME, bodies_of, walker, write_raw

from skelact.errors import CheckpointError, ConfigError, DataError
from skelact.models.published import INPUTS, PUBLISHED, published_input

RECORDED = ("stgcn", "2s_agcn", "ctrgcn", "ctrgcn_bone", "stgcnpp_pyskl", "dgstgcn_pyskl")
FOURTH = "S003C001P015R001A034"  # no arrays are recorded for it
CHAIN = {22: 23, 23: 8, 24: 25, 25: 12, 1: 2, 2: 21, 3: 21, 4: 3, 5: 21, 9: 21, 13: 1, 17: 1}
PARENT = {j: CHAIN.get(j, j - 1) for j in range(1, 26)} | {21: 21}  # NTU's bones, from 1


def made(tmp_path: Path, name: str, spans: dict, n_frames: int, stream: str = "joint") -> np.ndarray:
    return published_input(name, write_raw(tmp_path / NAME, bodies_of(spans, n_frames)), stream)


def test_every_release_has_an_input() -> None:
    assert list(INPUTS) == list(PUBLISHED)


@pytest.mark.parametrize("release", RECORDED)
def test_arrays_are_those_of_the_authors(shared_reference: Path, shared_data: Path, release: str) -> None:
    tolerance = 2e-3 if release.endswith("_pyskl") else 2e-5
    with np.load(shared_reference / "feeders.npz") as file:
        recorded = {key.split("/")[1]: file[key] for key in file if key.startswith(f"{release}/")}
    assert len(recorded) == 3
    name, _, bone = release.partition("_bone")
    for sample, expected in recorded.items():
        path = shared_data / "ntu" / f"{sample}.skeleton"
        got = published_input(name, path, "bone" if bone or release.endswith("_bone") else "joint")
        assert got.dtype == np.float32 and got.shape == expected.shape
        assert np.abs(got - expected).max() < tolerance


@pytest.mark.parametrize(
    ("first", "others"), [("2s_agcn", ("aagcn", "msg3d", "shiftgcn")), ("dgstgcn_pyskl", ("protogcn",))]
)
def test_releases_that_share_scripts(tmp_path: Path, first: str, others: tuple[str, ...]) -> None:
    path = write_raw(tmp_path / NAME, bodies_of({5: (0, walker(30)), 6: (3, walker(20, 1, 1.0))}, 30))
    for other in others:
        assert np.array_equal(published_input(other, path), published_input(first, path))


@pytest.mark.parametrize("name", [n for n in INPUTS if len(INPUTS[n].streams) > 1])
def test_streams(tmp_path: Path, name: str) -> None:
    """Bones hang on the authors' joints; motion is the next frame minus this one, 0 at the end."""
    path = write_raw(tmp_path / NAME, bodies_of({5: (0, walker(40)), 6: (0, walker(40, 1, 1.0, 0.01))}, 40))
    # half precision rounds before and after, so its differences are near, not equal
    tolerance = 5e-3 if name in ("dgstgcn_pyskl", "protogcn") else 1e-5
    joint = published_input(name, path)
    bone = published_input(name, path, "bone")
    for j, p in PARENT.items():
        assert np.allclose(bone[:, :, j - 1], joint[:, :, j - 1] - joint[:, :, p - 1], atol=tolerance), (j, p)
    for stream, still in (("joint_motion", joint), ("bone_motion", bone)):
        if stream in INPUTS[name].streams:
            moved = published_input(name, path, stream)
            assert np.allclose(moved[:, :-1], still[:, 1:] - still[:, :-1], atol=tolerance)
            assert not moved[:, -1].any() and moved.any()


# ST-GCN


def test_stgcn_takes_the_first_two_of_each_frame(tmp_path: Path) -> None:
    a, b, c = (walker(12, seed) for seed in range(3))
    frames = bodies_of({5: (0, a), 6: (0, b), 7: (0, c)}, 12)
    frames[4] = frames[4][::-1]  # the file's order counts, not the ids
    frames[7] = []
    x = published_input("stgcn", write_raw(tmp_path / NAME, frames)).transpose(3, 1, 2, 0)
    assert x.shape == (2, 300, 25, 3) and not x[:, 12:].any() and not x[:, 7].any()
    assert np.array_equal(x[0, :4], a[:4]) and np.array_equal(x[1, 8:12], b[8:])
    assert np.array_equal(x[0, 4], c[4]) and np.array_equal(x[1, 4], b[4])


def test_joints_that_are_not_tracked_are_points_like_others(tmp_path: Path) -> None:
    path = write_raw(tmp_path / NAME, bodies_of({5: (0, walker(12))}, 12), states="012")
    assert np.array_equal(published_input("stgcn", path)[..., 0].transpose(1, 2, 0)[:12], walker(12))


@pytest.mark.parametrize("name", ["stgcn", "2s_agcn"])
def test_more_frames_than_the_release_holds(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"301 frames, the release holds 300"):
        made(tmp_path, name, {5: (0, walker(301))}, 301)


# 2s-AGCN


def rotation(vector: np.ndarray, onto: list[int]) -> np.ndarray:
    """The shortest turn of a vector onto an axis: two mirrors, one after the other."""
    unit = vector / np.linalg.norm(vector)
    half = unit + onto
    half = half / np.linalg.norm(half)
    mirror = lambda n: 2 * np.outer(n, n) - np.eye(3)  # noqa: E731
    return mirror(half) @ mirror(unit)


def test_agcn_turns_the_first_body(tmp_path: Path) -> None:
    a, b = walker(20, 3, speed=0.05), walker(20, 4, 1.0, 0.01)
    x = made(tmp_path, "2s_agcn", {6: (0, b), 5: (0, a)}, 20).transpose(3, 1, 2, 0)
    spine = a[:, 1:2].astype(np.float64)
    first = a[0] - spine[0]
    upright = rotation(first[1] - first[0], [0, 0, 1])
    first = first @ upright.T
    sideways = rotation(first[8] - first[4], [1, 0, 0])
    for mine, theirs in ((x[0], a), (x[1], b)):  # who spreads most comes first, whatever the file's order
        expected = (theirs - spine) @ upright.T @ sideways.T
        assert np.abs(mine[:20] - expected).max() < 1e-5
    shoulder = x[0, 0, 8] - x[0, 0, 4]
    assert np.abs(shoulder[1:]).max() < 1e-5 < shoulder[0]


def test_agcn_repeats_to_300_frames(tmp_path: Path) -> None:
    x = made(tmp_path, "2s_agcn", {5: (0, walker(37))}, 40)  # three empty frames at the end are no frames
    for t in range(37, 300):
        assert np.array_equal(x[:, t], x[:, t % 37])


def test_agcn_moves_late_bodies_to_the_front(tmp_path: Path) -> None:
    """Each body that begins late loses its empty frames, also those within; a gap of an early one stays."""
    early, late = walker(30, 1, speed=0.05), walker(20, 2, 1.0, 0.01)
    frames = bodies_of({5: (0, early), 6: (0, walker(30, 9))}, 30)
    # body 6's slot is the second one, so the late body must lie there: alone it would be the first of its frame
    frames = [
        [bodies[0]] + ([(7, late[t - 10])] if t >= 10 and t != 15 else []) for t, bodies in enumerate(frames)
    ]
    frames[22] = []
    x = published_input("2s_agcn", write_raw(tmp_path / NAME, frames)).transpose(3, 1, 2, 0)
    assert not x[0, 22].any() and x[0, 21].any()  # the first body's gap
    kept = [t for t in range(10, 30) if t not in (15, 22)]
    shape = lambda pose: np.linalg.norm(pose[:, None] - pose, axis=-1)  # noqa: E731
    for t, k in enumerate([*kept, kept[0]]):  # and then again from the beginning
        assert np.abs(shape(x[1, t]) - shape(late[k - 10])).max() < 1e-5


def test_agcn_chooses_two_of_four(tmp_path: Path) -> None:
    still = {i: (0, walker(20, i, i, 0.0001)) for i in (1, 2)}
    fast = {i: (0, walker(20, i, i, 0.1)) for i in (3, 4)}
    fifth = {5: (0, walker(20, 5, 5, 0.3))}  # a fifth body is not looked at
    all_five = made(tmp_path, "2s_agcn", still | fast | fifth, 20)
    assert np.array_equal(all_five, made(tmp_path, "2s_agcn", fast, 20))


# CTR-GCN, and what PYSKL shares with it

CLEANED = ("ctrgcn", "stgcnpp_pyskl", "dgstgcn_pyskl")


@pytest.mark.parametrize("name", CLEANED)
def test_frames_without_anybody_are_no_frames(tmp_path: Path, name: str) -> None:
    frames = bodies_of({5: (0, walker(40)), 6: (0, walker(40, 1, 1.0))}, 40)
    expected = published_input(name, write_raw(tmp_path / NAME, frames))
    frames = [[], [], *frames[:20], [], *frames[20:], []]
    assert np.array_equal(published_input(name, write_raw(tmp_path / NAME, frames)), expected)


@pytest.mark.parametrize("name", CLEANED)
def test_bodies_of_few_frames_are_noise(tmp_path: Path, name: str) -> None:
    whole = {5: (0, walker(40))}
    alone = made(tmp_path, name, whole, 40)
    eleven = made(tmp_path, name, whole | {6: (3, walker(11, 1, 1.0))}, 40)
    twelve = made(tmp_path, name, whole | {6: (3, walker(12, 1, 1.0))}, 40)
    assert np.array_equal(eleven, alone)
    assert twelve.shape[3] == 2 and twelve[..., 1].any()
    with pytest.raises(DataError, match="12 frames or more"):
        made(tmp_path, name, {5: (0, walker(11)), 6: (3, walker(8, 1))}, 11)
    assert made(tmp_path, name, {5: (0, walker(8))}, 8).any()  # a lone body is never noise


@pytest.mark.parametrize("name", CLEANED)
def test_wide_bodies_are_noise(tmp_path: Path, name: str) -> None:
    whole = {5: (0, walker(40, speed=0.001))}
    wide = walker(40, 1, 1.0, 0.05, wide=True)
    mostly, partly = walker(40, 1, 1.0, 0.05), walker(40, 1, 1.0, 0.05)
    mostly[:28], partly[:27] = wide[:28], wide[:27]  # 0.7 and 0.675 of the frames; the border is 0.69754
    assert np.array_equal(made(tmp_path, name, whole | {6: (0, mostly)}, 40), made(tmp_path, name, whole, 40))
    assert made(tmp_path, name, whole | {6: (0, partly)}, 40)[..., -1].any()


def test_ctrgcn_keeps_the_last_wide_body_and_pyskl_refuses(tmp_path: Path) -> None:
    spans = {5: (0, walker(40, 0, 0.0, wide=True)), 6: (0, walker(40, 1, 1.0, wide=True))}
    assert np.array_equal(made(tmp_path, "ctrgcn", spans, 40), made(tmp_path, "ctrgcn", {6: spans[6]}, 40))
    with pytest.raises(DataError, match="too wide"):
        made(tmp_path, "stgcnpp_pyskl", spans, 40)


@pytest.mark.parametrize("name", CLEANED)
def test_motion_orders_people_by_plausible_frames(tmp_path: Path, name: str) -> None:
    """A body that moves only because its wide frames lie elsewhere comes second."""
    calm, lively = walker(40, 0, 0.0, 0.002), walker(40, 1, 1.0, 0.02)
    calm[:10] = walker(40, 2, 2.0, 0.5, wide=True)[:10]
    x = made(tmp_path, name, {5: (0, calm), 6: (0, lively)}, 40)
    there = np.abs(np.diff(x[..., 0].astype(np.float64), axis=1)).max()
    assert there < 0.3  # steps of the lively one; the calm one jumps by metres


@pytest.mark.parametrize("name", CLEANED)
def test_bodies_one_after_the_other_are_one_person(tmp_path: Path, name: str) -> None:
    whole = walker(60)
    parts = {5: (0, whole[:30]), 6: (30, whole[30:])}
    x, alone = made(tmp_path, name, parts, 60), made(tmp_path, name, {5: (0, whole)}, 60)
    assert x.shape[3] == 2 and not x[..., 1].any()
    assert np.abs(x[..., 0] - alone[..., 0]).max() < 1e-6


def test_ctrgcn_lets_bodies_share_a_frame(tmp_path: Path) -> None:
    """One frame of overlap is none for CTR-GCN (the later lies over it); PYSKL sees two people."""
    fast, slow = walker(40, 0, speed=0.1), walker(40, 1, speed=0.01)
    spans = {5: (0, fast), 6: (39, slow)}
    assert not made(tmp_path, "ctrgcn", spans, 79)[..., 1].any()
    assert made(tmp_path, "stgcnpp_pyskl", spans, 79)[..., 1].any()


@pytest.mark.parametrize("name", CLEANED)
def test_a_body_that_was_lost_between_has_no_gap(tmp_path: Path, name: str) -> None:
    a, b = walker(40, 0, speed=0.05), walker(40, 1, 1.0, 0.01)
    frames = [[(5, a[t])] + ([(6, b[t])] if not 10 <= t < 20 else []) for t in range(40)]
    lost = published_input(name, write_raw(tmp_path / NAME, frames))
    closed = made(tmp_path, name, {5: (0, a), 6: (0, np.delete(b, np.s_[10:20], 0))}, 40)
    assert np.array_equal(lost, closed)


def test_ctrgcn_looks_at_the_middle(tmp_path: Path) -> None:
    """The middle 95 % of the frames, linear between them, minus the first frame's spine."""
    a = walker(101).astype(np.float64)
    x = made(tmp_path, "ctrgcn", {5: (0, a.astype(np.float32))}, 101)
    middle = a[2:99] - a[0, 1]  # 2 = int(0.05 * 101 / 2)
    at = np.clip((np.arange(64) + 0.5) * 97 / 64 - 0.5, 0, 96)
    for v in (0, 7, 24):
        for c in range(3):
            assert np.abs(x[c, :, v, 0] - np.interp(at, np.arange(97), middle[:, v, c])).max() < 1e-5


def test_ctrgcn_absent_people_stay_zero(tmp_path: Path) -> None:
    a, b = walker(80, 0, speed=0.05), walker(20, 1, 1.0, 0.01)
    x = made(tmp_path, "ctrgcn", {5: (0, a), 6: (60, b)}, 80)
    assert not x[:, :40, :, 1].any() and x[:, 60:, :, 1].any()


# PYSKL


def test_pyskl_puts_the_one_in_more_frames_first(tmp_path: Path) -> None:
    """... and drops frames that lack that person."""
    quick, long = walker(20, 0, 0.0, 0.1), walker(50, 1, 1.0, 0.005)
    x = made(tmp_path, "dgstgcn_pyskl", {5: (0, quick), 6: (10, long)}, 60)
    assert x.shape == (3, 50, 25, 2)
    assert not x[:, 10:, :, 1].any() and x[:, :10, :, 1].any()
    assert np.abs(x[..., 0].transpose(1, 2, 0) - (long - long[0, 1])).max() < 5e-3


def test_pyskl_turns_by_its_own_first_frame(tmp_path: Path) -> None:
    x = made(tmp_path, "stgcnpp_pyskl", {5: (0, walker(30, 3))}, 30)[:, 0, :, 0].T
    spine, shoulders = x[1] - x[0], x[8] - x[4]
    assert not x[1].any() and np.abs(shoulders[1:]).max() < 5e-3 < shoulders[0]
    assert spine[2] > 0  # the second turn moves it off the axis again
    plain = made(tmp_path, "dgstgcn_pyskl", {5: (0, walker(30, 3))}, 30)[:, 0, :, 0].T
    assert np.allclose(np.linalg.norm(x, axis=1), np.linalg.norm(plain, axis=1), atol=2e-3)


def plain_frames(n: int, clips: int, length: int, anywhere: bool) -> list[list[int]]:
    """The sampling as it is told: numpy's old random numbers, one clip after the other."""
    np.random.seed(255)
    out = []
    for clip in range(clips):
        np.random.rand()
        np.random.randint(1)
        if n < length:
            begin = np.random.randint(0, n) if anywhere else (clip if n < clips else clip * n // clips)
            out.append([(begin + k) % n for k in range(length)])
        elif n < 2 * length:
            skipped = set(np.random.choice(length + 1, n - length, replace=False).tolist())
            frames, t = [], 0
            for k in range(length):  # before the k-th frame that is taken one may be left out
                t += k in skipped
                frames.append(t)
                t += 1
            out.append(frames)
        else:
            ends = [k * n // length for k in range(length + 1)]
            within = np.random.randint(np.diff(ends))
            out.append([int(a + w) for a, w in zip(ends, within, strict=False)])
    return out


@pytest.mark.parametrize("n_frames", [4, 12, 71, 99, 100, 103, 199, 200, 285])
@pytest.mark.parametrize("clips", [1, 10])
@pytest.mark.parametrize("name", ["stgcnpp_pyskl", "dgstgcn_pyskl", "protogcn"])
def test_pyskl_samples_clips(tmp_path: Path, name: str, clips: int, n_frames: int) -> None:
    path = write_raw(tmp_path / NAME, bodies_of({5: (0, walker(n_frames))}, n_frames))
    whole, got = published_input(name, path), published_input(name, path, clips=clips)
    assert got.shape == (clips, 3, 100, 25, 2) and not got[..., 1].any()
    for clip, frames in zip(got, plain_frames(n_frames, clips, 100, name != "stgcnpp_pyskl"), strict=True):
        assert np.array_equal(clip[..., 0], whole[..., 0][:, frames])


# What cannot be


def test_refusals(tmp_path: Path) -> None:
    path = write_raw(tmp_path / NAME, bodies_of({5: (0, walker(12))}, 12))
    with pytest.raises(CheckpointError, match=r"unknown published model 'agcn'.*2s_agcn"):
        published_input("agcn", path)
    with pytest.raises(
        ConfigError, match=r"stream of the release 'msg3d' 'joint_motion'; allowed: joint, bone"
    ):
        published_input("msg3d", path, "joint_motion")
    with pytest.raises(ConfigError, match="looks at a recording once"):
        published_input("ctrgcn", path, clips=10)
    with pytest.raises(ConfigError, match="at least 1 clip"):
        published_input("protogcn", path, clips=0)
    with pytest.raises(DataError, match=r"format 'ntu', but the release 'posec3d_pyskl' reads pyskl"):
        published_input("posec3d_pyskl", path)
    with pytest.raises(DataError, match="does not exist"):
        published_input("ctrgcn", tmp_path / "none.skeleton")
    (tmp_path / "joints.csv").write_text("clip,frame,a_x,a_y\n1,0,1,2\n")
    with pytest.raises(DataError, match="releases read raw files"):
        published_input("ctrgcn", tmp_path / "joints.csv")


@pytest.mark.parametrize("name", [n for n in INPUTS if "ntu" in INPUTS[n].makers])
def test_nobody_in_any_frame(tmp_path: Path, name: str) -> None:
    path = write_raw(tmp_path / NAME, [[] for _ in range(5)])
    if name in ("ctrgcn", "stgcnpp_pyskl", "dgstgcn_pyskl", "protogcn"):
        with pytest.raises(DataError, match="nobody is in any frame"):
            published_input(name, path)
    else:
        assert not published_input(name, path).any()


@pytest.mark.parametrize("name", [n for n in INPUTS if "ntu" in INPUTS[n].makers])
@pytest.mark.parametrize("people", [1, 2])
def test_joints_at_the_origin(tmp_path: Path, name: str, people: int) -> None:
    """A file of zeros is an error or zeros, as the scripts have it, but never a fault."""
    path = write_raw(tmp_path / NAME, bodies_of({i: (0, np.zeros((15, 25, 3))) for i in range(people)}, 15))
    try:
        assert not published_input(name, path).any()
    except DataError as error:
        assert "origin" in str(error)


def test_the_fourth_real_file(shared_data: Path) -> None:
    """One body in 71 frames; nothing is recorded for it, so the releases are compared with one another."""
    path = shared_data / "ntu" / f"{FOURTH}.skeleton"
    raw = published_input("stgcn", path)[:, :71, :, 0].transpose(1, 2, 0).astype(np.float64)
    agcn = published_input("2s_agcn", path)[:, :71, :, 0].transpose(1, 2, 0)
    length = lambda x: np.linalg.norm(x[:, :, None] - x[:, None], axis=-1)  # noqa: E731
    assert np.abs(length(agcn) - length(raw)).max() < 1e-5
    pyskl = published_input("dgstgcn_pyskl", path)[..., 0].transpose(1, 2, 0)
    assert np.abs(pyskl - (raw - raw[0, 1])).max() < 2e-3
