"""``.pose`` files: the same numbers as the package pose-format, names become joints, damaged files are refused."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelact.errors import DataError
from skelact.io.convert import convert
from skelact.io.pose_format import PoseComponent, PoseFile, format_pose, parse_pose, read_pose, write_pose
from skelact.io.pose_names import joint_name
from skelact.layouts import LAYOUTS, get_layout
from skelact.skeleton import Skeleton

HOLISTIC = ("POSE_LANDMARKS", "FACE_LANDMARKS", "LEFT_HAND_LANDMARKS", "RIGHT_HAND_LANDMARKS")


def make(
    layout: str, people: int = 1, n_frames: int = 4, dims: int = 3, unit: str = "px", **rest
) -> Skeleton:
    rng = np.random.default_rng(0)
    shape = (people, n_frames, len(get_layout(layout)))
    score = rng.uniform(0.1, 1, shape) * (rng.random(shape) > 0.2)
    info = rest.pop("info", {"width": 640, "height": 480})
    return Skeleton(rng.uniform(0, 400, (*shape, dims)), score, layout, 29.97, unit, info=info, **rest)


@pytest.mark.parametrize(
    "layout", ["pose_hands75", "holistic543", "pose33", "hands42", "body25", "sign118", "ntu25"]
)
def test_round_trip(tmp_path: Path, layout: str) -> None:
    made = make(layout, people=2, id="x")
    read = read_pose(
        write_pose(made, tmp_path / "x.pose"), "holistic543" if layout == "holistic543" else None
    )
    assert read.layout == made.layout and read.unit == "px"
    assert np.array_equal(read.xyz, made.xyz) and np.array_equal(read.score, made.score)
    assert read.info == made.info and abs(read.fps - 29.97) < 1e-5


def test_the_face_is_left_out_unless_asked_for(tmp_path: Path) -> None:
    made = make("holistic543")
    path = write_pose(made, tmp_path / "x.pose")
    assert read_pose(path).layout.name == "pose_hands75"
    assert read_pose(path).equals(read_pose(path, "holistic543").converted("pose_hands75"))
    assert read_pose(path, "sign118").equals(read_pose(path, "holistic543").converted("sign118"))


def test_pose_format_reads_what_is_written(tmp_path: Path) -> None:
    package = pytest.importorskip("pose_format", reason="pose-format is not installed (the extra 'test')")
    made = make("holistic543", people=2)
    other = package.Pose.read(write_pose(made, tmp_path / "x.pose").read_bytes())
    assert [c.name for c in other.header.components] == list(HOLISTIC)
    assert [len(c.points) for c in other.header.components] == [33, 468, 21, 21]
    assert other.header.components[2].points[5] == "INDEX_FINGER_MCP"
    assert (other.header.dimensions.width, other.header.dimensions.height) == (640, 480)
    assert abs(other.body.fps - 29.97) < 1e-5
    assert np.array_equal(other.body.data.data, made.xyz.transpose(1, 0, 2, 3))
    assert np.array_equal(other.body.confidence, made.score.transpose(1, 0, 2))
    assert np.array_equal(other.body.data.mask[..., 0], made.score.transpose(1, 0, 2) == 0)


def _with_package(components: list[tuple[str, list[str]]], people: int = 1, dims: int = 3) -> bytes:
    """A file written by the package pose-format, values counting up."""
    package = pytest.importorskip("pose_format", reason="pose-format is not installed (the extra 'test')")
    from pose_format.numpy.pose_body import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

    form = "XYZC" if dims == 3 else "XYC"
    parts = [PoseHeaderComponent(n, p, [(0, 1)], [(255, 0, 0)], form) for n, p in components]
    n = sum(len(p) for _, p in components)
    data = np.arange(3 * people * n * dims, dtype=np.float32).reshape(3, people, n, dims)
    body = NumPyPoseBody(25, data, np.ones((3, people, n), np.float32))
    file = io.BytesIO()
    package.Pose(PoseHeader(0.2, PoseHeaderDimensions(100, 50, 0), parts), body).write(file)
    return file.getvalue()


def test_what_pose_format_writes_is_read(tmp_path: Path) -> None:
    # 586 points of Holistic, in another order of components than ours: names decide, not places
    def upper(layout: str) -> list[str]:
        return [j.upper() for j in LAYOUTS[layout].joints]

    body = [
        j.replace("LEFT_MOUTH", "MOUTH_LEFT").replace("RIGHT_MOUTH", "MOUTH_RIGHT") for j in upper("pose33")
    ]
    hand = [
        j.replace("INDEX", "INDEX_FINGER").replace("MIDDLE", "MIDDLE_FINGER").replace("RING", "RING_FINGER")
        for j in upper("hand21")
    ]
    face = [str(k) for k in range(478)]
    content = _with_package(
        [
            ("POSE_WORLD_LANDMARKS", body),
            ("RIGHT_HAND_LANDMARKS", hand),
            ("LEFT_HAND_LANDMARKS", hand),
            ("FACE_LANDMARKS", face),
            ("POSE_LANDMARKS", body),
        ]
    )
    path = tmp_path / "x.pose"
    path.write_bytes(content)
    notes: list[str] = []
    read = read_pose(path, "holistic543", notes=notes)
    assert not notes and read.fps == 25 and read.info == {"width": 100, "height": 50}
    first = {joint: read.xyz[0, 0, v, 0] / 3 for v, joint in enumerate(read.layout.joints)}
    assert first["nose"] == 33 + 21 + 21 + 478 and first["right_mouth"] == first["nose"] + 10
    assert first["right_hand_wrist"] == 33 and first["left_index_mcp"] == 33 + 21 + 5
    assert first["face_467"] == 33 + 42 + 467
    assert (read.score == 1).all()


def test_openpose_and_wholebody_names(tmp_path: Path) -> None:
    openpose = ["Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip", "RHip",
                "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar", "LBigToe", "LSmallToe",
                "LHeel", "RBigToe", "RSmallToe", "RHeel"]  # fmt: skip
    path = tmp_path / "x.pose"
    path.write_bytes(_with_package([("pose_keypoints_2d", openpose)], people=2, dims=2))
    read = read_pose(path)
    assert read.layout.name == "body25" and read.n_people == 2 and (read.score == 1).all()
    assert list(read.xyz[0, 0, :, 0]) == [2 * k for k in range(25)]
    hand = [f"hand_{k}" for k in range(21)]
    body = list(LAYOUTS["coco17"].joints)
    content = _with_package([("BODY", body), ("FACE", ["face-0"]), ("LEFT_HAND", hand), ("RIGHT_HAND", hand)])
    path.write_bytes(content)
    notes: list[str] = []
    read = read_pose(path, "sign27", notes=notes)
    assert (read.score == 1).all() and notes == ["1 points of FACE have no name here and are left out"]
    assert read.xyz[0, 0, 8, 0] / 3 == 18 + 4  # the left thumb's tip
    assert read_pose(path).layout.name == "pose_hands75"  # which takes most of them, the rest missing


def test_reduced_holistic_misses_joints(tmp_path: Path) -> None:
    points = ("LEFT_SHOULDER", "RIGHT_SHOULDER", "LEFT_WRIST")
    pose = PoseFile(
        (9, 9, 0), (PoseComponent("POSE_LANDMARKS", points),), 20.0, np.ones((2, 1, 3, 3)), np.ones((2, 1, 3))
    )
    (tmp_path / "x.pose").write_bytes(format_pose(pose))
    read = read_pose(tmp_path / "x.pose")
    assert read.layout.name == "pose33" and read.score.sum() == 6
    assert read.score[0, 0, read.layout.index["left_wrist"]] == 1


@pytest.mark.parametrize(
    ("component", "point", "joint"),
    [
        ("POSE_LANDMARKS", "LEFT_INDEX", "left_index"), ("LEFT_HAND_LANDMARKS", "WRIST", "left_hand_wrist"),
        ("hand_right_keypoints_2d", "T_STT", "right_thumb_cmc"),
        ("hand_right_keypoints_2d", "P_DIP", "right_pinky_tip"),
        ("RIGHT_HAND_136", "hand_8", "right_index_tip"), ("FACE_LANDMARKS", "7", "face_007"),
        ("FACE_LANDMARKS", "470", ""), ("POSE_WORLD_LANDMARKS", "NOSE", ""), ("X", "tail", None),
        ("FACE_LANDMARKS", "9999", None), ("X", "face_003", None), ("body25", "neck", "neck"), ("body25", "tail", None),
    ],
)  # fmt: skip
def test_names(component: str, point: str, joint: str | None) -> None:
    assert joint_name(component, point) == joint


def test_units(tmp_path: Path) -> None:
    image = make("pose_hands75", unit="image")
    read = read_pose(write_pose(image, tmp_path / "x.pose"))
    assert np.allclose(read.xyz, image.xyz * [640, 480, 1], rtol=1e-6)
    metres = make("pose33", unit="m", picture=np.full((1, 4, 33, 2), 0.5))
    read = read_pose(write_pose(metres, tmp_path / "x.pose"))
    assert (read.xyz[read.score > 0] == [320, 240]).all() and read.xyz.shape[3] == 2
    for bad in (
        make("pose33", unit="m"),
        make("pose33", unit="unknown"),
        make("pose33", unit="image", info={}),
    ):
        with pytest.raises(DataError):
            write_pose(bad, tmp_path / "y.pose")
    assert not (tmp_path / "y.pose").exists()


def _v01(frames: int = 2, people: int = 1, fps: int = 30) -> bytes:
    text = [struct.pack("<H", len(t)) + t for t in (b"POSE_LANDMARKS", b"XYC", b"NOSE", b"LEFT_EAR")]
    head = struct.pack("<fHHHH", 0.1, 10, 10, 0, 1) + text[0] + text[1] + struct.pack("<HHH", 2, 0, 0)
    head += text[2] + text[3] + struct.pack("<HHH", fps, frames, people)
    return head + np.arange(frames * people * 2 * 3, dtype="<f4").tobytes()


def test_version_01_counts_frames_by_its_size() -> None:
    pose = parse_pose(_v01(frames=3), "x")
    assert pose.data.shape == (3, 1, 2, 2) and pose.fps == 30 and pose.confidence[0, 0].tolist() == [12, 13]
    with pytest.raises(DataError, match="whole number of frames"):
        parse_pose(_v01()[:-4], "x")


def test_no_frame_rate_needs_one(tmp_path: Path) -> None:
    (tmp_path / "x.pose").write_bytes(_v01(fps=0))
    with pytest.raises(DataError, match="fps"):
        read_pose(tmp_path / "x.pose")
    assert read_pose(tmp_path / "x.pose", fps=12).fps == 12


def _head(frames: int, people: int, points: int = 1) -> bytes:
    names = b"".join(struct.pack("<H", 4) + b"NOSE" for _ in range(points))
    head = (
        struct.pack("<fHHHH", 0.2, 10, 10, 0, 1)
        + struct.pack("<H", 1)
        + b"P"
        + struct.pack("<H", 4)
        + b"XYZC"
    )
    return head + struct.pack("<HHH", points, 0, 0) + names + struct.pack("<fIH", 30, frames, people)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"abc", "cut off"),
        (struct.pack("<f", 7), "version"),
        (struct.pack("<f", float("nan")), "version"),
        (struct.pack("<fHHHH", 0.2, 1, 1, 1, 65535), "cut off"),
        (struct.pack("<fHHHH", 0.2, 1, 1, 1, 0) + struct.pack("<fIH", 30, 1, 1), "0 points"),
        (_head(2**32 - 1, 65535), "need"),
        (_head(0, 1), "0 frames"),
        (_head(1, 0), "0 people"),
        (_head(1, 1, 2) + bytes(4 * 8), None),
        (_head(1, 1) + bytes(4 * 3) + b"\xff" * 4, None),
    ],
)
def test_broken_and_hostile_files_are_refused(tmp_path: Path, content: bytes, word: str | None) -> None:
    path = tmp_path / "x.pose"
    path.write_bytes(content)
    if word is None:  # readable: a doubled name, a confidence that is NaN
        assert read_pose(path).score.max() == 0
        return
    with pytest.raises(DataError, match=word):
        read_pose(path)


def test_unknown_components_are_named(tmp_path: Path) -> None:
    pose = PoseFile(
        (9, 9, 0), (PoseComponent("DOG", ("tail",)),), 20.0, np.ones((1, 1, 1, 3)), np.ones((1, 1, 1))
    )
    (tmp_path / "x.pose").write_bytes(format_pose(pose))
    with pytest.raises(DataError, match=r"DOG \(1 points\)"):
        read_pose(tmp_path / "x.pose")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damaged_files_raise_nothing_but_data_errors(data: st.DataObject) -> None:
    made = make("hands42", n_frames=2)
    content = bytearray(
        format_pose(
            PoseFile(
                (9, 9, 0),
                (PoseComponent("hands42", made.layout.joints),),
                30.0,
                made.xyz.transpose(1, 0, 2, 3),
                made.score.transpose(1, 0, 2),
            )
        )
    )
    content = content[: data.draw(st.integers(0, len(content)))]
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, min(len(content), 600) - 1))] = data.draw(st.integers(0, 255))
    try:
        pose = parse_pose(bytes(content), "x")
    except DataError:
        return
    assert pose.data.shape[:3] == pose.confidence.shape and pose.data.nbytes <= len(content)


def test_convert_labels_by_folder(tmp_path: Path) -> None:
    for label in ("hello", "thanks"):
        write_pose(make("pose_hands75"), tmp_path / "in" / label / "001.pose")
    report = convert(tmp_path / "in", tmp_path / "x.h5", workers=0)
    assert report.format == "pose" and report.labels == {"hello": 1, "thanks": 1} and not report.failed


@pytest.fixture(scope="session")
def real_poses() -> list[Path]:
    """Recordings of the package spoken-to-signed, which lie unpacked in a folder named by SKELACT_POSE_FILES."""
    import os

    folder = os.environ.get("SKELACT_POSE_FILES")
    if not folder or not Path(folder).is_dir():
        pytest.skip(
            "no folder of real .pose files is named by SKELACT_POSE_FILES (pip download spoken-to-signed)"
        )
    return sorted(Path(folder).rglob("*.pose"))


def test_real_files_agree_with_pose_format(real_poses: list[Path]) -> None:
    package = pytest.importorskip("pose_format", reason="pose-format is not installed (the extra 'test')")
    for path in real_poses[::30]:
        read, other = read_pose(path, "holistic543"), package.Pose.read(path.read_bytes())
        there = np.r_[0:501, 511:553]  # the irises and the metres are left out
        assert np.array_equal(read.score[0] > 0, other.body.confidence[:, 0, there] > 0)
        seen = read.score[0] > 0
        assert np.array_equal(read.xyz[0][seen], other.body.data.data[:, 0, there][seen])
        assert read.fps == other.body.fps


def test_left_and_right_of_real_faces(real_poses: list[Path]) -> None:
    """The mesh's sides: a face that looks at the camera is near its own mirror image, and left is at the larger x."""
    layout = get_layout("holistic543")
    face = [v for v in range(33, 501)]
    mirror = np.array(layout.mirror)[face]
    offs = []
    for path in real_poses[::60]:
        read = read_pose(path, layout)
        x = read.xyz[0][read.score[0, :, 33] > 0][:, :, :2].mean(0)
        middle = x[face, 0].mean()
        size = np.ptp(x[face, 1])
        flipped = x[mirror] * [-1, 1] + [2 * middle, 0]
        offs.append(np.abs(flipped - x[face]).max(1) / size)
        left, right = np.array(layout.pairs)[
            np.array([layout.joints[a].startswith("face_") for a, _ in layout.pairs])
        ].T
        assert (x[left, 0] > x[right, 0]).mean() > 0.95
    assert np.median(offs) < 0.1 and np.median(offs, 0).max() < 0.25
