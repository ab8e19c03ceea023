"""Every other format: real folders by count, round trips, damaged files."""

from __future__ import annotations

import json
import os
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from variants import slow_but

from skelact.errors import DataError, SkelactError
from skelact.io import ctrgcn, joints_csv, kinetics, openpose, pyskl, sbu, ucla, uea, utd_mhad
from skelact.io.falls import UR_FALL_PHASES
from skelact.io.formats import FORMATS, ReadOptions, detect_format
from skelact.io.gesture_phase import GESTURE_PHASES
from skelact.io.pose_format import write_pose
from skelact.layouts import SkeletonLayout, get_layout
from skelact.skeleton import Skeleton


def make(layout: str, people: int = 2, n_frames: int = 9, dims: int = 3, unit: str = "m", **rest) -> Skeleton:
    generator = np.random.default_rng(0)
    shape = (people, n_frames, len(get_layout(layout)))
    score = (generator.random(shape) > 0.1).astype(np.float32)
    # people stand far apart, so that following them is not what is tested
    xyz = (
        generator.normal(size=(*shape, dims)).astype(np.float32)
        + 100 * np.arange(people)[:, None, None, None]
    )
    return Skeleton(xyz, score, layout, 30, unit, **rest)


def read_all(name: str, path: Path) -> tuple[list[Skeleton], list[str]]:
    kind, options = FORMATS[name], ReadOptions(root=path)
    return [s for item in kind.find(path) for s in kind.read(item, options)], options.notes


REAL = {
    "nw-ucla": ("nw_ucla", 1484, 10),
    "utd-mhad": ("utd_mhad", 861, 27),
    "sbu-interaction": ("sbu", 282, 8),
    "natops": ("uea", 360, 6),
    "gesture-phase": ("gesture_phase", 5, 0),
    "up-fall-3d": ("up_fall", 61, 5),
    "urfd-pose": ("ur_fall", 30, 1),
    "mp-signs": ("mp_signs", 960, 6),
    "msrc12": ("msrc12", 48, 12),
    "ntu": ("ntu", 4, 4),
}


@pytest.mark.parametrize("folder", slow_but(REAL, *(REAL.keys() - {"msrc12", "nw-ucla", "up-fall-3d"})))
def test_real_folders(shared_data: Path, folder: str) -> None:
    name, n_clips, n_classes = REAL[folder]
    assert detect_format(shared_data / folder) == name
    clips, _ = read_all(name, shared_data / folder)
    assert len(clips) == len({c.id for c in clips}) == n_clips
    labels = Counter(c.label for c in clips if c.label is not None)
    assert len(labels) == n_classes
    kind = FORMATS[name]
    known = kind.label_names(kind.find(shared_data / folder))
    if known:
        assert set(labels) <= set(known)
    if kind.layout:
        assert {c.layout.name for c in clips} == {kind.layout}
    if kind.clip_id:
        assert sorted(map(kind.clip_id, kind.find(shared_data / folder))) == sorted(c.id for c in clips)


def test_ucla_values(shared_data: Path) -> None:
    path = shared_data / "nw-ucla" / "all_sqe" / "a12_s03_e01_v02.json"
    read = ucla.read_ucla(path)
    raw = np.array(json.loads(path.read_text())["skeletons"], np.float32)
    assert np.array_equal(read.xyz[0], raw)
    assert read.label == "carry" and read.info == {"action": 12, "subject": 3, "episode": 1, "view": 2}
    lengths = [
        len(json.loads(p.read_text())["skeletons"])
        for p in sorted((shared_data / "nw-ucla" / "all_sqe").glob("a02_s09_e04*"))
    ]
    assert 1 in lengths  # clips of one frame exist and are read
    missing = ucla.read_ucla(shared_data / "nw-ucla" / "all_sqe" / "a02_s09_e04_v02.json")
    assert missing.n_frames == 1


