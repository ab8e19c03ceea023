"""MediaPipe Holistic arrays ``[T, 543, 3]`` as ``.npy`` or ``.npz``, NaN where nothing was found.

The points are in the order of Google's isolated-sign competition (2023): face mesh 468, left hand 21, pose 33, right
hand 21; x and y are fractions of the picture, z is in picture widths. Two coordinates are read too.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np

from skelact.errors import DataError
from skelact.io.mp_signs import load_npz
from skelact.io.reading import Notes, mark_missing, read_bytes
from skelact.layouts import SkeletonLayout
from skelact.skeleton import Skeleton

HOLISTIC_FPS = 30.0  # of the competition's recordings, about; the files do not say
N_POINTS = 543
# Rows of the files in the order of layout holistic543: pose, face, left hand, right hand.
_ORDER = np.r_[489:522, 0:468, 468:489, 522:543]


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _fits(shape: tuple[int, ...], dtype: np.dtype) -> bool:
    return len(shape) == 3 and shape[1] == N_POINTS and shape[2] in (2, 3) and dtype.kind == "f"


def find_arrays(path: Path) -> list[str]:
    """Names of the arrays of a file that have this form (of an ``.npy`` file: its stem); none of any other file."""
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                return [path.stem] if _fits(*_header(file)) else []
        if path.suffix.lower() != ".npz":
            return []
        found = []
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    if name.endswith(".npy") and _fits(*_header(member)):
                        found.append(name.removesuffix(".npy"))
        return found
    except Exception:  # whatever a damaged header makes numpy and zlib raise
        return []


def is_holistic(path: Path) -> bool:
    """Whether a file holds Holistic arrays, by its name and the heads of its arrays."""
    return bool(find_arrays(path))


def iter_holistic(
    path: str | Path,
    layout: SkeletonLayout | str | None = None,
    *,
    fps: float | None = None,
    label: str | None = None,
    id: str | None = None,
    notes: Notes | None = None,
) -> Iterator[Skeleton]:
    """Read ``[T, 543, 2 or 3]`` of an ``.npy`` file, or every such array of an ``.npz`` file.

    Args:
        path: the file.
        layout: what the points become, by name; None: ``pose_hands75``, which leaves the face out (``holistic543``,
            ``sign118``, ``sign130`` keep what they have of it).
        fps: frames per second; None: 30.
        label: of every recording.
        id: of the recording, before the array's name if there are several; None: the file's name.
        notes: a line is added for what was mended.

    Returns:
        One recording an array: unit ``image``; points that are NaN are missing.

    Raises:
        DataError: if the file is damaged, or holds no such array.
    """
    path, where = Path(path), str(path)
    names = find_arrays(path)
    arrays: dict[str, Any]
    if path.suffix.lower() == ".npz" and names:
        arrays = load_npz(path, tuple(names))
    else:
        arrays = {path.stem: _load_npy(path)}
    for name, x in arrays.items():
        if not _fits(x.shape, x.dtype) or not len(x):
            raise DataError(
                f"{where}: needs floats [frames, {N_POINTS}, 3] (face 468, left hand 21, pose 33, right hand 21), "
                f"got {x.dtype} {list(x.shape)}"
            )
        xyz, score = mark_missing(x[None, :, _ORDER], None, where, zeros=False)
        if not score.any():
            raise DataError(
                f"{where}: nothing was found in any of its {len(x)} frames; there is nobody in it"
            )
        part = int((np.isnan(x).any(-1) & ~np.isnan(x).all(-1)).sum())
        if part and notes is not None:
            notes.append(f"{part} points with NaN in some coordinates are marked missing")
        clip = id or path.stem
        clip = clip if len(arrays) == 1 else f"{clip}_{name}"
        skeleton = Skeleton(xyz, score, "holistic543", fps or HOLISTIC_FPS, "image", label, clip)
        yield skeleton.converted("pose_hands75" if layout is None else layout)


def _load_npy(path: Path) -> np.ndarray:
    data = read_bytes(path)
    try:
        file = BytesIO(data)
        shape, dtype = _header(file)
        claimed = int(np.prod(shape, dtype=object)) * dtype.itemsize
        if claimed > len(data) - file.tell():
            raise DataError(f"{path} claims {claimed} bytes, more than it holds; is it cut off?")
        return np.load(BytesIO(data), allow_pickle=False)
    except DataError:
        raise
    except (
        Exception
    ) as error:  # numpy raises many kinds for damaged heads and for objects, which are never run
        raise DataError(f"{path}: not a readable .npy file of plain numbers ({error})") from None


def place_in_folder(path: Path, root: Path | None) -> tuple[str, str | None]:
    """Id and label of a file below a folder: its path there, and the name of the subfolder that it lies in."""
    if root is None or path == root or not path.is_relative_to(root):
        return path.stem, None
    inner = path.relative_to(root)
    return inner.with_suffix("").as_posix(), path.parent.name if len(inner.parts) > 1 else None


def read_holistic_files(path: Path, options: Any) -> Iterator[Skeleton]:
    """The reader for the table of formats, which takes id and label from the folders (`place_in_folder`)."""
    id, label = place_in_folder(path, options.root)
    return iter_holistic(path, options.layout, fps=options.fps, label=label, id=id, notes=options.notes)
