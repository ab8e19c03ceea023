"""The schema of skelact files, and whether a file keeps to it: checked once, when it is opened."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from skelact.errors import DataError
from skelact.skeleton import UNITS

SCHEMA = "skelact"
VERSION = 1
TRACK_COLUMNS = ("clip", "first", "length", "start", "track_id")
CLIP_COLUMNS = (
    "id", "label", "fps", "n_frames", "first_track", "n_tracks", "timeline", "info", "checksum",
)  # fmt: skip
_TEXT_COLUMNS = ("id", "info", "checksum")
_MOST_DEFLATED = 1100  # deflate makes data at most 1,032 times smaller
_MOST_FRAMES = 1024  # bytes of a recording in memory for each byte of its file: people may be there briefly
_MAX_DEPTH = 16


def datasets(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every data set of a file, after its link was seen to stay within the file.

    Raises:
        DataError: for links, virtual data sets, data in other files, and sizes beyond the file's own.
    """
    size = os.path.getsize(file.filename)  # noqa: PTH202 - h5py gives text
    seen: set[Any] = set()
    waiting: list[tuple[str, h5py.Group]] = [("", file)]
    while waiting:
        path, group = waiting.pop()
        if group.id in seen or path.count("/") > _MAX_DEPTH:
            raise DataError(f"{file.filename}: the group '{path}' lies within itself")
        seen.add(group.id)
        for name in group:
            where = f"{path}{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise DataError(
                    f"{file.filename}: '{where}' is a link to another place; skelact reads no other files, copy the "
                    "data into this one (h5repack does not; h5copy -f ext does)"
                )
            node = group[name]
            if isinstance(node, h5py.Group):
                waiting.append((f"{where}/", node))
            elif isinstance(node, h5py.Dataset):
                _refuse_foreign(file.filename, where, node, size)
                yield where, node


def _refuse_foreign(path: str, name: str, data: h5py.Dataset, size: int) -> None:
    if data.is_virtual or data.external:
        raise DataError(
            f"{path}: '{name}' lies in other files ({'virtual' if data.is_virtual else 'external storage'}); "
            "skelact reads no other files, copy the data into this one"
        )
    if data.shape is None:
        raise DataError(f"{path}: '{name}' is empty of any shape; convert the data again")
    packed = data.id.get_create_plist().get_nfilters() > 0
    if int(np.prod(data.shape, dtype=object)) * data.dtype.itemsize > size * (
        _MOST_DEFLATED if packed else 1
    ):
        raise DataError(
            f"{path}: '{name}' claims {'×'.join(map(str, data.shape))} values, more than its {size} bytes can hold; "
            "is it cut off?"
        )


def check_tables(
    path: Path,
    n_joints: int,
    unit: str,
    frames: dict[str, h5py.Dataset],
    tracks: dict[str, Any],
    clips: dict[str, Any],
    timeline: dict[str, h5py.Dataset],
    splits: dict[str, Any],
    names: dict[str, Any],
) -> list[dict]:
    """Hold the tables of a file against each other.

    Args:
        path: of the file, for messages.
        n_joints, unit: of the file.
        frames: ``xyz [F, V, C]``, ``score [F, V]`` and, in some files, ``picture [F, V, 2]``.
        tracks, clips: their columns.
        timeline: ``time`` and ``label``.
        splits: clip numbers by name.
        names: ``label_names`` and ``frame_label_names``.

    Returns:
        What is known of each clip: its column ``info``, parsed.

    Raises:
        DataError: naming what does not fit.
    """
    problem = next(
        _problems(n_joints, unit, frames, tracks, clips, timeline, splits, names, path.stat().st_size), None
    )
    if problem is not None:
        raise DataError(
            f"{path} is damaged: its tables do not fit together ({problem}); convert the data again"
        )
    infos = []
    for clip, text in zip(clips["id"], clips["info"], strict=True):
        try:
            infos.append(json.loads(text))
        except (ValueError, RecursionError):
            infos.append(None)
        if not isinstance(infos[-1], dict):
            raise DataError(f"{path} is damaged: the info of recording '{clip}' is no JSON object")
    return infos


def _floats(data: h5py.Dataset) -> bool:
    return data.dtype.kind == "f" and data.dtype.itemsize in (2, 4, 8)


