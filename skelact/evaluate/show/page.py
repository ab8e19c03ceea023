"""The page as one HTML text: template, style, script and recordings, with nothing loaded from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

from skelact.errors import DataError
from skelact.evaluate.show.record import check_size, packed_recording
from skelact.io.files import write_text
from skelact.skeleton import Skeleton

MIN_SCORE = 0.2  # as in overlay videos: joints that are seen less surely are not drawn
_STATIC = Path(__file__).parent / "static"
_SCRIPTS = ("recording.js", "scene.js", "pointer.js", "show.js")


def write_show_page(
    path: str | Path,
    skeletons: Sequence[Skeleton],
    *,
    title: str = "",
    compare: bool = False,
    min_score: float = MIN_SCORE,
) -> Path:
    """Write a page that shows recordings: 3D ones turn, 2D ones are flat.

    Args:
        path: the ``.html`` file.
        skeletons: the recordings, of any layouts and units; those that show nobody are refused.
        title: heading; the first recording's id if not given.
        compare: whether the first two are shown beside each other at first.
        min_score: joints below it (and missing joints) are not drawn.

    Returns:
        The path.

    Raises:
        DataError: for no recording, one that shows nobody, too much for one page, or a file that cannot be written.
    """
    if not skeletons:
        raise DataError("there is no recording to show")
    check_size(list(skeletons))
    data = {
        "title": title or skeletons[0].id,
        "compare": compare and len(skeletons) > 1,
        "minScore": min_score,
        "recordings": [packed_recording(one) for one in skeletons],
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    parts = {
        "TITLE": escape(data["title"]),
        "STYLE": (_STATIC / "show.css").read_text(encoding="utf-8"),
        "SCRIPT": "".join((_STATIC / name).read_text(encoding="utf-8") for name in _SCRIPTS),
        # "<" could end the element that holds the data.
        "DATA": text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"),
    }
    page = (_STATIC / "show.html").read_text(encoding="utf-8")
    head, *rest = page.split("{{")
    out = [head]
    for piece in rest:
        name, _, tail = piece.partition("}}")
        out += [parts[name], tail]
    return write_text(path, "".join(out))
