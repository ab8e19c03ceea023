"""A plain CSV of joints: the way in for recordings of one's own.

One line for each person in each frame. Columns, in any order:

==================================  ==========================================================
``clip``                            name of the recording (needed)
``frame``                           whole number from 0, the same for all people in it (needed)
``<joint>_x``, ``_y``, ``_z``       position of each joint of the layout (needed; ``_z`` for none or all);
                                    an empty field or ``nan`` means missing
``<joint>_score``                   confidence 0..1 (may be left out, joint by joint); 0 means missing
``person``                          whole number, identity of the person within the clip (default 0)
``label``                           action of the clip, the same in all its lines
``frame_label``                     what happens in this frame
``time``                            seconds of this frame
``subject``, ``camera``, ...        any other column: known of the clip, the same in all its lines
==================================  ==========================================================

Frames between the first and the last of a clip that have no line have nobody in them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.files import write_text
from skelact.io.reading import Notes, bound_frames, mark_missing
from skelact.io.tables import Table
from skelact.layouts import SkeletonLayout, get_layout
from skelact.skeleton import Skeleton

_OWN = ("clip", "person", "frame", "time", "label", "frame_label")
_MAX_FRAMES = 10_000_000


def iter_csv(
    path: str | Path,
    layout: SkeletonLayout | str,
    *,
    fps: float = 30.0,
    unit: str = "unknown",
    notes: Notes | None = None,
) -> Iterator[Skeleton]:
    """Read the clips of a CSV of joints (columns: see the top of this module).

    Args:
        path: the file.
        layout: the layout whose joint names the columns carry.
        fps: frames per second; with a ``time`` column the median step decides instead.
        unit: of the positions.
        notes: a line is added for what was mended.

    Raises:
        DataError: for missing columns, and naming the line, for values that cannot be.
    """
    table, layout = Table(path), get_layout(layout)
    where = str(path)
    for column in ("clip", "frame"):
        table.text(column)
    axes = "xyz" if any(f"{j}_z" in table for j in layout.joints) else "xy"
    needed = [f"{j}_{a}" for j in layout.joints for a in axes]
    lacking = [c for c in needed if c not in table]
    if lacking:
        raise DataError(
            f"{where} line 1: layout '{layout.name}' needs columns {', '.join(needed[:4])}, ...; "
            f"missing: {', '.join(lacking[:12])}{', ...' if len(lacking) > 12 else ''}"
        )
    xyz = table.numbers(needed).reshape(len(table), len(layout), len(axes))
    score = np.ones(xyz.shape[:2])
    for v, joint in enumerate(layout.joints):
        if f"{joint}_score" in table:
            score[:, v] = np.nan_to_num(table.numbers([f"{joint}_score"])[:, 0])
    off = np.argwhere((score < 0) | (score > 1))
    if len(off):
        k, v = off[0]
        raise DataError(
            f"{where} line {table.line[k]}: {layout.joints[v]}_score is {score[k, v]:g}, not in 0..1"
        )
    empty = int(np.isnan(xyz).any(-1).sum())
    if empty and notes is not None:
        notes.append(f"{empty} joints have no position and are marked missing")
    xyz, score = mark_missing(xyz, score, where, None, zeros=False)
    frame = _whole(table, "frame", _MAX_FRAMES)
    person = _whole(table, "person", None) if "person" in table else np.zeros(len(table), np.int64)
    coordinates = {f"{j}_{a}" for j in layout.joints for a in ("x", "y", "z", "score")}
    infos = [c for c in table.header if c not in coordinates and c not in _OWN]
    rows: dict[str, list[int]] = {}
    for k, clip in enumerate(table.text("clip")):
        if not clip:
            raise DataError(f"{where} line {table.line[k]}: clip is empty")
        rows.setdefault(clip, []).append(k)
    for clip, part in rows.items():
        yield _clip(table, clip, np.array(part), frame, person, xyz, score, layout, fps, unit, infos)


def _whole(table: Table, column: str, limit: int | None) -> np.ndarray:
    values = table.numbers([column])[:, 0]
    bad = np.flatnonzero(~(values == np.floor(values)) | (values < 0) | (values > (limit or 2**53)))
    if len(bad):
        k = int(bad[0])
        got = table.text(column)[k]
        raise DataError(f"{table.where} line {table.line[k]}: {column} '{got}' is not a whole number from 0")
    return values.astype(np.int64)


def _one(table: Table, column: str, part: np.ndarray, clip: str) -> str:
    values = table.text(column)
    for k in part:
        if values[k] != values[part[0]]:
            raise DataError(
                f"{table.where} line {table.line[k]}: {column} '{values[k]}' differs from "
                f"'{values[part[0]]}' before; clip '{clip}' can have only one"
            )
    return values[part[0]]


def _clip(
    table: Table,
    clip: str,
    part: np.ndarray,
    frame: np.ndarray,
    person: np.ndarray,
    xyz: np.ndarray,
    score: np.ndarray,
    layout: SkeletonLayout,
    fps: float,
    unit: str,
    infos: list[str],
) -> Skeleton:
    first = int(frame[part].min())
    n_frames = int(frame[part].max()) - first + 1
    if n_frames > 1000 * len(part):
        raise DataError(
            f"{table.where}: clip '{clip}' has {len(part)} lines for {n_frames} frames; "
            "frame must count frames, not milliseconds (use the column 'time')"
        )
    ids = list(dict.fromkeys(person[part].tolist()))
    bound_frames(len(ids), n_frames, len(part), f"{table.where}: clip '{clip}'")
    out = np.zeros((len(ids), n_frames, len(layout), xyz.shape[2]), np.float32)
    out_score = np.zeros(out.shape[:3], np.float32)
    taken: dict[tuple[int, int], int] = {}
    for k in part:
        place = (ids.index(int(person[k])), int(frame[k]) - first)
        if place in taken:
            raise DataError(
                f"{table.where} line {table.line[k]}: clip '{clip}' has person {person[k]} in frame "
                f"{frame[k]} already in line {table.line[taken[place]]}"
            )
        taken[place] = int(k)
        out[place], out_score[place] = xyz[k], score[k]
    time = _time(table, part, frame, first, n_frames) if "time" in table else None
    if time is not None and n_frames > 1:
        fps = float(1 / np.median(np.diff(time)))
    label = (_one(table, "label", part, clip) or None) if "label" in table else None
    frame_labels = None
    if "frame_label" in table:
        texts = table.text("frame_label")
        known = {int(frame[k]) - first: texts[k] for k in part}
        frame_labels = [known.get(t, "") for t in range(n_frames)]
    info: dict[str, str | int | float] = {c: _value(_one(table, c, part, clip)) for c in infos}
    info = {k: v for k, v in info.items() if v != ""}
    return Skeleton(out, out_score, layout, fps, unit, label, clip, info, ids, time, frame_labels)


def _time(table: Table, part: np.ndarray, frame: np.ndarray, first: int, n_frames: int) -> np.ndarray:
    values = table.numbers(["time"])[:, 0]
    known = np.full(n_frames, np.nan)
    for k in part:
        t = int(frame[k]) - first
        if np.isfinite(known[t]) and known[t] != values[k]:
            raise DataError(f"{table.where} line {table.line[k]}: frame {frame[k]} has two different times")
        known[t] = values[k]
    there = np.flatnonzero(np.isfinite(known))
    if not len(there) or not np.isfinite(values[part]).all() or (np.diff(known[there]) <= 0).any():
        raise DataError(
            f"{table.where} line {table.line[part[0]]}: time must be seconds that increase with frame"
        )
    return np.interp(np.arange(n_frames), there, known[there])


def _value(text: str) -> str | int | float:
    """A number if writing it again gives the same text, so that 007 stays a name."""
    for kind in (int, float):
        try:
            if str(kind(text)) == text:
                return kind(text)
        except ValueError:
            continue
    return text


def write_csv(skeletons: Iterable[Skeleton], path: str | Path) -> None:
    """Write recordings of one layout so that `iter_csv` reads them back; missing joints are empty fields.

    Frames in which nobody is there have no line, so those at a clip's ends are lost.

    Raises:
        DataError: for nothing, mixed layouts or dimensions, or if the file cannot be written.
    """
    skeletons = list(skeletons)
    if not skeletons:
        raise DataError(f"{path}: no recording to write")
    layout, dims = skeletons[0].layout, skeletons[0].xyz.shape[3]
    for s in skeletons:
        if s.layout != layout or s.xyz.shape[3] != dims:
            raise DataError(f"{path}: one file holds one layout and one number of coordinates, got several")
    axes = "xyz"[:dims]
    infos = sorted({k for s in skeletons for k in s.info if k not in _OWN})
    timed = any(s.time is not None for s in skeletons)
    framed = any(s.frame_labels is not None for s in skeletons)
    header = ["clip", "person", "frame", *(["time"] if timed else []), "label"]
    header += [*(["frame_label"] if framed else []), *infos]
    header += [f"{j}_{a}" for j in layout.joints for a in (*axes, "score")]
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    for s in skeletons:
        time = s.time if s.time is not None else np.arange(s.n_frames) / s.fps
        for t in range(s.n_frames):
            for m, track in enumerate(s.track_ids):
                if not s.score[m, t].any():
                    continue
                row = [s.id, track, t, *([repr(float(time[t]))] if timed else []), s.label or ""]
                row += [*([s.frame_labels[t] if s.frame_labels else ""] if framed else [])]
                row += [s.info.get(k, "") for k in infos]
                for position, c in zip(s.xyz[m, t], s.score[m, t], strict=True):
                    row += [*(map(str, position) if c > 0 else [""] * dims), str(c)]
                writer.writerow(row)
    write_text(path, buffer.getvalue())
