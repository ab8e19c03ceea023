"""Turn recordings of any known format into one skelact file, in constant memory and several processes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from skelact.errors import DataError, SkelactError, counted
from skelact.io.formats import FORMATS, Format, ReadOptions, detect_format, get_format
from skelact.io.ntu_names import ntu_missing, read_missing_list
from skelact.io.outputs import holding
from skelact.io.read_many import Result, n_readers, read_many
from skelact.io.store import StoreWriter
from skelact.layouts import SkeletonLayout
from skelact.skeleton import Skeleton

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

    def __repr__(self) -> str:
        return (
            f"ConversionReport({self.out!r}, {self.format}: {counted(self.clips, 'clip')} of "
            f"{counted(self.files, 'file')}, "
            f"{len(self.failed)} failed, {counted(len(self.splits), 'split')})"
        )

    @property
    def files_per_second(self) -> float:
        """Items a second, all processes together."""
        return self.files / self.seconds if self.seconds > 0 else 0.0

    def to_dict(self) -> dict:
        """Plain containers."""
        return {**asdict(self), "files_per_second": self.files_per_second}


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
    need: str | None = None,
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
        need: what ``splits`` must know of every recording (a key of its info, such as ``subject``); the first
            that lacks it ends the conversion, rather than the last.
        checksums: store the SHA-256 of every source file.
        progress: called with (files done, files, name).
        overwrite: replace ``out``.
        resume: continue an unfinished ``out``, and leave it to be continued when interrupted.

    Raises:
        DataError: if nothing is found, the formats differ, or not one recording can be used.
        ConfigError, OutputBusyError: if ``out`` is an input, or another process writes it
            (`skelact.io.outputs.holding`).
    """
    started = time.perf_counter()
    paths = [Path(s) for s in ([sources] if isinstance(sources, (str, Path)) else sources)]
    kind, items, roots = _find(paths, format)
    items, excluded = _leave_out(kind, items, missing_list)
    if not items:
        raise DataError(f"{paths[0]}: all {len(excluded)} recordings are on the list of missing skeletons")
    options = ReadOptions(layout, fps, unit, label_names, max_people, denoise)
    with holding(out, items):
        names = label_names or kind.label_names(items)
        journal = _Journal(Path(out), names, to_layout, overwrite, resume, need)
        try:
            todo = items
            if resume:
                journal.open_existing(kind)
                if kind.clip_id is not None:
                    todo = [p for p in items if kind.clip_id(p) not in journal.known]
            resumed = len(journal.known)
            done = len(items) - len(todo)
            for result in read_many(kind, todo, roots, options, n_readers(workers, kind, todo), checksums):
                journal.add(result)
                done += result.last
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


class _Journal:
    """The store being written, opened when the first recording tells layout, unit and dimensions."""

    def __init__(
        self,
        out: Path,
        names: Sequence[str] | None,
        to_layout: SkeletonLayout | str | None,
        overwrite: bool,
        resume: bool,
        need: str | None,
    ) -> None:
        self.out, self.names, self.to_layout, self.need = out, names, to_layout, need
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
            label_names=self.names,
            overwrite=self.overwrite,
            resume=self.resume,
        )
        return self.writer

    def _count(self, skeleton: Skeleton) -> None:
        self.known[skeleton.id] = skeleton.info
        if skeleton.label is not None:
            self.labels[skeleton.label] += 1

    def add(self, result: Result) -> None:
        item = str(result.item)
        self.notes += [(item, note) for note in result.notes]
        for name, ids in result.splits.items():
            self.file_splits.setdefault(name, []).extend(ids)
        if result.error is not None:
            self.failed.append((item, result.error))
        for skeleton in result.skeletons:
            if self.resume and skeleton.id in self.known:
                continue
            if self.need is not None and self.need not in skeleton.info:
                raise DataError(
                    f"recording '{skeleton.id}' does not say its {self.need}, by which the parts are made; it has "
                    f"{', '.join(map(str, skeleton.info)) or 'nothing'}. Give every recording a {self.need}, or divide "
                    "by another key (--split-by camera, or --split-by clip)"
                )
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
            try:
                named.update(splits(list(self.known.items())))
            except SkelactError as error:
                self.writer.keep()
                raise DataError(
                    f"{error}. What was read is kept: the same command with other parts and --resume goes on there"
                ) from error
        stored = {}
        for name, ids in sorted(named.items()):
            ids = [i for i in ids if i in self.known]
            try:
                self.writer.set_splits({name: ids})
                stored[name] = len(ids)
            except DataError as error:
                self.failed.append((f"split {name!r}", str(error)))
        self.writer.__exit__(None, None, None)
        return stored

    def fail(self, error: BaseException) -> None:
        """Leave nothing behind, or what can be resumed."""
        if self.writer is not None:
            self.writer.__exit__(type(error), error, error.__traceback__)
