"""MSRC-12 Kinect gestures (Fothergill et al., CHI 2012): long sequences, a moment for every gesture."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.reading import Notes, mark_missing, numbers, read_text
from skelact.skeleton import Skeleton

MSRC12_NAMES: tuple[str, ...] = (
    "lift outstretched arms", "duck", "push right", "goggles", "wind it up", "shoot", "bow", "throw", "had enough",
    "change weapon", "beat both", "kick",
)  # fmt: skip
NO_GESTURE = "none"  # the frame label of every frame that is no gesture's moment
_WIDTH = 1 + 20 * 4
_NAME = re.compile(r"(P\d+_\d+)_(\d+)A?_p(\d+)$", re.IGNORECASE)
_TAG = re.compile(r"G(\d+)\b")


def is_msrc12(head: str, suffix: str) -> bool:
    """Whether a file looks so: a CSV whose first line holds 81 numbers with blanks between them."""
    lines = head.splitlines()
    return (
        suffix.lower() == ".csv" and bool(lines) and "," not in lines[0] and len(lines[0].split()) == _WIDTH
    )


def read_msrc12(path: str | Path, notes: Notes | None = None) -> Skeleton:
    """Read one sequence, ``P1_1_G_pNN.csv`` and ``P1_1_G_pNN.tagstream`` beside it.

    Args:
        path: the CSV: microseconds and 20 × (x, y, z, seen) a row, blanks between them.
        notes: a line is added for what was mended or left out.

    Returns:
        Layout kinect20 in metres, real timestamps, the gesture as the label; the frame nearest to a gesture's moment
        has its name as frame label, every other frame `NO_GESTURE`. A frame of zeros is missing.

    Raises:
        DataError: if a file is not of this format or the tags are missing; the line is named.
    """
    path = Path(path)
    match = _NAME.match(path.stem)
    if not match or not 1 <= int(match.group(2)) <= len(MSRC12_NAMES):
        raise DataError(f"{path}: the name must be like P1_1_G_p06.csv with a gesture G from 1 to 12")
    time, xyz, seen = _rows(path)
    xyz, score = mark_missing(xyz[None], seen[None], str(path), notes)
    if not score.any():
        raise DataError(f"{path}: every row is zeros; nobody was seen")
    gesture = int(match.group(2))
    frame_labels = [NO_GESTURE] * len(time)
    for moment, name, line in _moments(path.with_suffix(".tagstream")):
        frame = int(np.abs(time - moment).argmin())
        if abs(time[frame] - moment) > 0.5:
            if notes is not None:
                notes.append(f"the gesture of line {line} lies outside of the recording and is left out")
        elif frame_labels[frame] != NO_GESTURE:
            raise DataError(f"{path.with_suffix('.tagstream')} line {line}: two gestures at the same moment")
        else:
            frame_labels[frame] = name
    fps = float(1 / np.median(np.diff(time))) if len(time) > 1 else 30.0
    info = {"subject": int(match.group(3)), "gesture": gesture, "instruction": match.group(1)}
    return Skeleton(
        xyz, score, "kinect20", fps, "m", MSRC12_NAMES[gesture - 1], path.stem, info, time=time - time[0],
        frame_labels=frame_labels,
    )  # fmt: skip


def _rows(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times [s] ``[T]``, positions ``[T, 20, 3]`` and whether each joint was seen ``[T, 20]``."""
    lines = [(n, line.split()) for n, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]
    if not lines:
        raise DataError(f"{path} has no rows")
    for n, words in lines:
        if len(words) != _WIDTH:
            raise DataError(f"{path} line {n}: {len(words)} numbers, needs {_WIDTH}; is it cut off?")
    try:
        values = np.array([words for _, words in lines], dtype=np.float64)
    except ValueError:
        for n, words in lines:
            numbers(words, f"{path} line {n}")
        raise
    time = values[:, 0] / 1e6
    late = np.flatnonzero(~(np.diff(time) > 0))
    if len(late) or not np.isfinite(time).all():
        line = lines[int(late[0]) + 1][0] if len(late) else lines[0][0]
        raise DataError(f"{path} line {line}: the time does not come after the one before")
    joints = values[:, 1:].reshape(-1, 20, 4)
    return time, joints[..., :3], joints[..., 3]


def _moments(path: Path) -> list[tuple[float, str, int]]:
    """(seconds, gesture, line) of every tag."""
    if not path.is_file():
        raise DataError(f"{path} does not exist; it holds the gestures' moments and belongs beside the CSV")
    found = []
    for n, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip() or line.strip() == "XQPCTick;Tag":
            continue
        tick, _, tag = line.partition(";")
        match = _TAG.match(tag.strip())
        if not match or not 1 <= int(match.group(1)) <= len(MSRC12_NAMES):
            raise DataError(
                f"{path} line {n}: needs TICK;G1 name with a gesture G1 to G12, got {line[:60]!r}"
            )
        ticks = float(numbers([tick.strip()], f"{path} line {n}")[0])
        if not np.isfinite(ticks):
            raise DataError(f"{path} line {n}: the tick is {tick.strip()}, not a number of ticks")
        found.append(((ticks * 1000 + 24937.5) / 49875 / 1e6, MSRC12_NAMES[int(match.group(1)) - 1], n))
    return found