def test_sbu_is_metric(shared_data: Path) -> None:
    read = sbu.read_sbu(shared_data / "sbu-interaction" / "s01s02" / "01" / "001" / "skeleton_pos.txt")
    assert read.n_people == 2 and read.unit == "m" and read.fps == 15 and read.label == "approaching"
    height = read.xyz[:, :, 0, 1] - read.xyz[:, :, [11, 14], 1].min(-1)
    assert height.min() > 1.2 and height.max() < 2.0  # head to foot
    clips, _ = read_all("sbu", shared_data / "sbu-interaction")
    nearest = {}
    for c in clips:
        d = np.linalg.norm(c.xyz[0, :, 2] - c.xyz[1, :, 2], axis=-1)
        nearest.setdefault(c.label, []).append(d.min())
        if c.label == "approaching":
            assert d[-1] < d[0]
        if c.label == "departing":
            assert d[-1] > d[0]
    means = {k: np.mean(v) for k, v in nearest.items()}
    assert min(means, key=means.__getitem__) == "hugging"  # the class numbers mean what they are said to


def test_gesture_phase_time_and_labels(shared_data: Path) -> None:
    clips, _ = read_all("gesture_phase", shared_data / "gesture-phase")
    assert {c.info["subject"] for c in clips} == {"a", "b"}
    for c in clips:
        assert c.time is not None and c.time[0] == 0 and c.frame_labels is not None
        assert set(c.frame_labels) <= set(GESTURE_PHASES)
    assert sum(c.n_frames for c in clips) == 1747 + 1264 + 1834 + 1073 + 1424


def test_ur_fall_goes_once_to_fallen(shared_data: Path) -> None:
    clips, notes = read_all("ur_fall", shared_data / "urfd-pose")
    assert len(notes) == 2
    assert sum(int((c.score > 0).any(-1).sum()) for c in clips) == 2939 - 70 - 66
    back = []
    for c in clips:
        assert c.n_people == 1 and c.frame_labels is not None
        order = np.array([UR_FALL_PHASES.index(p) for p in c.frame_labels])
        assert set(order) <= {0, 1, 2} and order[-1] == 2
        back += [(c.id, int(t) + int(c.info["first_frame"]) + 1) for t in np.flatnonzero(np.diff(order) < 0)]
    assert back == [("fall-13", 73)]  # this frame stands in the table as 0 and 1 only


def test_mp_signs_unseen_hand_is_missing(shared_data: Path) -> None:
    clips, _ = read_all("mp_signs", shared_data / "mp-signs" / "signer01.npz")
    raw = np.load(shared_data / "mp-signs" / "signer01.npz")["X"]
    for c, x in zip(clips, raw, strict=True):
        unseen = ~x[:, 132:195].any(-1)
        assert not c.score[0, unseen, 33:54].any() and c.score[0, ~unseen, 33:54].all()
        assert np.array_equal(c.xyz[0, :, :33], x[:, :132].reshape(-1, 33, 4)[..., :3])


def test_openpose_round_trip_and_tracking(tmp_path: Path) -> None:
    made = make("body25", dims=2, unit="px", id="video", info={"first_frame": 0})
    openpose.write_openpose(made, tmp_path / "video")
    assert openpose.read_openpose(tmp_path / "video").equals(made)
    # OpenPose lists people in any order: identities must not follow it
    for path in sorted((tmp_path / "video").iterdir())[::2]:
        data = json.loads(path.read_text())
        data["people"].reverse()
        path.write_text(json.dumps(data))
    assert openpose.read_openpose(tmp_path / "video").with_(track_ids=[0, 1]).xyz.shape == made.xyz.shape
    read = openpose.read_openpose(tmp_path / "video")
    order = np.argsort(read.xyz[:, 0].max((1, 2)))
    assert np.array_equal(read.xyz[order], made.xyz)


def test_openpose_missing_frames_and_labels(tmp_path: Path) -> None:
    made = make("openpose18", people=1, dims=2, unit="px", id="c1")
    openpose.write_openpose(made, tmp_path / "wave" / "c1")
    (tmp_path / "wave" / "c1" / "c1_000000000004_keypoints.json").unlink()
    (read,), _ = read_all("openpose", tmp_path)
    assert read.label == "wave" and read.n_frames == 9 and not read.score[0, 4].any()
    (tmp_path / "wave" / "c1" / "c1_000000000005_keypoints.json").write_text(
        '{"people": [{"pose_keypoints_2d": [1, 2]}]}'
    )
    with pytest.raises(DataError, match="54"):
        read_all("openpose", tmp_path)


