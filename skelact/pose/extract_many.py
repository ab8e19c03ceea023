"""Many videos into one skelact file: one worker process per core, one video per task."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

from skelact.errors import ConfigError, DataError, DependencyError
from skelact.io.outputs import check_output
from skelact.io.store import StoreWriter
from skelact.io.video import is_live
from skelact.layouts import SkeletonLayout
from skelact.pose.estimators import available_estimator, find_estimator, is_onnx
from skelact.pose.extract import MIN_VISIBILITY, check_options
from skelact.pose.frame_count import FrameCount, Progress
from skelact.pose.long_video import PartsLook, find_marks
from skelact.pose.tasks import VideoResult, VideoTask, extract_task, find_tasks
from skelact.pose.workers import run_in_workers


@dataclass
class ExtractionReport:
    """What `extract_many` did.

    Attributes:
        out: the file that was written.
        stored: ids of the recordings added in this run.
        already_there: ids that an interrupted run had stored.
        failed: source and reason of every video that could not be used.
        empty: sources in which nobody was found.
        warnings: source and what was odd about it (a broken tail, ...).
        found: per id the share of frames with a person.
        n_people: per id how many people.
        n_frames: frames looked at in this run.
        seconds: how long it took.
    """

    out: str
    stored: list[str] = field(default_factory=list)
    already_there: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    warnings: dict[str, str] = field(default_factory=dict)
    found: dict[str, float] = field(default_factory=dict)
    n_people: dict[str, int] = field(default_factory=dict)
    n_frames: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, for JSON."""
        return asdict(self)


def extract_many(
    sources: Iterable[str | PathLike[str] | int],
    out: str | PathLike[str],
    *,
    workers: int = -1,
    people: str = "auto",
    parts: str = "pose",
    coordinates: str = "camera",
    fov: float | None = None,
    min_visibility: float = MIN_VISIBILITY,
    smooth: bool = True,
    labels_from_folders: bool = True,
    subject_pattern: str | None = None,
    label_pattern: str | None = None,
    seconds: float | None = None,
    resume: bool = True,
    overwrite: bool = False,
    splits: Callable[[list[VideoTask]], Mapping[str, Sequence[str]]] | None = None,
    progress: Progress | None = None,
    dask: str | None = None,
    estimator: str = "auto",
    quality: str = "full",
    min_score: float | None = None,
    pose_layout: str | SkeletonLayout | None = None,
    keep_empty: bool = False,
    **options: Any,
) -> ExtractionReport:
    """Turn videos into one skelact file.

    One bad video never stops the rest: it is listed in the report, as is one in which nobody is found. A worker process
    that dies is replaced once. An interrupted run leaves ``OUT.partial``, and the next one continues there.

    Args:
        sources: files, folders, camera numbers, stream addresses.
        out: the file to write.
        workers: processes; -1: one per core.
        people: ``one``, ``many`` or ``auto``.
        parts: ``pose`` or ``pose+hands``.
        coordinates: ``camera``, ``world`` or ``image``.
        fov, min_visibility: see `extract_video`.
        smooth: One-Euro smoothing.
        labels_from_folders, subject_pattern, label_pattern: see `find_tasks`.
        seconds: stop each video after this time; a camera or a stream ends only so, or by an interrupt.
        resume: continue an unfinished file.
        overwrite: replace a finished file.
        splits: gives named lists of ids for the tasks that were stored; tried on all of them before the work.
        progress: called with (frames done, frames expected in all, what); see `FrameCount`.
        dask: address of a Dask scheduler whose workers see the same files under the same names.
        estimator: a name of `skelact.pose.estimators.ESTIMATORS`, or the path of an ``.onnx`` file.
        quality, min_score, pose_layout: see `extract_video`.
        keep_empty: keep videos that show nobody, for networks that see pictures; so it is with people ``none``.
        options: further ones for `skelact.pose.extract.extract_video`.

    Returns:
        What was stored, what failed and why.

    Raises:
        DataError: if there is no video, nobody is found in any, or the file cannot be written.
        ConfigError: for an unknown option, or an output that is an input.
        OutputBusyError: if another process writes ``out``.
        DependencyError: if a model file, a system library or Dask is missing.
    """
    if is_onnx(estimator):
        estimator = str(Path(estimator).resolve())  # Dask's workers start in folders of their own
    check_options(people, parts, coordinates, fov, min_visibility, estimator, quality, min_score, pose_layout)
    if not dask and people != "none":  # said once, not by every worker
        estimator = available_estimator(estimator, **options)
    kind = find_estimator(estimator, pose_layout=pose_layout)
    began = clock.monotonic()
    settings = dict(
        people=people, parts=parts, coordinates=coordinates, fov=fov, min_visibility=min_visibility,
        smooth=smooth, seconds=seconds, estimator=estimator,
        quality=quality, min_score=min_score, pose_layout=pose_layout, **options,
    )  # fmt: skip
    tasks = find_tasks(
        sources,
        labels_from_folders=labels_from_folders,
        subject_pattern=subject_pattern,
        label_pattern=label_pattern,
        options=settings,
    )
    check_output(Path(out), [t.source for t in tasks])
    if splits is not None:  # what stands in the way of the parts is better known now than after hours
        splits(tasks)
    if workers == 0 or workers < -1:
        raise ConfigError(f"workers must be a number from 1 on, or -1 for one per core; got {workers}")
    for name, value in (("seconds", seconds), ("fps", options.get("fps"))):
        if value is not None and not value > 0:
            raise ConfigError(f"{name} must be above 0, got {value}")
    if not dask and people != "none":  # once, before many processes ask for it at the same time
        kind.fetch(parts, quality=quality, **options)
    report = ExtractionReport(str(out))
    layout = kind.layouts[parts]
    metres = coordinates != "image"
    with StoreWriter(
        Path(out), layout=layout, unit="m" if metres else "image", overwrite=overwrite,
        origin="hips" if coordinates == "world" else "camera", resume=resume,
    ) as writer:  # fmt: skip
        report.already_there = [t.id for t in tasks if t.id in writer.done_ids]
        todo = [t for t in tasks if t.id not in writer.done_ids]
        count = FrameCount(progress, len(todo)) if progress is not None else None
        for result in _results(todo, workers, dask, count.within if count else None, f"{out}.parts", resume):
            result = _named(result, Path(out), keep_empty or people == "none")
            _record(result, report)
            if result.skeleton is not None:
                try:
                    writer.append(result.skeleton, checksum=result.checksum)
                    report.stored.append(result.id)
                except DataError as error:
                    report.failed[result.source] = str(error)
            if count is not None:
                count.finished(Path(result.source).name, result.n_frames)
        report.seconds = clock.monotonic() - began
        if not writer.done_ids:
            writer.discard()
            raise DataError(_nothing(report))
        if splits is not None:
            writer.set_splits(splits([t for t in tasks if t.id in writer.done_ids]))
    return report


