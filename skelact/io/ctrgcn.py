"""CTR-GCN's ``.npz`` files (Chen et al., ICCV 2021): padded NTU clips with one-hot labels.

``x_train``, ``x_test`` ``[N, T, 150]`` (two people × 25 joints × 3, people padded with zeros) and
``y_train``, ``y_test`` ``[N, classes]``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.files import write_file
from skelact.io.mp_signs import load_npz
from skelact.io.ntu_names import NTU120_NAMES
from skelact.io.reading import Notes, mark_missing
from skelact.skeleton import Skeleton

CTRGCN_FPS = 30.0
_PARTS = ("train", "test")


def read_ctrgcn(
    path: str | Path, label_names: Sequence[str] | None = None, notes: Notes | None = None
) -> tuple[list[Skeleton], dict[str, list[str]]]:
    """Read a CTR-GCN file.

    Frames of zeros at the end are padding and are cut off; a person of zeros is not there.

    Args:
        path: the ``.npz`` file.
        label_names: names of class 0, 1, ...; None: NTU's for 60 or 120 classes, else the number.
        notes: a line is added for what was mended.

    Returns:
        The recordings (layout ntu25, unit m, 30 fps; ids ``train_000000``, the files keep no names), and
        the parts ``train`` and ``test`` as ids. Samples that are all zeros are left out with a note.

    Raises:
        DataError: if the file is not of this format.
    """
    where = str(path)
    arrays = load_npz(path, ("x_train", "y_train", "x_test", "y_test"))
    skeletons: list[Skeleton] = []
    splits: dict[str, list[str]] = {}
    for part in _PARTS:
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if x.ndim != 3 or x.shape[2] % 75 or not x.shape[2] or x.dtype.kind != "f":
            raise DataError(
                f"{where}: x_{part} must be floats [N, T, people × 75], got {x.dtype} {list(x.shape)}"
            )
        if y.ndim not in (1, 2) or len(y) != len(x) or y.dtype.kind not in "fiub" or 0 in y.shape[1:]:
            raise DataError(f"{where}: y_{part} must be one-hot [{len(x)}, classes], got {list(y.shape)}")
        classes = y.argmax(1) if y.ndim == 2 else y.astype(np.int64)
        n_classes = y.shape[1] if y.ndim == 2 else None
        names = label_names or (NTU120_NAMES if n_classes in (60, 120) else None)
        splits[part] = []
        for k in range(len(x)):
            at = f"{where} x_{part}[{k}]"
            xyz = x[k].reshape(len(x[k]), -1, 25, 3).transpose(1, 0, 2, 3)
            people = np.flatnonzero(xyz.any((1, 2, 3)))
            frames = np.flatnonzero(xyz.any((0, 2, 3)))
            if not len(people):
                if notes is not None:
                    notes.append(f"x_{part}[{k}] is all zeros and left out")
                continue
            label = int(classes[k])
            if names is not None and not 0 <= label < len(names):
                raise DataError(f"{at}: class {label} has no name; there are names for 0..{len(names) - 1}")
            xyz, score = mark_missing(xyz[people][:, : frames[-1] + 1], None, at, notes)
            name = f"{part}_{k:06d}"
            text = names[label] if names is not None else str(label)
            skeletons.append(
                Skeleton(xyz, score, "ntu25", CTRGCN_FPS, "m", text, name, {"part": part, "class": label})
            )
            splits[part].append(name)
    if not skeletons:
        raise DataError(f"{where} holds no sample")
    return skeletons, splits


def write_ctrgcn(
    path: str | Path,
    skeletons: Iterable[Skeleton],
    splits: Mapping[str, Sequence[str]],
    label_names: Sequence[str],
    n_frames: int | None = None,
    max_people: int = 2,
) -> None:
    """Write a CTR-GCN file.

    Args:
        path: the ``.npz`` file.
        skeletons: recordings of layout ntu25 with three coordinates and a label.
        splits: ``{"train": ids, "test": ids}``.
        label_names: class order.
        n_frames: T; None: of the longest. Longer clips are an error.
        max_people: people kept a clip (the first ones); missing ones are zeros.

    Raises:
        DataError: for what this format cannot hold, or if the file cannot be written.
    """
    clips = {s.id: s for s in skeletons}
    n_frames = n_frames or max((s.n_frames for s in clips.values()), default=0)
    number = {name: k for k, name in enumerate(label_names)}
    arrays: dict[str, np.ndarray] = {}
    for part in _PARTS:
        ids = list(splits.get(part, ()))
        x = np.zeros((len(ids), n_frames, max_people * 75), np.float32)
        y = np.zeros((len(ids), len(label_names)), np.float32)
        for k, i in enumerate(ids):
            if i not in clips:
                raise DataError(f"{path}: split '{part}' names '{i}', which is not among the recordings")
            s = clips[i]
            if s.xyz.shape[2:] != (25, 3) or s.n_frames > n_frames or s.label not in number:
                raise DataError(
                    f"{path}: recording '{i}' must have 25 × 3 values, at most {n_frames} frames and a known "
                    f"label, got {list(s.xyz.shape[2:])}, {s.n_frames} and {s.label!r}"
                )
            m = min(s.n_people, max_people)
            x[k, : s.n_frames, : m * 75] = s.xyz[:m].transpose(1, 0, 2, 3).reshape(s.n_frames, -1)
            y[k, number[s.label]] = 1
        arrays[f"x_{part}"], arrays[f"y_{part}"] = x, y
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    write_file(path, buffer.getvalue())
