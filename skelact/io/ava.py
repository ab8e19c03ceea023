"""AVA's tables of boxes and actions (Gu et al., CVPR 2018), their label map and excluded frames."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.files import write_text
from skelact.io.reading import read_text

FrameKey = tuple[str, int]  # a video, and a time in milliseconds
NO_PERSON = -1
_OUTSIDE = 0.01  # detectors' boxes reach a little over the edge of the picture


@dataclass(frozen=True, eq=False)
class ActionBoxes:
    """Boxes with an action each, one row for each person, moment and action.

    Args:
        video: ``[B]`` names of videos.
        time: ``[B]`` seconds.
        box: ``[B, 4]`` as x1, y1, x2, y2 in fractions 0..1 of the picture's width and height.
        action: ``[B]`` numbers of actions.
        score: ``[B]`` confidence, 1 for ground truth; None: ones.
        person: ``[B]`` identities within a video; None: `NO_PERSON` for all.

    Raises:
        DataError: for columns of different lengths, boxes that are empty or leave 0..1, numbers that are not finite.
    """

    video: np.ndarray
    time: np.ndarray
    box: np.ndarray
    action: np.ndarray
    score: np.ndarray
    person: np.ndarray

    def __init__(
        self,
        video: Sequence[str] | np.ndarray,
        time: Sequence[float] | np.ndarray,
        box: Sequence[Sequence[float]] | np.ndarray,
        action: Sequence[int] | np.ndarray,
        score: Sequence[float] | np.ndarray | None = None,
        person: Sequence[int] | np.ndarray | None = None,
    ) -> None:
        n = len(video)
        values = {
            "video": np.array(video, dtype=str),
            "time": np.array(time, dtype=np.float64),
            "box": np.array(box, dtype=np.float64).reshape(-1, 4),
            "action": np.array(action, dtype=np.int64),
            "score": np.ones(n) if score is None else np.array(score, dtype=np.float64),
            "person": np.full(n, NO_PERSON) if person is None else np.array(person, dtype=np.int64),
        }
        lengths = {name: len(value) for name, value in values.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"the columns of a table of boxes must be equally long, got {lengths}")
        problem = _first_problem(values["time"], values["box"], values["score"])
        if problem:
            raise DataError(f"row {problem[0] + 1} of a table of boxes: {problem[1]}")
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.video)

    def frames(self) -> list[FrameKey]:
        """The frame of every row: the video and the time in milliseconds."""
        return [(str(v), round(1000 * t)) for v, t in zip(self.video, self.time.tolist(), strict=True)]

    def take(self, rows: np.ndarray) -> ActionBoxes:
        """Some of the rows, by index or mask."""
        return ActionBoxes(
            self.video[rows],
            self.time[rows],
            self.box[rows],
            self.action[rows],
            self.score[rows],
            self.person[rows],
        )


def _first_problem(time: np.ndarray, box: np.ndarray, score: np.ndarray) -> tuple[int, str] | None:
    """The first row that cannot be and what is wrong with it, or None."""
    finite = np.isfinite(time) & np.isfinite(score) & np.isfinite(box.sum(1))
    outside = np.any((box < -_OUTSIDE) | (box > 1 + _OUTSIDE), axis=1)
    empty = (box[:, 0] >= box[:, 2]) | (box[:, 1] >= box[:, 3])
    bad = np.flatnonzero(~finite | outside | empty)
    if not len(bad):
        return None
    i = int(bad[0])
    shown = "box " + ", ".join(f"{c:g}" for c in box[i])
    if not finite[i]:
        return i, "time, box and score must be finite numbers"
    if outside[i]:
        return i, f"{shown} leaves 0..1; divide pixels by the picture's width and height"
    return i, f"{shown} is empty; x1 < x2 and y1 < y2 are needed"


def _rows(path: str | Path, columns: Sequence[int], what: str) -> Iterator[tuple[str, list[str]]]:
    """(place for messages, fields) of every line; a header line that begins with ``video_id`` is left out."""
    try:
        for n, row in enumerate(csv.reader(io.StringIO(read_text(path))), 1):
            row = [field.strip() for field in row]
            if not any(row) or (n == 1 and row[0].lower() == "video_id"):
                continue
            if len(row) not in columns:
                raise DataError(f"{path} line {n}: {len(row)} columns; {what}")
            yield f"{path} line {n}", row
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV file ({error})") from None


def _number(text: str, where: str, column: str, whole: bool = False) -> float:
    try:
        value = float(text)
    except ValueError:
        raise DataError(f"{where}: {column} is {text[:40]!r}, not a number") from None
    if not math.isfinite(value) or (whole and value != int(value)):
        hint = "; if it is a score, read the file as predictions" if column == "person_id" else ""
        kind = "whole" if whole else "finite"
        raise DataError(f"{where}: {column} is {text[:40]!r}, not a {kind} number{hint}")
    return value


def read_ava(path: str | Path, predictions: bool = False) -> ActionBoxes:
    """Read ``video_id,timestamp_s,x1,y1,x2,y2,action_id,person_id``.

    Args:
        path: the CSV file, with or without a header. The last column may be missing. Lines of two columns name a
            frame that shows nobody, and are passed over.
        predictions: the last column is a score instead of a person.

    Raises:
        DataError: if the file cannot be read, naming the line.
    """
    last = "score" if predictions else "person_id"
    allowed = f"allowed: video_id,timestamp_s,x1,y1,x2,y2,action_id,{last} (8), without the last (7), or the first two"
    places, video, time, box, action, ends = [], [], [], [], [], []
    for where, row in _rows(path, (2, 7, 8), allowed):
        seconds = _number(row[1], where, "timestamp_s")
        if len(row) == 2:
            continue
        places.append(where)
        video.append(row[0])
        time.append(seconds)
        corners = zip(("x1", "y1", "x2", "y2"), row[2:6], strict=True)
        box.append([_number(text, where, name) for name, text in corners])
        action.append(int(_number(row[6], where, "action_id", whole=True)))
        missing = 1.0 if predictions else NO_PERSON
        ends.append(_number(row[7], where, last, whole=not predictions) if len(row) == 8 else missing)
    boxes, scores = np.array(box).reshape(-1, 4), np.array(ends) if predictions else np.ones(len(ends))
    problem = _first_problem(np.array(time), boxes, scores)
    if problem:
        raise DataError(f"{places[problem[0]]}: {problem[1]}")
    people = None if predictions else [int(p) for p in ends]
    return ActionBoxes(video, time, boxes, action, scores, people)


def write_ava(path: str | Path, boxes: ActionBoxes, predictions: bool = False) -> Path:
    """Write a table that `read_ava` reads; with ``predictions`` the last column is the score.

    Raises:
        DataError: if it cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    for i in range(len(boxes)):
        time = f"{boxes.time[i]:.3f}".rstrip("0").rstrip(".")
        last = f"{boxes.score[i]:.6g}" if predictions else int(boxes.person[i])
        corners = [f"{c:.6g}" for c in boxes.box[i]]
        table.writerow([boxes.video[i], time, *corners, int(boxes.action[i]), last])
    return write_text(path, text.getvalue())


