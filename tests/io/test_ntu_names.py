"""NTU names, labels and published lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from skelact.errors import DataError
from skelact.io.ntu_names import NTU60_NAMES, NTU120_NAMES, ntu_missing, parse_ntu_name, read_missing_list


def test_name() -> None:
    got = parse_ntu_name("folder/S017C003P020R002A060.skeleton")
    assert got == {"setup": 17, "camera": 3, "subject": 20, "replication": 2, "action": 60}
    for bad in ("", "S01C001P001R001A001", "walk.skeleton"):
        with pytest.raises(DataError, match="SsssCccc"):
            parse_ntu_name(bad)


def test_labels(shared_data: Path) -> None:
    published = (shared_data / "ntu" / "label_map_ntu60.txt").read_text().splitlines()
    assert list(NTU60_NAMES) == published
    assert len(NTU120_NAMES) == len(set(NTU120_NAMES)) == 120


def test_missing_lists() -> None:
    assert len(ntu_missing(60)) == 302 and len(ntu_missing(120)) == 535
    assert ntu_missing(60) < ntu_missing(120)
    with pytest.raises(DataError, match="60, 120"):
        ntu_missing(90)


def test_shipped_lists_are_the_published_ones(shared_data: Path) -> None:
    for version, name in ((60, "NTU_RGBD"), (120, "NTU_RGBD120")):
        path = shared_data / "ntu" / f"{name}_samples_with_missing_skeletons.txt"
        assert read_missing_list(path) == ntu_missing(version)


def test_list_without_names(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("nothing here\n")
    with pytest.raises(DataError, match="no line"):
        read_missing_list(path)
