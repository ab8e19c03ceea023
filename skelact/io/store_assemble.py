"""From the journal of collected recordings to the finished HDF5 file."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from skelact.errors import DataError
from skelact.io.journal import Record
from skelact.io.store_schema import CLIP_COLUMNS, SCHEMA, TRACK_COLUMNS, VERSION
from skelact.layouts import SkeletonLayout

_CHUNK_BYTES = 1 << 20
_TEXT = h5py.string_dtype()


class _Target(io.RawIOBase):
    """The file that HDF5 writes; it keeps the first error to itself.

    HDF5 does not survive a write that fails: closing the file afterwards ends in a bus error or a segmentation
    fault. So after an error (a full disk) writes are only claimed to work, until the file is closed.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b", buffering=0)
        self.error: OSError | None = None

    def check(self) -> None:
        """Raise what went wrong so far."""
        if self.error is not None:
            raise self.error

    def write(self, data) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.error is None and done < len(view):  # a full disk takes a part first
                done += self._file.write(view[done:])
        except OSError as error:
            self.error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            self._file.truncate(size)
        except OSError as error:
            self.error = self.error or error
        return self._file.tell() if size is None else size

    def readinto(self, buffer) -> int:
        n = self._file.readinto(buffer) or 0
        memoryview(buffer).cast("B")[n:] = bytes(len(buffer) - n)  # what an error kept from being written
        return len(buffer)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def flush(self) -> None:  # nothing is buffered
        pass

    def finish(self) -> None:
        """Bring everything to the disk.

        Raises:
            OSError: if it did not take it all.
        """
        self.check()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()
        super().close()


def assemble(
    path: Path,
    records: Iterable[Record],
    *,
    layout: SkeletonLayout,
    unit: str,
    dims: int,
    label_names: Sequence[str] | None,
    dtype: str,
    compress: bool,
    splits: Mapping[str, Sequence[str]],
    origin: str = "camera",
    pictured: bool = False,
) -> list[str]:
    """Write the HDF5 file, in constant memory apart from the tables; returns the ids that it holds.

    Args:
        path: the file to write.
        records: the recordings.
        layout, unit, dims, label_names, dtype, compress, origin: as of `skelact.io.store.StoreWriter`.
        pictured: some recordings say where their joints are in the picture; the others get NaN there.
        splits: ids of each named split; those that are not stored are left out.

    Raises:
        OSError: if the disk is full or fails.
    """
    target = _Target(path)
    try:
        with h5py.File(
            target, "w", libver="latest", alignment_threshold=4096, alignment_interval=4096
        ) as file:
            ids = _write(
                file, target, records, layout, unit, dims, label_names, dtype, compress, splits, pictured
            )
            file.attrs["origin"] = origin
        target.finish()
    finally:
        target.close()
    return ids