def read_excluded_frames(path: str | Path) -> set[FrameKey]:
    """Frames that are not scored, from lines ``video_id,timestamp_s``.

    Raises:
        DataError: if the file cannot be read, naming the line.
    """
    rows = _rows(path, (2,), "allowed: video_id,timestamp_s")
    return {(row[0], round(1000 * _number(row[1], where, "timestamp_s"))) for where, row in rows}


def read_label_map(path: str | Path) -> dict[int, str]:
    """Names of actions by number, from AVA's text of ``item { name: "run" id: 7 }``.

    Raises:
        DataError: if the file holds no such items, an item lacks name or number, or a number stands there twice.
    """
    text = read_text(path)
    names: dict[int, str] = {}
    for item in re.finditer(r"\b(?:item|label)\s*\{([^{}]*)\}", text):
        line = text.count("\n", 0, item.start()) + 1
        name = re.search(r"""\bname\s*:\s*(["'])(.*?)\1""", item[1])
        number = re.search(r"\b(?:label_)?id\s*:\s*(\d+)", item[1])
        if not name or not number:
            raise DataError(f'{path} line {line}: an item needs a name: "..." and an id: number')
        if int(number[1]) in names:
            raise DataError(f"{path} line {line}: id {number[1]} stands there twice")
        names[int(number[1])] = name[2]
    if not names:
        raise DataError(f'{path} holds no label; a label map has lines such as: item {{ name: "run" id: 7 }}')
    return names


def write_label_map(path: str | Path, names: Mapping[int, str]) -> Path:
    """Write names of actions by number as `read_label_map` reads them.

    Raises:
        DataError: if it cannot be written.
    """
    items = []
    for number, name in names.items():
        quote = "'" if '"' in name else '"'
        items.append(f"item {{\n  name: {quote}{name}{quote}\n  id: {number}\n}}\n")
    return write_text(path, "".join(items))
