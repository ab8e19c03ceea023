"""Worker processes that survive the death of any of them."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from skelact.errors import SkelactError

Task = TypeVar("Task")
Result = TypeVar("Result")
Progress = Callable[[int, int, str], None]
_PROGRESS_EVERY = 10


class _Worker:
    """One process and what it is doing."""

    def __init__(self, context: Any, function: Callable[..., Any], report: bool) -> None:
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, function, report), daemon=True)
        self.process.start()
        theirs.close()
        self.number: int | None = None
        self.task: Any = None

    def give(self, number: int, task: Any) -> None:
        self.number, self.task = number, task
        with contextlib.suppress(OSError, ValueError):  # a death is noticed when its answer is awaited
            self.pipe.send((task,))

    def tell_to_end(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self.pipe.send(None)
        self.pipe.close()

    def stop(self) -> None:
        self.tell_to_end()
        self.process.join(timeout=10 if self.number is None else 0.2)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _serve(pipe: Connection, function: Callable[..., Any], report: bool) -> None:
    """Work off tasks until None comes or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means

    def tell(done: int, total: int, what: str) -> None:
        if done % _PROGRESS_EVERY == 0 or done == total:
            pipe.send(("progress", (done, total, what)))

    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            return
        if message is None:
            return
        try:
            answer: tuple[str, Any] = (
                "result",
                function(message[0], tell) if report else function(message[0]),
            )
        except SkelactError as error:
            answer = ("stop", error)
        except MemoryError:
            answer = ("failed", "out of memory")
        try:
            pipe.send(answer)
        except (BrokenPipeError, OSError):
            return


class WorkerPool(Generic[Task, Result]):
    """Processes of their own that do tasks; use it with ``with``, or `close` it.

    A process that dies (killed, out of memory, a crash in native code) is replaced; its task is done ``tries`` times
    at most, and has then failed.

    Args:
        function: what is done with a task; importable by name.
        n_workers: how many processes.
        failed: the result of a task that has failed, of the task and the reason.
        progress: told of what a task tells; ``function`` is then called with the task and a function for it.
        tries: how often a task may take its process down.
    """

    def __init__(
        self,
        function: Callable[..., Result],
        n_workers: int,
        failed: Callable[[Task, str], Result],
        *,
        progress: Progress | None = None,
        tries: int = 2,
    ) -> None:
        self._function, self._n_workers, self._failed = function, n_workers, failed
        self._progress, self._tries = progress, tries
        self._context = multiprocessing.get_context("spawn")  # native threads do not survive a fork
        self._workers: list[_Worker] = []

    def run(
        self, tasks: Iterable[Task], ahead: int | None = None
    ) -> Generator[tuple[int, Result], None, None]:
        """(number, result) of every task as it is ready.

        Args:
            tasks: what to do; taken one by one as processes are free.
            ahead: how many tasks are begun, at most, from the oldest unfinished one on.

        Raises:
            SkelactError: what ``function`` raises; the tasks in progress are given up.
        """
        todo = iter(enumerate(tasks))
        again: deque[tuple[int, Task]] = deque()
        unfinished: set[int] = set()
        deaths: dict[int, int] = {}
        begun, exhausted = 0, False
        try:
            while True:
                while again or not exhausted:
                    worker = self._free()
                    room = ahead is None or begun - min(unfinished, default=begun) < ahead
                    if worker is None or not (again or room):
                        break
                    item = again.popleft() if again else next(todo, None)
                    if item is None:
                        exhausted = True
                        break
                    begun = max(begun, item[0] + 1)
                    unfinished.add(item[0])
                    worker.give(*item)
                busy = {w.pipe: w for w in self._workers if w.number is not None}
                if not busy:
                    return
                for pipe in wait(list(busy)):
                    worker = next(w for p, w in busy.items() if p is pipe)
                    number, task = worker.number, worker.task
                    assert number is not None
                    kind: str
                    content: Any
                    try:
                        kind, content = worker.pipe.recv()
                    except (EOFError, OSError):
                        code = self._bury(worker)
                        deaths[number] = deaths.get(number, 0) + 1
                        if deaths[number] < self._tries:
                            again.append((number, task))
                            continue
                        kind, content = "failed", _how_it_died(code)
                    if kind == "progress":
                        if self._progress is not None:
                            self._progress(*content)
                        continue
                    worker.number = worker.task = None
                    if kind == "stop":
                        raise content
                    unfinished.discard(number)
                    yield number, self._failed(task, content) if kind == "failed" else content
        finally:
            for worker in [w for w in self._workers if w.number is not None]:
                self._workers.remove(worker)
                worker.stop()

    def in_order(self, tasks: Iterable[Task], ahead: int) -> Iterator[Result]:
        """The results in the order of the tasks; at most ``ahead`` of them are held or in the making."""
        ready: dict[int, Result] = {}
        n = 0
        with contextlib.closing(self.run(tasks, ahead)) as results:
            for number, result in results:
                ready[number] = result
                while n in ready:
                    yield ready.pop(n)
                    n += 1

    def close(self) -> None:
        """End the processes; harmless when called twice."""
        for worker in self._workers:  # all of them first: each takes its time to end
            worker.tell_to_end()
        for worker in self._workers:
            worker.stop()
        self._workers = []

    def __enter__(self) -> WorkerPool[Task, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _free(self) -> _Worker | None:
        for worker in self._workers:
            if worker.number is None:
                return worker
        if len(self._workers) < self._n_workers:
            self._workers.append(_Worker(self._context, self._function, self._progress is not None))
            return self._workers[-1]
        return None

    def _bury(self, worker: _Worker) -> int | None:
        self._workers.remove(worker)
        worker.process.join(timeout=10)
        worker.pipe.close()
        return worker.process.exitcode


def _how_it_died(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"its worker process was ended by {name}, twice; is there enough memory?"
    return f"its worker process ended by itself (exit code {code}), twice"
