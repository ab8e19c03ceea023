"""``skelact convert SOURCE… --out FILE.h5``."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from skelact.commands.options import named, need_at_least, parse
from skelact.commands.ui import PARTLY, UI, command_line
from skelact.errors import ConfigError, DataError, counted

HELP = """Turn skeleton files of any known format into one skelact file (HDF5).

  skelact convert nturgb+d_skeletons --out ntu60.h5 --benchmark ntu60
  skelact convert joints.csv --layout my_layout.yaml --out mine.h5 --split 0.7 0.1 0.2
  skelact convert recordings --out mine.h5 --split-from train=train.txt test=test.txt"""


@dataclass
class Options:
    """Options of convert.

    Args:
        sources: files or folders of one format.
        out: the file to write.
        format: name of the format; found out from the files if not given (skelact formats lists them).
        benchmark: add this benchmark's official splits and label order.
        layout: layout of the files where the format leaves it open: a name or a YAML file.
        to_layout: convert every recording to this layout by joint name.
        fps: frame rate, where the format does not say.
        unit: unit of the joints (m, px, image, unknown), where the format does not say.
        split: shares for train, val and test, such as 0.7 0.1 0.2; nobody is in two parts.
        split_from: parts that are written down: FILE.csv or FILE.csv:COLUMN (a column of clip or file names, and one of
            parts, split if not named), or PART=LIST.txt ... with a name a line.
        split_by: what is never divided: subject (or another column, such as camera), or clip.
        workers: processes that read; -1 for one per core.
        overwrite: replace the file if it exists.
        resume: continue an unfinished file, and leave it to be continued if interrupted.
        formats: list the formats and benchmarks, then stop.
    """

    sources: Annotated[tuple[str, ...], tyro.conf.Positional, named("SOURCE")] = ()
    out: Annotated[str, named("FILE.h5")] = ""
    format: Annotated[str | None, named("NAME")] = None
    benchmark: Annotated[str | None, named("NAME")] = None
    layout: Annotated[str | None, named("NAME|FILE.yaml")] = None
    to_layout: Annotated[str | None, named("NAME|FILE.yaml")] = None
    fps: Annotated[float | None, named("FLOAT")] = None
    unit: Annotated[str | None, named("NAME")] = None
    split: Annotated[tuple[float, float, float] | None, named("TRAIN VAL TEST")] = None
    split_by: str = "subject"
    split_from: Annotated[tuple[str, ...], named("FILE.csv|PART=LIST.txt")] = ()
    workers: int = -1
    overwrite: bool = False
    resume: bool = False
    formats: bool = False


def find_layout(layout: str | None) -> Any:
    """A layout by name, or from a YAML file."""
    from skelact.layouts import get_layout, load_layout

    if layout is None:
        return None
    return load_layout(layout) if layout.endswith((".yaml", ".yml")) else get_layout(layout)


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "convert", HELP)
    if options.formats:
        from skelact.commands.formats import list_formats

        return list_formats(ui)
    if not options.sources or not options.out:
        raise ConfigError(
            "name the files or folders to convert and the file to write: skelact convert DIR --out X.h5"
        )
    from skelact.datasets.named import benchmark_splits, get_benchmark
    from skelact.datasets.splits import subject_splits
    from skelact.io.convert import convert

    need_at_least(0, fps=options.fps)
    label_names = None
    splits = need = None
    listed = read_split_from(options)
    if options.benchmark:
        benchmark = get_benchmark(options.benchmark)
        options.format = options.format or benchmark.format
        label_names = benchmark.label_names or None
        splits = lambda clips: {  # noqa: E731
            **benchmark_splits(options.benchmark or "", clips),
            **(listed(clips) if listed else {}),
        }
    elif listed:
        splits = listed
    elif options.split:
        shares = check_shares(options.split)
        need = None if options.split_by == "clip" else options.split_by
        splits = lambda clips: subject_splits(clips, shares, by=options.split_by)  # noqa: E731
    with ui.progress("converting") as update:
        report = convert(
            list(options.sources), options.out, format=options.format,
            workers=None if options.workers < 0 else options.workers, layout=find_layout(options.layout),
            to_layout=find_layout(options.to_layout), fps=options.fps, unit=options.unit, label_names=label_names,
            splits=splits, need=need, progress=update, overwrite=options.overwrite, resume=options.resume,
        )  # fmt: skip
    ui.done(
        f"{counted(report.clips, 'clip')} of format {report.format} in {report.out} "
        f"({report.seconds:.1f} s, {report.files_per_second:.0f} files/s)"
    )
    if report.excluded:
        ui.say(f"  {len(report.excluded)} left out: named in the published list of missing skeletons")
    show_reasons(ui, "could not be used", report.failed)
    show_reasons(ui, "notes on recordings", report.notes)
    for note in listed.notes if listed else ():
        ui.warn(note)
    if report.splits:
        ui.table(["split", "clips"], [[name, n] for name, n in report.splits.items()])
    ui.next(command_line("inspect", report.out), command_line("train", "--data", report.out))
    ui.result({**report.to_dict(), "split_notes": listed.notes if listed else []})
    return PARTLY if report.failed else 0


def read_split_from(options: Any) -> Any:
    """The parts of ``--split-from``, read before anything is done; None if it is not given.

    Raises:
        ConfigError: together with ``--split``, or if a word of it is no table and no list.
        DataError: if one of its files cannot be used.
    """
    from skelact.datasets.split_files import read_listed_splits

    if not options.split_from:
        return None
    if options.split:
        raise ConfigError("--split draws the parts, --split-from reads them; leave one out")
    return read_listed_splits(options.split_from)


def check_shares(shares: tuple[float, float, float]) -> tuple[float, float, float]:
    """Shares of train, val and test that sum to 1.

    Raises:
        DataError: for others.
    """
    if not (all(s >= 0 for s in shares) and abs(sum(shares) - 1) < 1e-6):
        raise DataError(f"--split must be three shares from 0 on that sum to 1, got {shares}")
    return shares


def show_reasons(ui: UI, title: str, reasons, most: int = 8) -> None:
    """List (item, reason) pairs, the first few in words."""
    if not reasons:
        return
    ui.warn(f"{len(reasons)} {title}:")
    for item, reason in list(reasons)[:most]:
        ui.say(f"    {item}: {reason}" if str(item) not in str(reason) else f"    {reason}")
    if len(reasons) > most:
        kinds = Counter(str(reason).rsplit(":", 1)[-1].strip()[:60] for _, reason in reasons)
        ui.say(
            f"    ... and {len(reasons) - most} more; most often: {kinds.most_common(1)[0][0]} (--json lists all)"
        )
