"""Sign sequences of MediaPipe Holistic as ``.npz``, one signer a file."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.reading import Notes, mark_missing, read_bytes
from skelact.skeleton import Skeleton

MP_SIGNS_FPS = 30.0  # of a web camera; the files do not say
_WIDTH = 33 * 4 + 2 * 21 * 3


def load_npz(path: str | Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Read arrays of an ``.npz`` file; pickled objects are never run.

    Raises:
        DataError: if it is no such file, lacks an array, or holds objects.
    """
    data = read_bytes(path, limit=1 << 34)
    try:
        with np.load(BytesIO(data), allow_pickle=False) as file:
            missing = [n for n in names if n not in file.files]
            if missing:
                raise DataError(
                    f"{path}: no array {', '.join(missing)}; it has {', '.join(file.files)[:200]}"
                )
            _bound(path, data, names)
            return {n: file[n] for n in names}
    except DataError:
        raise
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, TypeError, AttributeError,
            NotImplementedError, MemoryError, SyntaxError, RuntimeError, OverflowError) as error:  # fmt: skip
        raise DataError(f"{path}: not a readable .npz file of plain arrays ({error})") from None
    except Exception as error:  # zlib.error and what damaged headers make numpy raise
        raise DataError(f"{path}: damaged .npz file ({type(error).__name__}: {error})") from None


_MOST_DEFLATED = 200  # arrays padded with zeros become some tens of times smaller
_SMALL = 1 << 28  # bytes that no computer is too small for


def _bound(path: str | Path, data: bytes, names: tuple[str, ...]) -> None:
    """Hold what the arrays claim against the file's size before room is made for them."""
    with zipfile.ZipFile(BytesIO(data)) as file:
        total = 0
        for name in names:
            with file.open(f"{name}.npy") as member:
                version = np.lib.format.read_magic(member)
                read = (
                    np.lib.format.read_array_header_1_0
                    if version == (1, 0)
                    else np.lib.format.read_array_header_2_0
                )
                shape, _, dtype = read(member)
            claimed = int(np.prod(shape, dtype=object)) * dtype.itemsize
            if claimed > file.getinfo(f"{name}.npy").file_size:
                raise DataError(
                    f"{path}: array {name} claims {claimed} bytes, more than it holds; is it cut off?"
                )
            total += claimed
    if total > max(_SMALL, _MOST_DEFLATED * len(data)):
        raise DataError(f"{path}: {len(data)} bytes claim to hold {total}; that is no recording of people")


def sign_name(label: str) -> str | None:
    """One spelling for a sign: lower case, no blanks; None for a placeholder of underscores."""
    return re.sub(r"\s+", "", label.lower()).strip("_") or None


def iter_mp_signs(path: str | Path, notes: Notes | None = None) -> Iterator[Skeleton]:
    """Read ``X [N, T, 258]`` and ``label``.

    A row is pose 33 × (x, y, z, visibility), left hand 21 × 3, right hand 21 × 3.

    A hand of zeros was not seen and is missing; hands that were seen have score 1.

    Args:
        path: the ``.npz`` file; the signer's number is taken from its name.
        notes: a line is added for what was mended.

    Returns:
        One recording a sequence: layout pose_hands75, unit image; labels in one spelling (`sign_name`),
        the original in ``info``.

    Raises:
        DataError: if the file is not of this format.
    """
    where, stem = str(path), Path(path).stem
    arrays = load_npz(path, ("X", "label"))
    x, labels = arrays["X"], arrays["label"]
    if x.ndim != 3 or x.shape[2] != _WIDTH or x.dtype.kind != "f" or 0 in x.shape:
        raise DataError(f"{where}: X must be floats [N, T, {_WIDTH}], got {x.dtype} {list(x.shape)}")
    if labels.shape != x.shape[:1]:
        raise DataError(f"{where}: {len(x)} sequences, but labels of shape {list(labels.shape)}")
    digits = re.search(r"(\d+)$", stem)
    for k, (row, label) in enumerate(zip(x, labels, strict=True)):
        pose = row[:, : 33 * 4].reshape(len(row), 33, 4)
        hands = row[:, 33 * 4 :].reshape(len(row), 42, 3)
        xyz = np.concatenate([pose[..., :3], hands], 1)
        score = np.concatenate([pose[..., 3], np.ones(hands.shape[:2], row.dtype)], 1)
        # A hand lies relative to its own wrist in z, so single joints may be zero in one coordinate:
        # missing is a joint that is zero in all three.
        xyz, score = mark_missing(xyz[None], score[None], f"{where} sequence {k}", notes)
        info: dict[str, str | int | float] = {"sequence": k, "written_label": str(label)}
        if digits:
            info["subject"] = int(digits.group(1))
        yield Skeleton(
            xyz, score, "pose_hands75", MP_SIGNS_FPS, "image", sign_name(str(label)), f"{stem}_{k:04d}", info
        )