def _problems(
    n_joints: int, unit: str, frames: dict, tracks: dict, clips: dict, timeline: dict, splits: dict, names: dict,
    size: int,
) -> Iterator[str]:  # fmt: skip
    """What does not fit, one by one; each may rely on those before it."""
    xyz, score = frames["xyz"], frames["score"]
    if unit not in UNITS:
        yield f"the unit is '{unit}'"
    for key, values in names.items():
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            yield f"{key} is no list of names"
        if len(set(values)) < len(values):
            yield f"{key} has a name twice"
    if xyz.ndim != 3 or xyz.shape[1] != n_joints or xyz.shape[2] not in (2, 3) or not _floats(xyz):
        yield f"xyz is {xyz.dtype} {list(xyz.shape)} for {n_joints} joints"
    if score.shape != xyz.shape[:2] or not _floats(score):
        yield f"score is {score.dtype} {list(score.shape)}, xyz {list(xyz.shape)}"
    picture = frames.get("picture")
    if picture is not None and (picture.shape != (*score.shape, 2) or not _floats(picture)):
        yield f"picture is {picture.dtype} {list(picture.shape)}, score {list(score.shape)}"
    n_rows, n_tracks, n_clips = xyz.shape[0], len(tracks["clip"]), len(clips["id"])
    for table, n, columns in (("tracks", n_tracks, tracks), ("clips", n_clips, clips)):
        for name, column in columns.items():
            kind = "O" if name in _TEXT_COLUMNS else "f" if name == "fps" else "i"
            if column.shape != (n,) or column.dtype.kind not in (kind, "u" if kind == "i" else kind):
                yield f"{table}/{name} is {column.dtype} {list(column.shape)}"
    if not n_clips:
        yield "there is no recording"
    if len(set(clips["id"])) < n_clips or not all(clips["id"]):
        yield "ids are empty or not different"
    if not (np.isfinite(clips["fps"]) & (clips["fps"] > 0)).all():
        yield "a frame rate is not above 0"
    bounds = (
        ("tracks/clip", tracks["clip"], 0, n_clips),
        ("tracks/first", tracks["first"], 0, n_rows),
        ("tracks/length", tracks["length"], 1, n_rows + 1),
        ("tracks/start", tracks["start"], 0, 1 << 40),
        ("clips/n_frames", clips["n_frames"], 1, 1 << 40),
        ("clips/label", clips["label"], -1, len(names["label_names"])),
        ("clips/first_track", clips["first_track"], 0, n_tracks),
        ("clips/n_tracks", clips["n_tracks"], 1, n_tracks + 1),
        ("clips/timeline", clips["timeline"], -1, 1 << 40),
        *((f"splits/{name}", rows, 0, n_clips) for name, rows in splits.items()),
    )
    for name, values, low, high in bounds:
        if values.ndim != 1 or values.dtype.kind not in "iu":
            yield f"{name} is {values.dtype} {list(values.shape)}"
        if len(values) and not (values.min() >= low and values.max() < high):
            yield f"{name} goes from {values.min()} to {values.max()}, not {low} to {high - 1}"
    if (tracks["first"] + tracks["length"] > n_rows).any() or int(tracks["length"].sum()) > n_rows:
        yield f"the tracks have more rows than {n_rows}"
    if (tracks["start"] + tracks["length"] > clips["n_frames"][tracks["clip"]]).any():
        yield "a track goes on after its clip"
    if int(clips["n_tracks"].sum()) != n_tracks:
        yield f"the clips have {int(clips['n_tracks'].sum())} tracks, the table {n_tracks}"
    owner = np.repeat(np.arange(n_clips), clips["n_tracks"])
    first = np.cumsum(clips["n_tracks"]) - clips["n_tracks"]
    place = np.repeat(clips["first_track"] - first, clips["n_tracks"]) + np.arange(len(owner))
    if place.max() >= n_tracks or (tracks["clip"][place] != owner).any():
        yield "the clips' tracks are not those that name them"
    most = int((clips["n_frames"] * clips["n_tracks"]).max()) * n_joints * (xyz.shape[2] + 1) * 4
    if most > _MOST_FRAMES * size:
        yield f"a recording claims {int(clips['n_frames'].max())} frames, far more than {size} bytes can hold"
    time, label = timeline["time"], timeline["label"]
    if time.ndim != 1 or time.shape != label.shape or time.dtype.kind != "f" or label.dtype.kind not in "iu":
        yield f"the timeline is {time.dtype} {list(time.shape)} and {label.dtype} {list(label.shape)}"
    timed = clips["timeline"] >= 0
    if (clips["timeline"] + clips["n_frames"] > len(time))[timed].any():
        yield f"a clip's times lie beyond the timeline's {len(time)}"
    codes = label[()]
    if len(codes) and not (codes.min() >= -1 and codes.max() < len(names["frame_label_names"])):
        yield "frame labels are beyond the frame label names"