def test_kinetics_round_trip(tmp_path: Path) -> None:
    made = make("openpose18", dims=2, unit="image", id="clip", label="abseiling")
    kinetics.write_kinetics(made, tmp_path / "clip.json")
    assert detect_format(tmp_path) == "kinetics"
    assert kinetics.read_kinetics(tmp_path / "clip.json").equals(made)


def test_ucla_and_utd_and_sbu_round_trip(tmp_path: Path) -> None:
    made = make("kinect20", people=1, id="a01_s02_e03_v01", label="pick up with one hand")
    ucla.write_ucla(made, tmp_path / "a01_s02_e03_v01.json")
    assert np.array_equal(ucla.read_ucla(tmp_path / "a01_s02_e03_v01.json").xyz, made.xyz)
    made = make("kinect20_utd", people=1)
    utd_mhad.write_utd(made, tmp_path / "a3_s2_t1_skeleton.mat")
    read = utd_mhad.read_utd(tmp_path / "a3_s2_t1_skeleton.mat")
    assert np.array_equal(read.xyz, made.xyz) and np.array_equal(read.score, made.score)
    assert read.label == "wave" and read.info == {"action": 3, "subject": 2, "trial": 1}
    made = make("sbu15")
    folder = tmp_path / "s01s02" / "03" / "001"
    folder.mkdir(parents=True)
    sbu.write_sbu(made, folder / "skeleton_pos.txt")
    read = sbu.read_sbu(folder / "skeleton_pos.txt")
    assert np.array_equal(read.score, made.score) and np.allclose(read.xyz, made.xyz, atol=1e-5)


@pytest.mark.parametrize("protocol", range(6))
def test_plain_pickles_load(tmp_path: Path, protocol: int) -> None:
    data = {
        "a": np.arange(6.0).reshape(2, 3),
        "f": np.asfortranarray(np.random.default_rng(0).random((3, 4)).astype(np.float16)),
        "big": np.arange(3, dtype=">i4"),
        "s": np.float32(3.5),
        "t": (1, "x", [None, True]),
    }
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(data, protocol=protocol))
    read = pyskl.load_plain_pickle(path)
    for key in ("a", "f", "big"):
        assert np.array_equal(read[key], data[key]) and read[key].dtype == data[key].dtype
        assert type(read[key]) is np.ndarray
    assert read["s"] == data["s"] and read["t"] == data["t"]


def test_pyskl_round_trip(tmp_path: Path) -> None:
    made = [make("ntu25", id="a", label="walk"), make("ntu25", id="b", label="sit", n_frames=4)]
    pyskl.write_pyskl(tmp_path / "x.pkl", made, {"xsub_train": ["a"], "xsub_val": ["b"]})
    read, splits = pyskl.read_pyskl(tmp_path / "x.pkl", label_names=["sit", "walk"])
    assert all(a.equals(b) for a, b in zip(read, made, strict=True))
    assert splits == {"xsub_train": ["a"], "xsub_val": ["b"]}
    options = ReadOptions()
    list(FORMATS["pyskl"].read(tmp_path / "x.pkl", options))
    assert options.splits == {"xsub/train": ["a"], "xsub/val": ["b"]}


