"""Splits that somebody has written down: a column of a table, or a list of names for each part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from skelact.datasets.splits import Clip
from skelact.errors import ConfigError, DataError, counted
from skelact.io.reading import read_text, some
from skelact.io.tables import Table

NAME_COLUMNS = ("clip", "id", "file", "filename", "name", "video")
PROTOCOL = "lists"  # of parts that name none


@dataclass
class ListedSplits:
    """Parts as they are listed; called with the clips, it gives the ids of each part.

    Args:
        parts: names of clips or files by part, ``PROTOCOL/PART``.
        notes: what did not fit, once it was called: clips that are named nowhere, names that no clip has.
    """

    parts: dict[str, list[str]]
    notes: list[str] = field(default_factory=list)

    def __call__(self, clips: Sequence[Clip]) -> dict[str, list[str]]:
        """Ids of the clips of each part, in the order of the clips.

        Raises:
            DataError: if no clip is named, or a name fits several clips.
        """
        find = _Finder([clip for clip, _ in clips])
        self.notes.clear()
        placed: dict[str, set[str]] = {}
        unknown: dict[str, None] = {}
        for part, names in self.parts.items():
            for name in names:
                clip = find(name)
                if clip is None:
                    unknown[name] = None
                else:
                    placed.setdefault(part, set()).add(clip)
        if not placed:
            raise DataError(
                f"none of the {counted(len(unknown), 'name')} of --split-from is one of the "
                f"{counted(len(clips), 'clip')}: the list names "
                f"'{next(iter(unknown), '')}', the clips are called '{clips[0][0] if clips else ''}'"
            )
        _refuse_doubles(placed, "clip")
        if unknown:
            self.notes.append(
                f"{counted(len(unknown), 'name')} of --split-from {'is' if len(unknown) == 1 else 'are'} no "
                f"clip: {some(unknown)}"
            )
        for protocol in dict.fromkeys(part.rpartition("/")[0] for part in self.parts):
            named = set().union(*(ids for part, ids in placed.items() if part.rpartition("/")[0] == protocol))
            nowhere = [clip for clip, _ in clips if clip not in named]
            if nowhere:
                self.notes.append(
                    f"{counted(len(nowhere), 'clip is', 'clips are')} in no part of '{protocol}': {some(nowhere)}"
                )
        empty = [part for part in self.parts if part not in placed]
        if empty:
            self.notes.append(f"no clip is in {', '.join(empty)}")
        return {part: [clip for clip, _ in clips if clip in ids] for part, ids in placed.items()}


class _Finder:
    """Clips by their id, or by the file name (with or without its ending) that the id comes from."""

    def __init__(self, ids: list[str]) -> None:
        self.ids = set(ids)
        self.by_name: dict[str, set[str]] = {}
        for clip in ids:
            for key in {PurePath(clip).name, PurePath(clip).stem}:
                self.by_name.setdefault(key, set()).add(clip)

    def __call__(self, name: str) -> str | None:
        path = PurePath(name)
        for key in (name, str(path.with_suffix("")) if path.name else name):
            if key in self.ids:
                return key
        for key in (path.name, path.stem):
            found = self.by_name.get(key, set())
            if len(found) > 1:
                raise DataError(
                    f"'{name}' of --split-from may be any of {some(sorted(found))}; write the clip's id"
                )
            if found:
                return next(iter(found))
        return None


def read_listed_splits(words: Sequence[str]) -> ListedSplits:
    """Read what ``--split-from`` names, before anything else is done.

    Args:
        words: each a table ``FILE.csv`` or ``FILE.csv:COLUMN`` with a column of names (one of `NAME_COLUMNS`, else the
            first) and one of parts (``split`` if not named; the column's name is the protocol's), or
            ``PART=LIST.txt`` with a name a line, where a part may be ``PROTOCOL/PART``.

    Raises:
        ConfigError: for a word that is neither.
        DataError: if a file cannot be read, is empty, or puts a name into two parts of a protocol.
    """
    parts: dict[str, list[str]] = {}
    for word in words:
        part, equals, path = word.partition("=")
        if equals and part and path and not part.endswith(".csv"):
            if "/" not in part:
                part = f"{PROTOCOL}/{part}"
            if part in parts:
                raise ConfigError(f"--split-from names the part '{part}' twice; put its names into one list")
            lines = (line.strip() for line in read_text(path).splitlines())
            parts[part] = [line for line in lines if line and not line.startswith("#")]
            if not parts[part]:
                raise DataError(f"{path} names no clip of the part '{part}'")
            continue
        place, _, column = word.rpartition(":") if ".csv:" in word else (word, "", "")
        if not place.endswith(".csv"):
            raise ConfigError(
                f"--split-from takes FILE.csv, FILE.csv:COLUMN or PART=LIST.txt (such as train=a.txt test=b.txt), got "
                f"'{word}'"
            )
        for name, members in _of_table(Path(place), column or "split").items():
            if name in parts:
                raise ConfigError(f"--split-from names the part '{name}' twice; use another column's name")
            parts[name] = members
    _refuse_doubles({part: set(names) for part, names in parts.items()}, "name")
    return ListedSplits(parts)


def _of_table(path: Path, column: str) -> dict[str, list[str]]:
    table = Table(path)
    if column not in table:
        raise DataError(
            f"{path} has no column '{column}' that says the part; it has {', '.join(table.header)}: name one with "
            f"--split-from {path.name}:COLUMN"
        )
    names = next((name for name in NAME_COLUMNS if name in table and name != column), table.header[0])
    if names == column:
        raise DataError(
            f"{path} has no column that names the clips; call it one of {', '.join(NAME_COLUMNS)}"
        )
    parts: dict[str, list[str]] = {}
    for name, part in zip(table.text(names), table.text(column), strict=True):
        if name and part:  # an empty part: the clip is in none
            parts.setdefault(f"{column}/{part}", []).append(name)
    if not parts:
        raise DataError(f"{path}: column '{column}' names no part")
    return parts


def _refuse_doubles(parts: dict[str, set[str]], what: str) -> None:
    """Refuse what stands in two parts of one protocol."""
    owner: dict[tuple[str, str], str] = {}
    for part, names in parts.items():
        protocol = part.rpartition("/")[0]
        for name in sorted(names):
            other = owner.setdefault((protocol, name), part)
            if other != part:
                n = len(names & parts[other])
                raise DataError(
                    f"{counted(n, f'{what} is', f'{what}s are')} in both {other} and {part} ('{name}' is); "
                    f"parts of one protocol share none. "
                    "Name two protocols as A/test=... B/test=..."
                )
