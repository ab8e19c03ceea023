"""Outputs: refused where writing would do harm, held by one process at a time, on the disk when they are done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from skelact.errors import ConfigError, DataError
from skelact.io import files
from skelact.io.files import atomic_path
from skelact.io.outputs import OutputBusyError, check_output, holding

HOLDER = """
import sys, time
from skelact.io.outputs import holding
with holding(sys.argv[1], folder=len(sys.argv) > 2):
    print("held", flush=True)
    time.sleep(120)
"""


def start_holder(path: Path, *more: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), *more], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("folder", [False, True])
def test_the_second_process_stops_and_a_dead_one_is_taken_over(tmp_path: Path, folder: bool) -> None:
    path = tmp_path / "new" / "out"
    process = start_holder(path, *(["folder"] if folder else []))
    lock = path / ".lock" if folder else path.parent / ".out.lock"
    try:
        assert json.loads(lock.read_text()).keys() == {"pid", "host", "command", "since"}
        with (
            pytest.raises(
                OutputBusyError, match=rf"out is being written by process {process.pid} on \S+ since .+ \("
            ),
            holding(path, folder=folder),
        ):
            raise AssertionError("both hold it")
        assert lock.exists()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]
    assert lock.exists()  # what the dead one left
    with holding(path, folder=folder):
        assert json.loads(lock.read_text())["pid"] == os.getpid()
    assert not lock.exists()


def test_threads_exclude_each_other_and_one_may_hold_twice(tmp_path: Path) -> None:
    said: list[BaseException] = []

    def other() -> None:
        try:
            with holding(tmp_path / "a"):
                pass
        except OutputBusyError as error:
            said.append(error)

    with holding(tmp_path / "a"):
        with holding(tmp_path / "a"):
            pass
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert (tmp_path / ".a.lock").exists()
    assert len(said) == 1
    other()
    assert len(said) == 1 and list(tmp_path.iterdir()) == []


def test_folders_are_made_and_removed_if_nothing_came_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.h5"
    with pytest.raises(RuntimeError), holding(path):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with holding(path):
        path.write_text("x")
    assert path.exists() and list(path.parent.iterdir()) == [path]


def test_passwords_do_not_reach_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["skelact", "extract", "rtsp://me:se'cr et@cam/1?token=t0ken&channel=2"])
    with holding(tmp_path / "a"):
        text = (tmp_path / ".a.lock").read_text()
    assert "cam/1" in text and "channel=2" in text
    assert not any(word in text for word in ("me:", "se'cr", "et@", "t0ken"))


@pytest.mark.parametrize(
    ("make", "folder", "words"),
    [
        (lambda p: p.symlink_to("elsewhere"), False, "is a link"),
        (lambda p: p.symlink_to("elsewhere"), True, "is not a folder"),
        (lambda p: p.mkdir(), False, "is a folder"),
        (lambda p: p.write_text(""), True, "is not a folder"),
        (lambda p: os.mkfifo(p), False, "a device or a pipe"),
    ],
)
def test_what_no_output_may_be(tmp_path: Path, make, folder: bool, words: str) -> None:
    make(tmp_path / "out")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ConfigError, match=words), holding(tmp_path / "out", folder=folder):
        pass
    assert sorted(tmp_path.rglob("*")) == before


def test_devices_addresses_and_nameless_outputs(tmp_path: Path) -> None:
    for path, words in (
        ("/dev/null", "device"), ("", "name"), ("a\0b", "name"), ("rtsp://u:pw@host/x", "address"),
        (tmp_path / "file" / "x.h5", "is not a folder"),
    ):  # fmt: skip
        (tmp_path / "file").write_text("")
        with pytest.raises(ConfigError, match=words) as error:
            check_output(path)
        assert "pw" not in str(error.value)


def test_an_input_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "in.h5").write_text("x")
    os.link(tmp_path / "in.h5", tmp_path / "same.h5")
    for name in ("in.h5", "./in.h5", "same.h5"):
        with pytest.raises(ConfigError, match="is an input"):
            check_output(tmp_path / name, ["rtsp://a/b", 0, tmp_path / "in.h5"])
    check_output(tmp_path / "other.h5", [tmp_path / "in.h5"])


def test_content_is_on_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append(f"{place.name} {(tmp_path / 'a').exists()}")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", fsync)
    with atomic_path(tmp_path / "a") as part:
        part.write_text("x")
    assert synced == [f"{part.name} False", f"{tmp_path.name} True"]


def test_nothing_stays_where_the_disk_does_not_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fsync)
    (tmp_path / "a").write_text("old")
    with pytest.raises(DataError, match="No space"), atomic_path(tmp_path / "a") as part:
        part.write_text("new")
    assert (tmp_path / "a").read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a"]
