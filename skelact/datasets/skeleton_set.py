"""`SkeletonSet`: a whole data set as one ragged table of tensors, mapped from disk or resident."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from skelact.errors import DataError, choices
from skelact.io.original import split_info, stored_info
from skelact.io.store import Store
from skelact.layouts import SkeletonLayout
from skelact.skeleton import Skeleton

RESIDENT_LIMIT = 4 << 30  # larger sets are mapped rather than read, unless told otherwise


class Rows:
    """``F`` rows of numbers, resident in a tensor or mapped from the chunks of a HDF5 file.

    The chunks of an uncompressed HDF5 data set lie in its file as they are. So the file is mapped once as
    flat numbers, and row ``r`` is the window that begins at ``chunk_start[r // chunk] + r % chunk * width``.
    """

    def __init__(self, data: Tensor) -> None:
        self.data = data
        self.shape = data.shape
        self._mapping: tuple[np.ndarray, np.ndarray, int, int] | None = None  # windows, starts, chunk, width

    @classmethod
    def mapped(cls, path: Path, dataset) -> Rows:
        """Map a chunked, uncompressed HDF5 data set."""
        chunk_rows, width = dataset.chunks[0], int(np.prod(dataset.shape[1:]))
        item = dataset.dtype.itemsize
        starts = np.zeros(-(-dataset.shape[0] // chunk_rows), np.int64)

        def note(info) -> None:
            starts[info.chunk_offset[0] // chunk_rows] = info.byte_offset // item

        dataset.id.chunk_iter(note)
        rows = cls.__new__(cls)
        rows.shape = torch.Size(dataset.shape)
        flat = np.memmap(path, dataset.dtype, mode="r", shape=(path.stat().st_size // item,))
        rows._mapping = (np.lib.stride_tricks.sliding_window_view(flat, width), starts, chunk_rows, width)
        return rows

    def take(self, index: Tensor) -> Tensor:
        """``[n]`` row numbers to ``[n, ...]`` float32 rows."""
        if self._mapping is None:
            return self.data.index_select(0, index).float()
        windows, starts, chunk, width = self._mapping
        where = index.cpu().numpy()
        taken = torch.from_numpy(windows[starts[where // chunk] + where % chunk * width])
        return taken.float().view(-1, *self.shape[1:]).to(index.device)

    def to(self, device: torch.device | str) -> Rows:
        """Resident rows on ``device``."""
        if self._mapping is not None:
            return Rows(self.take(torch.arange(self.shape[0])).to(device))
        return Rows(self.data.to(device))


class SkeletonSet:
    """A data set in the form that `gather` reads: ragged rows and small tables.

    Args:
        xyz, score: rows ``[F, V, C]`` and ``[F, V]``.
        tracks: integer columns ``clip, first, length, start`` (`skelact.io.store`).
        labels: ``[N]`` class per clip, -1 = unknown.
        fps: ``[N]`` frames per second.
        n_frames: ``[N]`` frames per clip.
        ids: clip names.
        layout, unit, label_names: of the whole set.
        infos: what is known of each clip.
        splits: named arrays of clip indices.
        timeline: ``[N]`` first row of each clip in ``times`` (-1: evenly spaced), and the times [s].
    """

    source = ""  # the file it was opened from, for messages

    def __init__(
        self,
        xyz: Rows,
        score: Rows,
        tracks: dict[str, np.ndarray],
        labels: np.ndarray,
        fps: np.ndarray,
        n_frames: np.ndarray,
        ids: list[str],
        layout: SkeletonLayout,
        unit: str,
        label_names: list[str],
        infos: list[dict],
        splits: dict[str, np.ndarray] | None = None,
        timeline: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> None:
        self.xyz, self.score = xyz, score
        self.layout, self.unit, self.label_names = layout, unit, list(label_names)
        self.ids, self.infos = list(ids), list(infos)
        self.splits = {name: np.asarray(value) for name, value in (splits or {}).items()}
        self.labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
        self.fps = torch.as_tensor(np.asarray(fps), dtype=torch.float32)
        self.n_frames = torch.as_tensor(np.asarray(n_frames), dtype=torch.int64)
        order = np.argsort(tracks["clip"], kind="stable")
        self.tracks = {
            name: torch.as_tensor(np.asarray(tracks[name])[order], dtype=torch.int64)
            for name in ("clip", "first", "length", "start")
        }
        n_clips = len(self.ids)
        counts = torch.bincount(self.tracks["clip"], minlength=n_clips)
        if bool((counts == 0).any()):
            clip = self.ids[int((counts == 0).nonzero()[0])]
            raise DataError(f"clip '{clip}' has no person; leave it out of the set")
        self.n_tracks = counts
        self.first_track = counts.cumsum(0) - counts
        self._timeline = timeline
        self.timeline: Tensor | None = None
        self.time_key: Tensor | None = None
        if timeline is not None and (timeline[0] >= 0).any():
            self._index_times(*timeline)
        self.all_there, self.all_seen = self._scan_scores()

    def _index_times(self, first: np.ndarray, times: np.ndarray) -> None:
        """One increasing key over all timed clips, so that one search serves a whole batch."""
        key = np.zeros(len(times))
        for clip in np.flatnonzero(first >= 0):
            part = slice(first[clip], first[clip] + int(self.n_frames[clip]))
            key[part] = times[part] - times[part.start]
        self.timeline = torch.as_tensor(np.asarray(first), dtype=torch.int64)
        self.time_key = torch.as_tensor(key)

    def _scan_scores(self) -> tuple[bool, bool]:
        """(no stored joint is missing, every score is 1), read in pieces."""
        there = seen = True
        for start in range(0, self.score.shape[0], 1 << 18):
            end = min(start + (1 << 18), self.score.shape[0])
            block = self.score.take(torch.arange(start, end, device=self.device))
            there = there and bool((block > 0).all())
            seen = seen and bool((block == 1).all())
            if not there:
                break
        return there, there and seen

    @classmethod
    def open(cls, path: str | Path, resident: bool | None = None) -> SkeletonSet:
        """Open a skelact file.

        Args:
            path: the file.
            resident: read the frames into memory; None: if they take less than 4 GiB.

        Raises:
            DataError: if the file cannot be read.
        """
        with Store(path) as store:
            size = store.xyz.size * store.xyz.dtype.itemsize
            plain = store.xyz.compression is None and store.xyz.chunks is not None
            if resident is None:
                resident = size < RESIDENT_LIMIT or not plain
            if resident:
                try:
                    xyz, score = (Rows(torch.from_numpy(data[()])) for data in (store.xyz, store.score))
                except OSError as error:
                    raise DataError(
                        f"{path}: its frames cannot be read ({error}); convert the data again"
                    ) from error
            else:
                if not plain:
                    raise DataError(f"{path} is compressed and cannot be mapped; open it resident")
                xyz, score = Rows.mapped(store.path, store.xyz), Rows.mapped(store.path, store.score)
            timeline = None
            if (store.clips["timeline"] >= 0).any():
                first, times = store.clips["timeline"], store.timeline()[0]
                timed = (first >= 0) & ~np.isnan(times[np.maximum(first, 0)])
                timeline = (np.where(timed, first, -1), times)
            opened = cls(
                xyz, score, store.tracks, store.clips["label"], store.clips["fps"], store.clips["n_frames"],
                store.clips["id"].tolist(), store.layout, store.unit, store.label_names, store.infos,
                store.splits, timeline,
            )  # fmt: skip
        opened.source = str(path)
        return opened

    @classmethod
    def from_skeletons(
        cls, skeletons: Sequence[Skeleton], label_names: Sequence[str] | None = None
    ) -> SkeletonSet:
        """Make a set in memory.

        Raises:
            DataError: if there is nothing, or the recordings differ in layout, unit or coordinates.
        """
        if not skeletons:
            raise DataError("a set needs at least one recording")
        first = skeletons[0]
        names = (
            sorted({s.label for s in skeletons if s.label is not None})
            if label_names is None
            else label_names
        )
        place = {name: k for k, name in enumerate(names)}
        xyz, score, tracks, row = [], [], {n: [] for n in ("clip", "first", "length", "start")}, 0
        times, starts = [], []
        for clip, s in enumerate(skeletons):
            if (s.layout, s.unit, s.xyz.shape[3]) != (first.layout, first.unit, first.xyz.shape[3]):
                raise DataError(f"recording '{s.id}' differs from the first in layout, unit or coordinates")
            starts.append(sum(map(len, times)) if s.time is not None else -1)
            if s.time is not None:
                times.append(s.time)
            for m in range(s.n_people):
                there = np.flatnonzero(s.score[m].any(-1))
                if not len(there):
                    continue
                start, length = int(there[0]), int(there[-1] - there[0]) + 1
                for name, value in zip(tracks, (clip, row, length, start), strict=True):
                    tracks[name].append(value)
                row += length
                xyz.append(s.xyz[m, start : start + length])
                score.append(s.score[m, start : start + length])
        if not xyz:
            raise DataError("no recording shows a person")
        return cls(
            Rows(torch.from_numpy(np.concatenate(xyz))), Rows(torch.from_numpy(np.concatenate(score))),
            {name: np.array(column) for name, column in tracks.items()},
            np.array([-1 if s.label is None else place[s.label] for s in skeletons]),
            np.array([s.fps for s in skeletons]), np.array([s.n_frames for s in skeletons]),
            [s.id or str(i) for i, s in enumerate(skeletons)], first.layout, first.unit, list(names),
            [stored_info(s) for s in skeletons], None,
            (np.array(starts), np.concatenate(times)) if times else None,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dims(self) -> int:
        """Coordinates per joint."""
        return int(self.xyz.shape[2])

    @property
    def device(self) -> torch.device:
        """Where the tables (and resident rows) are."""
        return self.labels.device

    @property
    def n_bytes(self) -> int:
        """What positions and scores take when they are resident on a device, as float32."""
        return 4 * (self.xyz.shape.numel() + self.score.shape.numel())

    def to(self, device: torch.device | str) -> SkeletonSet:
        """The set resident in the memory of ``device``."""
        moved = object.__new__(SkeletonSet)
        moved.__dict__.update(self.__dict__)
        moved.xyz, moved.score = self.xyz.to(device), self.score.to(device)
        moved.tracks = {name: column.to(device) for name, column in self.tracks.items()}
        for name in ("labels", "fps", "n_frames", "n_tracks", "first_track", "timeline", "time_key"):
            value = getattr(self, name)
            setattr(moved, name, None if value is None else value.to(device))
        return moved

    def split(self, name: str) -> Tensor:
        """Clip indices of a named split.

        Raises:
            DataError: if there is no such split.
        """
        if name == "all":
            return torch.arange(len(self), device=self.device)
        if name not in self.splits:
            where = f"{self.source}: " if self.source else ""
            raise DataError(where + choices(name, [*self.splits, "all"], "split"))
        return torch.as_tensor(self.splits[name], dtype=torch.int64, device=self.device)

    def recording(self, clip: int) -> Skeleton:
        """One clip as the recording that it was, without its label."""
        first = int(self.first_track[clip])
        shape = (int(self.n_tracks[clip]), int(self.n_frames[clip]), *self.xyz.shape[1:])
        xyz, score = np.zeros(shape, np.float32), np.zeros(shape[:3], np.float32)
        for m in range(shape[0]):
            row, length, start = (int(self.tracks[name][first + m]) for name in ("first", "length", "start"))
            rows = torch.arange(row, row + length, device=self.device)
            xyz[m, start : start + length] = self.xyz.take(rows).cpu().numpy()
            score[m, start : start + length] = self.score.take(rows).cpu().numpy()
        info, remainder = split_info(self.infos[clip])
        return Skeleton(
            xyz, score, self.layout, float(self.fps[clip]), self.unit, None, self.ids[clip], info
        ).with_remainder(remainder)

    def column(self, name: str) -> list:
        """One entry of every clip's info, such as ``subject``; None where it is not known."""
        return [info.get(name) for info in self.infos]


warnings.filterwarnings("ignore", message="The given NumPy array is not writable", module=__name__)
