"""A table of clips of video: which file, from when to when, what happens, and where the person is."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from os import PathLike
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.files import write_text
from skelact.io.tables import Table
from skelact.io.video_open import videos_in


@dataclass(frozen=True)
class Clip:
    """A part of a video.

    Args:
        video: path relative to the table's root.
        start: seconds from the video's start.
        end: seconds, not within the clip any more; None: the video's end.
        label: the class.
        group: what is never divided between training and test: a subject, a camera.
        boxes: ``[n, 5]`` of rising seconds and the person's ``x1, y1, x2, y2`` in pixels of the upright picture.

    Raises:
        DataError: for an end before the start, or boxes that are not such.
    """

    video: str
    start: float = 0.0
    end: float | None = None
    label: str | None = None
    group: str | None = None
    boxes: np.ndarray | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not (0 <= self.start < np.inf) or (self.end is not None and not self.start < self.end < np.inf):
            raise DataError(f"{self.video}: a clip from {self.start} s to {self.end} s has no length")
        if self.boxes is None:
            return
        boxes = np.asarray(self.boxes, np.float64)
        if boxes.ndim != 2 or boxes.shape[1] != 5 or not len(boxes) or not np.isfinite(boxes).all():
            raise DataError(
                f"{self.video}: boxes must be [n, 5] (seconds, x1, y1, x2, y2), got {boxes.shape}"
            )
        if (np.diff(boxes[:, 0]) <= 0).any() or (boxes[:, 3:] <= boxes[:, 1:3]).any():
            raise DataError(f"{self.video}: boxes need rising times, x1 < x2 and y1 < y2")
        object.__setattr__(self, "boxes", boxes)


class ClipTable:
    """Clips of videos under one folder.

    Args:
        root: the folder that the videos' paths are relative to.
        clips: the rows.
        label_names: the classes in order; None: those of the clips, sorted.

    Raises:
        DataError: if there is no clip, or a label that is not among the names.
    """

    def __init__(
        self, root: str | PathLike[str], clips: Iterable[Clip], label_names: Sequence[str] | None = None
    ) -> None:
        self.root, self.clips = Path(root), tuple(clips)
        found = sorted({c.label for c in self.clips if c.label is not None})
        self.label_names = tuple(found if label_names is None else label_names)
        if not self.clips:
            raise DataError(f"{self.root}: there is no clip in the table")
        strange = sorted(set(found) - set(self.label_names))
        if strange:
            raise DataError(f"{self.root}: label '{strange[0]}' is not one of {', '.join(self.label_names)}")
        number = {name: k for k, name in enumerate(self.label_names)}
        self.labels = np.array([-1 if c.label is None else number[c.label] for c in self.clips], np.int64)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, row: int) -> Clip:
        return self.clips[row]

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    def path(self, row: int) -> Path:
        """The video file of a row."""
        return self.root / self.clips[row].video

    @classmethod
    def from_folder(cls, folder: str | PathLike[str]) -> ClipTable:
        """Every video under a folder, whole, labelled with the folder that it lies in.

        Raises:
            DataError: if there is none.
        """
        root = Path(folder)
        inner = [file.relative_to(root) for file in videos_in(root)]
        return cls(
            root, [Clip(p.as_posix(), label=p.parent.name if len(p.parts) > 1 else None) for p in inner]
        )

    @classmethod
    def from_csv(
        cls, path: str | PathLike[str], root: str | PathLike[str] | None = None, *, boxes: str | None = None
    ) -> ClipTable:
        """Read a table with the column ``video`` and, where known, ``start, end, label, group``.

        Args:
            path: the CSV file.
            root: folder of the videos; None: where the file is.
            boxes: another CSV file of ``clip`` (row of the table, from 0), ``time, x1, y1, x2, y2``.

        Raises:
            DataError: naming the line that is wrong.
        """
        table = Table(Path(path))
        text = {c: table.text(c) if c in table else [""] * len(table) for c in ("label", "group")}
        ends = table.numbers(["end"])[:, 0] if "end" in table else np.full(len(table), np.nan)
        starts = table.numbers(["start"])[:, 0] if "start" in table else np.zeros(len(table))
        known = {} if boxes is None else _read_boxes(boxes, len(table))
        clips = []
        for k, video in enumerate(table.text("video")):
            try:
                clips.append(
                    Clip(
                        video,
                        0.0 if np.isnan(starts[k]) else float(starts[k]),
                        None if np.isnan(ends[k]) else float(ends[k]),
                        text["label"][k] or None,
                        text["group"][k] or None,
                        known.get(k),
                    )
                )
            except DataError as error:
                raise DataError(f"{path} line {table.line[k]}: {error}") from None
        return cls(Path(path).parent if root is None else root, clips)

    def to_csv(self, path: str | PathLike[str], *, boxes: str | None = None) -> None:
        """Write the table for `from_csv`, and the boxes to a file of their own.

        Raises:
            DataError: if a file cannot be written.
        """
        rows = [
            [c.video, f"{c.start!r}", "" if c.end is None else f"{c.end!r}", c.label or "", c.group or ""]
            for c in self.clips
        ]
        _write(path, ["video", "start", "end", "label", "group"], rows)
        if boxes is not None:
            found = [
                [k, *map(float, b)] for k, c in enumerate(self.clips) if c.boxes is not None for b in c.boxes
            ]
            _write(boxes, ["clip", "time", "x1", "y1", "x2", "y2"], found)


def _read_boxes(path: str, n: int) -> Mapping[int, np.ndarray]:
    rows = Table(path).numbers(["clip", "time", "x1", "y1", "x2", "y2"])
    if not np.isin(rows[:, 0], np.arange(n)).all():
        raise DataError(f"{path}: 'clip' must be a row of the table, 0 to {n - 1}")
    return {int(k): rows[rows[:, 0] == k, 1:] for k in np.unique(rows[:, 0])}


def _write(path: str | PathLike[str], header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(Path(path), text.getvalue())
