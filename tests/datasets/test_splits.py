"""Official splits counted on real name lists, benchmarks on real data, subject-wise parts."""

from __future__ import annotations

from collections import Counter
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skelact.datasets.named import BENCHMARKS, SBU_FOLDS, benchmark_splits, get_benchmark
from skelact.datasets.splits import NTU120_TRAIN_SUBJECTS, split_ntu, subject_splits
from skelact.errors import DataError
from skelact.io.formats import FORMATS, ReadOptions
from skelact.io.ntu_names import ntu_missing


@pytest.mark.parametrize(
    ("version", "protocol", "train", "test"),
    [
        (60, "ntu60_xsub", 40091, 16487),
        (60, "ntu60_xview", 37646, 18932),
        (120, "ntu120_xsub", 63026, 50919),
        (120, "ntu120_xset", 54468, 59477),
    ],
)
def test_official_ntu_counts(shared_data: Path, version: int, protocol: str, train: int, test: int) -> None:
    names = (shared_data / "ntu" / f"ntu{version}_available_names.txt").read_text().split()
    assert Counter(split_ntu(n, protocol) for n in names) == {"train": train, "test": test}
    assert not ntu_missing(version) & set(names)


def test_ntu_splits_without_the_lists() -> None:
    assert split_ntu("S001C002P001R001A001", "ntu60_xsub") == "train"
    assert split_ntu("S001C002P003R001A001", "ntu60_xsub") == "test"
    assert split_ntu("S001C001P001R001A001", "ntu60_xview") == "test"
    assert split_ntu("S018C001P045R001A061", "ntu120_xsub") == "train"
    assert split_ntu("S019C001P045R001A061", "ntu120_xset") == "test"
    # some subjects have equally many samples, so the counts alone do not fix the list
    assert len(NTU120_TRAIN_SUBJECTS) == 53 and sum(NTU120_TRAIN_SUBJECTS) == 2795
    assert {100, 103} < NTU120_TRAIN_SUBJECTS and not {99, 101, 102, 104, 105, 106} & NTU120_TRAIN_SUBJECTS
    with pytest.raises(DataError, match="not part of NTU RGB"):
        split_ntu("S018C001P045R001A061", "ntu60_xsub")
    with pytest.raises(DataError, match="unknown protocol"):
        split_ntu("S001C001P001R001A001", "xsub")


def clips_of(shared_data: Path, name: str, folder: str) -> list:
    kind, options = FORMATS[get_benchmark(name).format], ReadOptions()
    items = kind.find(shared_data / folder)
    return [(s.id, s.info) for item in items for s in kind.read(item, options)]


@pytest.mark.parametrize(
    ("name", "folder", "counts"),
    [
        pytest.param("nw_ucla", "nw-ucla", {"xview/train": 1020, "xview/test": 464}, marks=pytest.mark.slow),
        ("utd_mhad", "utd-mhad", {"xsub/train": 431, "xsub/test": 430}),
        ("natops", "natops", {"official/train": 180, "official/test": 180}),
        ("gesture_phase", "gesture-phase", {"user/train": 3, "user/test": 2}),
        pytest.param(
            "msrc12",
            "msrc12",
            {"person06/train": 36, "person06/test": 12, "person22/test": 12},
            marks=pytest.mark.slow,
        ),
        ("ur_fall", "urfd-pose", {"video/train": 20, "video/test": 10}),
        pytest.param(
            "up_fall", "up-fall-3d", {"subject01/train": 41, "subject01/test": 20}, marks=pytest.mark.slow
        ),
        ("ntu60", "ntu", {"xsub/train": 3, "xsub/test": 1, "xview/train": 1, "xview/test": 3}),
        ("mp_signs", "mp-signs", {"signer01/train": 720, "signer01/test": 90}),
        ("sbu", "sbu-interaction", {"fold1/train": 227, "fold1/test": 55}),
    ],
)
def test_benchmarks_on_real_data(shared_data: Path, name: str, folder: str, counts: dict) -> None:
    clips = clips_of(shared_data, name, folder)
    splits = benchmark_splits(name, clips)
    assert {k: len(splits[k]) for k in counts} == counts
    known = {i for i, _ in clips}
    for split, ids in splits.items():
        protocol, part = split.split("/")
        assert len(set(ids)) == len(ids) > 0 and set(ids) <= known
        if part == "train":
            assert not set(ids) & set(splits[f"{protocol}/test"])
    if name == "sbu":
        assert Counter(i for f in SBU_FOLDS for i in splits[f"{f}/test"]) == dict.fromkeys(known, 1)
    if name == "mp_signs":
        assert "signer09/train" not in splits and len(splits) == 18  # signer 9 lacks two of the signs


