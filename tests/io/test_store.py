"""The skelact file: exact round trip, atomic, resumable, refuses damage."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skelact import Skeleton
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import DataError, LayoutError, SkelactError
from skelact.io.store import Store, StoreWriter, read_store, write_store


def recordings(n: int = 12, seed: int = 0) -> list[Skeleton]:
    rng = np.random.default_rng(seed)
    made = []
    for i in range(n):
        people, frames = 1 + i % 3, int(rng.integers(1, 40))
        score = rng.random((people, frames, 17)).astype(np.float32)
        score[score < 0.2] = 0
        if people > 1 and frames > 4:
            score[1, :2] = 0  # comes later
        score[0, 0, 0] = 1
        for m in range(people):
            score[m, -1, 0] = 1
        made.append(
            Skeleton(
                rng.normal(size=(people, frames, 17, 3)), score, "coco17", 25 + i, "m", f"action {i % 4}", f"clip{i}",
                {"subject": i % 5, "place": "Küche"}, [7 * m + i for m in range(people)],
                np.cumsum(rng.random(frames) + 0.01) if i % 2 else None,
                [f"phase {t % 3}" for t in range(frames)] if i % 3 == 0 else None,
            )
        )  # fmt: skip
    return made


def test_round_trip_is_exact(tmp_path: Path) -> None:
    clips = recordings()
    write_store(tmp_path / "a.h5", clips, {"x/train": ["clip1", "clip3"], "x/test": ["clip0", "not there"]})
    assert [a.equals(b) for a, b in zip(clips, read_store(tmp_path / "a.h5"), strict=True)] == [True] * 12
    with Store(tmp_path / "a.h5") as store:
        assert {k: v.tolist() for k, v in store.splits.items()} == {"x/train": [1, 3], "x/test": [0]}
        assert store.label_names == [f"action {i}" for i in range(4)]
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize("options", [{"compress": True}, {"dtype": "float16"}])
def test_other_storage_forms(tmp_path: Path, options: dict) -> None:
    clips = recordings(4)
    with StoreWriter(tmp_path / "a.h5", layout="coco17", **options) as writer:
        for clip in clips:
            writer.append(clip)
    for a, b in zip(clips, read_store(tmp_path / "a.h5"), strict=True):
        assert np.abs(a.xyz - b.xyz).max() < (0 if options.get("compress") else 3e-3) + 1e-9


def test_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), StoreWriter(tmp_path / "a.h5", layout="coco17") as writer:
        writer.append(recordings(1)[0])
        raise RuntimeError("the reader broke")
    assert list(tmp_path.iterdir()) == []


def test_existing_file_is_kept(tmp_path: Path) -> None:
    write_store(tmp_path / "a.h5", recordings(2))
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(DataError, match="exists already"):
        write_store(tmp_path / "a.h5", recordings(3))
    assert (tmp_path / "a.h5").read_bytes() == before


def test_recordings_that_do_not_fit(tmp_path: Path) -> None:
    clip = recordings(1)[0]
    with StoreWriter(tmp_path / "a.h5", layout="coco17", label_names=["action 0"]) as writer:
        writer.append(clip)
        for change, error, message in (
            ({}, DataError, "in a.h5 already"),
            ({"id": ""}, DataError, "needs an id"),
            ({"id": "b", "unit": "px"}, DataError, "'px'"),
            ({"id": "b", "label": "other"}, DataError, "not among action 0"),
            ({"id": "b", "score": np.zeros_like(clip.score)}, DataError, "no person"),
        ):
            with pytest.raises(error, match=message):
                writer.append(clip.with_(**change))
        with pytest.raises(LayoutError, match="layout 'urfd13'"):
            writer.append(clip.converted("urfd13").with_(id="c"))
    assert len(read_store(tmp_path / "a.h5")) == 1


def test_nothing_to_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to store"), StoreWriter(tmp_path / "a.h5", layout="coco17"):
        pass
    assert list(tmp_path.iterdir()) == []


WRITER = """
import sys, time
sys.path.insert(0, {tests!r})
from test_store import recordings
from skelact.io.store import StoreWriter
with StoreWriter({path!r}, layout="coco17", resume=True) as writer:
    for clip in recordings(200):
        if clip.id not in writer.done_ids:
            writer.append(clip)
            print(clip.id, flush=True)
            time.sleep(0.005)
