"""The skelact file: one HDF5 file that holds a data set as a ragged table (schema version 1).

======================  =======================================================================
``frames/xyz``          ``[F, V, C]`` all frames of all tracks, end to end
``frames/score``        ``[F, V]`` confidence, 0 = missing
``tracks/*``            clip, first (row), length (rows), start (frame of the clip), track_id
``clips/*``             id, label (index into label_names, -1: none), fps, n_frames, unit,
                        first_track, n_tracks, timeline (first row in ``timeline``, -1: none),
                        info (JSON; with what the raw file says beyond the people), checksum (of the source file)
``timeline/*``          time [s] (NaN: evenly spaced) and frame label (index into frame_label_names,
                        -1: none) of such clips
``splits/NAME``         clip indices; names such as ``xsub/train``
attributes              schema, version, layout (JSON), unit, label_names, frame_label_names
======================  =======================================================================

A track holds only the frames in which its person is there; nothing is padded. Chunks are not compressed
unless asked, so the file can be memory-mapped as it is.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from skelact.errors import DataError, LayoutError
from skelact.io.journal import Journal, Record
from skelact.io.original import split_info
from skelact.layouts import SkeletonLayout, get_layout
from skelact.skeleton import Skeleton

SCHEMA = "skelact"
VERSION = 1
_CHUNK_BYTES = 1 << 20
_TEXT = h5py.string_dtype()
_TRACK_COLUMNS = ("clip", "first", "length", "start", "track_id")
_CLIP_COLUMNS = ("id", "label", "fps", "n_frames", "first_track", "n_tracks", "timeline", "info", "checksum")


class StoreWriter:
    """Write recordings into one skelact file, atomically.

    Recordings are collected in ``PATH.partial``; leaving the ``with`` block without an error turns it
    into the file under its final name. After an error or a kill nothing lies under the final name; with
    ``resume`` the collected recordings stay and the next run continues after them.

    Args:
        path: the file to write.
        layout: the layout that every recording must have.
        unit: the unit that every recording must have.
        dims: coordinates per joint, 2 or 3.
        label_names: allowed labels in class order; None: the sorted labels that occur.
        dtype: ``float32`` or ``float16`` (half the size, positions in metres to about 1 mm).
        compress: gzip the frames; such a file is loaded into memory rather than mapped.
        overwrite: replace an existing file; otherwise it is an error.
        resume: continue an unfinished file, and keep it when interrupted again.

    Raises:
        DataError: if the file exists, or a recording does not fit.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        layout: SkeletonLayout | str,
        unit: str = "m",
        dims: int = 3,
        label_names: Sequence[str] | None = None,
        dtype: str = "float32",
        compress: bool = False,
        overwrite: bool = False,
        resume: bool = False,
    ) -> None:
        self.path = Path(path)
        self.layout = get_layout(layout)
        self.unit = unit
        self.dims = dims
        self.label_names = None if label_names is None else list(label_names)
        if dtype not in ("float32", "float16"):
            raise DataError(f"dtype '{dtype}' is not one of float32, float16")
        self._dtype, self._compress, self._resume = dtype, compress, resume
        if self.path.exists() and not overwrite:
            raise DataError(
                f"{self.path} exists already; choose another name, or replace it with --overwrite"
            )
        if not self.path.parent.is_dir():
            raise DataError(f"the folder {self.path.parent} does not exist; make it first")
        self._partial = self.path.with_name(self.path.name + ".partial")
        if not resume:
            self._partial.unlink(missing_ok=True)
        self.done_ids: set[str] = set()
        self._splits: dict[str, list[str]] = {}
        self._journal: Journal | None = None
        try:
            self._journal = Journal(self._partial)
            for skeleton, _ in self._journal:
                self._check(skeleton)
                self.done_ids.add(skeleton.id)
        except OSError as error:
            raise DataError(f"cannot write {self._partial}: {error}") from error

    def _check(self, skeleton: Skeleton) -> None:
        where = f"recording '{skeleton.id}'"
        if skeleton.layout != self.layout:
            raise LayoutError(
                f"{where} has layout '{skeleton.layout.name}', but {self.path.name} holds '{self.layout.name}'; "
                "convert it first (Skeleton.converted)"
            )
        if skeleton.unit != self.unit or skeleton.xyz.shape[3] != self.dims:
            raise DataError(
                f"{where} has {skeleton.xyz.shape[3]} coordinates in '{skeleton.unit}', but {self.path.name} "
                f"holds {self.dims} in '{self.unit}'"
            )
        if not skeleton.id:
            raise DataError("a recording needs an id to be stored")
        if skeleton.id in self.done_ids:
            raise DataError(f"{where} is in {self.path.name} already; ids must differ")
        if not (skeleton.score > 0).any():
            raise DataError(f"{where} has no person in any frame; there is nothing to store")
        if (
            self.label_names is not None
            and skeleton.label is not None
            and skeleton.label not in self.label_names
        ):
            raise DataError(f"{where}: label '{skeleton.label}' is not among {', '.join(self.label_names)}")

    def append(self, skeleton: Skeleton, checksum: str | None = None) -> None:
        """Add one recording.

        Args:
            skeleton: at least one joint must be there in some frame; its id must be new.
            checksum: of the source file, kept beside the recording.

        Raises:
            DataError, LayoutError: if it does not fit; the file stays as it was.
        """
        if self._journal is None:
            raise DataError(f"{self.path} is closed")
        self._check(skeleton)
        if self._dtype != "float32":
            skeleton = skeleton.with_remainder(None)  # rounded joints are not the raw file's any more
        try:
            self._journal.append(skeleton, checksum)
        except OSError as error:
            raise DataError(_disk_message(self._partial, error)) from error
        self.done_ids.add(skeleton.id)

    def set_splits(self, splits: Mapping[str, Sequence[str]]) -> None:
        """Name parts of the data by clip ids; ids that are not stored are left out on closing."""
        for name, ids in splits.items():
            if not name or name.startswith("/") or name.endswith("/"):
                raise DataError(f"'{name}' cannot be the name of a split; use something like xsub/train")
            self._splits[name] = list(ids)

    def close(self) -> None:
        """Turn what was collected into the finished file.

        Raises:
            DataError: if nothing was collected, or the disk is full; the collected recordings stay if
                ``resume`` was asked.
        """
        if self._journal is None:
            return
        if not self.done_ids:
            self.discard()
            raise DataError(f"nothing to store in {self.path}: no recording was added")
        temporary = self.path.with_name(self.path.name + ".assembling")
        try:
            _assemble(temporary, self)
            temporary.replace(self.path)
        except OSError as error:
            raise DataError(_disk_message(self.path, error)) from error
        finally:
            temporary.unlink(missing_ok=True)
        self.discard()

    def discard(self) -> None:
        """Remove what was collected."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            if self._journal is not None:
                if self._resume and self.done_ids:
                    self._journal.close()
                    self._journal = None
                else:
                    self.discard()

    def _records(self) -> Iterator[Record]:
        return iter(()) if self._journal is None else self._journal.records()


def _disk_message(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full while writing {path}; free some space and run again"
    return f"cannot write {path}: {error}"


def _assemble(path: Path, writer: StoreWriter) -> None:
    """Write the HDF5 file from the journal, in constant memory apart from the tables."""
    layout, n_joints, dims = writer.layout, len(writer.layout), writer.dims
    tracks: dict[str, list] = {name: [] for name in _TRACK_COLUMNS}
    clips: dict[str, list] = {name: [] for name in _CLIP_COLUMNS}
    frame_names: dict[str, int] = {}
    rows = n_timeline = 0
    with h5py.File(path, "w", libver="latest", alignment_threshold=4096, alignment_interval=4096) as file:
        item = np.dtype(writer._dtype).itemsize
        options = {"compression": "gzip", "compression_opts": 4, "shuffle": True} if writer._compress else {}
        shape = {"xyz": (n_joints, dims), "score": (n_joints,)}
        frames = {
            name: file.create_dataset(
                f"frames/{name}", (0, *rest), writer._dtype, maxshape=(None, *rest),
                chunks=(max(1, _CHUNK_BYTES // (item * int(np.prod(rest)))), *rest), **options,
            )
            for name, rest in shape.items()
        }  # fmt: skip
        timeline = {
            name: file.create_dataset(f"timeline/{name}", (0,), kind, maxshape=(None,), chunks=(1 << 14,))
            for name, kind in (("time", "f8"), ("label", "i4"))
        }
        waiting: dict[str, list[np.ndarray]] = {"xyz": [], "score": []}

        def flush() -> None:
            for name, blocks in waiting.items():
                if blocks:
                    joined = np.concatenate(blocks)
                    data = frames[name]
                    data.resize(len(data) + len(joined), 0)
                    data[len(data) - len(joined) :] = joined
                    blocks.clear()

        waiting_bytes = 0
        for skeleton in writer._records():
            first_track = len(tracks["clip"])
            for m, track_id in enumerate(skeleton.track_ids):
                there = np.flatnonzero(skeleton.score[m].any(-1))
                if not len(there):
                    continue
                start, end = int(there[0]), int(there[-1]) + 1
                for name, value in zip(
                    _TRACK_COLUMNS, (len(clips["id"]), rows, end - start, start, track_id), strict=True
                ):
                    tracks[name].append(value)
                rows += end - start
                waiting["xyz"].append(skeleton.xyz[m, start:end])
                waiting["score"].append(skeleton.score[m, start:end])
                waiting_bytes += skeleton.xyz[m, start:end].nbytes
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
        names = writer.label_names
        if names is None:
            names = sorted({label for label in clips["label"] if label is not None})
        place_of = {name: k for k, name in enumerate(names)}
        clips["label"] = [-1 if label is None else place_of[label] for label in clips["label"]]
        for name in _TRACK_COLUMNS:
            file.create_dataset(f"tracks/{name}", data=np.array(tracks[name], np.int64), maxshape=(None,))
        kinds = {"id": _TEXT, "info": _TEXT, "checksum": _TEXT, "fps": "f8"}
        for name in _CLIP_COLUMNS:
            kind = kinds.get(name, "i8")
            file.create_dataset(
                f"clips/{name}", data=np.array(clips[name], kind), dtype=kind, maxshape=(None,)
            )
        number = {clip: k for k, clip in enumerate(clips["id"])}
        for name, ids in writer._splits.items():
            file[f"splits/{name}"] = np.array([number[i] for i in ids if i in number], np.int64)
        file.attrs.update(
            {
                "schema": SCHEMA,
                "version": VERSION,
                "layout": json.dumps(layout.to_dict()),
                "unit": writer.unit,
                "label_names": json.dumps(names),
                "frame_label_names": json.dumps(list(frame_names)),
            }
        )


class Store:
    """A skelact file, opened for reading; the tables are in memory, the frames stay on disk.

    Raises:
        DataError: if the file is not there, is damaged, or is of another version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            unfinished = self.path.with_name(self.path.name + ".partial")
            hint = f" An unfinished {unfinished.name} is there: run the same command with --resume to continue." if (
                unfinished.exists()
            ) else ""  # fmt: skip
            raise DataError(f"{self.path} does not exist.{hint}")
        try:
            self._file = h5py.File(self.path, "r")
        except OSError as error:
            raise DataError(
                f"{self.path} is not a readable HDF5 file ({error}); convert the data again"
            ) from error
        try:
            self._read_tables()
        except DataError:
            self._file.close()
            raise
        except (KeyError, ValueError, TypeError, OSError, LayoutError, RuntimeError) as error:
            self._file.close()
            raise DataError(
                f"{self.path} is damaged or not a skelact file ({error}); convert the data again"
            ) from error

    def _read_tables(self) -> None:
        file = self._file
        if file.attrs.get("schema") != SCHEMA:
            raise DataError(
                f"{self.path} is HDF5, but not a skelact file (it lacks the attribute schema='{SCHEMA}')"
            )
        if file.attrs["version"] != VERSION:
            raise DataError(
                f"{self.path} has schema version {file.attrs['version']}, this skelact reads {VERSION}; "
                "convert the data again or install a matching skelact"
            )
        self.layout = SkeletonLayout.from_dict(json.loads(str(file.attrs["layout"])))
        self.unit = str(file.attrs["unit"])
        self.label_names: list[str] = json.loads(str(file.attrs["label_names"]))
        self.frame_label_names: list[str] = json.loads(str(file.attrs["frame_label_names"]))
        self.xyz: h5py.Dataset = file["frames/xyz"]  # type: ignore[assignment]
        self.score: h5py.Dataset = file["frames/score"]  # type: ignore[assignment]
        self.tracks: dict[str, Any] = {n: np.asarray(file[f"tracks/{n}"][()]) for n in _TRACK_COLUMNS}  # type: ignore[index]
        self.clips: dict[str, Any] = {}
        for name in _CLIP_COLUMNS:
            data = file[f"clips/{name}"]
            text = h5py.check_string_dtype(data.dtype) is not None  # type: ignore[union-attr]
            self.clips[name] = data.asstr()[()] if text else data[()]  # type: ignore[index,union-attr]
        self.splits: dict[str, Any] = {}
        if "splits" in file:
            file["splits"].visititems(  # type: ignore[union-attr]
                lambda name, node: (
                    self.splits.update({name: node[()]}) if isinstance(node, h5py.Dataset) else None
                )
            )
        n_clips, n_rows, tracks = len(self.clips["id"]), self.xyz.shape[0], self.tracks
        consistent = (
            self.xyz.shape[1] == len(self.layout) == self.score.shape[1]
            and self.score.shape[0] == n_rows
            and self.xyz.shape[2] in (2, 3)
            and all(len(c) == n_clips for c in self.clips.values())
            and all(len(c) == len(tracks["clip"]) for c in tracks.values())
            and _within(tracks["clip"], 0, n_clips)
            and _within(tracks["first"], 0, n_rows)
            and _within(tracks["length"], 1, n_rows + 1)
            and _within(tracks["first"] + tracks["length"], 0, n_rows + 1)
            and _within(self.clips["label"], -1, len(self.label_names))
            and _within(self.clips["first_track"] + self.clips["n_tracks"], 1, len(tracks["clip"]) + 1)
            and bool((np.isfinite(self.clips["fps"]) & (self.clips["fps"] > 0)).all())
            and bool((tracks["start"] >= 0).all())
            and bool((tracks["start"] + tracks["length"] <= self.clips["n_frames"][tracks["clip"]]).all())
            and all(_within(s, 0, n_clips) for s in self.splits.values())
        )
        if not consistent:
            raise DataError(f"{self.path} is damaged: its tables do not fit together; convert the data again")

    @property
    def dims(self) -> int:
        """Coordinates per joint."""
        return int(self.xyz.shape[2])

    def __len__(self) -> int:
        return len(self.clips["id"])

    @cached_property
    def infos(self) -> list[dict]:
        """What is known of each clip besides its label (subject, camera, ...)."""
        return [json.loads(text) for text in self.clips["info"]]

    def read(self, clip: int) -> Skeleton:
        """Read one recording back as it was stored.

        Raises:
            DataError: if its rows cannot be read.
        """
        row = {name: column[clip] for name, column in self.clips.items()}
        first, n_tracks, n_frames = int(row["first_track"]), int(row["n_tracks"]), int(row["n_frames"])
        xyz = np.zeros((n_tracks, n_frames, len(self.layout), self.dims), np.float32)
        score = np.zeros(xyz.shape[:3], np.float32)
        try:
            for m, k in enumerate(range(first, first + n_tracks)):
                rows = slice(
                    int(self.tracks["first"][k]), int(self.tracks["first"][k] + self.tracks["length"][k])
                )
                start = int(self.tracks["start"][k])
                xyz[m, start : start + rows.stop - rows.start] = self.xyz[rows]
                score[m, start : start + rows.stop - rows.start] = self.score[rows]
            time, frame_labels = self._timeline(int(row["timeline"]), n_frames)
        except OSError as error:
            raise DataError(f"{self.path}: recording '{row['id']}' cannot be read ({error})") from error
        info, remainder = split_info(self.infos[clip])
        return Skeleton(
            xyz, score, self.layout, float(row["fps"]), self.unit,
            self.label_names[row["label"]] if row["label"] >= 0 else None, str(row["id"]), info,
            self.tracks["track_id"][first : first + n_tracks].tolist(), time, frame_labels,
        ).with_remainder(remainder)  # fmt: skip

    def _timeline(self, place: int, n_frames: int) -> tuple[Any, list[str] | None]:
        if place < 0:
            return None, None
        rows = slice(place, place + n_frames)
        time: Any = self._file["timeline/time"][rows]  # type: ignore[index]
        codes: Any = self._file["timeline/label"][rows]  # type: ignore[index]
        labels = None if (codes < 0).all() else [self.frame_label_names[c] for c in codes]
        return None if np.isnan(time).any() else time, labels

    def timeline(self) -> tuple[np.ndarray, np.ndarray]:
        """(time [s], frame label code) of all clips that have a timeline, end to end."""
        return self._file["timeline/time"][()], self._file["timeline/label"][()]  # type: ignore[index]

    def __iter__(self) -> Iterator[Skeleton]:
        return (self.read(clip) for clip in range(len(self)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _within(values: np.ndarray, low: int, high: int) -> bool:
    return not len(values) or bool(values.min() >= low and values.max() < high)


def read_store(path: str | Path) -> list[Skeleton]:
    """Read every recording of a skelact file."""
    with Store(path) as store:
        return list(store)


def write_store(path: str | Path, skeletons: Sequence[Skeleton], splits: Mapping[str, Sequence[str]] | None = None,
                label_names: Sequence[str] | None = None, overwrite: bool = False) -> None:  # fmt: skip
    """Write recordings of one layout, unit and number of coordinates into a skelact file."""
    if not skeletons:
        raise DataError(f"nothing to store in {path}: no recording was given")
    first = skeletons[0]
    with StoreWriter(
        path,
        layout=first.layout,
        unit=first.unit,
        dims=first.xyz.shape[3],
        label_names=label_names,
        overwrite=overwrite,
    ) as writer:
        for skeleton in skeletons:
            writer.append(skeleton)
        writer.set_splits(splits or {})
