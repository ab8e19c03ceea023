"""Turn recordings of any known format into one skelact file, in constant memory and several processes."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from skelact.errors import DataError, SkelactError
from skelact.io.formats import FORMATS, Format, ReadOptions, detect_format, get_format
from skelact.io.ntu_names import ntu_missing, read_missing_list
from skelact.io.reading import checksum
from skelact.io.store import StoreWriter
from skelact.layouts import SkeletonLayout
from skelact.skeleton import Skeleton

_log = logging.getLogger(__name__)
_CHUNK = 16  # files a task: enough to hide the cost of passing it on
_WORTH_WORKERS = 400  # files below which starting processes takes longer than reading

Progress = Callable[[int, int, str], None]
Splits = Callable[[list[tuple[str, Mapping[str, str | int | float]]]], Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class ConversionReport:
    """What a conversion did.

    Args:
        out: the file written.
        format: name of the format read.
        files: items found (files, or folders of frame files).
        clips: recordings in the finished file.
        resumed: of those, how many a run before had stored.
        excluded: names left out because a list of missing skeletons names them.
        failed: (item, reason) of what could not be used.
        notes: (item, note) of what was mended or dropped within recordings.
        labels: clips of each label.
        splits: clips of each named split.
        seconds: wall time.
    """

    out: str
    format: str
    files: int
    clips: int
    resumed: int = 0
    excluded: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    labels: Mapping[str, int] = field(default_factory=dict)
    splits: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def files_per_second(self) -> float:
        """Items a second, all processes together."""
        return self.files / self.seconds if self.seconds > 0 else 0.0

    def to_dict(self) -> dict:
        """Plain containers."""
        return {**asdict(self), "files_per_second": self.files_per_second}


@dataclass(frozen=True)
class _Result:
    item: Path
    skeletons: list[Skeleton]
    checksum: str | None
    notes: list[str]
    splits: dict[str, list[str]]
    error: str | None = None


def convert(
    sources: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    format: str | None = None,
    workers: int | None = None,
    layout: SkeletonLayout | str | None = None,
    to_layout: SkeletonLayout | str | None = None,
    fps: float | None = None,
    unit: str | None = None,
    label_names: Sequence[str] | None = None,
    missing_list: str | Path | Iterable[str] | None = "published",
    max_people: int | None = 2,
    denoise: bool = True,
    splits: Splits | None = None,
    checksums: bool = True,
    progress: Progress | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> ConversionReport:
    """Read every recording of the sources into one skelact file.

    A file that cannot be used is listed in the report and never stops the rest. Nothing lies under the
    final name before everything is done.

    Args:
        sources: files and folders of one format.
        out: the file to write.
        format: a name of `FORMATS`; None: told from the files.
        workers: processes that read; 0: this one only; None: one per core if there is enough to read.
        layout: of the files, where the format leaves it open (csv, uea, pyskl).
        to_layout: convert every recording to this layout, by joint name.
        fps, unit: where the format does not say.
        label_names: class order; None: the format's own, or the sorted labels that occur.
        missing_list: names to leave out: "published" (NTU's own lists, unless a classes.txt says that
            these are other recordings), a file with a name a line, names, or None.
        max_people, denoise: which bodies of an NTU file are people (see `skelact.io.ntu.select_bodies`).
        splits: called with (id, info) of every clip, returns named lists of ids; splits that the files
            define are kept besides.
        checksums: store the SHA-256 of every source file.
        progress: called with (files done, files, name).
        overwrite: replace ``out``.
        resume: continue an unfinished ``out``, and leave it to be continued when interrupted.

    Raises:
        DataError: if nothing is found, the formats differ, or not one recording can be used.
    """
    started = time.perf_counter()
    paths = [Path(s) for s in ([sources] if isinstance(sources, (str, Path)) else sources)]
    kind, items, roots = _find(paths, format)
    items, excluded = _leave_out(kind, items, missing_list)
    if not items:
        raise DataError(f"{paths[0]}: all {len(excluded)} recordings are on the list of missing skeletons")
    options = ReadOptions(layout, fps, unit, label_names, max_people, denoise)
    names = label_names or kind.label_names(items)
    journal = _Journal(Path(out), names, to_layout, overwrite, resume)
    try:
        todo = items
        if resume:
            journal.open_existing(kind)
            if kind.clip_id is not None:
                todo = [p for p in items if kind.clip_id(p) not in journal.known]
        resumed = len(journal.known)
        done = len(items) - len(todo)
        for result in _results(kind, todo, roots, options, _n_workers(workers, kind, todo), checksums):
            journal.add(result)
            done += result.error is not None or not _more(result)
            if progress is not None:
                progress(min(done, len(items)), len(items), result.item.name)
        if not journal.known:
            shown = "; ".join(f"{p}: {reason}" for p, reason in journal.failed[:3])
            raise DataError(
                f"not one of {len(items)} files could be used, nothing was written. First: {shown}"
            )
        counts = journal.finish(splits)
    except BaseException as error:
        journal.fail(error)
        raise
    return ConversionReport(
        str(out), kind.name, len(items), len(journal.known), resumed, tuple(excluded), tuple(journal.failed),
        tuple(journal.notes), dict(sorted(journal.labels.items())), counts, time.perf_counter() - started,
    )  # fmt: skip


def _find(paths: Sequence[Path], name: str | None) -> tuple[Format, list[Path], dict[Path, Path]]:
    """The format, the items, and the source that each item was found under."""
    if not paths:
        raise DataError("no source was given; name files or folders")
    kind = None if name is None else get_format(name)
    roots: dict[Path, Path] = {}
    for path in paths:
        found = detect_format(path) if name is None else name
        if kind is not None and found != kind.name:
            raise DataError(f"{path} is of format '{found}', the sources before it of '{kind.name}'")
        kind = FORMATS[found]
        for item in kind.find(path):
            roots.setdefault(item, path)
    assert kind is not None
    return kind, list(roots), roots


def _leave_out(
    kind: Format, items: list[Path], missing: str | Path | Iterable[str] | None
) -> tuple[list[Path], list[str]]:
    if missing is None or kind.clip_id is None:
        return items, []
    if missing == "published":
        own = kind.name != "ntu" or any(
            (folder / "classes.txt").is_file() for folder in {p.parent for p in items}
        )
        names = frozenset() if own else ntu_missing(120)
    elif isinstance(missing, (str, Path)):
        names = read_missing_list(missing)
    else:
        names = frozenset(missing)
    excluded = [kind.clip_id(p) for p in items if kind.clip_id(p) in names]
    return [p for p in items if kind.clip_id(p) not in names], excluded


def _n_workers(workers: int | None, kind: Format, items: Sequence[Path]) -> int:
    if workers is not None:
        return workers
    if kind.clip_id is None or len(items) < _WORTH_WORKERS:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores if cores > 1 else 0


def _read(kind: Format, item: Path, root: Path, options: ReadOptions, checksums: bool) -> Iterator[_Result]:
    """Read an item; one result for each recording of a file that holds many, so that memory stays flat."""
    options = replace(options, root=root, notes=[], splits={})
    digest = None
    try:
        for skeleton in kind.read(item, options):
            if (
                checksums and digest is None and item.is_file()
            ):  # not before: most bad files are refused sooner
                digest = checksum(item)
            yield _Result(item, [skeleton], digest, list(options.notes), {})
            options.notes.clear()
        yield _Result(item, [], digest, list(options.notes), dict(options.splits))
    except SkelactError as error:
        yield _Result(item, [], None, list(options.notes), {}, str(error))
    except Exception as error:  # one file must never stop the rest
        _log.exception("unexpected error in %s", item)
        yield _Result(item, [], None, [], {}, f"unexpected {type(error).__name__}: {error}")


def _more(result: _Result) -> bool:
    """Whether more results of the same item follow."""
    return bool(result.skeletons)


def _read_many(
    name: str, items: Sequence[tuple[Path, Path]], options: ReadOptions, checksums: bool
) -> list[_Result]:
    return [r for item, root in items for r in _read(FORMATS[name], item, root, options, checksums)]


def _results(
    kind: Format,
    items: Sequence[Path],
    roots: Mapping[Path, Path],
    options: ReadOptions,
    workers: int,
    checksums: bool,
) -> Iterator[_Result]:
    """Results in the order of the items, at most a few chunks ahead of the consumer."""
    if workers <= 0:
        for item in items:
            yield from _read(kind, item, roots[item], options, checksums)
        return
    import multiprocessing

    chunks = [items[k : k + _CHUNK] for k in range(0, len(items), _CHUNK)]
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start_worker)
    waiting: deque[Future[list[_Result]]] = deque()
    try:
        for chunk in chunks:
            pairs = [(p, roots[p]) for p in chunk]
            waiting.append(pool.submit(_read_many, kind.name, pairs, options, checksums))
            if len(waiting) > 3 * workers:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise DataError(
            "a reading process ended before its time (out of memory?): try --workers 0 (workers=0). A script "
            "that calls convert with workers must do so under  if __name__ == '__main__':"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


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


class _Journal:
    """The store being written, opened when the first recording tells layout, unit and dimensions."""

    def __init__(
        self,
        out: Path,
        names: Sequence[str] | None,
        to_layout: SkeletonLayout | str | None,
        overwrite: bool,
        resume: bool,
    ) -> None:
        self.out, self.names, self.to_layout = out, names, to_layout
        self.overwrite, self.resume = overwrite, resume
        self.writer: StoreWriter | None = None
        self.known: dict[str, Mapping[str, str | int | float]] = {}
        self.labels: Counter[str] = Counter()
        self.failed: list[tuple[str, str]] = []
        self.notes: list[tuple[str, str]] = []
        self.file_splits: dict[str, list[str]] = {}
        if out.exists() and not overwrite:
            raise DataError(f"{out} exists already; choose another name, or replace it with --overwrite")

    def open_existing(self, kind: Format) -> None:
        """Take over what an interrupted run collected."""
        from skelact.io.journal import Journal

        partial = self.out.with_name(self.out.name + ".partial")
        if not partial.exists():
            return
        journal = Journal(partial)
        try:
            first = None
            for skeleton, _ in journal:
                first = first or skeleton
                self._count(skeleton)
        finally:
            journal.close()
        if first is not None:
            self._open(first)

    def _open(self, skeleton: Skeleton) -> StoreWriter:
        self.writer = StoreWriter(
            self.out,
            layout=skeleton.layout,
            unit=skeleton.unit,
            dims=skeleton.xyz.shape[3],
            origin=skeleton.origin,
            pictured=skeleton.picture is not None,
            label_names=self.names,
            overwrite=self.overwrite,
            resume=self.resume,
        )
        return self.writer

    def _count(self, skeleton: Skeleton) -> None:
        self.known[skeleton.id] = skeleton.info
        if skeleton.label is not None:
            self.labels[skeleton.label] += 1

    def add(self, result: _Result) -> None:
        item = str(result.item)
        self.notes += [(item, note) for note in result.notes]
        for name, ids in result.splits.items():
            self.file_splits.setdefault(name, []).extend(ids)
        if result.error is not None:
            self.failed.append((item, result.error))
        for skeleton in result.skeletons:
            if self.resume and skeleton.id in self.known:
                continue
            try:
                if self.to_layout is not None:
                    skeleton = skeleton.converted(self.to_layout)
                writer = self.writer or self._open(skeleton)
            except SkelactError as error:
                if self.writer is None and self.to_layout is None:
                    raise  # the output itself cannot be written
                self.failed.append((item, str(error)))
                continue
            try:
                writer.append(skeleton, result.checksum)
            except SkelactError as error:
                if isinstance(error.__cause__, OSError):  # a full disk: no other file will do better
                    raise
                self.failed.append((item, str(error)))
                continue
            self._count(skeleton)

    def finish(self, splits: Splits | None) -> dict[str, int]:
        """Name the splits, close the file; returns how many clips each split has."""
        assert self.writer is not None
        named: dict[str, Sequence[str]] = dict(self.file_splits)
        if splits is not None:
            named.update(splits(list(self.known.items())))
        named = {name: [i for i in ids if i in self.known] for name, ids in named.items()}
        self.writer.set_splits(named)
        self.writer.__exit__(None, None, None)
        return {name: len(ids) for name, ids in sorted(named.items())}

    def fail(self, error: BaseException) -> None:
        """Leave nothing behind, or what can be resumed."""
        if self.writer is not None:
            self.writer.__exit__(type(error), error, error.__traceback__)
