"""The flow of many videos into files of their own: resumable, and one bad video never stops the rest."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from skelact.errors import ConfigError, DataError, DependencyError, SkelactError
from skelact.io.flow import BOUND, get_flow
from skelact.io.flow_cache import SIZE, flow_info, flow_path, write_flow
from skelact.io.outputs import check_output, holding
from skelact.io.reading import checksum
from skelact.io.video_open import videos_in
from skelact.io.workers import Progress, WorkerPool


@dataclass(frozen=True)
class FlowTask:
    """The flow of one video: from where to where."""

    video: str
    out: str
    kind: str
    size: int
    bound: float


@dataclass(frozen=True)
class FlowResult:
    """What became of a task: bytes of the file and of the video, or the reason why there is none."""

    video: str
    n_bytes: int = 0
    video_bytes: int = 0
    already_there: bool = False
    error: str | None = None


@dataclass
class FlowReport:
    """What `extract_flow` did.

    Attributes:
        out: the folder of the files.
        kind: of flow.
        stored: videos whose flow was found in this run.
        already_there: videos whose flow was there.
        failed: video and reason of every one that could not be used.
        n_bytes: of all files of flow.
        video_bytes: of their videos.
        seconds: how long it took.
    """

    out: str
    kind: str
    stored: list[str] = field(default_factory=list)
    already_there: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    n_bytes: int = 0
    video_bytes: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return asdict(self)


def extract_flow(
    sources: Sequence[str | PathLike[str]],
    out: str | PathLike[str] | None = None,
    *,
    kind: str = "dis",
    size: int = SIZE,
    bound: float = BOUND,
    workers: int = -1,
    resume: bool = True,
    progress: Progress | None = None,
) -> FlowReport:
    """Find the flow of videos and write it into files, ``OUT/path/of/video.mp4.flow``.

    Args:
        sources: video files and folders of them, whose paths are kept within ``out``.
        out: folder of the files; None: beside the one folder that is the source, ``FOLDER_flow``.
        kind: a name of `skelact.io.flow.FLOWS`.
        size, bound: as of `write_flow`.
        workers: processes; -1: one per core.
        resume: keep files that hold the same flow of the same video.
        progress: called with (done, total, video).

    Returns:
        What was stored, what failed and why.

    Raises:
        ConfigError: for an unknown kind, numbers that cannot be, or no ``out`` beside several sources.
        DataError: if a source is not there, no video is found, or none of them can be used.
        OutputBusyError: if another process writes into the folder.
        DependencyError: if what the kind needs is not installed.
    """
    get_flow(kind)
    if workers == 0 or workers < -1:
        raise ConfigError(f"workers must be a number from 1 on, or -1 for one per core; got {workers}")
    if size < 16 or not bound > 0:
        raise ConfigError(
            f"flow needs a size of 16 pixels or more and a bound above 0; got {size} and {bound}"
        )
    found = _find(sources)
    if out is None:
        if len(sources) != 1 or not Path(sources[0]).is_dir():
            raise ConfigError("name the folder for the files of flow: --out FOLDER")
        place = Path(sources[0]).resolve()
        out = place.with_name(place.name + "_flow")
    folder = check_output(Path(out), folder=True)
    began = clock.monotonic()
    report = FlowReport(str(folder), kind)
    tasks = [FlowTask(str(video), str(flow_path(folder, inner)), kind, size, bound) for inner, video in found]
    n_workers = min((os.cpu_count() or 1) if workers == -1 else workers, len(tasks))
    with holding(folder, folder=True):
        if not resume:
            for task in tasks:
                Path(task.out).unlink(missing_ok=True)
        with WorkerPool[FlowTask, FlowResult](_do, n_workers, _failed) as pool:
            for n, (_, result) in enumerate(pool.run(tasks), 1):
                _record(result, report)
                if progress is not None:
                    progress(n, len(tasks), Path(result.video).name)
    report.seconds = clock.monotonic() - began
    if not report.stored and not report.already_there:
        reasons = "; ".join(list(report.failed.values())[:5])
        raise DataError(f"no flow for {folder}: {reasons}")
    return report


def _find(sources: Sequence[str | PathLike[str]]) -> list[tuple[str, Path]]:
    """(path within the output, file) of every video."""
    found: dict[str, Path] = {}
    for source in map(Path, sources):
        if not source.exists():
            raise DataError(f"there is no file or folder {source}")
        files = videos_in(source) if source.is_dir() else [source]
        for file in files:
            inner = file.relative_to(source).as_posix() if source.is_dir() else file.name
            if inner in found and not found[inner].samefile(file):
                raise ConfigError(
                    f"{found[inner]} and {file} would have one file of flow; extract them into folders of their own"
                )
            found[inner] = file
    if not found:
        raise DataError("no video was given; name files or folders")
    return list(found.items())


def _do(task: FlowTask) -> FlowResult:
    """Work off one video; whatever is wrong with it becomes part of the result."""
    import cv2

    cv2.setNumThreads(1)  # there is one process per core
    out = Path(task.out)
    try:
        there = _is_there(task)
        if not there:
            write_flow(task.video, out, kind=task.kind, size=task.size, bound=task.bound)
        return FlowResult(task.video, out.stat().st_size, Path(task.video).stat().st_size, there)
    except (ConfigError, DependencyError):
        raise
    except SkelactError as error:
        return FlowResult(task.video, error=str(error))
    except Exception as error:  # one bad video never stops the rest
        return FlowResult(task.video, error=f"{task.video}: {type(error).__name__}: {error}")


def _is_there(task: FlowTask) -> bool:
    if not Path(task.out).is_file():
        return False
    try:
        info = flow_info(task.out)
    except DataError:
        return False
    asked = (task.kind, task.size, task.bound)
    return (info.kind, info.size, info.bound) == asked and info.source == checksum(Path(task.video))


def _failed(task: FlowTask, why: str) -> FlowResult:
    return FlowResult(task.video, error=f"{task.video}: {why}")


def _record(result: FlowResult, report: FlowReport) -> None:
    if result.error is not None:
        report.failed[result.video] = result.error
        return
    (report.already_there if result.already_there else report.stored).append(result.video)
    report.n_bytes += result.n_bytes
    report.video_bytes += result.video_bytes
