"""Kinetics-Skeleton JSON (Yan et al., AAAI 2018): OpenPose poses of a whole clip in one file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.files import write_text
from skelact.io.openpose import OPENPOSE_LAYOUTS, Person, track
from skelact.io.original import Bodies, match_people, with_original
from skelact.io.reading import Notes, mark_missing, need, numbers, read_json
from skelact.skeleton import Skeleton

KINETICS_FPS = 30.0
_MAX_FRAMES = 1_000_000


def read_kinetics(path: str | Path, notes: Notes | None = None) -> Skeleton:
    """Read ``{"data": [{"frame_index", "skeleton": [{"pose", "score"}]}], "label", "label_index"}``.

    ``pose`` holds x y of 18 (or 25) joints as fractions of the image, ``score`` their confidence, 0 for
    missing. Frames count from 1. People are followed from frame to frame (`skelact.io.openpose.track`).

    Args:
        path: the JSON file.
        notes: a line is added for what was mended.

    Returns:
        Layout openpose18 (or body25), unit image, 30 fps.

    Raises:
        DataError: if the file is not of this format or nobody is in it.
    """
    where = str(path)
    data, label = need(read_json(path), ("data", "label"), where)
    if not isinstance(data, list):
        raise DataError(f"{where}: data must be a list of frames")
    found: dict[int, list[Person]] = {}
    written: list[tuple[int, int, np.ndarray]] = []  # frame, place in it, x y score
    n_joints = None
    for k, frame in enumerate(data):
        number, people = need(frame, ("frame_index", "skeleton"), f"{where} entry {k}")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _MAX_FRAMES:
            raise DataError(f"{where} entry {k}: frame_index must be a whole number from 0, got {number!r}")
        if not isinstance(people, list):
            raise DataError(f"{where} frame {number}: skeleton must be a list of people")
        poses = found.setdefault(number, [])
        for m, person in enumerate(people):
            at = f"{where} frame {number} person {m}"
            pose, score = need(person, ("pose", "score"), at)
            if not (isinstance(pose, list) and isinstance(score, list)) or len(pose) != 2 * len(score):
                raise DataError(f"{at}: pose must hold x, y for each score")
            if len(score) not in OPENPOSE_LAYOUTS or n_joints not in (None, len(score)):
                raise DataError(f"{at}: {len(score)} joints; allowed: 18 or 25, the same in the whole file")
            n_joints = len(score)
            place, sure = numbers(pose, at).reshape(-1, 2), numbers(score, at)
            written.append((number, m, np.column_stack([place, sure])))
            xy, conf = mark_missing(place[None], sure[None], at, notes)
            if conf.any():
                poses.append((xy[0], conf[0]))
    if n_joints is None or not any(found.values()):
        raise DataError(f"{where}: nobody is in any of its {len(data)} frames")
    first = min(min(found), 1)  # frame 1 is the clip's first, even if nobody is in it yet
    frames = [found.get(n, []) for n in range(first, max(found) + 1)]
    xyz, score = track(frames, n_joints)
    name = None if label is None else str(label)
    skeleton = Skeleton(xyz, score, OPENPOSE_LAYOUTS[n_joints], KINETICS_FPS, "image", name, Path(path).stem)
    written.sort(key=lambda row: row[0])
    number, place, values = (np.array(column) for column in zip(*written, strict=True))
    bodies = Bodies("kinetics", max(found) + 1, number, place, values.astype(np.float32))
    return with_original(skeleton, bodies, match_people(bodies, skeleton, first), first)


def write_kinetics(skeleton: Skeleton, path: str | Path, label_index: int = -1) -> None:
    """Write a file that `read_kinetics` reads.

    Raises:
        DataError: for a layout other than openpose18 or body25, another unit, or 3 coordinates.
    """
    fits = skeleton.layout.name in OPENPOSE_LAYOUTS.values() and skeleton.unit == "image"
    if not fits or skeleton.xyz.shape[3] != 2:
        raise DataError(
            f"{path}: this format holds layout openpose18 or body25 in 2D as fractions of the image, got "
            f"'{skeleton.layout.name}' with {skeleton.xyz.shape[3]} coordinates in '{skeleton.unit}'"
        )
    data = []
    for t in range(skeleton.n_frames):
        people = [
            {"pose": _plain(skeleton.xyz[m, t]), "score": _plain(skeleton.score[m, t])}
            for m in range(skeleton.n_people)
            if skeleton.score[m, t].any()
        ]
        data.append({"frame_index": t + 1, "skeleton": people})
    write_text(path, json.dumps({"data": data, "label": skeleton.label, "label_index": label_index}))


def _plain(values: np.ndarray) -> list[float]:
    return [float(str(v)) for v in values.ravel()]