"""


@pytest.mark.slow
def test_kill_and_resume(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    code = WRITER.format(tests=str(Path(__file__).parent), path=str(path))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(30):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not path.exists() and path.with_name("a.h5.partial").exists()
    with pytest.raises(DataError, match="unfinished"):
        Store(path)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(done) <= 171
    assert [a.equals(b) for a, b in zip(recordings(200), read_store(path), strict=True)] == [True] * 200
    assert not path.with_name("a.h5.partial").exists()


@pytest.mark.parametrize("cut", [1, 5, 100, 2000])
def test_journal_drops_only_what_was_cut(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.h5"
    clips = recordings(5)
    with pytest.raises(KeyboardInterrupt), StoreWriter(path, layout="coco17", resume=True) as writer:
        for clip in clips:
            writer.append(clip)
        raise KeyboardInterrupt
    partial = path.with_name("a.h5.partial")
    os.truncate(partial, partial.stat().st_size - cut)
    with StoreWriter(path, layout="coco17", resume=True) as writer:
        kept = len(writer.done_ids)
        assert 0 < kept < 5 and writer.done_ids == {f"clip{i}" for i in range(kept)}
        for clip in clips[kept:]:
            writer.append(clip)
    assert all(a.equals(b) for a, b in zip(clips, read_store(path), strict=True))


def test_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno

    from skelact.io import journal

    def full(self, *_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with (
        pytest.raises(DataError, match="disk is full"),
        StoreWriter(tmp_path / "a.h5", layout="coco17") as writer,
    ):
        monkeypatch.setattr(journal.Journal, "append", full)
        writer.append(recordings(1)[0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not HDF5 at all", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_not_a_store(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.h5").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.h5"):
        Store(tmp_path / "a.h5")


def test_foreign_and_damaged_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["data"] = [1, 2]
    with pytest.raises(DataError, match="not a skelact file"):
        Store(path)
    write_store(path, recordings(4), overwrite=True)
    for change in ("first", "length", "clip"):
        with h5py.File(path, "r+") as file:
            old = file[f"tracks/{change}"][0]  # type: ignore[index]
            file[f"tracks/{change}"][0] = 10**9  # type: ignore[index]
        with pytest.raises(DataError, match="do not fit together"):
            Store(path)
        with h5py.File(path, "r+") as file:
            file[f"tracks/{change}"][0] = old  # type: ignore[index]
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 99
    with pytest.raises(DataError, match="schema version 99"):
        Store(path)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), byte=st.integers(0, 255), cut=st.booleans())
def test_corrupt_bytes_never_crash(tmp_path: Path, place: float, byte: int, cut: bool) -> None:
    path = tmp_path / "a.h5"
    if not (tmp_path / "good.h5").exists():
        write_store(tmp_path / "good.h5", recordings(3))
    content = bytearray((tmp_path / "good.h5").read_bytes())
    at = int(place * (len(content) - 1))
    content = content[:at] if cut else content[:at] + bytes([byte]) + content[at + 1 :]
    path.write_bytes(bytes(content))
    try:
        read_store(path)
    except SkelactError as error:
        assert str(error)


# --- origin and picture ---


def test_origin_and_picture_are_kept(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    clips = [c.with_(origin="hips", picture=rng.random((*c.score.shape, 2))) for c in recordings(4)]
    write_store(tmp_path / "a.h5", clips)
    assert all(a.equals(b) for a, b in zip(clips, read_store(tmp_path / "a.h5"), strict=True))
    assert SkeletonSet.open(tmp_path / "a.h5").origin == SkeletonSet.from_skeletons(clips).origin == "hips"
    with StoreWriter(tmp_path / "b.h5", layout="coco17", origin="hips") as writer:
        writer.append(clips[0])
        with pytest.raises(DataError, match=r"has origin 'camera'.*holds 'hips'.*--coordinates"):
            writer.append(clips[1].with_(origin="camera"))
    with pytest.raises(DataError, match="origin"):
        SkeletonSet.from_skeletons([clips[0], clips[1].with_(origin="camera")])


@pytest.mark.parametrize("known", [0, 2])
def test_some_recordings_say_where_joints_are_in_the_picture(tmp_path: Path, known: int) -> None:
    rng = np.random.default_rng(0)
    clips = recordings(3)
    clips[known] = clips[known].with_(picture=rng.random((*clips[known].score.shape, 2)))
    path = tmp_path / "a.h5"
    with pytest.raises(KeyboardInterrupt), StoreWriter(path, layout="coco17", resume=True) as writer:
        writer.append(clips[0])
        raise KeyboardInterrupt
    with StoreWriter(path, layout="coco17", resume=True) as writer:
        for clip in clips[1:]:
            writer.append(clip)
    back = read_store(path)
    assert [s.picture is not None for s in back] == [k == known for k in range(3)]
    assert all(a.equals(b) for a, b in zip(clips, back, strict=True))
    write_store(path, [c.with_(picture=None) for c in clips], overwrite=True)
    with Store(path) as store:
        assert store.picture is None  # a file that never knows it holds none


@pytest.mark.parametrize(
    ("info", "unit", "origin"),
    [
        ({}, "m", "camera"),
        ({"estimator": "mediapipe"}, "m", "hips"),
        ({"estimator": "mediapipe"}, "image", "camera"),
    ],
)
def test_older_files_get_the_origin_that_they_had(tmp_path: Path, info: dict, unit: str, origin: str) -> None:
    write_store(tmp_path / "a.h5", [c.with_(info=info, unit=unit) for c in recordings(2)])
    with h5py.File(tmp_path / "a.h5", "a") as file:
        del file.attrs["origin"]
    assert SkeletonSet.open(tmp_path / "a.h5").origin == origin == read_store(tmp_path / "a.h5")[0].origin
    with h5py.File(tmp_path / "a.h5", "a") as file:
        file.attrs["origin"] = "floor"
    with pytest.raises(DataError, match="damaged"):
        Store(tmp_path / "a.h5")
