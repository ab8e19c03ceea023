"""``skelact compare RUN RUN``."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from skelact.commands.compare_runs import Run, answers_of, settings_that_differ, written_answers
from skelact.commands.options import OwnModels, named, need_at_least, parse, use_own
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError, counted

HELP = """Put runs side by side on the same clips: a paired test, classes, settings, curves, what one alone gets right.

  skelact compare runs/A runs/B
  skelact compare runs/A runs/B runs/C --data data.h5 --split xsub/test      each with the first
  skelact compare runs/A/evaluation-xsub-test runs/B/evaluation-xsub-test    what evaluate has written"""
LISTED = 40  # clips of a table in the report


@dataclass
class Options:
    """Options of compare.

    Args:
        runs: run folders, checkpoints, or folders that skelact evaluate has written; the first is compared with.
        data: skelact file; the one that each was trained on if not given.
        split: which part; each configuration's test split (or all) if not given.
        common: compare the clips that were answered by both, if they are not the same.
        out: folder of the report; compare-A-B beside the first run if not given.
        batch_size: clips at once.
        device: auto (a GPU if there is one), cpu, cuda or cuda:1.
        model: your own class (module:Class) that a checkpoint is of, if it is; its code is run. Can be repeated.
    """

    runs: Annotated[tuple[str, ...], tyro.conf.Positional, named("RUN")] = ()
    data: Annotated[str, named("DATA.h5")] = ""
    split: Annotated[str, named("PART")] = ""
    common: bool = False
    out: Annotated[str, named("FOLDER")] = ""
    batch_size: int = 64
    device: str = "auto"
    model: OwnModels = ()


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "compare", HELP)
    if len(options.runs) < 2:
        raise ConfigError("name two runs or more: skelact compare runs/A runs/B")
    need_at_least(1, batch_size=options.batch_size)
    use_own(options.model)
    ui.result(compare(options, ui, "skelact compare " + " ".join(arguments)))
    return 0


def compare(options: Options, ui: UI, command: str = "") -> dict:
    """Compare runs with the first; returns what ``--json`` prints."""
    from skelact.evaluate.paired import align, compare_predictions
    from skelact.evaluate.report import write_report
    from skelact.io.files import write_text
    from skelact.io.outputs import holding

    twice = [run for run in options.runs if options.runs.count(run) > 1]
    if twice:
        raise ConfigError(f"{twice[0]} is named twice; name different runs")
    files = [written_answers(word, options) for word in options.runs]
    runs = [answers_of(word, file, options, ui) for word, file in zip(options.runs, files, strict=True)]
    give_names(runs)
    first = runs[0]
    folder = (
        Path(options.out) if options.out else first.beside / "-".join(["compare", *(r.name for r in runs)])
    )
    pairs, sections = [], []
    with ExitStack() as held:
        held.enter_context(holding(folder, list(options.runs), folder=True))
        for k, other in enumerate(runs[1:], 1):
            a, b = align(first.answers, other.answers, options.common)
            found = compare_predictions(a, b)
            said = verdict(found, first.name, other.name)
            settings = settings_that_differ(first, other)
            show(found, first, other, said, settings, ui)
            left_out = len(first.answers) + len(other.answers) - 2 * found.n
            if left_out:
                ui.warn(
                    f"{counted(left_out, 'clip was', 'clips were')} answered by one of them alone and are not compared"
                )
            sections += sections_of(found, first, other, a, b, said, settings, folder / "figures", k)
            only = {
                name: [a.clips[i] for i in rows]
                for name, rows in (("only_first", found.only_first), ("only_second", found.only_second))
            }
            pairs.append(
                {
                    "first": first.name, "second": other.name, "verdict": said, **found.to_dict(),
                    "clips_only_first": only["only_first"], "clips_only_second": only["only_second"],
                    "left_out": left_out, "settings": settings,
                }
            )  # fmt: skip
        output = {"runs": [{"name": r.name, "path": r.path} for r in runs], "comparisons": pairs}
        write_text(folder / "compare.json", json.dumps(output, indent=1) + "\n")
        title = " and ".join(r.name for r in runs)
        subtitle = (
            f"the same {counted(pairs[0]['n'], 'clip')}" if len(pairs) == 1 else f"each with {first.name}"
        )
        report = write_report(folder / "report.html", title, sections, subtitle=subtitle, command=command)
    ui.done(f"report {report}")
    return {"report": str(report), **output}


def give_names(runs: list[Run]) -> None:
    """Number the runs whose folders have the same name."""
    names = [run.name for run in runs]
    for k, run in enumerate(runs, 1):
        if names.count(run.name) > 1:
            run.name = f"{run.name}-{k}"


def verdict(found: Any, first: str, second: str) -> str:
    """What the numbers say, in a sentence."""
    points = 100 * abs(found.difference)
    better, worse = (second, first) if found.difference > 0 else (first, second)
    low, high = (100 * v for v in found.interval)
    numbers = f"p = {found.p_value:.2g}, 95 % interval of the difference {low:+.1f} to {high:+.1f} points"
    if found.certain:
        return f"{better} is better than {worse} by {points:.1f} points ({numbers})"
    if found.difference == 0:
        return f"{first} and {second} are right equally often ({numbers})"
    return f"no difference is shown: {better} is right on {points:.1f} points more, which may be chance ({numbers})"


def caution(found: Any) -> str:
    """What the numbers rest on."""
    from skelact.evaluate.paired import FEW_SUBJECTS

    text = (
        f"The interval is a paired bootstrap over {found.groups} {found.by}s; p is the exact McNemar test's."
    )
    if found.by == "clip":
        return (
            text + " Who is in the clips is not known: if people are in several, the true interval is wider."
        )
    if found.groups < FEW_SUBJECTS:
        text += (
            f" With {found.groups} subjects it is rough: the outer ends of it and of a bootstrap over clips are given. "
            "p takes clips of one person as independent."
        )
    return text


def show(found: Any, first: Run, other: Run, said: str, settings: list[dict], ui: UI) -> None:
    """The comparison as tables, in the terminal."""
    ends = [[100 * v for v in interval] for interval in found.intervals]
    rows = [
        [run.name, percent(top1), f"{low:.1f} to {high:.1f} %", only]
        for run, top1, (low, high), only in zip(
            (first, other), found.top1, ends, (len(found.only_first), len(found.only_second)), strict=True
        )
    ]
    ui.table(["run", "top-1", "95 % interval", "right alone"], rows, title=f"{counted(found.n, 'clip')}")
    ui.say(f"  {said}")
    ui.say(f"  {caution(found)}")
    changed = [c for c in found.per_class if c.only_first + c.only_second]
    if changed:
        ends_of = changed if len(changed) <= 10 else [*changed[:5], *changed[-5:]]
        rows = [
            [c.name, c.support, percent(c.first), percent(c.second), f"{100 * c.difference:+.1f}"]
            for c in ends_of
        ]
        ui.table(["class", "clips", first.name, other.name, "points"], rows)
    if settings:
        rows = [[s["setting"], *_words(s)] for s in settings[:20]]
        ui.table(["setting", first.name, other.name], rows)


def _words(setting: dict) -> tuple[str, str]:
    """Both values of a setting, for people."""
    first, second = (
        ", ".join(map(str, value))
        if isinstance(value, (list, tuple))
        else "–"
        if value is None
        else str(value)
        for value in (setting["first"], setting["second"])
    )
    return first, second


def sections_of(
    found: Any, first: Run, other: Run, a: Any, b: Any, said: str, settings: list[dict], figures: Path, k: int
) -> list[Any]:
    """The sections of a report for one pair."""
    from skelact.evaluate.paired_plots import plot_differences, plot_histories
    from skelact.evaluate.report import Cards, Picture, Section, Table, Text

    names = first.name, other.name
    low, high = found.interval
    cards = [
        (f"{name}: top-1", percent(top1), f"95 % interval {100 * ends[0]:.1f} to {100 * ends[1]:.1f} %")
        for name, top1, ends in zip(names, found.top1, found.intervals, strict=True)
    ]
    cards += [
        (
            "Difference",
            f"{100 * found.difference:+.1f} points",
            f"95 % interval {100 * low:+.1f} to {100 * high:+.1f}",
        ),
        (
            "McNemar's p",
            f"{found.p_value:.2g}",
            f"{len(found.only_first)} against {counted(len(found.only_second), 'clip')}",
        ),
    ]
    counts = [
        ("both are right", found.both), (f"only {names[0]}", len(found.only_first)),
        (f"only {names[1]}", len(found.only_second)), ("neither", found.neither),
    ]  # fmt: skip
    capital = said[:1].upper() + said[1:] if said.startswith("no ") else said
    sections = [
        Section(
            f"{names[1]} against {names[0]}",
            [Cards(cards), Text(capital + "."), Text(caution(found)), Table(("clips", "how many"), counts)],
        )
    ]
    rows = [(c.name, c.support, c.first, c.second, 100 * c.difference) for c in found.per_class]
    columns = ("class", "clips", names[0], names[1], "points")
    picture = plot_differences(found, names, figures / f"differences_{k}.png")
    sections.append(Section("Each class", [Picture(picture), Table(columns, rows, names)]))
    histories = {run.name: run.history for run in (first, other) if run.history}
    if histories:
        drawn = plot_histories(histories, figures / f"curves_{k}.png")
        sections.append(Section("Training", [Picture(drawn)]))
    if first.card is not None and other.card is not None:
        table = [(s["setting"], *_words(s)) for s in settings]
        blocks = [Table(("setting", *names), table)] if table else [Text("No setting differs.")]
        sections.append(Section("Settings that differ", blocks))
    for name, rows_of, wrong in ((names[0], found.only_first, b), (names[1], found.only_second, a)):
        listed = sorted(rows_of, key=lambda i: -wrong.confidence[i])
        clips = [
            (a.clips[i], a.subjects[i], a.labels[i], wrong.predicted[i], float(wrong.confidence[i]))
            for i in listed[:LISTED]
        ]
        more = [Text(f"{len(listed) - LISTED} more are in compare.json.")] if len(listed) > LISTED else []
        if clips:
            table = Table(("clip", "subject", "is", "the other says", "confidence"), clips, ("confidence",))
            sections.append(
                Section(f"Only {name} is right: {counted(len(listed), 'clip')}", [table, *more], folded=True)
            )
    return sections
