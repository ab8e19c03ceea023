"""Places in the colour picture: NTU's columns, from the file to the set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.io.convert import convert
from skelact.io.ntu import parse_ntu, read_ntu, write_ntu
from skelact.io.store import read_store
from skelact.skeleton import Skeleton

NAME = "S001C002P003R002A013.skeleton"
SIZE = {"width": 1920, "height": 1080}


def recording(picture: bool = True, n_frames: int = 14) -> Skeleton:
    rng = np.random.default_rng(0)
    xyz = rng.normal(0, 0.3, (2, n_frames, 25, 3)) + [0, 0, 3]
    score = np.ones(xyz.shape[:3])
    score[1, :4], score[0, 3, 7] = 0, 0
    places = rng.uniform(-0.1, 1.1, (2, n_frames, 25, 2)) if picture else None
    return Skeleton(xyz, score, "ntu25", 30, id=NAME[:-9], picture=places)


def change(path: Path, colour: dict[int, str]) -> None:
    """Write other texts into the colour columns of the first joint of every body."""
    lines = path.read_bytes().split(b"\r\n")
    for k, line in enumerate(lines):
        if line == b"25":
            columns = lines[k + 1].split(b" ")
            for c, text in colour.items():
                columns[c] = text.encode()
            lines[k + 1] = b" ".join(columns)
    path.write_bytes(b"\r\n".join(lines))


def test_real_places_are_the_files(shared_data: Path, tmp_path: Path) -> None:
    for path in (shared_data / "ntu").glob("*.skeleton"):
        whole, quick = parse_ntu(path), parse_ntu(path, all_columns=False)
        assert whole.columns is not None
        assert np.array_equal(quick.colour, whole.columns[..., 5:7])
        assert np.array_equal(whole.colour, quick.colour)
        read = read_ntu(path)
        assert read.picture is not None and {k: read.info[k] for k in SIZE} == SIZE
        first = read.picture[0, 0] * [1920, 1080]
        assert np.abs(first - whole.columns[0, :, 5:7]).max() < 1e-3
    convert(shared_data / "ntu", tmp_path / "x.h5", format="ntu", workers=0)
    for read in read_store(tmp_path / "x.h5"):
        assert read.equals(read_ntu(shared_data / "ntu" / f"{read.id}.skeleton", label_names=None))


def test_places_survive_writing_to_the_bit(tmp_path: Path) -> None:
    once = recording()
    write_ntu(once, tmp_path / NAME)
    again = read_ntu(tmp_path / NAME, denoise=False, stitch=False)
    assert np.array_equal(again.picture, once.picture)
    assert {k: again.info[k] for k in SIZE} == SIZE


def test_zeros_are_no_places(tmp_path: Path) -> None:
    write_ntu(recording(picture=False), tmp_path / NAME)
    read = read_ntu(tmp_path / NAME, denoise=False, stitch=False)
    assert read.picture is None and "width" not in read.info


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "-1.#IND"])
def test_a_joint_without_a_place_gets_the_projected_one(tmp_path: Path, text: str) -> None:
    once = recording()
    write_ntu(once, tmp_path / NAME)
    change(tmp_path / NAME, {5: text})
    read = read_ntu(tmp_path / NAME, denoise=False, stitch=False)
    assert read.picture is not None
    assert np.array_equal(read.picture[:, :, 1:], once.picture[:, :, 1:])
    x, y, z = read.xyz[0, 0, 0]
    assert read.picture[0, 0, 0] * [1920, 1080] == pytest.approx(
        [960 + 1063 * x / z, 540 - 1063 * y / z], abs=1e-2
    )
    assert not read.picture[1, 0].any()  # who is not there is nowhere


def test_a_set_of_files_with_and_without_places(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    for k, known in enumerate((False, True)):
        write_ntu(recording(known), tmp_path / "files" / f"S001C001P001R001A00{k + 1}.skeleton")
    report = convert(tmp_path / "files", tmp_path / "x.h5", workers=0)
    assert report.clips == 2 and not report.failed
    assert [s.picture is not None for s in read_store(tmp_path / "x.h5")] == [False, True]
