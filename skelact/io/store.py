"""The skelact file: one HDF5 file that holds a data set as a ragged table (schema version 1).

======================  =======================================================================
``frames/xyz``          ``[F, V, C]`` all frames of all tracks, end to end
``frames/score``        ``[F, V]`` confidence, 0 = missing
``frames/picture``      ``[F, V, 2]`` the joints in the picture, if any recording knows it; NaN in the others
``tracks/*``            clip, first (row), length (rows), start (frame of the clip), track_id
``clips/*``             id, label (index into label_names, -1: none), fps, n_frames, unit,
                        first_track, n_tracks, timeline (first row in ``timeline``, -1: none),
                        info (JSON; with what the raw file says beyond the people), checksum (of the source file)
``timeline/*``          time [s] (NaN: evenly spaced) and frame label (index into frame_label_names,
                        -1: none) of such clips
``splits/NAME``         clip indices; names such as ``xsub/train``
attributes              schema, version, layout (JSON), unit, origin, label_names, frame_label_names
======================  =======================================================================

A track holds only the frames in which its person is there; nothing is padded. Chunks are not compressed
unless asked, so the file can be memory-mapped as it is.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np

from skelact.errors import DataError, LayoutError
from skelact.io.files import replace_durably
from skelact.io.journal import Journal
from skelact.io.original import split_info
from skelact.io.outputs import holding
from skelact.io.store_assemble import assemble, bad_text, split_path
from skelact.io.store_schema import CLIP_COLUMNS, SCHEMA, TRACK_COLUMNS, VERSION, check_tables, datasets
from skelact.layouts import SkeletonLayout, get_layout
from skelact.skeleton import ORIGINS, Skeleton

PICTURES = {"video", "depth_video"}  # keys of a recording's info that name its videos


class StoreWriter:
    """Write recordings into one skelact file, atomically.

    Where joints are in the picture is kept of every recording that says it.
    Recordings are collected in ``PATH.partial``; leaving the ``with`` block without an error turns it
    into the file under its final name. After an error or a kill nothing lies under the final name; with
    ``resume``, and always when the disk is full at the end, the collected recordings stay and the next run
    continues after them. Meanwhile no other process can write the file.

    Args:
        path: the file to write.
        layout: the layout that every recording must have.
        unit: the unit that every recording must have.
        dims: coordinates per joint, 2 or 3.
        origin: the origin that every recording must have.
        label_names: allowed labels in class order; None: the sorted labels that occur.
        dtype: ``float32`` or ``float16`` (half the size, positions in metres to about 1 mm).
        compress: gzip the frames; such a file is loaded into memory rather than mapped.
        overwrite: replace an existing file; otherwise it is an error.
        resume: continue an unfinished file, and keep it when interrupted again.

    Raises:
        DataError: if the file exists, or a recording does not fit.
        ConfigError, OutputBusyError: as `skelact.io.outputs.holding`.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        layout: SkeletonLayout | str,
        unit: str = "m",
        dims: int = 3,
        origin: str = "camera",
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
        self.origin, self._pictured = origin, False
        self.label_names = None if label_names is None else list(label_names)
        if dtype not in ("float32", "float16"):
            raise DataError(f"dtype '{dtype}' is not one of float32, float16")
        self._dtype, self._compress, self._resume = dtype, compress, resume
        if self.path.exists() and not overwrite:
            raise DataError(
                f"{self.path} exists already; choose another name, or replace it with --overwrite"
            )
        self._partial = self.path.with_name(self.path.name + ".partial")
        self.done_ids: set[str] = set()
        self._splits: dict[str, list[str]] = {}
        self._journal: Journal | None = None
        self._hold = ExitStack()
        self._hold.enter_context(holding(self.path))
        try:
            if not resume:
                self._partial.unlink(missing_ok=True)
            self._journal = Journal(self._partial)
            for skeleton, _ in self._journal:
                self._check(skeleton)
                self.done_ids.add(skeleton.id)
                self._pictured = self._pictured or skeleton.picture is not None
        except BaseException as error:
            if self._journal is not None:
                self._journal.close()
            self._hold.close()
            if isinstance(error, OSError):
                raise DataError(f"cannot write {self._partial}: {error}") from error
            raise

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
        if skeleton.origin != self.origin:
            raise DataError(
                f"{where} has origin '{skeleton.origin}', but {self.path.name} holds '{self.origin}'; extract all "
                "with the same --coordinates"
            )
        if not skeleton.id:
            raise DataError("a recording needs an id to be stored")
        texts = [("id", skeleton.id), ("label", skeleton.label or "")]
        for what, text in (*texts, *(("frame label", name) for name in set(skeleton.frame_labels or ()))):
            if why := bad_text(text):
                raise DataError(f"recording {skeleton.id!r}: its {what} {text!r} {why}; rename it")
        if skeleton.id in self.done_ids:
            raise DataError(f"{where} is in {self.path.name} already; ids must differ")
        if not (skeleton.score > 0).any() and not PICTURES & set(skeleton.info):
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
            skeleton: at least one joint must be there in some frame, unless its info names its video; its id must
                be new.
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
        self._pictured = self._pictured or skeleton.picture is not None

    def set_splits(self, splits: Mapping[str, Sequence[str]]) -> None:
        """Name parts of the data by clip ids; ids that are not stored are left out on closing.

        Raises:
            DataError: for a name that no split can have, or that collides with another; it is not added.
        """
        for name, ids in splits.items():
            others = [other for other in self._splits if other != name]
            self._splits[split_path(name, others)] = list(ids)

    def close(self) -> None:
        """Turn what was collected into the finished file.

        Raises:
            DataError: if nothing was collected, or the disk is full; then what was collected stays.
        """
        if self._journal is None:
            return
        if not self.done_ids:
            self.discard()
            raise DataError(f"nothing to store in {self.path}: no recording was added")
        temporary = self.path.with_name(self.path.name + ".assembling")
        try:
            assemble(
                temporary, self._journal.records(), layout=self.layout, unit=self.unit, dims=self.dims,
                label_names=self.label_names, dtype=self._dtype, compress=self._compress, splits=self._splits,
                origin=self.origin, pictured=self._pictured,
            )  # fmt: skip
            with Store(temporary) as written:
                stored = written.clips["id"].tolist()
            if sorted(stored) != sorted(self.done_ids):
                raise DataError(
                    f"{self.path}: {len(self.done_ids)} recordings were added, but {len(stored)} are in the file; "
                    "something else has changed it meanwhile, make it again"
                )
            replace_durably(temporary, self.path)
        except OSError as error:
            self.keep()
            raise DataError(
                f"{_disk_message(self.path, error)} with --resume: what was read is kept in {self._partial.name}"
            ) from error
        finally:
            with suppress(OSError):
                temporary.unlink()
        self.discard()

    def keep(self) -> None:
        """Leave what was collected for another run (with ``resume``), whatever goes wrong from here on."""
        self._resume = True

    def discard(self) -> None:
        """Remove what was collected."""
        self._release()
        self._partial.unlink(missing_ok=True)
        self._hold.close()

    def _release(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            if self._journal is not None and not (self._resume and self.done_ids):
                self.discard()
            self._release()
            self._hold.close()


def _disk_message(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full while writing {path}; free some space and run again"
    return f"cannot write {path} ({error.strerror or error}); run again"


class Store:
    """A skelact file, opened for reading; the tables are in memory, the frames stay on disk.

    Raises:
        DataError: if the file is not there, is damaged, or is of another version.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            raise DataError(
                f"{self.path} is a folder, and a skelact file (.h5) is needed; make one of its videos with skelact "
                "extract FOLDER --out set.h5, of skeleton files with skelact convert FOLDER --out set.h5"
            )
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
        except (KeyError, ValueError, TypeError, OSError, LayoutError, RuntimeError, AttributeError) as error:
            self._file.close()
            raise DataError(
                f"{self.path} is damaged or no skelact file ({type(error).__name__}: {error}); convert the data again"
            ) from error

    def _read_tables(self) -> None:
        file = self._file
        found = dict(datasets(file))
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
        self.xyz, self.score = found["frames/xyz"], found["frames/score"]
        self.tracks: dict[str, Any] = {n: found[f"tracks/{n}"][()] for n in TRACK_COLUMNS}
        self.clips: dict[str, Any] = {}
        for name in CLIP_COLUMNS:
            data = found[f"clips/{name}"]
            text = h5py.check_string_dtype(data.dtype) is not None
            self.clips[name] = data.asstr()[()] if text else data[()]
        self.splits: dict[str, Any] = {
            name.removeprefix("splits/"): data[()]
            for name, data in found.items()
            if name.startswith("splits/")
        }
        self._times = {name: found[f"timeline/{name}"] for name in ("time", "label")}
        frames = {n: found[f"frames/{n}"] for n in ("xyz", "score", "picture") if f"frames/{n}" in found}
        self.picture: h5py.Dataset | None = frames.get("picture")
        self.infos = check_tables(
            self.path, len(self.layout), self.unit, frames, self.tracks,
            self.clips, self._times, self.splits,
            {"label_names": self.label_names, "frame_label_names": self.frame_label_names},
        )  # fmt: skip
        self.origin = str(file.attrs.get("origin") or self._old_origin())
        if self.origin not in ORIGINS:
            raise DataError(f"{self.path} is damaged: its origin is '{self.origin}'; convert the data again")

    def _old_origin(self) -> str:
        """Of a file that does not say it: MediaPipe's metres were about the hips, sensors' are the camera's."""
        extracted = len(self.infos) > 0 and "estimator" in self.infos[0]
        return "hips" if extracted and self.unit == "m" else "camera"

    @property
    def dims(self) -> int:
        """Coordinates per joint."""
        return int(self.xyz.shape[2])

    def __len__(self) -> int:
        return len(self.clips["id"])

    def read(self, clip: int) -> Skeleton:
        """Read one recording back as it was stored.

        Raises:
            DataError: if its rows cannot be read.
        """
        row = {name: column[clip] for name, column in self.clips.items()}
        first, n_tracks, n_frames = int(row["first_track"]), int(row["n_tracks"]), int(row["n_frames"])
        xyz = np.zeros((n_tracks, n_frames, len(self.layout), self.dims), np.float32)
        score = np.zeros(xyz.shape[:3], np.float32)
        picture = None if self.picture is None else np.zeros((*xyz.shape[:3], 2), np.float32)
        try:
            for m, k in enumerate(range(first, first + n_tracks)):
                rows = slice(
                    int(self.tracks["first"][k]), int(self.tracks["first"][k] + self.tracks["length"][k])
                )
                start = int(self.tracks["start"][k])
                xyz[m, start : start + rows.stop - rows.start] = self.xyz[rows]
                score[m, start : start + rows.stop - rows.start] = self.score[rows]
                if picture is not None and self.picture is not None:
                    picture[m, start : start + rows.stop - rows.start] = self.picture[rows]
            time, frame_labels = self._timeline(int(row["timeline"]), n_frames)
        except OSError as error:
            raise DataError(f"{self.path}: recording '{row['id']}' cannot be read ({error})") from error
        if picture is not None and np.isnan(picture).any():  # of other recordings it is known
            picture = None
        info, remainder = split_info(self.infos[clip])
        return Skeleton(
            xyz, score, self.layout, float(row["fps"]), self.unit,
            self.label_names[row["label"]] if row["label"] >= 0 else None, str(row["id"]), info,
            self.tracks["track_id"][first : first + n_tracks].tolist(), time, frame_labels,
            self.origin, picture,
        ).with_remainder(remainder)  # fmt: skip

    def _timeline(self, place: int, n_frames: int) -> tuple[Any, list[str] | None]:
        if place < 0:
            return None, None
        rows = slice(place, place + n_frames)
        time, codes = self._times["time"][rows], self._times["label"][rows]
        labels = None if (codes < 0).all() else [self.frame_label_names[c] for c in codes]
        return None if np.isnan(time).any() else time, labels

    def timeline(self) -> tuple[np.ndarray, np.ndarray]:
        """(time [s], frame label code) of all clips that have a timeline, end to end."""
        return self._times["time"][()], self._times["label"][()]

    def __iter__(self) -> Iterator[Skeleton]:
        return (self.read(clip) for clip in range(len(self)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
        origin=first.origin,
        label_names=label_names,
        overwrite=overwrite,
    ) as writer:
        for skeleton in skeletons:
            writer.append(skeleton)
        writer.set_splits(splits or {})
