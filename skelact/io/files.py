"""Writing files whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from skelact.errors import DataError


def replace_durably(part: Path, path: Path) -> None:
    """Give a finished file its name; after a power cut there is the old content or the new, not half of it.

    Raises:
        OSError: if the disk did not take it; ``path`` is as it was.
    """
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.replace(path)
    with suppress(OSError, AttributeError):  # not every system lets a folder be opened
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that takes its place when the block ends well, else disappears.

    Raises:
        DataError: if the folder or the file cannot be written.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        replace_durably(part, path)
    except OSError as error:
        raise DataError(
            f"cannot write {path}: {error.strerror or error}; check the folder and its free space"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()


def write_file(path: str | Path, data: bytes) -> Path:
    """Write a file, whole or not at all; return its path.

    Raises:
        DataError: if it cannot be written.
    """
    with atomic_path(path) as part:
        part.write_bytes(data)
    return Path(path)


def write_text(path: str | Path, text: str) -> Path:
    """Write a UTF-8 text file, whole or not at all; return its path.

    Raises:
        DataError: if it cannot be written.
    """
    return write_file(path, text.encode("utf-8"))