def _write(
    file: h5py.File, target: _Target, records: Iterable[Record], layout: SkeletonLayout, unit: str, dims: int,
    label_names: Sequence[str] | None, dtype: str, compress: bool, splits: Mapping[str, Sequence[str]],
    pictured: bool,
) -> list[str]:  # fmt: skip
    tracks: dict[str, list] = {name: [] for name in TRACK_COLUMNS}
    clips: dict[str, list] = {name: [] for name in CLIP_COLUMNS}
    frame_names: dict[str, int] = {}
    rows = n_timeline = 0
    item = np.dtype(dtype).itemsize
    options = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if compress else {}
    shape = {"xyz": (len(layout), dims), "score": (len(layout),)}
    if pictured:
        shape["picture"] = (len(layout), 2)
    frames = {
        name: file.create_dataset(
            f"frames/{name}", (0, *rest), dtype, maxshape=(None, *rest),
            chunks=(max(1, _CHUNK_BYTES // (item * int(np.prod(rest)))), *rest), **options,
        )
        for name, rest in shape.items()
    }  # fmt: skip
    timeline = {
        name: file.create_dataset(f"timeline/{name}", (0,), kind, maxshape=(None,), chunks=(1 << 14,))
        for name, kind in (("time", "f8"), ("label", "i4"))
    }
    waiting: dict[str, list[np.ndarray]] = {name: [] for name in shape}
    waiting_bytes = 0

    def flush() -> None:
        for name, blocks in waiting.items():
            if blocks:
                joined = np.concatenate(blocks)
                data = frames[name]
                data.resize(len(data) + len(joined), 0)
                data[len(data) - len(joined) :] = joined
                blocks.clear()
        target.check()

    for skeleton in records:
        first_track = len(tracks["clip"])
        for m, track_id in enumerate(skeleton.track_ids):
            there = np.flatnonzero(skeleton.score[m].any(-1))
            if not len(there):
                continue
            start, end = int(there[0]), int(there[-1]) + 1
            for name, value in zip(
                TRACK_COLUMNS, (len(clips["id"]), rows, end - start, start, track_id), strict=True
            ):
                tracks[name].append(value)
            rows += end - start
            for name, blocks in waiting.items():
                values = getattr(skeleton, name)
                if values is None:  # of other recordings the places in the picture are known
                    blocks.append(np.full((end - start, *shape[name]), np.nan, np.float32))
                else:
                    blocks.append(values[m, start:end])
            waiting_bytes += skeleton.xyz[m, start:end].nbytes
        if len(tracks["clip"]) == first_track:  # a clip of pictures alone: one person who is never there
            for name, value in zip(TRACK_COLUMNS, (len(clips["id"]), rows, 1, 0, 0), strict=True):
                tracks[name].append(value)
            rows += 1
            for name, blocks in waiting.items():
                lacks = getattr(skeleton, name) is None
                blocks.append(np.full((1, *shape[name]), np.nan if lacks else 0, dtype))
        place = -1
        if skeleton.time is not None or skeleton.frame_labels is not None:
            place = n_timeline
            n_timeline += skeleton.n_frames
            time = skeleton.time if skeleton.time is not None else np.full(skeleton.n_frames, np.nan)
            codes = [frame_names.setdefault(n, len(frame_names)) for n in skeleton.frame_labels or ()]
            for name, values in (("time", time), ("label", codes or [-1] * skeleton.n_frames)):
                timeline[name].resize(n_timeline, 0)
                timeline[name][place:] = values
        row = {
            "id": skeleton.id,
            "label": skeleton.label,
            "fps": skeleton.fps,
            "n_frames": skeleton.n_frames,
            "first_track": first_track,
            "n_tracks": len(tracks["clip"]) - first_track,
            "timeline": place,
            "info": json.dumps(skeleton.info),
            "checksum": skeleton.checksum or "",
        }
        for name, value in row.items():
            clips[name].append(value)
        if waiting_bytes > 16 * _CHUNK_BYTES:
            flush()
            waiting_bytes = 0
    flush()
    names = label_names
    if names is None:
        names = sorted({label for label in clips["label"] if label is not None})
    place_of = {name: k for k, name in enumerate(names)}
    clips["label"] = [-1 if label is None else place_of[label] for label in clips["label"]]
    for name in TRACK_COLUMNS:
        file.create_dataset(f"tracks/{name}", data=np.array(tracks[name], np.int64), maxshape=(None,))
    kinds = {"id": _TEXT, "info": _TEXT, "checksum": _TEXT, "fps": "f8"}
    for name in CLIP_COLUMNS:
        kind = kinds.get(name, "i8")
        file.create_dataset(f"clips/{name}", data=np.array(clips[name], kind), dtype=kind, maxshape=(None,))
    number = {clip: k for k, clip in enumerate(clips["id"])}
    for name, ids in splits.items():
        file[f"splits/{name}"] = np.array([number[i] for i in ids if i in number], np.int64)
    file.attrs.update(
        {
            "schema": SCHEMA,
            "version": VERSION,
            "layout": json.dumps(layout.to_dict()),
            "unit": unit,
            "label_names": json.dumps(list(names)),
            "frame_label_names": json.dumps(list(frame_names)),
        }
    )
    return clips["id"]


def bad_text(text: str) -> str | None:
    """Why a text cannot be stored, in words; None if it can."""
    if "\0" in text:
        return "has a NUL character"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8"
    return None


def split_path(name: str, others: Iterable[str]) -> str:
    """A split's name as it lies in the file.

    Raises:
        DataError: if it cannot be the name of a split, or cannot stand beside the others.
    """
    parts = name.split("/")
    why = bad_text(name) or ("has an empty part" if set(parts) & {"", ".", ".."} else None)
    if why:
        raise DataError(f"{name!r} cannot be the name of a split: it {why}; use something like xsub/train")
    for other in others:
        if f"{other}/".startswith(f"{name}/") or f"{name}/".startswith(f"{other}/"):
            raise DataError(
                f"split '{name}' collides with split '{other}': one lies within the other; rename one of them"
            )
    return name
