"""Reading many files in order, in this process or in several; a reader that is killed is replaced."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

from skelact.errors import DataError, SkelactError
from skelact.io.formats import FORMATS, Format, ReadOptions
from skelact.io.reading import checksum
from skelact.skeleton import Skeleton

_log = logging.getLogger(__name__)
_CHUNK = 16  # files a task: enough to hide the cost of passing it on
_WORTH_WORKERS = 400  # files below which starting processes takes longer than reading


@dataclass(frozen=True)
class Result:
    """What came of an item, or of a part of it: an item with recordings is followed by more of it."""

    item: Path
    skeletons: list[Skeleton]
    checksum: str | None
    notes: list[str]
    splits: dict[str, list[str]]
    error: str | None = None

    @property
    def last(self) -> bool:
        """Whether nothing more of the item follows."""
        return self.error is not None or not self.skeletons


def n_readers(workers: int | None, kind: Format, items: Sequence[Path]) -> int:
    """How many processes are worth starting; 0: none besides this one."""
    if workers is not None:
        return workers
    if kind.clip_id is None or len(items) < _WORTH_WORKERS:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if cores > 1 else 0


def _read(kind: Format, item: Path, root: Path, options: ReadOptions, checksums: bool) -> Iterator[Result]:
    """Read an item; one result for each recording of a file that holds many, so that memory stays flat."""
    options = replace(options, root=root, notes=[], splits={})
    digest = None
    try:
        for skeleton in kind.read(item, options):
            if (
                checksums and digest is None and item.is_file()
            ):  # not before: most bad files are refused sooner
                digest = checksum(item)
            yield Result(item, [skeleton], digest, list(options.notes), {})
            options.notes.clear()
        yield Result(item, [], digest, list(options.notes), dict(options.splits))
    except SkelactError as error:
        yield Result(item, [], None, list(options.notes), {}, str(error))
    except Exception as error:  # one file must never stop the rest
        _log.exception("unexpected error in %s", item)
        yield Result(item, [], None, [], {}, f"unexpected {type(error).__name__}: {error}")


def _read_all(
    name: str, items: Sequence[tuple[Path, Path]], options: ReadOptions, checksums: bool
) -> list[Result]:
    return [r for item, root in items for r in _read(FORMATS[name], item, root, options, checksums)]


def read_many(
    kind: Format, items: Sequence[Path], roots: Mapping[Path, Path], options: ReadOptions, workers: int,
    checksums: bool,
) -> Iterator[Result]:  # fmt: skip
    """Results in the order of the items, at most a few chunks ahead of the consumer.

    Args:
        kind: the items' format.
        items: what is read.
        roots: the source that each item was found under.
        options: for the reader.
        workers: processes; 0: this one.
        checksums: of the source files.

    Raises:
        DataError: if no process can be started.
    """
    if workers <= 0:
        for item in items:
            yield from _read(kind, item, roots[item], options, checksums)
        return
    pairs = [(item, roots[item]) for item in items]
    readers = _Readers(kind, options, checksums, workers)
    waiting: deque[tuple[Sequence[tuple[Path, Path]], Future[list[Result]] | None]] = deque()
    try:
        for k in range(0, len(pairs), _CHUNK):
            chunk = pairs[k : k + _CHUNK]
            waiting.append((chunk, readers.give(chunk)))
            if len(waiting) > 3 * workers:
                yield from readers.take(*waiting.popleft())
        while waiting:
            yield from readers.take(*waiting.popleft())
    finally:
        readers.stop()


class _Readers:
    """Processes that read. All of a pool end when one is killed; then a new pool takes over.

    What the old pool had not read is read again, chunk by chunk, so that a file which takes its reader down is
    found: alone in a process twice, it is reported as failed.
    """

    def __init__(self, kind: Format, options: ReadOptions, checksums: bool, workers: int) -> None:
        self._kind, self._options, self._checksums, self._n = kind, options, checksums, workers
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        import multiprocessing

        return ProcessPoolExecutor(self._n, multiprocessing.get_context("spawn"), initializer=_start_worker)

    def give(self, chunk: Sequence[tuple[Path, Path]]) -> Future[list[Result]] | None:
        """Begin to read; None if the pool is broken."""
        try:
            return self._pool.submit(_read_all, self._kind.name, chunk, self._options, self._checksums)
        except BrokenProcessPool:
            return None

    def take(
        self, chunk: Sequence[tuple[Path, Path]], future: Future[list[Result]] | None
    ) -> Iterator[Result]:
        """The results of a chunk that was given."""
        results = self._result(future)
        if results is None:
            self._replace()
            results = self._again(chunk)
        yield from results

    def _result(self, future: Future[list[Result]] | None) -> list[Result] | None:
        try:
            return None if future is None else future.result()
        except BrokenProcessPool:
            return None

    def _again(self, chunk: Sequence[tuple[Path, Path]]) -> list[Result]:
        results = self._result(self.give(chunk))
        if results is not None:
            return results
        self._replace()
        if len(chunk) > 1:
            return [r for pair in chunk for r in self._again([pair])]
        results = self._result(self.give(chunk))
        if results is not None:
            return results
        self._replace()
        why = "the process that read it was killed, twice; is there enough memory?"
        return [Result(chunk[0][0], [], None, [], {}, f"{chunk[0][0]}: {why}")]

    def _replace(self) -> None:
        """A new pool in place of a broken one.

        Raises:
            DataError: if its processes do not start either.
        """
        if self._result(self.give([])) is not None:
            return  # it has been replaced since
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._start()
        if self._result(self.give([])) is None:
            raise DataError(
                "reading processes end as soon as they start: try --workers 0 (workers=0). A script that calls "
                "convert with workers must do so under  if __name__ == '__main__':"
            )
        _log.warning("a reading process was killed and is replaced")

    def stop(self) -> None:
        """End all processes."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _start_worker() -> None:
    """Leave interrupts to the parent, and end when it is gone (a killed parent cannot say so)."""
    import multiprocessing
    import signal
    import threading

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
