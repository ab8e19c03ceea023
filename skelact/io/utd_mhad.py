"""UTD-MHAD skeletons as MATLAB files (Chen et al., ICIP 2015)."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import numpy as np

from skelact.errors import DataError
from skelact.io.mat5 import read_mat_array
from skelact.io.reading import Notes, mark_missing, read_bytes
from skelact.skeleton import Skeleton

UTD_FPS = 30.0
UTD_NAMES: tuple[str, ...] = (
    "swipe left", "swipe right", "wave", "clap", "throw", "arm cross", "basketball shoot", "draw x",
    "draw circle clockwise", "draw circle counter clockwise", "draw triangle", "bowling", "boxing",
    "baseball swing", "tennis swing", "arm curl", "tennis serve", "push", "knock", "catch",
    "pickup and throw", "jog", "walk", "sit to stand", "stand to sit", "lunge", "squat",
)  # fmt: skip
_NAME = re.compile(r"a(\d+)_s(\d+)_t(\d+)")


def parse_utd_name(name: str) -> dict[str, int]:
    """Read action, subject and trial from ``aA_sS_tT_skeleton``.

    Raises:
        DataError: if it is no such name.
    """
    match = _NAME.match(Path(name).name)
    if not match:
        raise DataError(
            f"'{name}' is no UTD-MHAD name; allowed: aA_sS_tT_skeleton, such as a10_s1_t2_skeleton"
        )
    return dict(zip(("action", "subject", "trial"), map(int, match.groups()), strict=True))


def read_utd(path: str | Path, notes: Notes | None = None) -> Skeleton:
    """Read one recording: variable ``d_skel [20, 3, T]``.

    Args:
        path: the ``.mat`` file, named ``aA_sS_tT_skeleton.mat``.
        notes: a line is added for what was mended.

    Returns:
        Layout kinect20_utd, unit m, 30 fps.

    Raises:
        DataError: if the file is not of this format.
    """
    where = str(path)
    data = read_bytes(path, limit=1 << 26)
    info = parse_utd_name(Path(path).stem)
    try:
        d_skel = read_mat_array(data, "d_skel")
    except KeyError:
        raise DataError(f"{where}: no variable 'd_skel'; this is no UTD-MHAD skeleton file") from None
    except ValueError as error:
        raise DataError(f"{where}: not a readable MATLAB file: {error}") from None
    if d_skel.ndim not in (2, 3) or d_skel.shape[:2] != (20, 3) or not d_skel.size:
        raise DataError(f"{where}: d_skel must be [20, 3, T], got {list(d_skel.shape)}")
    d_skel = d_skel.reshape(20, 3, -1)
    if not 1 <= info["action"] <= len(UTD_NAMES):
        raise DataError(f"{where}: action {info['action']} is not one of 1..{len(UTD_NAMES)}")
    xyz, score = mark_missing(d_skel.transpose(2, 0, 1)[None], None, where, notes)
    label = UTD_NAMES[info["action"] - 1]
    name = Path(path).stem.removesuffix("_skeleton")
    return Skeleton(xyz, score, "kinect20_utd", UTD_FPS, "m", label, name, info)


def write_utd(skeleton: Skeleton, path: str | Path) -> None:
    """Write one person of layout kinect20_utd as `read_utd` reads it; missing joints become 0, 0, 0.

    Raises:
        DataError: for several people or another layout, or if the file cannot be written.
    """
    from scipy.io import savemat

    from skelact.io.files import write_file

    if skeleton.layout.name != "kinect20_utd" or skeleton.n_people != 1 or skeleton.xyz.shape[3] != 3:
        raise DataError(
            f"{path}: this format holds one person in layout 'kinect20_utd' with 3 coordinates, got "
            f"{skeleton.n_people} in '{skeleton.layout.name}' with {skeleton.xyz.shape[3]}"
        )
    buffer = BytesIO()
    savemat(buffer, {"d_skel": skeleton.xyz[0].transpose(1, 2, 0).astype(np.float64)})
    write_file(path, buffer.getvalue())