class _Evil:
    def __init__(self, call: Callable, *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple:
        return self.call, self.arguments


@pytest.mark.parametrize(
    ("make_evil", "named"),
    [
        (lambda mark: _Evil(os.system, f"touch {mark}"), "system"),
        (lambda mark: _Evil(eval, f"open({str(mark)!r}, 'w')"), "eval"),
        (lambda mark: _Evil(np.load, str(mark)), "numpy.load"),
        (lambda mark: Path(mark), "pathlib"),
        (lambda mark: np.array([_Evil(os.system, f"touch {mark}")], object), "objects|system|dtype"),
        (lambda mark: _Evil(np.ndarray, (10**12,)), "class"),
        (lambda mark: _Evil(np.dtype, [("a", "O")]), "dtype"),
        (lambda mark: _Evil(np.dtype, "O"), "dtype"),
    ],
)
def test_hostile_pickles_are_refused(tmp_path: Path, make_evil: Callable, named: str) -> None:
    mark, path = tmp_path / "ran", tmp_path / "evil.pkl"
    for protocol in (0, 2, 4, 5):
        path.write_bytes(pickle.dumps({"annotations": [make_evil(mark)]}, protocol=protocol))
        with pytest.raises(DataError, match=f"(?s)evil.pkl: refused.*({named})"):
            pyskl.read_pyskl(path)
        assert not mark.exists()


def test_pickle_cannot_change_numpys_own_types(tmp_path: Path) -> None:
    code = (
        b"\x80\x04cnumpy\ndtype\n\x8c\x02f4\x85R(K\x03\x8c\x01>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb."
    )
    (tmp_path / "x.pkl").write_bytes(code)
    assert pyskl.load_plain_pickle(tmp_path / "x.pkl") == np.dtype(">f4")
    assert (
        np.dtype("f4").newbyteorder("=") == np.dtype(np.float32) and np.float32(1).tobytes() == b"\0\0\x80?"
    )
    shared: list = []
    for _ in range(40):  # 2^40 items if every path were walked
        shared = [shared, shared]
    (tmp_path / "y.pkl").write_bytes(pickle.dumps(shared))
    assert isinstance(pyskl.load_plain_pickle(tmp_path / "y.pkl"), list)


def test_ctrgcn_round_trip_and_padding(tmp_path: Path) -> None:
    made = [make("ntu25", id="a", label="1"), make("ntu25", people=1, id="b", label="0", n_frames=5)]
    ctrgcn.write_ctrgcn(tmp_path / "x.npz", made, {"train": ["a"], "test": ["b"]}, ["0", "1"])
    with np.load(tmp_path / "x.npz") as file:
        assert file["x_test"].shape == (1, 9, 150) and file["y_train"].tolist() == [[0, 1]]
    read, splits = ctrgcn.read_ctrgcn(tmp_path / "x.npz")
    assert [np.array_equal(a.xyz, b.xyz) for a, b in zip(read, made, strict=True)] == [True, True]
    assert [r.label for r in read] == ["1", "0"] and splits == {
        "train": ["train_000000"],
        "test": ["test_000000"],
    }
    np.savez(tmp_path / "o.npz", **{f"{a}_{p}": np.array([{}]) for a in "xy" for p in ("train", "test")})
    with pytest.raises(DataError, match=r"plain arrays|Object"):
        ctrgcn.read_ctrgcn(tmp_path / "o.npz")


def test_csv_round_trip_with_own_layout(tmp_path: Path) -> None:
    layout = SkeletonLayout("stick", ("top", "left_end", "right_end"), (-1, 0, 0))
    generator = np.random.default_rng(1)
    made = [
        Skeleton(
            generator.normal(size=(m, t, 3, 2)),
            np.round(generator.uniform(0.1, 1, (m, t, 3)), 3),
            layout, 25, "px", label, name, {"subject": subject, "place": "hall"},
            track_ids=list(range(3, 3 + m)), time=np.arange(t) / 25,
        )
        for m, t, label, name, subject in ((2, 4, "push", "c1", 1), (1, 6, "wait", "c2", "x7"))
    ]  # fmt: skip
    made[1] = made[1].with_(score=made[1].score * (np.arange(6) != 2)[None, :, None])
    joints_csv.write_csv(made, tmp_path / "x.csv")
    assert detect_format(tmp_path / "x.csv") == "csv"
    read = list(joints_csv.iter_csv(tmp_path / "x.csv", layout, unit="px"))
    for a, b in zip(read, made, strict=True):
        assert np.array_equal(a.xyz, b.xyz) and np.array_equal(a.score, b.score) and a.info == b.info
        assert np.allclose(a.time, b.time) and a.fps == pytest.approx(25) and a.track_ids == b.track_ids


CSV = "clip,frame,label,a_x,a_y,b_x,b_y\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (CSV, "no rows"),
        ("clip,frame,a_x,a_y\nc,0,1,2\n", "missing: b_x, b_y"),
        ("frame,a_x,a_y,b_x,b_y\n0,1,2,3,4\n", "no column 'clip'"),
        (CSV + "c,0,l,1,2,3\n", "line 2: 6 columns"),
        (CSV + "c,0,l,1,2,3,4\nc,1,l,1,2,3,four\n", "line 3 column 'b_y'.*four"),
        (
            CSV + "c,0,l,1,2,3,4\nc,0,l,1,2,3,4\n",
            "line 3: clip 'c' has person 0 in frame 0 already in line 2",
        ),
        (CSV + "c,0,l,1,2,3,4\nc,1,m,1,2,3,4\n", "line 3: label 'm' differs"),
        (CSV + "c,-1,l,1,2,3,4\n", "line 2: frame '-1'"),
        (CSV + "c,0.5,l,1,2,3,4\n", "line 2: frame '0.5'"),
        (CSV + "c,0,l,1,2,3,inf\n", "infinite"),
        (CSV + ",0,l,1,2,3,4\n", "line 2: clip is empty"),
        (CSV + "c,0,l,1,2,3,4\nc,9000,l,1,2,3,4\n", "frame must count frames"),
        ("clip,frame,frame\n", "twice"),
    ],
)
def test_csv_errors_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    layout = SkeletonLayout("two", ("a", "b"), (-1, 0))
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError, match=message) as error:
        list(joints_csv.iter_csv(tmp_path / "x.csv", layout))
    assert "x.csv" in str(error.value)


