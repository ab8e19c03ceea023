"""SBU Kinect Interaction: two people doing something to each other (Yun et al., CVPRW 2012)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.files import write_text
from skelact.io.reading import Notes, mark_missing, numbers, read_text
from skelact.skeleton import Skeleton

SBU_FPS = 15.0
SBU_NAMES: tuple[str, ...] = (
    "approaching", "departing", "kicking", "pushing", "shaking hands", "hugging", "exchanging", "punching",
)  # fmt: skip
_PLACE = re.compile(r"s(\d\d)s(\d\d)[/\\](\d\d)[/\\](\d\d\d)[/\\]skeleton_pos\.txt$")
_N_COLUMNS = 1 + 2 * 15 * 3


def sbu_to_metres(normalised: np.ndarray) -> np.ndarray:
    """The published inverse of the normalisation, in metres (its own result is in millimetres).

    x = 1280 − 2560 x', y = 960 − 1920 y', z = 10000 z' / 7.8125. Only after it have the three axes one
    scale, so that bones keep their length when a body is rotated.

    Args:
        normalised: ``[..., 3]`` as the files have it.
    """
    x, y, z = np.moveaxis(np.asarray(normalised, np.float64), -1, 0)
    return np.stack([1280 - 2560 * x, 960 - 1920 * y, z * 10000 / 7.8125], -1) / 1000


def metres_to_sbu(xyz: np.ndarray) -> np.ndarray:
    """The inverse of `sbu_to_metres`."""
    x, y, z = np.moveaxis(np.asarray(xyz, np.float64) * 1000, -1, 0)
    return np.stack([(1280 - x) / 2560, (960 - y) / 1920, z * 7.8125 / 10000], -1)


def read_sbu(path: str | Path, notes: Notes | None = None) -> Skeleton:
    """Read one ``sAAsBB/CLASS/RUN/skeleton_pos.txt``: frame, then 2 × 15 × 3 numbers a line.

    Args:
        path: the file; pair, class and run are taken from its folders.
        notes: a line is added for what was mended.

    Returns:
        Two people in the file's order, layout sbu15, unit m (see `sbu_to_metres`), 15 fps.
        ``info``: pair, class, run; person 0 is the first of the pair (the left one in the picture).

    Raises:
        DataError: if the file is not of this format; the line is named.
    """
    where = str(path)
    match = _PLACE.search(Path(path).absolute().as_posix())
    if not match:
        raise DataError(
            f"{where}: must lie in sAAsBB/CLASS/RUN/skeleton_pos.txt, which gives pair, class and run"
        )
    first, second, action, run = match.groups()
    if not 1 <= int(action) <= len(SBU_NAMES):
        raise DataError(f"{where}: class {action} is not one of 01..{len(SBU_NAMES):02}")
    rows, last = [], -np.inf
    for n, line in enumerate(read_text(path, 1 << 26).splitlines(), 1):
        if not line.strip():
            continue
        fields = [f for f in line.split(",")]
        if fields and not fields[-1].strip():
            fields.pop()  # some lines end in a comma
        if len(fields) != _N_COLUMNS:
            raise DataError(
                f"{where} line {n}: needs {_N_COLUMNS} numbers, got {len(fields)}; is it cut off?"
            )
        row = numbers(fields, f"{where} line {n}")
        if not row[0] > last:
            raise DataError(f"{where} line {n}: frame {row[0]:g} does not come after frame {last:g}")
        last = row[0]
        rows.append(row[1:])
    if not rows:
        raise DataError(f"{where} has no frame")
    raw = np.array(rows).reshape(len(rows), 2, 15, 3).transpose(1, 0, 2, 3)
    _, score = mark_missing(raw, None, where, notes)
    xyz, score = mark_missing(sbu_to_metres(raw), score, where, None, zeros=False)
    info = {
        "pair": f"s{first}s{second}",
        "subject": int(first),
        "partner": int(second),
        "action": int(action),
        "run": int(run),
    }
    name = f"s{first}s{second}_{action}_{run}"
    return Skeleton(xyz, score, "sbu15", SBU_FPS, "m", SBU_NAMES[int(action) - 1], name, info)


def write_sbu(skeleton: Skeleton, path: str | Path) -> None:
    """Write two people of layout sbu15 in metres as `read_sbu` reads them; missing joints become 0, 0, 0.

    Raises:
        DataError: for another number of people, layout or unit.
    """
    if skeleton.layout.name != "sbu15" or skeleton.n_people != 2 or skeleton.unit != "m":
        raise DataError(
            f"{path}: this format holds two people in layout 'sbu15' in metres, got "
            f"{skeleton.n_people} in '{skeleton.layout.name}' in '{skeleton.unit}'"
        )
    normalised = metres_to_sbu(skeleton.xyz)
    normalised[skeleton.score == 0] = 0
    rows = normalised.transpose(1, 0, 2, 3).reshape(skeleton.n_frames, -1)
    lines = [",".join([str(t + 1), *(f"{v:.9g}" for v in row)]) for t, row in enumerate(rows)]
    write_text(path, "\n".join(lines) + "\n")
