"""Text tables and JSON lists of annotation files, with the line of whatever is wrong."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from skelact.errors import DataError
from skelact.io.reading import read_bytes

_LARGEST = 1 << 29  # bytes; the largest of these files have some tens of millions


def read_text(path: Path) -> str:
    """A UTF-8 file; raises `DataError` if it cannot be read."""
    try:
        return read_bytes(path, limit=_LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text ({error.reason} at byte {error.start})") from None


def read_rows(path: Path, delimiter: str, quoted: bool = True) -> Iterator[tuple[str, list[str]]]:
    """(place, cells) of every line that is not empty."""
    reader = csv.reader(
        io.StringIO(read_text(path), newline=""), delimiter=delimiter,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, strict=quoted,
    )  # fmt: skip
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield f"{path}, line {reader.line_num}", [cell.strip() for cell in row]
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None


def read_table(
    path: Path, delimiter: str, columns: Sequence[str], quoted: bool = True
) -> Iterator[tuple[str, dict[str, str]]]:
    """(place, row by column) of a table whose first line names the columns; others than those needed may be there.

    Raises:
        DataError: if a column is missing, or a line has more or fewer cells than the first.
    """
    names: list[str] | None = None
    for where, row in read_rows(path, delimiter, quoted):
        if names is None:
            names = row
            missing = [c for c in columns if c not in names]
            if missing:
                raise DataError(
                    f"{path}: the first line must name the columns {delimiter.join(columns)!r}; missing: "
                    f"{', '.join(missing)}; it has {', '.join(names)[:200]}"
                )
        elif len(row) != len(names):
            raise DataError(
                f"{where}: {len(row)} cells, the first line has {len(names)}; is the file cut off?"
            )
        else:
            yield where, dict(zip(names, row, strict=True))
    if names is None:
        raise DataError(f"{path} is empty")


def read_json_list(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """(place, object) of a JSON list of objects; raises `DataError` for anything else."""
    try:
        values = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{path} is not readable JSON ({error})") from None
    if not isinstance(values, list):
        raise DataError(f"{path} must be a JSON list, it is {type(values).__name__}")
    for k, entry in enumerate(values):
        if not isinstance(entry, dict):
            raise DataError(f"{path}, entry {k} is no object")
    return [(f"{path}, entry {k}", entry) for k, entry in enumerate(values)]


def text_of(entry: dict[str, Any], key: str, where: str) -> str:
    """A text that is not empty; raises `DataError`."""
    value = entry.get(key)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: '{key}' must be a text, got {value!r}"[:300])
    return value.strip()


def number(value: object, where: str, name: str) -> float:
    """A finite number; raises `DataError`."""
    try:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError
        found = float(value)
        if not math.isfinite(found):
            raise ValueError
    except ValueError:
        raise DataError(f"{where}: {name} must be a number, got {value!r}"[:300]) from None
    return found


def whole(value: object, where: str, name: str) -> int:
    """A whole number; raises `DataError`."""
    found = number(value, where, name)
    if found != int(found):
        raise DataError(f"{where}: {name} must be a whole number, got {value!r}")
    return int(found)