def test_csv_empty_fields_are_missing(tmp_path: Path) -> None:
    layout = SkeletonLayout("two", ("a", "b"), (-1, 0))
    (tmp_path / "x.csv").write_text(CSV + "c,0,l,1,2,,\nc,1,l,nan,2,0,0\n")
    notes: list[str] = []
    (read,) = joints_csv.iter_csv(tmp_path / "x.csv", layout, notes=notes)
    assert read.score[0].tolist() == [[1, 0], [0, 1]] and "2 joints" in notes[0]


def test_uea_generic(tmp_path: Path) -> None:
    path = tmp_path / "Wrist_TRAIN.ts"
    path.write_text("@problemName Wrist\n@timeStamps false\n@classLabel true a b\n@data\n1,2:3,4:5,?:a\n")
    layout = SkeletonLayout("one", ("wrist",), (-1,))
    notes: list[str] = []
    (read,) = uea.iter_uea(path, layout, notes=notes)
    assert read.xyz[0, :, 0].tolist() == [[1, 3, 5], [0, 0, 0]] and read.score[0, :, 0].tolist() == [1, 0]
    assert read.label == "a" and read.info["part"] == "train" and notes
    with pytest.raises(DataError, match="name one"):
        list(uea.iter_uea(path))
    with pytest.raises(DataError, match="3 channels"):
        list(uea.iter_uea(path, "natops8"))


