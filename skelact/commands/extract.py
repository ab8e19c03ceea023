"""``skelact extract VIDEO… --out FILE.h5``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from skelact.commands.options import parse
from skelact.commands.ui import UI
from skelact.errors import ConfigError

HELP = """Turn videos into skeletons with MediaPipe: files, folders, a camera (0) or a stream address.

  skelact extract clips/ --out mine.h5 --split 0.7 0.1 0.2     (a folder label/...mp4 gives the labels)
  skelact extract video.mp4 --out video.h5 --parts pose+hands"""


@dataclass
class Options:
    """Options of extract.

    Args:
        sources: videos, folders of videos, a camera number or a stream address.
        out: the skelact file to write.
        workers: processes; -1 for one per core.
        people: how many people to look for: one, many or auto.
        parts: pose, or pose+hands.
        coordinates: image (fractions of the picture) or world (metres around the hips).
        smooth: One-Euro smoothing of every landmark.
        labels: take labels from the folders that the videos are in.
        subject: regular expression with one group that finds the subject in a file's path.
        seconds: stop a camera or stream after this time.
        split: shares for train, val and test.
        split_by: what keeps together: subject, or clip.
        resume: continue an unfinished file.
        overwrite: replace the file if it exists.
        dask: address of a Dask scheduler that does the work.
    """

    sources: Annotated[tuple[str, ...], tyro.conf.Positional] = ()
    out: str = ""
    workers: int = -1
    people: str = "auto"
    parts: str = "pose"
    coordinates: str = "world"
    smooth: bool = True
    labels: bool = True
    subject: str | None = None
    seconds: float | None = None
    split: tuple[float, float, float] | None = None
    split_by: str = "subject"
    resume: bool = True
    overwrite: bool = False
    dask: str | None = None


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "extract", HELP)
    if not options.sources or not options.out:
        raise ConfigError("name the videos and the file to write: skelact extract VIDEO --out set.h5")
    ui.result(extract(options, ui).to_dict())
    return 0