def _named(result: VideoResult, out: Path, keep_empty: bool) -> VideoResult:
    """The result with the path of its video in the recording, or without a recording if that shows nobody."""
    skeleton = result.skeleton
    if skeleton is None or not (keep_empty or (skeleton.score > 0).any()):
        return replace(result, skeleton=None)
    if is_live(result.source):
        return result
    video = os.path.relpath(Path(result.source).resolve(), out.resolve().parent)
    info = {**skeleton.info, "video": Path(video).as_posix()}
    if skeleton.time is not None and skeleton.time[0] > 0:
        info["video_start"] = float(skeleton.time[0])
    return replace(result, skeleton=skeleton.with_(info=info))


def _record(result: VideoResult, report: ExtractionReport) -> None:
    report.n_frames += result.n_frames
    if result.error is not None:
        report.failed[result.source] = result.error
    elif result.skeleton is None:
        report.empty.append(result.source)
    else:
        skeleton = result.skeleton
        report.found[result.id] = float((skeleton.score > 0).any((0, 2)).mean())
        report.n_people[result.id] = skeleton.n_people
        if "warnings" in skeleton.info:
            report.warnings[result.source] = str(skeleton.info["warnings"])


def _nothing(report: ExtractionReport) -> str:
    reasons = [f"{source}: {why}" for source, why in report.failed.items()]
    reasons += [f"{source}: nobody is found in it" for source in report.empty]
    shown = "; ".join(reasons[:5]) + (f"; and {len(reasons) - 5} more" if len(reasons) > 5 else "")
    return f"no recording for {report.out}. {shown}"


def _results(
    tasks: Sequence[VideoTask],
    workers: int,
    dask: str | None,
    progress: Progress | None,
    folder: str,
    resume: bool,
) -> Iterator[VideoResult]:
    """Results in the order in which they are ready; ``folder`` is for the parts of a long video."""
    if dask:
        yield from _on_dask(tasks, dask)
        return
    # A camera belongs to this process, so that an interrupt ends it and keeps what was seen.
    live = [t for t in tasks if is_live(t.source)]
    files = [t for t in tasks if not is_live(t.source)]
    n_workers = (os.cpu_count() or 1) if workers == -1 else workers
    for task in live:
        yield extract_task(task, progress)
    if len(files) == 1 and (marks := _marks(files[0], n_workers)):
        yield extract_task(files[0], progress, PartsLook(marks, folder, resume))
        return
    yield from run_in_workers(files, min(n_workers, max(1, len(files))), progress)


def _marks(task: VideoTask, n_workers: int) -> tuple[float, ...]:
    """Where to cut the only video, so that all processes have something to do."""
    alone = task.options["estimator"] == "mediapipe" and task.options["people"] != "one"
    if task.options["people"] == "none" or alone:  # several people seen by MediaPipe alone: see `Marks`
        return ()
    try:
        return find_marks(task.source, n_workers, task.options["seconds"])
    except DataError:
        return ()  # what is wrong with it is said when it is extracted


def _on_dask(tasks: Sequence[VideoTask], address: str) -> Iterator[VideoResult]:
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise DependencyError("Dask is not installed; install it: pip install 'skelact[cluster]'") from error
    try:
        client = Client(address, timeout=15)
    except (OSError, TimeoutError, ValueError) as error:
        raise DependencyError(
            f"no Dask scheduler answers at {address}: {error}; start one with 'dask scheduler' and workers "
            "with 'dask worker ADDRESS'"
        ) from error
    with client:
        absolute = [
            t
            if is_live(t.source)
            else VideoTask(str(Path(t.source).resolve()), t.id, t.label, t.subject, t.options)
            for t in tasks
        ]
        # Nothing else may run in the same process while MediaPipe does: a task takes a worker's core.
        waiting = {client.submit(extract_task, task, pure=False): task for task in absolute}
        for future in as_completed(list(waiting)):
            task = waiting[future]
            if future.status == "finished":
                yield future.result()
                continue
            error = future.exception()
            if isinstance(error, (DependencyError, ConfigError)):
                raise error
            yield VideoResult(task.id, task.source, error=f"{type(error).__name__}: {error}")