def valid_files(folder: Path) -> dict[str, Path]:
    """One small valid file of each single-file format."""
    folder.mkdir(exist_ok=True)
    where = {}
    where["nw_ucla"] = folder / "a01_s02_e03_v01.json"
    ucla.write_ucla(
        make("kinect20", 1, 3, id="a01_s02_e03_v01", label="pick up with one hand"), where["nw_ucla"]
    )
    where["utd_mhad"] = folder / "a3_s2_t1_skeleton.mat"
    utd_mhad.write_utd(make("kinect20_utd", 1, 3), where["utd_mhad"])
    where["sbu"] = folder / "s01s02" / "03" / "001" / "skeleton_pos.txt"
    where["sbu"].parent.mkdir(parents=True, exist_ok=True)
    sbu.write_sbu(make("sbu15", 2, 3), where["sbu"])
    where["kinetics"] = folder / "k.json"
    kinetics.write_kinetics(make("openpose18", 2, 3, 2, "image", label="x"), where["kinetics"])
    where["pyskl"] = folder / "p.pkl"
    pyskl.write_pyskl(where["pyskl"], [make("ntu25", 1, 3, id="a", label="b")], {"s_train": ["a"]})
    where["ctrgcn"] = folder / "c.npz"
    clips = [make("ntu25", 1, 3, id=i, label="b") for i in "xy"]
    ctrgcn.write_ctrgcn(where["ctrgcn"], clips, {"train": ["x"], "test": ["y"]}, ["b"])
    where["mp_signs"] = folder / "signer3.npz"
    x = np.random.default_rng(0).random((2, 3, 258)).astype(np.float32)
    np.savez(where["mp_signs"], X=x, label=np.array(["hello", "thanks"]))
    where["pose"] = folder / "x.pose"
    write_pose(make("pose_hands75", 1, 3, unit="px"), where["pose"])
    where["holistic"] = folder / "x.npy"
    np.save(where["holistic"], np.random.default_rng(0).random((3, 543, 3)).astype(np.float32))
    where["csv"] = folder / "x.csv"
    joints_csv.write_csv([make("natops8", 1, 3, id="a", label="b")], where["csv"])
    where["uea"] = folder / "NATOPS_TEST.ts"
    row = ":".join(["1,2,3"] * 24)
    where["uea"].write_text(
        f"@problemName NATOPS\n@timeStamps false\n@classLabel true 1.0\n@data\n{row}:1.0\n"
    )
    where["gesture_phase"] = folder / "a1_raw.csv"
    head = [f"{p}{c}" for p in ("lh", "rh", "h", "s", "lw", "rw") for c in "xyz"]
    rows = [",".join(["1.5"] * 18 + [str(100 + 30 * t), "Rest"]) for t in range(3)]
    where["gesture_phase"].write_text("\n".join([",".join([*head, "timestamp", "phase"]), *rows]))
    where["msrc12"] = folder / "P1_1_2_p06.csv"
    rows = [" ".join([str(1000000 + 33333 * t), *["1.5"] * 79, "1"]) for t in range(3)]
    where["msrc12"].write_text("\n".join(rows))
    where["msrc12"].with_suffix(".tagstream").write_text("XQPCTick;Tag\n50000000;G2  Duck\n")
    where["up_fall"] = folder / "SUBJECT1__C1S1A1T1.csv"
    head = [f"Joint{v}_{c}" for v in range(1, 34) for c in "XYZ"]
    rows = [",".join(["0.5"] * 99 + ["1"]) for _ in range(3)]
    where["up_fall"].write_text("\n".join([",".join([*head, "LABEL"]), *rows]))
    where["ur_fall"] = folder / "ur.csv"
    joints = ["Nose"] + [
        s + j for j in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle") for s in ("L", "R")
    ]
    head = ["video", "frame", *(f"{j}_{c}" for j in joints for c in "xys"), "label"]
    rows = [",".join(["fall-01", str(t), *["0.5"] * 39, "1"]) for t in range(3)]
    where["ur_fall"].write_text("\n".join([",".join(head), *rows]))
    return where


def read_one(name: str, path: Path) -> list[Skeleton]:
    return list(FORMATS[name].read(path, ReadOptions(layout="natops8" if name == "csv" else None)))


def test_valid_small_files_read_and_are_told_apart(tmp_path: Path) -> None:
    files = valid_files(tmp_path)
    assert set(files) | {"ntu", "openpose", "skelact"} == set(FORMATS), "a format lacks its damage test"
    for name, path in files.items():
        assert detect_format(path) == name
        assert read_one(name, path)


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 3000, bytes(range(256)) * 20, b"{}", b"[]", b"1\n2\n", b"null", b"[" * 99999]
)
def test_nonsense_is_refused_by_every_format(tmp_path: Path, content: bytes) -> None:
    for name, path in valid_files(tmp_path).items():
        path.write_bytes(content)
        with pytest.raises(SkelactError) as error:
            read_one(name, path)
        assert path.name in str(error.value), name


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, bytes]]:
    files = valid_files(tmp_path_factory.mktemp("valid"))
    return {name: (path, path.read_bytes()) for name, path in files.items()}


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_corrupt_files_give_data_errors_only(
    pristine: dict[str, tuple[Path, bytes]], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(pristine)))
    path, whole = pristine[name]
    bad = bytearray(whole)
    if data.draw(st.booleans()):
        bad = bad[: data.draw(st.integers(0, len(bad)))]
    else:
        for place in data.draw(st.lists(st.integers(0, len(bad) - 1), min_size=1, max_size=10)):
            bad[place] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(bad))
    try:
        for skeleton in read_one(name, path):
            assert np.isfinite(skeleton.xyz).all()
    except SkelactError as error:
        assert path.name in str(error)
    finally:
        path.write_bytes(whole)


def test_detect_says_what_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="empty folder"):
        detect_format(tmp_path)
    (tmp_path / "notes.docx").write_text("x")
    with pytest.raises(DataError, match=r"\.docx; allowed: ntu, nw_ucla"):
        detect_format(tmp_path)
    valid_files(tmp_path)
    with pytest.raises(DataError, match="name the one you mean"):
        detect_format(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        detect_format(tmp_path / "none")
