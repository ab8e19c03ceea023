"""What readers and writers share: opening files, numbers, which joints are missing, whole writes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import DataError

_LIMIT = 1 << 30

Notes = list[str]


def some(names: Iterable[object], n: int = 3) -> str:
    """The first few of many names, and how many more there are."""
    listed = [str(x) for x in names]
    return ", ".join(listed[:n]) + (f" and {len(listed) - n} more" if len(listed) > n else "")


def read_bytes(path: str | Path, limit: int = _LIMIT) -> bytes:
    """Read a whole file that must not be empty.

    Args:
        path: the file.
        limit: the most bytes that are accepted; no skeleton file comes near a gigabyte.

    Raises:
        DataError: if it is missing, a folder, unreadable, empty or above ``limit``.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise DataError(f"{path} is larger than {limit / 2**20:.0f} MiB; split it into recordings")
            data = file.read()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; check the path") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    if not data:
        raise DataError(f"{path} is empty (0 bytes); download or record it again")
    return data


def read_text(path: str | Path, limit: int = _LIMIT) -> str:
    """Read a text file in UTF-8 (a byte order mark is dropped) or, failing that, Latin-1.

    Raises:
        DataError: as `read_bytes`, and for binary content.
    """
    data = read_bytes(path, limit)
    if b"\0" in data:
        raise DataError(f"{path} is binary, not text; check that it is the file you mean")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_json(path: str | Path, limit: int = 1 << 27) -> Any:
    """Read a JSON file.

    Raises:
        DataError: if it is no JSON; the line is named.
    """
    text = read_text(path, limit)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{path} line {error.lineno}: not valid JSON ({error.msg}); is it cut off?") from None
    except (RecursionError, ValueError) as error:
        raise DataError(f"{path}: not usable JSON ({error})") from None


def numbers(values: Sequence[Any], where: str) -> np.ndarray:
    """Turn texts or numbers into float64.

    Raises:
        DataError: naming ``where`` and the first value that is not a number.
    """
    try:
        return np.array([float(v) for v in values], dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        for k, value in enumerate(values):
            try:
                float(value)
            except (TypeError, ValueError, OverflowError):
                shown = repr(value)[:40]
                raise DataError(f"{where}: value {k + 1} is {shown}, not a number") from None
        raise


def nested_numbers(value: Any, where: str, dims: int) -> np.ndarray:
    """Turn nested lists into a float64 array of ``dims`` axes.

    Raises:
        DataError: if rows differ in length or hold anything but numbers.
    """
    try:
        array = np.array(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError(f"{where}: needs {dims} levels of equally long lists of numbers ({error})") from None
    if array.ndim != dims:
        raise DataError(f"{where}: needs {dims} levels of lists, got {array.ndim}")
    return array


def mark_missing(
    xyz: np.ndarray,
    score: np.ndarray | None,
    where: str,
    notes: Notes | None = None,
    zeros: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Give score 0 to joints that are not there, and refuse infinite positions.

    Args:
        xyz: positions ``[..., V, C]``; NaN means missing.
        score: ``[..., V]`` or None for ones; NaN means missing; below 0 and above 1 is clipped.
        where: the file, for messages.
        notes: a line is added if NaN was met.
        zeros: whether a joint at exactly the origin is missing.

    Returns:
        float32 ``xyz`` and ``score``.

    Raises:
        DataError: if a joint that is not missing lies at infinity.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        xyz = np.array(xyz, dtype=np.float32)
        score = np.ones(xyz.shape[:-1], np.float32) if score is None else np.array(score, dtype=np.float32)
    nan = np.isnan(xyz).any(-1) | np.isnan(score)
    score[nan] = 0
    np.clip(score, 0, 1, out=score)
    if zeros:
        score[~xyz.any(-1)] = 0
    bad = np.isinf(xyz).any(-1) & (score > 0)
    if bad.any():
        place = ", ".join(str(int(k)) for k in np.argwhere(bad)[0])
        raise DataError(
            f"{where}: joint [{place}] is infinite or above the range of float32; mend or remove it"
        )
    if nan.any() and notes is not None:
        notes.append(f"{int(nan.sum())} joints were NaN and are marked missing")
    xyz[score == 0] = 0
    return xyz, score


def bound_frames(n_people: int, n_frames: int, n_seen: int, where: str) -> None:
    """Refuse a recording whose frame numbers claim far more than its file holds.

    Args:
        n_people, n_frames: of the recording, M and T.
        n_seen: how many people in how many frames the file has, all together.
        where: the file, for messages.

    Raises:
        DataError: above a thousand places for each that is filled, where that takes much memory.
    """
    if n_people * n_frames > max(1000 * n_seen, 100_000):
        raise DataError(
            f"{where}: its numbers claim {n_people} people × {n_frames} frames, and it holds {n_seen} poses; number "
            "the frames one by one"
        )


def need(data: Any, keys: Sequence[str], where: str) -> list[Any]:
    """The values of ``keys`` in a JSON object.

    Raises:
        DataError: if it is no object or lacks a key.
    """
    if not isinstance(data, dict):
        raise DataError(f"{where}: needs an object with {', '.join(keys)}, got a {type(data).__name__}")
    missing = [k for k in keys if k not in data]
    if missing:
        raise DataError(f"{where}: lacks {', '.join(missing)}; it has {', '.join(map(str, list(data)[:10]))}")
    return [data[k] for k in keys]


def checksum(path: str | Path) -> str:
    """``sha256:...`` of a file's bytes.

    Raises:
        DataError: if it cannot be read.
    """
    try:
        with Path(path).open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
