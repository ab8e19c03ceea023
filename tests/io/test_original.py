"""A recording and its remainder are the raw file again, whatever the reader dropped, joined or marked."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import DataError
from skelact.io.convert import convert
from skelact.io.kinetics import read_kinetics
from skelact.io.ntu import parse_ntu, read_ntu
from skelact.io.original import Bodies, number_bodies, restore_bodies
from skelact.io.pyskl import read_pyskl
from skelact.io.store import Store, StoreWriter, read_store
from skelact.skeleton import Skeleton

NAME = "S001C001P001R001A001"


def write_random(path: Path, seed: int) -> Bodies:
    """A ``.skeleton`` file with everything that readers change; returns what it says."""
    random = np.random.default_rng(seed)
    n_frames = int(random.integers(1, 25))
    ids = random.choice(5000, int(random.integers(1, 6)), replace=False) + 72057594037930000
    frame, body_id, values, lines = [], [], [], [str(n_frames)]
    for t in range(n_frames):
        there = random.permutation(ids[random.random(len(ids)) < 0.7]).tolist()
        if there and random.random() < 0.1:
            there.append(there[0])  # doubled within one frame
        lines.append(str(len(there)))
        for body in there:
            pose = random.normal(0, 1, (25, 3)).astype(np.float32)
            pose[random.random(25) < 0.1] = 0
            pose[random.random(25) < 0.02] = np.nan
            frame.append(t)
            body_id.append(body)
            values.append(pose)
            lines += [f"{body} 0 1 1 1 1 0 0 0 2", "25"]
            lines += [
                f"{p[0]!s} {p[1]!s} {p[2]!s} 1 1 1 1 0 0 0 0 {random.choice([0, 1, 2, 2])}" for p in pose
            ]
    path.write_text("\n".join(lines) + "\n")
    poses = np.array(values, np.float32).reshape(-1, 25, 3)
    return Bodies("ntu", n_frames, np.array(frame, int), number_bodies(np.array(body_id, int)), poses)


def assert_same(got: Bodies, expected: Bodies) -> None:
    assert (got.source, got.n_frames) == (expected.source, expected.n_frames)
    assert np.array_equal(got.frame, expected.frame) and np.array_equal(got.body, expected.body)
    assert np.array_equal(got.values, expected.values, equal_nan=True)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**31))
def test_ntu_files_come_back_whole(tmp_path: Path, seed: int) -> None:
    path = tmp_path / f"{NAME}.skeleton"
    written = write_random(path, seed)
    assert_same(parse_ntu(path, all_columns=False).bodies(), written)
    try:
        read = read_ntu(path)
    except DataError:
        return  # nobody in it
    assert_same(restore_bodies(read), written)
    (tmp_path / "x.h5").unlink(missing_ok=True)
    convert(tmp_path / path.name, tmp_path / "x.h5", workers=0)
    assert_same(restore_bodies(read_store(tmp_path / "x.h5")[0]), written)
    data = SkeletonSet.open(tmp_path / "x.h5")
    assert_same(restore_bodies(data.recording(0)), written)
    assert_same(restore_bodies(SkeletonSet.from_skeletons([read]).recording(0)), written)
    assert_same(restore_bodies(SkeletonSet.open(tmp_path / "x.h5", resident=False).recording(0)), written)


def test_real_files_need_nothing_more(shared_data: Path, tmp_path: Path) -> None:
    convert(shared_data / "ntu", tmp_path / "x.h5", format="ntu", workers=0)
    for read in read_store(tmp_path / "x.h5"):
        assert read.remainder == "ntu:" and "remainder" not in read.info
        path = shared_data / "ntu" / f"{read.id}.skeleton"
        assert_same(restore_bodies(read), parse_ntu(path, all_columns=False).bodies())


def test_kinetics_files_come_back_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    data, expected = [], []
    for number in (7, 3, 12):  # not in order
        people = [random.random((18, 3)).astype(np.float32) for _ in range(number % 4 + 1)]
        people[0][:9, 2] = 0
        people[-1][:, 2] = 0
        expected += [(number, m, p) for m, p in enumerate(people)]
        skeletons = [{"pose": p[:, :2].ravel().tolist(), "score": p[:, 2].tolist()} for p in people]
        data.append({"frame_index": number, "skeleton": skeletons})
    import json

    (tmp_path / "k.json").write_text(json.dumps({"data": data, "label": "x"}))
    expected.sort(key=lambda row: row[0])
    frame, place, values = (np.array(column) for column in zip(*expected, strict=True))
    convert(tmp_path / "k.json", tmp_path / "x.h5", workers=0)
    for read in (read_kinetics(tmp_path / "k.json"), read_store(tmp_path / "x.h5")[0]):
        assert_same(restore_bodies(read), Bodies("kinetics", 13, frame, place, values))


def test_pickles_come_back_whole(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    keypoint = random.uniform(0, 300, (3, 9, 17, 2)).astype(np.float16)
    score = random.random((3, 9, 17)).astype(np.float16)
    score[0, 2], keypoint[1, 4:], score[2], score[1, 0, 0] = 0, 0, 0, 1.5
    entry = {
        "frame_dir": "a",
        "label": 1,
        "img_shape": (240, 320),
        "keypoint": keypoint,
        "keypoint_score": score,
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"split": {}, "annotations": [entry]}))
    convert(tmp_path / "a.pkl", tmp_path / "x.h5", workers=0)
    for read in (read_pyskl(tmp_path / "a.pkl")[0][0], read_store(tmp_path / "x.h5")[0]):
        found = restore_bodies(read)
        assert found.size == (240, 320) and found.source == "pyskl"
        values = np.concatenate([keypoint, score[..., None]], -1).astype(np.float32)
        assert np.array_equal(found.slots(3), values)


def test_a_changed_recording_is_not_the_file_any_more(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.skeleton"
    write_random(path, 4)
    read = read_ntu(path)
    for changed in (read.with_(label="other"), read.mirrored(), read.converted("ntu25_tied")):
        with pytest.raises(DataError, match=r"recording 'S001.*does not hold all.*skelact convert FOLDER"):
            restore_bodies(changed)
    with StoreWriter(tmp_path / "half.h5", layout="ntu25", dtype="float16") as writer:
        writer.append(read)
    with Store(tmp_path / "half.h5") as store, pytest.raises(DataError, match="as float32"):
        restore_bodies(store.read(0))
    convert(path, tmp_path / "tied.h5", to_layout="ntu25_tied", workers=0)
    assert read_store(tmp_path / "tied.h5")[0].remainder is None


def test_a_damaged_remainder_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}.skeleton"
    write_random(path, 4)
    read = read_ntu(path)
    assert read.remainder is not None
    kept = read.remainder
    random = np.random.default_rng(0)
    for _ in range(60):
        place = int(random.integers(4, len(kept)))
        broken = kept[:place] if random.random() < 0.3 else kept[:place] + "!" + kept[place + 1 :]
        try:
            restore_bodies(read.with_remainder(broken))
        except DataError as error:
            assert "damaged" in str(error)
    few = Skeleton(read.xyz[:1, :1], read.score[:1, :1], "ntu25", 30).with_remainder(kept)
    with pytest.raises(DataError, match="damaged"):
        restore_bodies(few)
