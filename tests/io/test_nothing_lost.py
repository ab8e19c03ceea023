"""Conversions under attack: two at once, a full disk, killed readers, names that no file can hold."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from test_convert import clip, folder_of
from test_store import recordings
from variants import slow_but

from skelact.errors import ConfigError, DataError
from skelact.io import openpose, pyskl, store
from skelact.io.convert import convert
from skelact.io.outputs import OutputBusyError
from skelact.io.store import Store, StoreWriter, read_store
from skelact.skeleton import Skeleton

CONVERT = """
import sys
from skelact.errors import SkelactError
from skelact.io.convert import convert
if __name__ == "__main__":
    def slowly(done, total, name):
        if done == 1:
            print("begun", flush=True)
            sys.stdin.readline()
    try:
        resume = "resume" in sys.argv
        report = convert(sys.argv[1], sys.argv[2], resume=resume, overwrite=True, workers=0, progress=slowly)
    except SkelactError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(report.clips)
"""


@pytest.mark.parametrize("resume", [[], ["resume"]])
def test_two_processes_with_one_output(tmp_path: Path, resume: list[str]) -> None:
    source, out = folder_of(tmp_path / "raw", 40), tmp_path / "x.h5"
    words = [sys.executable, "-c", CONVERT, str(source), str(out), *resume]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    one = subprocess.Popen(words, text=True, **pipes)  # type: ignore[call-overload]
    assert one.stdout is not None and one.stdout.readline() == "begun\n"
    other = subprocess.run(words, input="", capture_output=True, text=True)
    assert other.returncode == 1 and f"is being written by process {one.pid}" in other.stderr
    said, _ = one.communicate("go\n", timeout=60)
    assert one.returncode == 0 and said.endswith("40\n")
    assert len(read_store(out)) == 40
    assert sorted(p.name for p in tmp_path.iterdir()) == ["raw", "x.h5"]


def test_writers_in_one_thread_do_not_mix(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "a.h5", layout="coco17") as writer:
        writer.append(recordings(1)[0])
        with Store_in_thread(tmp_path / "a.h5") as error:
            assert isinstance(error, OutputBusyError)
    assert len(read_store(tmp_path / "a.h5")) == 1


class Store_in_thread:
    """What another thread gets that writes the same file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> BaseException | None:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(StoreWriter, self.path, layout="coco17").exception()

    def __exit__(self, *_: object) -> None:
        pass


def test_counts_are_compared_before_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.io.journal import Journal

    real = Journal.records
    with (
        pytest.raises(DataError, match=r"5 recordings were added, but 4 are in the file"),
        StoreWriter(tmp_path / "a.h5", layout="coco17") as writer,
    ):
        for one in recordings(5):
            writer.append(one)
        monkeypatch.setattr(Journal, "records", lambda self: list(real(self))[:-1])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True
    ).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


