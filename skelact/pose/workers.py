"""Worker processes for extraction that survive the death of any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from skelact.io.workers import Progress, WorkerPool
from skelact.pose.tasks import VideoResult, VideoTask, extract_task


def run_in_workers(
    tasks: Sequence[VideoTask],
    n_workers: int,
    progress: Progress | None = None,
    function: Callable[..., VideoResult] = extract_task,
    tries: int = 2,
) -> Iterator[VideoResult]:
    """Do tasks in processes of their own; results come in the order in which they are ready.

    Args:
        tasks: what to do.
        n_workers: how many processes.
        progress: told of the frames within a task.
        function: what is done with a task; importable by name.
        tries: how often a task may take its process down before it is reported as failed.

    Raises:
        SkelactError: what a task raises because it concerns all of them; all processes are stopped.
    """
    with WorkerPool(function, n_workers, _failed, progress=progress, tries=tries) as pool:
        for _, result in pool.run(tasks):
            yield result


def _failed(task: VideoTask, why: str) -> VideoResult:
    return VideoResult(task.id, task.source, error=why)