def test_signers_without_all_common_signs_are_left_out() -> None:
    signs = [(1, "hello"), (1, "iloveyou"), (1, "thanks"), (1, "yes"), (2, "hello"), (2, "thanks")]
    signs += [(3, "thanks"), (3, "hello"), (3, "iloveyou")]
    clips = [(f"{who}_{sign}", {"subject": who, "written_label": sign}) for who, sign in signs]
    splits = benchmark_splits("mp_signs", clips)
    assert splits.keys() == {f"signer{who:02d}/{part}" for who in (1, 3) for part in ("train", "test")}
    assert sorted(splits["signer01/test"]) == ["1_hello", "1_iloveyou", "1_thanks"]  # no other sign


def test_every_benchmark_has_a_format() -> None:
    for name, benchmark in BENCHMARKS.items():
        assert benchmark.name == name and benchmark.format in FORMATS and benchmark.description
    with pytest.raises(DataError, match="Did you mean 'ntu60'"):
        get_benchmark("ntu6")


@settings(max_examples=100, deadline=None)
@given(
    subjects=st.lists(st.integers(0, 12), min_size=1, max_size=120),
    seed=st.integers(0, 5),
    shares=st.sampled_from([None, {"train": 0.8, "test": 0.2}, {"train": 0.5, "val": 0.25, "test": 0.25}]),
)
def test_nobody_is_in_two_parts(subjects: list[int], seed: int, shares: dict | None) -> None:
    clips = [(f"c{k}", {"subject": s}) for k, s in enumerate(subjects)]
    n_parts = len(shares) if shares else (2 if len(set(subjects)) == 2 else 3)
    if len(set(subjects)) < n_parts:
        with pytest.raises(DataError, match="cannot fill"):
            subject_splits(clips, shares, seed=seed)
        return
    parts = subject_splits(clips, shares, seed=seed)
    who = dict(clips)
    groups = [{who[i]["subject"] for i in ids} for ids in parts.values()]
    assert all(groups) and sum(map(len, groups)) == len(set.union(*groups)) == len(set(subjects))
    assert sorted(i for ids in parts.values() for i in ids) == sorted(who)
    again = subject_splits(clips[::-1], shares, seed=seed)
    assert {k: set(v) for k, v in again.items()} == {k: set(v) for k, v in parts.items()}


def test_shares_are_kept_and_seeds_differ() -> None:
    clips = [(f"c{s}_{k}", {"subject": s}) for s in range(40) for k in range(5)]
    parts = subject_splits(clips)
    assert {k: len(v) for k, v in parts.items()} == {
        "subjects/train": 140, "subjects/val": 30, "subjects/test": 30,
    }  # fmt: skip
    assert subject_splits(clips) == parts != subject_splits(clips, seed=1)


def test_shares_as_numbers_and_by_clip() -> None:
    clips = [(f"c{s}_{k}", {"subject": s}) for s in range(10) for k in range(4)]
    assert subject_splits(clips, (0.6, 0.2, 0.2)) == subject_splits(
        clips, {"train": 0.6, "val": 0.2, "test": 0.2}
    )
    assert subject_splits(clips, (0.6, 0.0, 0.4)).keys() == {"subjects/train", "subjects/test"}
    parts = subject_splits([(i, {}) for i, _ in clips], (0.75, 0.25), by="clip")
    assert {k: len(v) for k, v in parts.items()} == {"clips/train": 30, "clips/test": 10}
    with pytest.raises(DataError, match=r"two .* or three"):
        subject_splits(clips, (1.0,))


def test_subject_splits_say_what_is_wrong() -> None:
    with pytest.raises(DataError, match="does not say its subject"):
        subject_splits([("a", {}), ("b", {"subject": 1})])
    with pytest.raises(DataError, match="sum to 1"):
        subject_splits([("a", {"subject": 1})], {"train": 0.5})


@pytest.mark.parametrize("n", [3, 4, 7])
def test_parts_with_small_shares_get_a_subject(n: int) -> None:
    clips = [(f"c{k}", {"subject": k % n}) for k in range(10 * n)]
    parts = subject_splits(clips, (0.98, 0.01, 0.01))
    assert [len(ids) for ids in parts.values()] == [10 * (n - 2), 10, 10]


def test_benchmarks_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        get_benchmark("ntu60").name = "mine"  # type: ignore[misc]
