"""Outputs: refused before the work where writing would do harm, and written by one process at a time."""

from __future__ import annotations

import errno
import json
import logging
import os
import shlex
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from skelact.errors import ConfigError, DataError, SkelactError
from skelact.io.addresses import is_address, public_name, without_secrets

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

log = logging.getLogger(__name__)
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
_held: dict[
    tuple[Path, int], int
] = {}  # (lock file, thread) → how often it is held, for commands within commands


class OutputBusyError(SkelactError):
    """Another process is writing the same output."""

    exit_code = 1


def check_output(path: str | Path, inputs: Iterable[str | Path | int] = (), *, folder: bool = False) -> Path:
    """Refuse an output that must not be written; nothing is touched.

    Args:
        path: the file, or the folder, to write.
        inputs: what is read for it; none of them may be the output.
        folder: whether the output is a folder of files.

    Raises:
        ConfigError: for a link, a device, a folder where a file is meant (or the reverse), an address, or one
            of the inputs.
    """
    text, path = str(path), Path(path)
    if not text.strip() or "\0" in text:
        raise ConfigError(
            f"{text!r} cannot be the name of an output; name a {'folder' if folder else 'file'}"
        )
    if is_address(text):
        raise ConfigError(f"{public_name(text)} is an address, and outputs are files; name a file")
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror or error}; name another output"
        ) from None
    if mode is not None and folder:
        if not path.is_dir():
            raise ConfigError(f"{path} is not a folder, and a folder is to be written; name another output")
    elif mode is not None:
        if stat.S_ISLNK(mode):
            raise ConfigError(f"{path} is a link; name the file that it leads to, or another output")
        if stat.S_ISDIR(mode):
            raise ConfigError(f"{path} is a folder, and a file is to be written; name a file in it")
        if not stat.S_ISREG(mode):
            raise ConfigError(f"{path} is a device or a pipe, no regular file; name another output")
    above = path.absolute().parent
    while not above.exists() and above != above.parent:
        above = above.parent
    if not above.is_dir():
        raise ConfigError(f"{path} cannot be written: {above} is not a folder; name another output")
    for source in inputs:
        if not isinstance(source, int) and not is_address(str(source)) and _same(Path(source), path):
            raise ConfigError(f"{path} is an input, and writing it would destroy it; name another output")
    return path


def _same(one: Path, other: Path) -> bool:
    with suppress(OSError, ValueError):
        return one.samefile(other)
    return False


@contextmanager
def holding(
    path: str | Path, inputs: Iterable[str | Path | int] = (), *, folder: bool = False
) -> Iterator[Path]:
    """Check an output, make the folders it lies in, and keep other processes from writing it meanwhile.

    The lock is a file ``.NAME.lock`` beside the output (``.lock`` within a folder), which says who holds it.
    The system frees it when the holder dies, so a dead process's lock is taken over. Folders that were made and
    stay empty are removed. The same thread may hold an output several times.

    Args:
        path, inputs, folder: as for `check_output`.

    Raises:
        ConfigError: as `check_output`.
        OutputBusyError: if another process (or thread) holds it; the message says which.
        DataError: if the folder cannot be written.
    """
    path = check_output(path, inputs, folder=folder)
    place = path.resolve() / ".lock" if folder else path.absolute().parent.resolve() / f".{path.name}.lock"
    key = (place, threading.get_ident())
    if key in _held:
        _held[key] += 1
        try:
            yield path
        finally:
            _held[key] -= 1
        return
    made = _make_folders(place.parent)
    try:
        lock = _lock(place, path)
        _held[key] = 1
        try:
            yield path
        finally:
            del _held[key]
            if lock is not None:
                with suppress(OSError):
                    place.unlink()
                os.close(lock)
    finally:
        for one in made:
            with suppress(OSError):
                one.rmdir()


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; returns the new ones, the innermost first."""
    made = []
    at = folder
    while not at.exists():
        made.append(at)
        at = at.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be made: {error.strerror or error}") from error
    return made


def _lock(place: Path, path: Path) -> int | None:
    """The locked file's descriptor; None where the file system (or the system) has no locks."""
    if fcntl is None:
        log.warning("this system has no file locks: see to it that only one process writes %s", path)
        return None
    while True:
        try:
            file = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise DataError(
                f"cannot write {path}: {error.strerror or error}; check the folder and its free space"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            said = _holder(place)
            os.close(file)
            if error.errno in _NO_LOCKS:
                log.warning("there are no locks in %s: see to it that only one process writes", place.parent)
                return None
            raise OutputBusyError(
                f"{path} is being written {said}; wait for it, or name another output"
            ) from None
        if _is_at(file, place):
            break
        os.close(file)  # its holder has just removed it
    who = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": shlex.join(
            [Path(sys.argv[0]).name, *(without_secrets(public_name(a)) for a in sys.argv[1:])]
        ),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    with suppress(OSError):  # a full disk: the lock holds without its text
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(who).encode(), 0)
    return file


def _is_at(file: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), place.stat())
    except FileNotFoundError:
        return False


def _holder(place: Path) -> str:
    """Who holds a lock, in words."""
    for _ in range(20):
        try:
            who = json.loads(place.read_text(encoding="utf-8"))
            return f"by process {who['pid']} on {who['host']} since {who['since']} ({who['command']})"
        except (OSError, ValueError, KeyError, TypeError):
            time.sleep(0.05)  # it has the lock and is about to say so
    return "by another process"
