"""Worker processes for extraction that survive the death of any of them."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from skelact.errors import SkelactError
from skelact.pose.tasks import VideoResult, VideoTask, extract_task

Progress = Callable[[int, int, str], None]
_PROGRESS_EVERY = 10


class _Worker:
    """One process and what it is doing."""

    def __init__(self, context: Any, function: Callable[..., VideoResult], report: bool) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, function, report), daemon=True)
        self.process.start()
        theirs.close()
        self.task: VideoTask | None = None

    def give(self, task: VideoTask) -> None:
        self.task = task
        with contextlib.suppress(OSError, ValueError):  # a death is noticed when its answer is awaited
            self.pipe.send(task)

    def stop(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.pipe.send(None)
        self.pipe.close()
        self.process.join(timeout=0.2 if self.task else 10)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _serve(pipe: Connection, function: Callable[..., VideoResult], report: bool) -> None:
    """Work off tasks until None comes or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means

    def tell(done: int, total: int, what: str) -> None:
        if done % _PROGRESS_EVERY == 0 or done == total:
            pipe.send(("progress", (done, total, what)))

    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        if task is None:
            return
        try:
            answer: tuple[str, Any] = ("result", function(task, tell) if report else function(task))
        except SkelactError as error:
            answer = ("stop", error)
        except MemoryError:
            answer = ("result", VideoResult(task.id, task.source, error="out of memory"))
        try:
            pipe.send(answer)
        except (BrokenPipeError, OSError):
            return


def run_in_workers(
    tasks: Sequence[VideoTask],
    n_workers: int,
    progress: Progress | None = None,
    function: Callable[..., VideoResult] = extract_task,
    tries: int = 2,
) -> Iterator[VideoResult]:
    """Do tasks in processes of their own; results come in the order in which they are ready.

    A process that dies (killed, out of memory, a crash in native code) is replaced; its task is done
    ``tries`` times at most and is then reported as failed.

    Args:
        tasks: what to do.
        n_workers: how many processes.
        progress: told of the frames within a task.
        function: what is done with a task; importable by name.
        tries: how often a task may take its process down.

    Raises:
        SkelactError: what a task raises because it concerns all of them; all processes are stopped.
    """
    if not tasks:
        return
    context = multiprocessing.get_context("spawn")  # MediaPipe's threads do not survive a fork
    waiting = deque(tasks)
    deaths: dict[str, int] = {}
    workers: list[_Worker] = []
    try:
        while waiting or any(w.task for w in workers):
            while waiting and len(workers) < n_workers:
                workers.append(_Worker(context, function, progress is not None))
            for worker in workers:
                if worker.task is None and waiting:
                    worker.give(waiting.popleft())
            busy = {w.pipe: w for w in workers if w.task}
            for pipe in wait(list(busy)):
                worker = busy[pipe]
                task = worker.task
                assert task is not None
                try:
                    kind, content = worker.pipe.recv()
                except (EOFError, OSError):
                    workers.remove(worker)
                    worker.process.join(timeout=10)
                    deaths[task.id] = deaths.get(task.id, 0) + 1
                    if deaths[task.id] < tries:
                        waiting.appendleft(task)
                    else:
                        yield VideoResult(task.id, task.source, error=_how_it_died(worker.process.exitcode))
                    worker.pipe.close()
                    continue
                if kind == "progress":
                    if progress is not None:
                        progress(*content)
                    continue
                worker.task = None
                if kind == "stop":
                    raise content
                yield content
    finally:
        for worker in workers:
            worker.stop()


def _how_it_died(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"its worker process was ended by {name}, twice; is there enough memory?"
    return f"its worker process ended by itself (exit code {code}), twice"
