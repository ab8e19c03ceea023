"""OpenPose output: one JSON file a frame, people without identities (Cao et al., TPAMI 2021)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import DataError
from skelact.io.files import write_text
from skelact.io.reading import Notes, bound_frames, mark_missing, need, numbers, read_json
from skelact.skeleton import Skeleton

OPENPOSE_LAYOUTS: dict[int, str] = {18: "openpose18", 25: "body25"}
_FRAME = re.compile(r"^(.*?)_?(\d+)_keypoints\.json$")

# Positions [V, C] and scores [V] of one person in one frame
Person = tuple[np.ndarray, np.ndarray]


def read_openpose(
    folder: str | Path, fps: float = 30.0, label: str | None = None, notes: Notes | None = None
) -> Skeleton:
    """Read a folder of ``NAME_000000000012_keypoints.json``, one file a frame.

    18 or 25 joints are told apart by length; confidence 0 means missing; frame numbers without a file are
    frames without people. People are followed from frame to frame by the nearest middle (see `track`).

    Args:
        folder: the folder of one video.
        fps: of the video; OpenPose does not write it.
        label: the action.
        notes: a line is added for what was mended.

    Returns:
        Layout openpose18 or body25, unit px, two coordinates.

    Raises:
        DataError: for a folder without such files or a file that is not of this format.
    """
    folder = Path(folder)
    files = openpose_frames(folder)
    first, last = min(files), max(files)
    if last - first > 1_000_000:
        raise DataError(
            f"{folder}: frame numbers run from {first} to {last}; these are no frames of one video"
        )
    n_frames = last - first + 1
    frames: list[list[Person]] = [[] for _ in range(n_frames)]
    n_joints = None
    for number, path in files.items():
        (people,) = need(read_json(path), ("people",), str(path))
        if not isinstance(people, list):
            raise DataError(f"{path}: people must be a list")
        for m, person in enumerate(people):
            where = f"{path} person {m}"
            (values,) = need(person, ("pose_keypoints_2d",), where)
            pose = _pose(values, where)
            if n_joints not in (None, len(pose)):
                raise DataError(f"{where}: {len(pose)} joints, but {n_joints} before; do not mix models")
            n_joints = len(pose)
            xy, score = mark_missing(pose[None, :, :2], pose[None, :, 2], where, notes)
            if score.any():
                frames[number - first].append((xy[0], score[0]))
    if n_joints is None:
        raise DataError(f"{folder}: nobody is in any of the {len(files)} frames")
    xyz, score = track(frames, n_joints)
    if not len(xyz):
        raise DataError(f"{folder}: no joint was found in any of the {len(files)} frames")
    layout = OPENPOSE_LAYOUTS[n_joints]
    return Skeleton(xyz, score, layout, fps, "px", label, folder.name, {"first_frame": first})


def openpose_frames(folder: str | Path) -> dict[int, Path]:
    """The JSON files of a folder by frame number, in order.

    Raises:
        DataError: if there is none.
    """
    found = {}
    for path in Path(folder).glob("*_keypoints.json"):
        match = _FRAME.match(path.name)
        if match:
            found[int(match.group(2))] = path
    if not found:
        raise DataError(f"{folder}: no file is named like NAME_000000000000_keypoints.json")
    return dict(sorted(found.items()))


def _pose(values: Any, where: str) -> np.ndarray:
    if not isinstance(values, list) or len(values) not in (3 * 18, 3 * 25):
        got = len(values) if isinstance(values, list) else type(values).__name__
        raise DataError(
            f"{where}: pose_keypoints_2d must be 54 (18 joints) or 75 (25 joints) numbers, got {got}"
        )
    return numbers(values, where).reshape(-1, 3)


def track(frames: Sequence[Sequence[Person]], n_joints: int) -> tuple[np.ndarray, np.ndarray]:
    """Give people identities: each goes on as the one whose middle was nearest when last seen.

    A step of more than a body's own size for every frame that passed (at most three sizes) starts a new
    person. For crossings and occlusion use a real tracker (`skelact extract`).

    Args:
        frames: the people of each frame as (positions ``[V, C]``, scores ``[V]``, 0 = missing).
        n_joints: V.

    Returns:
        positions ``[M, T, V, C]`` and scores ``[M, T, V]``, people in order of appearance.

    Raises:
        DataError: if there are far more frames than people in them.
    """
    bound_frames(1, len(frames), sum(map(len, frames)), "the file")
    dims = next((p[0].shape[1] for people in frames for p in people), 2)
    last: list[tuple[int, np.ndarray, float]] = []  # frame, middle, size of each person when last seen
    places: list[tuple[int, int, Person]] = []
    for t, people in enumerate(frames):
        if not people:
            continue
        measured = []
        for xyz, score in people:
            seen = xyz[score > 0]
            size = float(np.linalg.norm(seen.max(0) - seen.min(0))) if len(seen) else 0.0
            measured.append((seen.mean(0) if len(seen) else np.zeros(dims), size))
        pairs = []
        for k, (middle, size) in enumerate(measured):
            for m, (before, place, old) in enumerate(last):
                distance = float(np.linalg.norm(middle - place))
                if distance <= max(size, old) * min(t - before, 3):
                    pairs.append((distance, m, k))
        owner: dict[int, int] = {}
        for _, m, k in sorted(pairs):
            if k not in owner and m not in owner.values():
                owner[k] = m
        for k, (middle, size) in enumerate(measured):
            m = owner.get(k)
            if m is None:
                m = len(last)
                last.append((t, middle, size))
            last[m] = (t, middle, size)
            places.append((m, t, people[k]))
    bound_frames(len(last), len(frames), len(places), "the file")
    xyz = np.zeros((len(last), len(frames), n_joints, dims), np.float32)
    score = np.zeros(xyz.shape[:3], np.float32)
    for m, t, person in places:
        xyz[m, t], score[m, t] = person
    return xyz, score


def write_openpose(skeleton: Skeleton, folder: str | Path) -> None:
    """Write one JSON file a frame into ``folder`` (made if needed), as `read_openpose` reads them.

    Raises:
        DataError: for a layout other than openpose18 or body25, 3 coordinates, or a failed write.
    """
    folder = Path(folder)
    if skeleton.layout.name not in OPENPOSE_LAYOUTS.values() or skeleton.xyz.shape[3] != 2:
        raise DataError(
            f"{folder}: OpenPose files hold layout openpose18 or body25 in 2D, got "
            f"'{skeleton.layout.name}' with {skeleton.xyz.shape[3]} coordinates"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make {folder}: {error.strerror or error}") from error
    values = np.concatenate([skeleton.xyz, skeleton.score[..., None]], -1)
    for t in range(skeleton.n_frames):
        people = [
            {"person_id": [-1], "pose_keypoints_2d": [float(str(v)) for v in values[m, t].ravel()]}
            for m in range(skeleton.n_people)
            if skeleton.score[m, t].any()
        ]
        name = f"{skeleton.id or 'clip'}_{t:012d}_keypoints.json"
        write_text(folder / name, json.dumps({"version": 1.3, "people": people}))
