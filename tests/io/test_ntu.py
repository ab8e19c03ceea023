"""NTU .skeleton files: exact against a plain parser, round trips, damaged files, body selection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skelact.errors import DataError, LayoutError
from skelact.io import ntu, ntu_fast
from skelact.io.ntu import parse_ntu, read_ntu, read_ntu_report, select_bodies, write_ntu
from skelact.io.ntu_bodies import motion, wide_frames
from skelact.skeleton import Skeleton

NAME = "S001C002P003R002A013"


def plain_parser(path: Path) -> tuple[int, list[tuple[int, int, list[list[str]]]]]:
    """Frames, and (frame, body id, 25 lines of 12 texts) of each body: one line after the other."""
    lines = iter(path.read_text().splitlines())
    n_frames = int(next(lines))
    bodies = []
    for t in range(n_frames):
        for _ in range(int(next(lines))):
            body_id = int(next(lines).split()[0])
            assert int(next(lines)) == 25
            bodies.append((t, body_id, [next(lines).split() for _ in range(25)]))
    assert next(lines, None) is None
    return n_frames, bodies


def person(n_frames: int, seed: int = 0, at: float = 0.0, height: float = 1.7) -> np.ndarray:
    """``[T, 25, 3]`` positions of somebody taller than wide who moves a little."""
    generator = np.random.default_rng(seed)
    body = generator.uniform(-0.2, 0.2, (25, 3)) * [1, 0, 1] + np.linspace(0, height, 25)[:, None] * [0, 1, 0]
    walk = np.cumsum(generator.normal(0, 0.01, (n_frames, 1, 3)), 0)
    return (body + walk + [at, 0, 3]).astype(np.float32)


def recording(xyz: np.ndarray, score: np.ndarray | None = None, ids: list[int] | None = None) -> Skeleton:
    return Skeleton(xyz, score, "ntu25", 30, "m", None, "clip", {}, ids)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    score = np.ones((2, 30, 25), np.float32)
    score[1, :10] = 0
    score[0, 5, 3] = 0
    score[0, 6, 4] = 0.5
    path = tmp_path / f"{NAME}.skeleton"
    write_ntu(recording(np.stack([person(30), person(30, 1, 1.0)]), score, [7, 72057594037931101]), path)
    return path


def test_real_files_equal_a_plain_parser(shared_data: Path) -> None:
    files = sorted((shared_data / "ntu").glob("*.skeleton"))
    assert len(files) == 4
    for path in files:
        n_frames, bodies = plain_parser(path)
        text = np.array([[[float(v) for v in line] for line in joints] for _, _, joints in bodies])
        for all_columns in (False, True):
            raw = parse_ntu(path, all_columns=all_columns)
            assert raw.n_frames == n_frames
            assert raw.frame.tolist() == [t for t, _, _ in bodies]
            assert raw.body_id.tolist() == [i for _, i, _ in bodies]
            assert raw.xyz.dtype == np.float32
            assert np.array_equal(raw.xyz, text[..., :3].astype(np.float32))
            assert np.array_equal(raw.state, text[..., 11])
        assert np.array_equal(raw.columns, text)
        assert ntu_fast.parse_usual(path.read_bytes()) is not None, "the quick way must be taken"
        skeleton, report = read_ntu_report(path)
        assert skeleton.n_people == report.n_bodies == len({i for _, i, _ in bodies})
        for m, body_id in enumerate(skeleton.track_ids):
            rows = [k for k, (_, i, _) in enumerate(bodies) if i == body_id]
            assert np.array_equal(
                skeleton.xyz[m, [bodies[k][0] for k in rows]], text[rows, :, :3].astype("f4")
            )
        assert report.dropped == () and report.notes() == []
    assert read_ntu(files[0]).label == "drink water"
    assert read_ntu(files[1]).n_people == 2


def test_real_files_survive_writing(shared_data: Path, tmp_path: Path) -> None:
    for path in (shared_data / "ntu").glob("*.skeleton"):
        once = read_ntu(path)
        write_ntu(once, tmp_path / path.name)
        again = read_ntu(tmp_path / path.name, denoise=False, stitch=False)
        assert again.equals(once)
        assert again.info == {
            k: int(path.name[4 * n + 1 : 4 * n + 4])
            for n, k in enumerate(("setup", "camera", "subject", "replication", "action"))
        } | {"width": 1920, "height": 1080}


def test_written_columns_look_like_a_sensors(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "ntu" / "S001C001P001R001A001.skeleton"
    write_ntu(read_ntu(path), tmp_path / path.name)
    real, ours = parse_ntu(path).columns, parse_ntu(tmp_path / path.name).columns
    assert real is not None and ours is not None
    assert np.abs(real[..., 3:7] - ours[..., 3:7]).max() < 60  # pixels; real cameras stand side by side


def test_round_trip_of_states_ids_and_gaps(file: Path) -> None:
    read = read_ntu(file, denoise=False)
    assert read.track_ids == (7, 72057594037931101)
    assert read.score[0, 5, 3] == 0 and not read.xyz[0, 5, 3].any()
    assert read.score[0, 6, 4] == 0.5
    assert not read.score[1, :10].any() and read.score[1, 10:].all()
    assert np.array_equal(read.xyz[1, 10:], person(30, 1, 1.0)[10:])
    assert read.label == "tear up paper" and read.info["subject"] == 3 and read.id == NAME


def test_own_label_names(file: Path) -> None:
    assert read_ntu(file, label_names=[f"class {k}" for k in range(20)]).label == "class 12"
    with pytest.raises(DataError, match="no name"):
        read_ntu(file, label_names=["only one"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    people=st.integers(1, 4),
    n_frames=st.integers(1, 12),
    seed=st.integers(0, 2**31),
    scale=st.sampled_from([1e-8, 1e-3, 1.0, 1e4]),
)
def test_any_recording_round_trips(
    tmp_path: Path, people: int, n_frames: int, seed: int, scale: float
) -> None:
    generator = np.random.default_rng(seed)
    xyz = (generator.normal(0, scale, (people, n_frames, 25, 3))).astype(np.float32)
    score = generator.choice([0, 0.5, 1], (people, n_frames, 25)).astype(np.float32)
    score[:, 0] = 1  # people in order of appearance
    made = recording(xyz, score, list(range(people)))
    path = tmp_path / "clip.skeleton"
    write_ntu(made, path)
    assert read_ntu(path, max_people=None, denoise=False, stitch=False).equals(made)
    data = path.read_bytes()
    plain, quick = ntu._parse_plain(data, "x", False), ntu._parse(data, "x", False)
    assert np.array_equal(plain.xyz, quick.xyz) and np.array_equal(plain.state, quick.state)


NUMBER = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.floats(-100, 100).map(lambda v: f"{v:.7g}"),
    st.decimals(-1000, 1000, places=6).map(str),
    st.sampled_from(
        ["0", "-0", "-0.0", ".5", "5.", "-.25", "+1.5", "007.5", "999999999999999", "1e-05", "1E3"]
    ),
    st.integers(-(10**15), 10**15).map(str),
)


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(NUMBER, min_size=1, max_size=50))
def test_quick_decimals_equal_float(texts: list[str]) -> None:
    data = b" " * 20 + " ".join(texts).encode() + b" "
    lengths = np.array([len(t) for t in texts])
    end = 20 + np.cumsum(lengths + 1) - 1
    values = ntu_fast._decimals(data, np.frombuffer(data, np.uint8), end - lengths, end)
    assert values is not None
    assert values.tobytes() == np.array([float(t) for t in texts]).tobytes()  # signs of zero included


def test_quick_way_is_left_for_what_is_unusual(file: Path) -> None:
    data = file.read_bytes()
    for odd in (
        data.rstrip(),
        data.replace(b" ", b"\t"),
        data.replace(b" ", b"  "),
        data.replace(b"\r\n", b"\r"),
    ):
        assert ntu_fast.parse_usual(odd) is None
        assert np.array_equal(ntu._parse(odd, "x", False).xyz, ntu._parse(data, "x", False).xyz)
    assert ntu_fast.parse_usual(data.replace(b"\r\n", b"\n")) is not None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"   \r\n", "numbers only"),
        (b"0\r\n", "nothing to read"),
        (b"-5\r\n", "nothing to read"),
        (b"three\r\n", "not a count"),
        (b"2\r\n0\r\n", "truncated"),
        (b"1000000000000\r\n0\r\n", "truncated"),
        (b"1\r\n0\r\n", "no body"),
        (b"1\r\n0\r\n7\r\n", "goes on"),
        (b"1\r\n-1\r\n", "not a count"),
        (b"1_0\r\n", "numbers only"),
        (b"1\r\n1\r\n5 0 1 1 1 1 0 0 0 2\r\n20\r\n", "20"),
        (bytes(range(256)) * 40, "skeleton"),
        (b"\x00" * 5000, "skeleton"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / f"{NAME}.skeleton"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as error:
        read_ntu(path)
    assert str(path) in str(error.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_ntu(tmp_path / "none.skeleton")
    with pytest.raises(DataError, match="cannot be read"):
        read_ntu(tmp_path)


@pytest.mark.parametrize("unusual", [False, True])
def test_nan_is_missing_and_infinity_refused(tmp_path: Path, unusual: bool) -> None:
    path = tmp_path / "clip.skeleton"
    write_ntu(recording(person(20)[None]), path)
    value = str(person(20)[4, 6, 1]).encode()
    whole = path.read_bytes()
    assert whole.count(b" " + value + b" ") == 1
    blank = b"  " if unusual else b" "
    path.write_bytes(whole.replace(b" " + value + b" ", b" nan" + blank))
    skeleton, report = read_ntu_report(path)
    assert report.nan_joints == 1 and "NaN" in report.notes()[0]
    assert skeleton.score[0, 4, 6] == 0 and (skeleton.score == 0).sum() == 1
    for bad in (b"inf", b"-inf", b"1e39"):
        path.write_bytes(whole.replace(b" " + value + b" ", b" " + bad + blank))
        with pytest.raises(DataError, match="infinite"):
            read_ntu(path)
    path.write_bytes(whole.replace(b" " + value + b" ", b" x1" + blank))
    with pytest.raises(DataError, match=r"column 2 of joint 7 in frame 4.*not a number"):
        read_ntu(path)


def test_zero_joint_is_missing(tmp_path: Path) -> None:
    xyz = person(20)[None].copy()
    path = tmp_path / "clip.skeleton"
    xyz[0, 3, 8] = 0
    write_ntu(recording(xyz), path)
    skeleton, report = read_ntu_report(path)
    assert report.zero_joints == 1 and skeleton.score[0, 3, 8] == 0


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_corrupt_files_give_data_errors_only(file: Path, data: st.DataObject) -> None:
    whole = bytearray(file.read_bytes())
    kind = data.draw(st.sampled_from(["cut", "bytes", "line", "insert"]))
    if kind == "cut":
        whole = whole[: data.draw(st.integers(0, len(whole)))]
    elif kind == "bytes":
        for place in data.draw(st.lists(st.integers(0, len(whole) - 1), min_size=1, max_size=8)):
            whole[place] = data.draw(st.integers(0, 255))
    elif kind == "line":
        lines = bytes(whole).split(b"\r\n")
        del lines[data.draw(st.integers(0, len(lines) - 1))]
        whole = bytearray(b"\r\n".join(lines))
    else:
        place = data.draw(st.integers(0, len(whole)))
        whole[place:place] = data.draw(st.binary(min_size=1, max_size=12))
    path = file.with_name("S001C001P001R001A001_bad.skeleton")
    path.write_bytes(bytes(whole))
    for all_columns in (False, True):
        try:
            parse_ntu(path, all_columns=all_columns)
        except DataError:
            continue
    try:
        skeleton = read_ntu(path)
    except DataError as error:
        assert path.name in str(error)
    else:
        assert np.isfinite(skeleton.xyz).all()


def raw_of(tmp_path: Path, bodies: dict[int, tuple[int, np.ndarray]], n_frames: int) -> ntu.RawNtu:
    """A file with each body id from a start frame on, written and parsed."""
    xyz = np.zeros((len(bodies), n_frames, 25, 3), np.float32)
    score = np.zeros(xyz.shape[:3], np.float32)
    for m, (start, positions) in enumerate(bodies.values()):
        xyz[m, start : start + len(positions)] = positions
        score[m, start : start + len(positions)] = 1
    path = tmp_path / "bodies.skeleton"
    write_ntu(recording(xyz, score, list(bodies)), path)
    return parse_ntu(path, all_columns=False)


def test_two_who_move_most_are_kept(tmp_path: Path) -> None:
    still = np.repeat(person(1, 2, 2.0), 40, 0)
    bodies = {5: (0, person(40)), 6: (0, still), 7: (0, person(40, 3, -1.5))}
    raw = raw_of(tmp_path, bodies, 40)
    skeleton, report = select_bodies(raw, "clip")
    assert skeleton.track_ids == (5, 7) == report.kept
    assert report.dropped[0][0] == 6 and "move more" in report.dropped[0][1]
    assert select_bodies(raw, max_people=None)[0].n_people == 3
    assert select_bodies(raw, max_people=1)[0].n_people == 1


def test_short_and_wide_bodies_are_noise(tmp_path: Path) -> None:
    wide = person(40, 4, 2.0)[..., [1, 0, 2]]  # lies along x
    bodies = {5: (0, person(40)), 6: (3, person(11, 5, -3)), 7: (0, wide)}
    raw = raw_of(tmp_path, bodies, 40)
    skeleton, report = select_bodies(raw)
    assert skeleton.track_ids == (5,)
    reasons = dict(report.dropped)
    assert "11 frames" in reasons[6] and "too wide" in reasons[7]
    assert select_bodies(raw, denoise=False, max_people=None)[0].n_people == 3
    assert wide_frames(wide).all() and not wide_frames(person(40)).any()


def test_a_lone_body_is_never_dropped(tmp_path: Path) -> None:
    wide = person(5)[..., [1, 0, 2]]
    assert select_bodies(raw_of(tmp_path, {3: (0, wide)}, 5))[0].n_people == 1
    both = raw_of(tmp_path, {3: (0, wide), 4: (0, person(5, 1)[..., [1, 0, 2]] + [3, 0, 0])}, 5)
    assert select_bodies(both)[0].n_people == 1


def test_changed_id_is_stitched_and_somebody_else_is_not(tmp_path: Path) -> None:
    whole = person(40)
    bodies = {5: (0, whole[:20]), 9: (22, whole[22:])}
    skeleton, report = select_bodies(raw_of(tmp_path, bodies, 40))
    assert skeleton.track_ids == (5,) and report.stitched == ((9, 5),)
    assert np.array_equal(skeleton.xyz[0, :20], whole[:20])
    assert np.array_equal(skeleton.xyz[0, 22:], whole[22:])
    assert not skeleton.score[0, 20:22].any()
    assert report.empty_frames == 2 and any("no body" in n for n in report.notes())
    far = {5: (0, whole[:20]), 9: (22, whole[22:] + np.float32([2.5, 0, 0]))}
    assert select_bodies(raw_of(tmp_path, far, 40))[0].n_people == 2
    assert select_bodies(raw_of(tmp_path, bodies, 40), stitch=False)[0].n_people == 2


def test_doubled_id_in_one_frame(file: Path) -> None:
    data = file.read_bytes().replace(b"72057594037931101", b"7")
    file.write_bytes(data)
    skeleton, report = read_ntu_report(file)
    assert skeleton.n_people == 1 and "doubles" in report.dropped[0][1]


def test_motion_is_the_summed_variance() -> None:
    xyz = np.random.default_rng(0).normal(size=(9, 25, 3))
    assert motion(xyz) == pytest.approx(sum(np.var(xyz[..., c]) for c in range(3)))


def test_writer_refuses_what_the_format_cannot_hold(tmp_path: Path) -> None:
    good = recording(person(3)[None])
    path = tmp_path / "x.skeleton"
    with pytest.raises(LayoutError, match="ntu25"):
        write_ntu(good.converted("coco17"), path)
    with pytest.raises(DataError, match="metres"):
        write_ntu(good.with_(unit="px"), path)
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    with pytest.raises(DataError, match="cannot write"):
        write_ntu(good, blocked / "x.skeleton")
    assert list(tmp_path.iterdir()) == [blocked]
    write_ntu(good.with_(layout="ntu25_tied"), path)
    assert path.exists()
