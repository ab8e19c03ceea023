"""What a command is given to look at: a video, or a skeleton file of any known format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skelact.commands.convert import find_layout
from skelact.errors import DataError, LayoutError
from skelact.skeleton import Skeleton


def is_video(source: str) -> bool:
    """Whether a source goes through the pose front-end; a .ts file may be a video or text."""
    from skelact.io.video import VIDEO_SUFFIXES, is_live

    path = Path(source)
    if path.suffix.lower() == ".ts" and path.is_file():
        with path.open("rb") as file:
            return file.read(1) == b"G"  # the sync byte of MPEG transport streams
    return is_live(source) or path.suffix.lower() in VIDEO_SUFFIXES


def read_skeletons(options: Any, failed: list[tuple[str, str]]) -> Iterator[Skeleton]:
    """Every recording of a skeleton file or folder; what cannot be read goes to ``failed``."""
    from skelact.io.formats import ReadOptions, detect_format, get_format

    kind = get_format(options.format or detect_format(options.source))
    read = ReadOptions(
        layout=find_layout(options.layout), fps=options.fps, unit=options.unit, root=Path(options.source)
    )
    for item in kind.find(options.source):
        try:
            yield from kind.read(item, read)
        except (DataError, LayoutError) as error:
            failed.append((str(item), str(error)))
