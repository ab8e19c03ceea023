"""Recordings and annotations together, and which of them train."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from skelact.datasets.signing.annotations import SignRecord
from skelact.datasets.signing.load import clip_name, join_annotations, read_recordings
from skelact.datasets.signing.parts import (
    labelled_utterances,
    listed,
    part_records,
    part_signers,
    repeat,
    text_only,
)
from skelact.errors import ConfigError, DataError
from skelact.io.store import write_store
from skelact.skeleton import Skeleton


def recording(
    name: str, n: int = 30, label: str | None = None, seen: bool = True, subject: int = 1
) -> Skeleton:
    xyz = np.random.default_rng(len(name)).normal(size=(1, n, 21, 3))
    return Skeleton(
        xyz,
        np.full((1, n, 21), float(seen)),
        "hand21",
        10.0,
        "m",
        label=label,
        id=name,
        info={"subject": subject},
    )


def test_clips_are_found_by_name_and_videos_are_cut(caplog: pytest.LogCaptureFixture) -> None:
    records = [
        SignRecord("Clip_1", "x.mp4", glosses=("A",), text="One, two."),
        SignRecord("s_1", "folder/long.mp4", 1.0, 2.0, glosses=("B",)),
        SignRecord("absent", "absent.mp4"), SignRecord("empty", "empty.mp4"),
    ]  # fmt: skip
    recordings = [recording("clip_1.mp4"), recording("long"), recording("empty", seen=False)]
    with caplog.at_level(logging.WARNING):
        (_, one), (_, two) = join_annotations(recordings, records)
    assert one.glosses == ("A",) and one.words == ("one", ",", "two", ".") and one.skeleton.n_frames == 30
    assert two.skeleton.n_frames == 10 and np.array_equal(two.skeleton.xyz, recording("long").xyz[:, 10:20])
    assert "absent" in caplog.text and "empty" in caplog.text


def test_no_match_names_examples() -> None:
    with pytest.raises(DataError, match=r"such as b.* among the 1 recording .such as a"):
        join_annotations([recording("a")], [SignRecord("b", "b.mp4")])


def test_names_are_compared_without_folder_and_ending() -> None:
    assert clip_name("a/B.Mp4") == clip_name("b") == "b"
    assert clip_name("11August_2010.tag-2") == "11august_2010.tag-2"


def test_stores_are_joined_and_must_agree(tmp_path: Path) -> None:
    write_store(tmp_path / "a.h5", [recording("a")])
    write_store(tmp_path / "b.h5", [recording("b")])
    write_store(tmp_path / "c.h5", [recording("c").with_(unit="px")])
    assert [s.id for s in read_recordings([tmp_path / "a.h5", tmp_path / "b.h5"])] == ["a", "b"]
    with pytest.raises(DataError, match="differ in layout"):
        read_recordings([tmp_path / "a.h5", tmp_path / "c.h5"])
    with pytest.raises(DataError, match="there is no file"):
        read_recordings([tmp_path / "x.h5"])


PAIRS = [
    (
        SignRecord(f"c{k}", "", signer=str(k % 3), split=split),
        labelled_utterances([recording(f"c{k}", label="a")])[0][1],
    )
    for k, split in enumerate(["train"] * 6 + ["val"] * 2 + ["test"] * 2)
]


def names(utterances) -> list[str]:
    return [u.id for u in utterances]


def test_parts_by_split_signer_and_share() -> None:
    train, val = part_records(PAIRS, "all", "val", "test", 0)
    assert names(train) == [f"c{k}" for k in range(6)] and names(val) == ["c6", "c7"]
    train, val = part_records(PAIRS, "all", "1", "", 0)
    assert names(val) == ["c1", "c4", "c7"] and names(train) == ["c0", "c2", "c3", "c5"]
    train, val = part_records(PAIRS, "train,val", "", "", 0)
    assert len(train) == 8 and not val
    train, val = part_records(PAIRS, "all", "0.34", "", 0)
    assert len(val) == 2 and len(train) == 4 and not set(names(train)) & set(names(val))
    assert names(part_records(PAIRS, "all", "0.34", "", 0)[1]) == names(val)
    with pytest.raises(ConfigError, match="unknown split or signer 'dev'"):
        part_records(PAIRS, "all", "dev", "", 0)
    with pytest.raises(ConfigError, match="no recording is left"):
        part_records(PAIRS, "train", "train", "", 0)


def test_parts_by_signer() -> None:
    signs = {s: [recording(s, label="a")] for s in ("1", "2", "3")}
    train, val = part_signers(signs, "all", "2", "3")
    assert set(train) == {"1"} and set(val) == {"2"}
    assert set(part_signers(signs, "3,1", "2", "")[0]) == {"1", "3"}
    for options, said in (
        (("all", "9", ""), "unknown signer '9'"),
        (("1", "1", ""), "two purposes"),
        (("all", "1,2,3", ""), "no signer is left"),
    ):
        with pytest.raises(ConfigError, match=said):
            part_signers(signs, *options)


def test_labels_are_glosses_or_sentences() -> None:
    (_, one), (_, two) = labelled_utterances(
        [recording("a", label="hello", subject=4), recording("b", label="A child waves."), recording("c")]
    )
    assert one.glosses == ("hello",) and one.words == ("hello",) and one.signer == "4"
    assert two.glosses == () and two.words == ("a", "child", "waves", ".")
    with pytest.raises(DataError, match="no recording has a label"):
        labelled_utterances([recording("c"), recording("d", label="x", seen=False)])


def test_text_alone() -> None:
    ((_, one),) = text_only(
        [SignRecord("a", "", glosses=("A", "B"), text="so."), SignRecord("b", "", glosses=("A",))]
    )
    assert one.glosses == ("A", "B") and one.words == ("so", ".")
    with pytest.raises(DataError, match="both glosses and text"):
        text_only([SignRecord("b", "")])
    assert repeat([one])(5) == [one] and listed(" a, b,,") == ["a", "b"]
