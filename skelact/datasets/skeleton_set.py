"""`SkeletonSet`: a whole data set as one ragged table of tensors, mapped from disk or resident."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.rows import Rows, native
from skelact.errors import DataError, choices, counted
from skelact.io.original import split_info, stored_info
from skelact.io.store import PICTURES, Store
from skelact.layouts import SkeletonLayout
from skelact.skeleton import Skeleton
from skelact.transforms.normalise import centre_joints

if TYPE_CHECKING:
    from skelact.datasets.graphs import SkeletonGraphs
    from skelact.datasets.pictures import PictureSet
    from skelact.datasets.pipeline import Pipeline

RESIDENT_LIMIT = 4 << 30  # larger sets are mapped rather than read, unless told otherwise


def _places_of(skeleton: Skeleton) -> np.ndarray:
    """Where joints are in the picture, NaN where that is not known."""
    if skeleton.picture is not None:
        return skeleton.picture
    return np.broadcast_to(np.float32(np.nan), (*skeleton.score.shape, 2))


class SkeletonSet:
    """A data set in the form that `gather` reads: ragged rows and small tables.

    ``data[0]``, ``data["clip's id"]`` and ``for skeleton in data`` give single clips as `Skeleton`.

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
        origin: of all recordings, see `Skeleton`.
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
        origin: str = "camera",
    ) -> None:
        self.xyz, self.score = xyz, score
        self.layout, self.unit, self.label_names = layout, unit, list(label_names)
        self.origin = origin
        self.ids, self.infos = list(ids), list(infos)
        self.splits = {name: np.asarray(value) for name, value in (splits or {}).items()}
        self.labels = torch.as_tensor(np.asarray(labels), dtype=torch.int64)
        self.fps = torch.as_tensor(np.asarray(fps), dtype=torch.float32)
        self.n_frames = torch.as_tensor(np.asarray(n_frames), dtype=torch.int64)
        self.longest = int(self.n_frames.max()) if len(self.n_frames) else 0
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
        self.people_of = counts, counts.cumsum(0) - counts  # on the host, where sizes must be known
        self.first_track = counts.cumsum(0) - counts
        self._timeline = timeline
        self.timeline: Tensor | None = None
        self.time_key: Tensor | None = None
        if timeline is not None and (timeline[0] >= 0).any():
            self._index_times(*timeline)
        self._first_centres: Tensor | None = None
        self.pictures: dict[str, PictureSet] = {}  # see `skelact.datasets.picture_files.attach_pictures`
        self.frame_label_names: list[str] = []
        self.frame_codes: Tensor | None = None  # see `label_frames`
        self.frame_first = torch.full((n_clips,), -1)
        self.places: Rows | None = None  # ``[F, V, 2]`` in the picture, see `read_places`; NaN: not known
        self.all_there, self.all_seen = self._scan_scores()

    def _index_times(self, first: np.ndarray, times: np.ndarray) -> None:
        """One increasing key over all clips with timestamps, for one search per batch."""
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
            resident: read the frames into memory; None: if they take less than 4 GiB. Frames that another tool
                has laid otherwise (compressed them, for instance) are read whatever this says.

        Raises:
            DataError: if the file cannot be read.
        """
        with Store(path) as store:
            size = store.xyz.size * store.xyz.dtype.itemsize
            if resident is None:
                resident = size < RESIDENT_LIMIT
            xyz = score = None
            if not resident:
                xyz, score = Rows.mapped(store.path, store.xyz), Rows.mapped(store.path, store.score)
            if xyz is None or score is None:
                try:
                    xyz, score = (Rows(native(data[()])) for data in (store.xyz, store.score))
                except OSError as error:
                    raise DataError(
                        f"{path}: its frames cannot be read ({error}); convert the data again"
                    ) from error
            timeline = None
            if (store.clips["timeline"] >= 0).any():
                first, times = store.clips["timeline"], store.timeline()[0]
                timed = (first >= 0) & ~np.isnan(times[np.maximum(first, 0)])
                timeline = (np.where(timed, first, -1), times)
            codes, label_first = store.timeline()[1], store.clips["timeline"]
            opened = cls(
                xyz, score, store.tracks, store.clips["label"], store.clips["fps"], store.clips["n_frames"],
                store.clips["id"].tolist(), store.layout, store.unit, store.label_names, store.infos,
                store.splits, timeline, store.origin,
            )  # fmt: skip
            if len(codes) and (codes >= 0).any():
                labelled = (label_first >= 0) & (codes[np.maximum(label_first, 0)] >= 0)
                opened.label_frames(store.frame_label_names, codes, np.where(labelled, label_first, -1))
        opened.source = str(path)
        return opened

    @classmethod
    def from_skeletons(
        cls, skeletons: Sequence[Skeleton], label_names: Sequence[str] | None = None, *, places: bool = False
    ) -> SkeletonSet:
        """Make a set in memory.

        Args:
            skeletons: the recordings.
            label_names: in class order; None: the sorted labels that occur.
            places: keep where the joints are in the picture, too.

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
        times, starts, pictures = [], [], []
        for clip, s in enumerate(skeletons):
            if (s.layout, s.unit, s.origin, s.xyz.shape[3]) != (
                first.layout, first.unit, first.origin, first.xyz.shape[3]
            ):  # fmt: skip
                raise DataError(
                    f"recording '{s.id}' differs from the first in layout, unit, origin or coordinates"
                )
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
                pictures.append(_places_of(s)[m, start : start + length])
            if (not tracks["clip"] or tracks["clip"][-1] != clip) and PICTURES & set(s.info):
                for name, value in zip(tracks, (clip, row, 1, 0), strict=True):  # somebody who is never there
                    tracks[name].append(value)
                row += 1
                xyz.append(np.zeros((1, *s.xyz.shape[2:]), np.float32))
                score.append(np.zeros((1, s.xyz.shape[2]), np.float32))
                pictures.append(np.full((1, s.xyz.shape[2], 2), np.nan, np.float32))
        if not xyz:
            raise DataError("no recording shows a person")
        made = cls(
            Rows(torch.from_numpy(np.concatenate(xyz))), Rows(torch.from_numpy(np.concatenate(score))),
            {name: np.array(column) for name, column in tracks.items()},
            np.array([-1 if s.label is None else place[s.label] for s in skeletons]),
            np.array([s.fps for s in skeletons]), np.array([s.n_frames for s in skeletons]),
            [s.id or str(i) for i, s in enumerate(skeletons)], first.layout, first.unit, list(names),
            [stored_info(s) for s in skeletons], None,
            (np.array(starts), np.concatenate(times)) if times else None, first.origin,
        )  # fmt: skip
        if any(s.frame_labels is not None for s in skeletons):
            frame_names = sorted({name for s in skeletons for name in s.frame_labels or ()})
            code = {name: k for k, name in enumerate(frame_names)}
            lengths = [len(s.frame_labels or ()) for s in skeletons]
            ends = np.cumsum(lengths)
            made.label_frames(
                frame_names,
                np.array([code[name] for s in skeletons for name in s.frame_labels or ()]),
                np.where(np.array(lengths) > 0, ends - lengths, -1),
            )
        if places and any(s.picture is not None for s in skeletons):
            made.places = Rows(torch.from_numpy(np.concatenate(pictures)))
        return made

    def label_frames(self, names: Sequence[str], codes: np.ndarray, first: np.ndarray) -> None:
        """Give clips a label for every frame.

        Args:
            names: of the labels.
            codes: indices into these names, the clips' frames end to end ``[R]``; -1: none.
            first: the first row of each clip ``[N]``; -1: it is not labelled by frame.
        """
        self.frame_label_names = list(names)
        self.frame_codes = torch.as_tensor(np.asarray(codes), dtype=torch.int64)
        self.frame_first = torch.as_tensor(np.asarray(first), dtype=torch.int64)

    def read_places(self) -> None:
        """Read where the joints are in the picture, ``places``, which sets hold only if asked; it may stay None."""
        if self.places is not None or not self.source:
            return
        with Store(self.source) as store:
            if store.picture is not None:
                mapped = None if self.xyz.resident else Rows.mapped(store.path, store.picture)
                self.places = mapped or Rows(native(store.picture[()]).to(self.device))

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
        """Size on a device: positions and scores as float32, and pictures."""
        pictures = sum(stream.n_bytes for stream in self.pictures.values())
        return 4 * (self.xyz.shape.numel() + self.score.shape.numel()) + pictures

    def to(self, device: torch.device | str) -> SkeletonSet:
        """The set resident in the memory of ``device``."""
        moved = object.__new__(SkeletonSet)
        moved.__dict__.update(self.__dict__)
        moved.xyz, moved.score = self.xyz.to(device), self.score.to(device)
        moved.places = None if self.places is None else self.places.to(device)
        moved.pictures = {name: stream.to(device) for name, stream in self.pictures.items()}
        moved.tracks = {name: column.to(device) for name, column in self.tracks.items()}
        for name in ("labels", "fps", "n_frames", "n_tracks", "first_track", "timeline", "time_key",
                     "_first_centres", "frame_codes", "frame_first"):  # fmt: skip
            value = getattr(self, name)
            setattr(moved, name, None if value is None else value.to(device))
        return moved

    def first_centres(self) -> Tensor:
        """The centre of each clip's people in the recording's first frame, ``[N, C]``.

        It is the mean over the people in the first frame in which hips are present; in recordings without hips,
        the mean of all present joints in the first frame. Cached.
        """
        if self._first_centres is None:
            joints = centre_joints(self.layout)
            first, length = self.tracks["first"], self.tracks["length"]
            place = torch.full_like(first, -1)  # frame of the track
            waiting, t = torch.arange(len(first), device=self.device), 0
            while len(waiting):  # most tracks have hips in their first frame
                seen = (self.score.take(first[waiting] + t)[:, joints] > 0).any(1)
                place[waiting[seen]] = t
                t += 1
                waiting = waiting[~seen & (length[waiting] > t)]
            never = place < 0
            rows = first + place.clamp_min(0)
            xyz, score = self.xyz.take(rows), self.score.take(rows)
            others = torch.ones(len(self.layout), dtype=torch.bool, device=self.device)
            others[joints] = False
            weight = ((score > 0) & (never[:, None] | ~others)).to(xyz.dtype)[..., None]
            centre = (xyz * weight).sum(1) / weight.sum(1).clamp_min(1)
            # people without hips count only in clips where nobody has hips
            frame = self.tracks["start"] + place.clamp_min(0) + never * (self.n_frames.max() + 1)
            clip, n = self.tracks["clip"], len(self)
            begin = torch.full((n,), 1 << 60, device=self.device).scatter_reduce(0, clip, frame, "amin")
            there = (frame == begin[clip]).to(xyz.dtype)[:, None]
            total = torch.zeros(n, self.dims, device=self.device).index_add(0, clip, centre * there)
            self._first_centres = total / torch.zeros(n, 1, device=self.device).index_add(0, clip, there)
        return self._first_centres

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

    def __getitem__(self, clip: int | str) -> Skeleton:
        """One clip as a recording, by its place (from the end if negative) or its id.

        Raises:
            IndexError: for a place beyond the set.
            DataError: for an unknown id.
        """
        if isinstance(clip, str):
            if clip not in self.ids:
                raise DataError(choices(clip, self.ids, "clip"))
            place = self.ids.index(clip)
        else:
            place = range(len(self))[clip]
        label = int(self.labels[place])
        return self.recording(place).with_(label=self.label_names[label] if label >= 0 else None)

    def __iter__(self) -> Iterator[Skeleton]:
        """The clips as recordings, one by one."""
        return (self[place] for place in range(len(self)))

    def recording(self, clip: int) -> Skeleton:
        """One clip as a recording, without its label."""
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

    def to_pyg(self, clips: Tensor | None = None, pipeline: Pipeline | None = None) -> SkeletonGraphs:
        """The clips (None: all) as torch-geometric's ``Data``, one by one or for its ``DataLoader``."""
        from skelact.datasets.graphs import SkeletonGraphs

        return SkeletonGraphs(self, clips, pipeline)

    def __repr__(self) -> str:
        where = f"{Path(self.source).name}: " if self.source else ""
        classes = f", {counted(len(self.label_names), 'class', 'classes')}" if self.label_names else ""
        parts = f", parts {', '.join(self.splits)}" if self.splits else ""
        return (
            f"SkeletonSet({where}{counted(len(self), 'clip')}, "
            f"{counted(int(self.n_frames.sum()), 'frame')}, {self.layout.name} in "
            f"{self.unit}{classes}{parts})"
        )

    def column(self, name: str) -> list:
        """One entry of every clip's info, such as ``subject``; None where it is not known."""
        return [info.get(name) for info in self.infos]


def load_set(path: str | Path, resident: bool | None = None) -> SkeletonSet:
    """Open a skelact file, as `skelact convert` and `skelact extract` write it.

    Args:
        path: the ``.h5`` file.
        resident: read the frames into memory; None: if they take less than 4 GiB, else they are mapped.

    Returns:
        the set; ``data[0]`` is its first clip, ``data.split("xsub/train")`` the clips of a part.

    Raises:
        DataError: if the file cannot be read.
    """
    return SkeletonSet.open(path, resident)


warnings.filterwarnings("ignore", message="The given NumPy array is not writable", module=__name__)
