"""UCI Gesture Phase Segmentation, raw files (Madeo et al., 2013): six points, labelled frame by frame."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.reading import Notes, mark_missing
from skelact.io.tables import Table
from skelact.skeleton import Skeleton

GESTURE_PHASES: tuple[str, ...] = ("Rest", "Preparation", "Stroke", "Hold", "Retraction")
_OTHER_SPELLINGS = {"Preparação": "Preparation"}
_POINTS = ("lh", "rh", "h", "s", "lw", "rw")  # as in layout gesture6
_NAME = re.compile(r"([a-z])(\d)_raw$", re.IGNORECASE)


def read_gesture_phase(path: str | Path, notes: Notes | None = None) -> Skeleton:
    """Read one recording ``USER STORY_raw.csv``.

    Args:
        path: the CSV file: six points × (x, y, z), a timestamp in milliseconds, the phase.
        notes: a line is added for what was mended.

    Returns:
        Layout gesture6, unit unknown, real timestamps, a label per frame and none for the clip;
        fps is one over the median time step.

    Raises:
        DataError: if the file is not of this format; the line is named.
    """
    where = str(path)
    table = Table(path)
    columns = [f"{p}{c}" for p in _POINTS for c in "xyz"]
    xyz = table.numbers(columns).reshape(1, len(table), len(_POINTS), 3)
    time = table.numbers(["timestamp"])[:, 0] / 1000
    late = np.flatnonzero(~(np.diff(time) > 0))
    if len(late) or not np.isfinite(time).all():
        line = table.line[int(late[0]) + 1] if len(late) else table.line[0]
        raise DataError(f"{where} line {line}: the timestamp does not come after the one before")
    labels = [_OTHER_SPELLINGS.get(p, p) for p in table.text("phase")]
    for n, phase in zip(table.line, labels, strict=True):
        if phase not in GESTURE_PHASES:
            raise DataError(f"{where} line {n}: phase '{phase}' is not one of {', '.join(GESTURE_PHASES)}")
    xyz, score = mark_missing(xyz, None, where, notes)
    fps = float(1 / np.median(np.diff(time))) if len(time) > 1 else 30.0
    match = _NAME.match(Path(path).stem)
    info = {"subject": match.group(1).lower(), "story": int(match.group(2))} if match else {}
    name = Path(path).stem.removesuffix("_raw")
    return Skeleton(
        xyz, score, "gesture6", fps, "unknown", None, name, info, time=time - time[0], frame_labels=labels
    )
