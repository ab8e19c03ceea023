"""Reading comma-separated tables with a header, with messages that name the line."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.reading import numbers, read_text


class Table:
    """A CSV file with a header line, as columns of text.

    Args:
        path: the file.

    Raises:
        DataError: for an empty or binary file, doubled column names, or a line of another length.
    """

    def __init__(self, path: str | Path) -> None:
        self.where = str(path)
        try:
            rows = [
                (n, r)
                for n, r in enumerate(csv.reader(StringIO(read_text(path))), 1)
                if any(c.strip() for c in r)
            ]
        except csv.Error as error:
            raise DataError(f"{path}: not a CSV file ({error})") from None
        if not rows:
            raise DataError(f"{path} has no header line")
        self.header = [c.strip() for c in rows[0][1]]
        if len(set(self.header)) != len(self.header):
            twice = sorted({c for c in self.header if self.header.count(c) > 1})
            raise DataError(f"{path} line 1: column {', '.join(twice)[:100]} stands there twice")
        self.line = [n for n, _ in rows[1:]]
        self.rows = [r for _, r in rows[1:]]
        for n, row in rows[1:]:
            if len(row) != len(self.header):
                raise DataError(
                    f"{path} line {n}: {len(row)} columns, the header has {len(self.header)}; is it cut off?"
                )
        if not self.rows:
            raise DataError(f"{path} has a header and no rows")
        self._place = {c: k for k, c in enumerate(self.header)}

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, column: str) -> bool:
        return column in self._place

    def text(self, column: str) -> list[str]:
        """The column as text, stripped.

        Raises:
            DataError: if there is no such column.
        """
        if column not in self._place:
            raise DataError(
                f"{self.where} line 1: no column '{column}'; it has {', '.join(self.header)[:300]}"
            )
        k = self._place[column]
        return [row[k].strip() for row in self.rows]

    def numbers(self, columns: Sequence[str]) -> np.ndarray:
        """The columns as float64 ``[rows, columns]``; an empty field is NaN.

        Raises:
            DataError: if a column is missing, or a field is not a number (its line is named).
        """
        texts = [self.text(c) for c in columns]
        out = np.empty((len(self), len(columns)))
        for k, (column, values) in enumerate(zip(columns, texts, strict=True)):
            try:
                out[:, k] = [float(v) if v else np.nan for v in values]
            except ValueError:
                for n, v in zip(self.line, values, strict=True):
                    numbers([v or "nan"], f"{self.where} line {n} column '{column}'")
        return out
