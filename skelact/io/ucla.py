"""Northwestern-UCLA Multiview Action 3D as JSON (Wang et al., CVPR 2014; JSON form of CTR-GCN's authors)."""

from __future__ import annotations

import json
import re
from pathlib import Path

from skelact.errors import DataError
from skelact.io.files import write_text
from skelact.io.reading import Notes, mark_missing, need, nested_numbers, read_json
from skelact.skeleton import Skeleton

UCLA_FPS = 30.0  # Kinect v1; the files do not say
_NAME = re.compile(r"a(\d\d)_s(\d\d)_e(\d\d)_v(\d\d)")

# The action number in the name (7 and 10 do not exist) and what is done.
UCLA_ACTIONS: dict[int, str] = {
    1: "pick up with one hand",
    2: "pick up with two hands",
    3: "drop trash",
    4: "walk around",
    5: "sit down",
    6: "stand up",
    8: "donning",
    9: "doffing",
    11: "throw",
    12: "carry",
}
UCLA_NAMES: tuple[str, ...] = tuple(UCLA_ACTIONS.values())


def parse_ucla_name(name: str) -> dict[str, int]:
    """Read action, subject, episode and view from ``aAA_sSS_eEE_vVV``.

    Raises:
        DataError: if it is no such name.
    """
    match = _NAME.match(Path(name).name)
    if not match:
        raise DataError(f"'{name}' is no NW-UCLA name; allowed: aAA_sSS_eEE_vVV, such as a01_s03_e02_v01")
    return dict(zip(("action", "subject", "episode", "view"), map(int, match.groups()), strict=True))


def read_ucla(path: str | Path, notes: Notes | None = None) -> Skeleton:
    """Read one recording: ``{"file_name", "skeletons": [T][20][3], "label": 1..10}``.

    The label counts the ten actions 1..10 while the name numbers them 1..12; both must agree.

    Args:
        path: the JSON file.
        notes: a line is added for what was mended.

    Returns:
        Layout kinect20, unit m, 30 fps; joints at the origin are missing.

    Raises:
        DataError: if the file is not of this format.
    """
    where = str(path)
    name, frames, label = need(read_json(path), ("file_name", "skeletons", "label"), where)
    xyz = nested_numbers(frames, f"{where}: skeletons", 3)
    if xyz.shape[1:] != (20, 3):
        raise DataError(f"{where}: each frame must be 20 joints of 3 coordinates, got {list(xyz.shape[1:])}")
    if not isinstance(label, int) or not 1 <= label <= len(UCLA_NAMES):
        raise DataError(f"{where}: label must be 1..{len(UCLA_NAMES)}, got {label!r}")
    info = parse_ucla_name(str(name))
    if UCLA_ACTIONS.get(info["action"]) != UCLA_NAMES[label - 1]:
        raise DataError(f"{where}: label {label} does not fit action {info['action']} in the name {name}")
    xyz, score = mark_missing(xyz[None], None, where, notes)
    return Skeleton(xyz, score, "kinect20", UCLA_FPS, "m", UCLA_NAMES[label - 1], str(name), info)


def write_ucla(skeleton: Skeleton, path: str | Path) -> None:
    """Write one person of layout kinect20 as `read_ucla` reads it; missing joints become 0, 0, 0.

    Raises:
        DataError: for several people, another layout, or a label that is not one of the ten.
    """
    if skeleton.layout.name != "kinect20" or skeleton.n_people != 1 or skeleton.xyz.shape[3] != 3:
        raise DataError(
            f"{path}: this format holds one person in layout 'kinect20' with 3 coordinates, got "
            f"{skeleton.n_people} in '{skeleton.layout.name}' with {skeleton.xyz.shape[3]}"
        )
    if skeleton.label not in UCLA_NAMES:
        raise DataError(f"{path}: label {skeleton.label!r} is not one of {', '.join(UCLA_NAMES)}")
    parse_ucla_name(skeleton.id)
    frames = [[[float(str(v)) for v in joint] for joint in frame] for frame in skeleton.xyz[0]]
    data = {"file_name": skeleton.id, "skeletons": frames, "label": UCLA_NAMES.index(skeleton.label) + 1}
    write_text(path, json.dumps(data))
