"""An append-only journal of recordings that survives a kill at any byte.

A HDF5 file that is cut off while it grows may not open again. So recordings that arrive one by one are
first appended here, each with its length and checksum; what a kill cut off is dropped on reading, and
everything before it is kept.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.original import split_info, stored_info
from skelact.layouts import SkeletonLayout
from skelact.skeleton import Skeleton

_MAGIC = b"SKELJRN1"
_HEAD = struct.Struct("<II")  # length of the record, checksum


def _encode(skeleton: Skeleton, checksum: str | None) -> bytes:
    head = {
        "shape": list(skeleton.xyz.shape),
        "fps": skeleton.fps,
        "unit": skeleton.unit,
        "origin": skeleton.origin,
        "pictured": skeleton.picture is not None,
        "label": skeleton.label,
        "id": skeleton.id,
        "info": stored_info(skeleton),
        "track_ids": list(skeleton.track_ids),
        "frame_labels": None if skeleton.frame_labels is None else list(skeleton.frame_labels),
        "timed": skeleton.time is not None,
        "layout": skeleton.layout.to_dict(),
        "checksum": checksum,
    }
    text = json.dumps(head).encode()
    parts = [struct.pack("<I", len(text)), text, skeleton.xyz.tobytes(), skeleton.score.tobytes()]
    if skeleton.time is not None:
        parts.append(skeleton.time.tobytes())
    if skeleton.picture is not None:
        parts.append(skeleton.picture.tobytes())
    return b"".join(parts)


@dataclass(frozen=True)
class Record:
    """One entry of a journal, as it was validated when it was written; fields as of `Skeleton`."""

    xyz: np.ndarray
    score: np.ndarray
    time: np.ndarray | None
    layout: dict
    fps: float
    unit: str
    label: str | None
    id: str
    info: dict
    track_ids: list[int]
    frame_labels: list[str] | None
    checksum: str | None
    origin: str = "camera"
    picture: np.ndarray | None = None

    @property
    def n_frames(self) -> int:
        """T."""
        return self.xyz.shape[1]

    def skeleton(self) -> Skeleton:
        """The recording."""
        info, remainder = split_info(self.info)
        return Skeleton(
            self.xyz, self.score, SkeletonLayout.from_dict(self.layout), self.fps, self.unit, self.label, self.id,
            info, self.track_ids, self.time, self.frame_labels, self.origin, self.picture,
        ).with_remainder(remainder)  # fmt: skip


def _decode(record: bytes) -> Record:
    (size,) = struct.unpack_from("<I", record)
    head = json.loads(record[4 : 4 + size])
    m, t, v, c = head.pop("shape")
    offset = 4 + size
    xyz = np.frombuffer(record, np.float32, m * t * v * c, offset).reshape(m, t, v, c)
    offset += xyz.nbytes
    score = np.frombuffer(record, np.float32, m * t * v, offset).reshape(m, t, v)
    timed = head.pop("timed")
    offset += score.nbytes
    time = np.frombuffer(record, np.float64, t, offset) if timed else None
    if head.pop("pictured", False):
        offset += 0 if time is None else time.nbytes
        head["picture"] = np.frombuffer(record, np.float32, m * t * v * 2, offset).reshape(m, t, v, 2)
    return Record(xyz, score, time, **head)


class Journal:
    """The journal file at ``path``; opened for appending, after dropping what a kill cut off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        good = len(_MAGIC)
        if path.exists() and path.stat().st_size >= good:
            for end, _ in _records(path):
                good = end
            self._file = path.open("r+b", buffering=0)  # a buffer would fail again on closing
            self._file.truncate(good)
            self._file.seek(good)
        else:
            self._file = path.open("wb", buffering=0)
            self._file.write(_MAGIC)

    def append(self, skeleton: Skeleton, checksum: str | None) -> None:
        """Add one recording; on failure (a full disk, say) the journal stays as it was."""
        record = _encode(skeleton, checksum)
        place = self._file.tell()
        try:
            rest = memoryview(_HEAD.pack(len(record), zlib.crc32(record)) + record)
            while rest:  # a disk that is nearly full takes a part
                rest = rest[self._file.write(rest) :]
        except OSError:
            try:
                self._file.seek(place)
                self._file.truncate(place)
            except OSError:
                os.truncate(self.path, place)
            raise

    def close(self) -> None:
        """Bring everything to the disk and close."""
        with suppress(OSError, ValueError):  # closed already
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()

    def records(self) -> Iterator[Record]:
        """Every whole entry."""
        self._file.flush()
        for _, record in _records(self.path):
            yield _decode(record)

    def __iter__(self) -> Iterator[tuple[Skeleton, str | None]]:
        return ((record.skeleton(), record.checksum) for record in self.records())


def _records(path: Path) -> Iterator[tuple[int, bytes]]:
    """(end position, record) for every whole record."""
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise DataError(f"{path} is not an unfinished skelact file; remove it or choose another name")
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            size, checksum = _HEAD.unpack(head)
            record = file.read(size)
            if len(record) < size or zlib.crc32(record) != checksum:
                return
            yield file.tell(), record