FILL = """
import sys, numpy as np
from skelact.errors import SkelactError
from skelact.io.store import StoreWriter
from skelact.skeleton import Skeleton
rng = np.random.default_rng(0)
try:
    with StoreWriter(sys.argv[1], layout="coco17", resume="resume" in sys.argv) as writer:
        for k in range(int(sys.argv[2])):
            if f"c{k}" not in writer.done_ids:
                xyz = rng.normal(size=(1, 100, 17, 3))
                writer.append(Skeleton(xyz, None, "coco17", 30, "m", "a", f"c{k}", time=np.arange(100) / 30))
except SkelactError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("n", slow_but([145, 150, 165, 200, 240, 270], 145, 200, 270))
def test_a_disk_that_fills_while_the_set_is_assembled(small_disk: Path, n: int) -> None:
    """Where exactly HDF5's write fails differs with n: frames, tables, or on closing."""
    words = [sys.executable, "-c", FILL, str(small_disk / "a.h5"), str(n)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr  # no signal
    assert "the disk is full while writing" in done.stderr and "--resume" in done.stderr
    assert "Traceback" not in done.stderr and "HDF5" not in done.stderr
    assert [p.name for p in small_disk.iterdir()] == ["a.h5.partial"]
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    assert subprocess.run([*words, "resume"]).returncode == 0
    with Store(small_disk / "a.h5") as whole:
        assert len(whole) == n
    assert [p.name for p in small_disk.iterdir()] == ["a.h5"]


KILLER = """
import os, signal, sys
from pathlib import Path
from skelact.io import read_many
from skelact.io.convert import convert

real = read_many.FORMATS["ntu"].read

def read(path, options):
    if path.name.startswith(sys.argv[3]) and os.getpid() != int(os.environ["PARENT"]):
        mark = Path(sys.argv[4])
        if sys.argv[5] == "always" or not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return real(path, options)

os.environ.setdefault("PARENT", str(os.getpid()))
object.__setattr__(read_many.FORMATS["ntu"], "read", read)
if __name__ == "__main__":
    report = convert(sys.argv[1], sys.argv[2], workers=2)
    print(report.clips, *[f"{name}|{why}" for name, why in report.failed], sep="\\n")
"""


@pytest.mark.parametrize("how", slow_but(["once", "always"], "once"))
def test_a_killed_reader_is_replaced(tmp_path: Path, how: str) -> None:
    source = folder_of(tmp_path / "raw", 150, 4)
    deadly = sorted(source.iterdir())[70].name
    script = tmp_path / "run.py"
    script.write_text(KILLER)
    words = [source, tmp_path / "x.h5", deadly, tmp_path / "mark", how]
    done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    clips, *failed = done.stdout.splitlines()
    if how == "once":
        assert clips == "150" and not failed and (tmp_path / "mark").exists()
    else:
        assert (
            clips == "149" and len(failed) == 1 and deadly in failed[0] and "was killed, twice" in failed[0]
        )
    ids = [s.id for s in read_store(tmp_path / "x.h5")]
    assert ids == sorted(ids) and len(ids) == int(clips)


def test_processes_that_cannot_start_are_said(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "raw", 40)
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\nfrom skelact.io.convert import convert\nconvert(sys.argv[1], sys.argv[2], workers=2)\n"
    )
    done = subprocess.run(
        [sys.executable, script, source, tmp_path / "x.h5"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and "__main__" in done.stderr.splitlines()[-1]


def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    person = Skeleton(np.random.default_rng(0).uniform(1, 99, (1, 3, 18, 2)), None, "openpose18", 30, "px")
    for name in (b"one", b"two\xff", b"three"):
        folder = Path(os.fsdecode(os.fsencode(tmp_path / "u") + b"/" + name))
        openpose.write_openpose(person, folder)
    report = convert(tmp_path / "u", tmp_path / "x.h5")
    assert report.clips == 2 and len(report.failed) == 1 and "not UTF-8" in report.failed[0][1]
    assert len(read_store(tmp_path / "x.h5")) == 2


@pytest.mark.parametrize("field", ["id", "label"])
@pytest.mark.parametrize("bad", ["a\0b", "a\udcffb"])
def test_one_name_that_no_file_can_hold(tmp_path: Path, field: str, bad: str) -> None:
    clips = [clip(k).with_(id=f"c{k}", label="wave") for k in range(4)]
    clips[1] = clips[1].with_(**{field: bad})
    pyskl.write_pyskl(tmp_path / "a.pkl", clips, {"xsub/train": ["c0", "c2"]}, ["wave", bad])
    report = convert(
        tmp_path / "a.pkl", tmp_path / "x.h5", label_names=None if field == "id" else ["wave", bad]
    )
    assert report.clips == 3 and len(report.failed) == 1
    assert ("NUL" if "\0" in bad else "not UTF-8") in report.failed[0][1]
    assert [s.id for s in read_store(tmp_path / "x.h5")] == ["c0", "c2", "c3"]


def test_colliding_and_impossible_splits_are_listed(tmp_path: Path) -> None:
    clips = [clip(k).with_(id=f"c{k}", label="wave") for k in range(4)]
    splits = {"a": ["c0"], "a/b": ["c1"], "c//d": ["c1"], "xsub_train": ["c2"], "xsub/train": ["c3"], "e\0": ["c3"],
              "../f": ["c0"], "fine": ["c3"]}  # fmt: skip
    pyskl.write_pyskl(tmp_path / "a.pkl", clips, splits)
    report = convert(tmp_path / "a.pkl", tmp_path / "x.h5")
    assert report.clips == 4 and report.splits == {"a": 1, "fine": 1, "xsub/train": 1}
    said = {name: why for name, why in report.failed}
    assert said.keys() == {"split 'a/b'", "split 'c//d'", "split 'e\\x00'", "split '../f'"}
    assert "collides with split 'a'" in said["split 'a/b'"]
    assert any("xsub/train" in note and "left out" in note for _, note in report.notes)
    with Store(tmp_path / "x.h5") as written:
        assert {k: v.tolist() for k, v in written.splits.items()} == {
            "a": [0],
            "fine": [3],
            "xsub/train": [2],
        }


def test_a_set_does_not_overwrite_itself(tmp_path: Path) -> None:
    store.write_store(tmp_path / "a.h5", recordings(4))
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(ConfigError, match="is an input"):
        convert(tmp_path / "a.h5", tmp_path / "a.h5", overwrite=True)
    with pytest.raises(ConfigError, match="is an input"):
        convert(tmp_path, tmp_path / "a.h5", overwrite=True, resume=True)
    assert (tmp_path / "a.h5").read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.h5"]


def test_parts_that_cannot_be_made_lose_no_work(tmp_path: Path) -> None:
    source = folder_of(tmp_path / "raw", 30)
    seen: list[int] = []
    with pytest.raises(DataError, match="does not say its nurse"):
        convert(source, tmp_path / "x.h5", need="nurse", progress=lambda done, *_: seen.append(done))
    assert not seen and not (tmp_path / "x.h5.partial").exists()

    def wrong(clips: list) -> dict[str, list[str]]:
        raise DataError("2 subjects cannot fill 3 parts")

    with pytest.raises(DataError, match=r"cannot fill 3 parts.*--resume"):
        convert(source, tmp_path / "x.h5", splits=wrong)
    report = convert(source, tmp_path / "x.h5", resume=True)
    assert report.resumed == 30 and len(read_store(tmp_path / "x.h5")) == 30


def test_a_journal_is_on_the_disk_when_it_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from skelact.io import journal

    synced: list[str] = []
    real = os.fsync
    monkeypatch.setattr(
        journal.os, "fsync", lambda n: (synced.append(str(Path(f"/proc/self/fd/{n}").readlink())), real(n))
    )
    with (
        pytest.raises(KeyboardInterrupt),
        StoreWriter(tmp_path / "a.h5", layout="coco17", resume=True) as writer,
    ):
        writer.append(recordings(1)[0])
        raise KeyboardInterrupt
    assert synced == [str(tmp_path / "a.h5.partial")]
    with StoreWriter(tmp_path / "a.h5", layout="coco17", resume=True):
        synced.clear()
    assert str(tmp_path / "a.h5.assembling") in synced
