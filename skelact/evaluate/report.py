"""One self-contained HTML page of results, with every picture also as a PNG beside it."""

from __future__ import annotations

import csv
import datetime
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skelact.errors import counted
from skelact.evaluate import plots
from skelact.evaluate.calibration import CalibrationResult, risk_at_coverage
from skelact.evaluate.metrics import ClassificationResult, none_for_nan
from skelact.evaluate.page import Block, Cards, Code, Picture, Section, Table, Text, plain_text, render_page
from skelact.io.files import atomic_path, write_text
from skelact.skeleton import Skeleton

__all__ = [
    "Block",
    "Cards",
    "Code",
    "Example",
    "Picture",
    "Section",
    "Table",
    "Text",
    "write_evaluation_report",
    "write_report",
]


@dataclass(frozen=True)
class Example:
    """One recording with what was predicted, how surely (0..1), and what it was if that is known."""

    skeleton: Skeleton
    predicted: str
    probability: float
    true: str | None = None


def write_report(
    path: str | Path,
    title: str,
    sections: Sequence[Section],
    *,
    subtitle: str = "",
    command: str = "",
    created: datetime.datetime | None = None,
) -> Path:
    """Write one HTML page that needs no other file and no network.

    Args:
        path: the ``.html`` file; pictures from elsewhere are copied into ``figures/`` beside it.
        title: heading; like all text in the page it is escaped.
        sections: what to show, in order.
        subtitle: what was evaluated on what, in a line.
        command: the command that made it, to repeat it.
        created: when; None: now.

    Returns:
        The path.

    Raises:
        DataError: if a picture is missing or no PNG, or the page cannot be written.
    """
    path = Path(path)
    write_text(path, render_page(title, sections, subtitle, command, created))
    figures = path.parent / "figures"
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Picture) and Path(block.path).resolve().parent != figures.resolve():
                with atomic_path(figures / Path(block.path).name) as part:
                    shutil.copyfile(block.path, part)
    return path


def _percent(share: float) -> str:
    return "–" if not np.isfinite(share) else f"{100 * share:.1f} %"


def _confusions(result: ClassificationResult, n: int = 8) -> list[tuple[str, str, int, float]]:
    """The commonest mistakes: truth, prediction, how often, share of the truth's samples."""
    wrong = result.confusion.copy()
    np.fill_diagonal(wrong, 0)
    names, total = result.label_names, result.confusion.sum(1)
    order = np.argsort(-wrong, axis=None, kind="stable")[:n]
    pairs = [tuple(int(i) for i in np.unravel_index(k, wrong.shape)) for k in order]
    return [
        (names[i], names[j], int(wrong[i, j]), float(wrong[i, j] / total[i])) for i, j in pairs if wrong[i, j]
    ]


def _csv(result: ClassificationResult) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ("name", "support", "predicted", "precision", "recall", "f1", "average_precision")
    writer.writerow(columns)
    for c in result.per_class:
        row = none_for_nan([getattr(c, name) for name in columns])
        writer.writerow(["" if v is None else v for v in row])
    return text.getvalue()


def write_evaluation_report(
    folder: str | Path,
    result: ClassificationResult,
    calibration: CalibrationResult | None = None,
    *,
    history: Sequence[Mapping[str, Any]] | None = None,
    examples: Sequence[Example] | None = None,
    mistakes: Section | None = None,
    title: str = "Evaluation",
    subtitle: str = "",
    command: str = "",
    facts: Mapping[str, Any] | None = None,
    extra: Sequence[Section] = (),
    more_metrics: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``report.html``, ``metrics.json``, ``per_class.csv`` and ``figures/*.png`` into a folder.

    Args:
        folder: made if it is not there; files of an earlier report are replaced one by one, each whole.
        result: from `classification_metrics`.
        calibration: from `calibration_metrics`, or None.
        history: training history for the curves, as for `plot_curves`.
        examples: recordings to show as strips of poses.
        mistakes: the worst mistakes (`skelact.evaluate.mistakes.mistakes_section`), shown after the confusions.
        title, subtitle, command: header of the page.
        facts: what else to say (model, data, split, parameters), name to value.
        extra: further sections (an overlay picture, a timeline), shown before the facts.
        more_metrics: further entries of ``metrics.json``.

    Returns:
        Path of ``report.html``.

    Raises:
        DataError: if something cannot be written.
    """
    folder = Path(folder)
    figures = folder / "figures"
    low, high = result.top1_interval
    cards = [
        ("Top-1 accuracy", _percent(result.top1), f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"),
        (f"Top-{result.k} accuracy", _percent(result.top5), f"among the {result.k} likeliest"),
        ("Mean class accuracy", _percent(result.mean_class_accuracy), "every class counts the same"),
        ("Macro F1", _percent(result.macro_f1), f"weighted {_percent(result.weighted_f1)}"),
        ("mAP", _percent(result.mean_average_precision), "one class against the rest"),
        ("Samples", f"{result.n:,}", f"{counted(len(result.per_class), 'class', 'classes')}"),
    ]
    figures_of_all = [(name.replace("_", " "), value) for name, value in result.figures.items()]
    all_figures = Table(("figure", "share"), figures_of_all, ("share",))
    sections = [Section("Results", [Cards(cards)])]
    if history:
        sections.append(Section("Training", [Picture(plots.plot_curves(history, figures / "curves.png"))]))
    confusions = _confusions(result)
    confusion = plots.plot_confusion(result.confusion, result.label_names, figures / "confusion.png")
    blocks: list[Block] = [Picture(confusion, "Row: what it was. Column: what was predicted.")]
    if confusions:
        blocks.append(
            Table(
                ("true", "predicted as", "times", "share of the class"), confusions, ("share of the class",)
            )
        )
    sections.append(Section("What is taken for what", blocks))
    if mistakes is not None:
        sections.append(mistakes)
    rows = [(c.name, c.support, c.precision, c.recall, c.f1, c.average_precision) for c in result.per_class]
    columns = ("class", "samples", "precision", "recall", "F1", "average precision")
    per_class = plots.plot_per_class(result, figures / "per_class.png")
    sections.append(Section("Each class", [Picture(per_class), Table(columns, rows, columns[2:])]))
    if calibration is not None:
        at80 = risk_at_coverage(calibration.coverage, calibration.risk, 0.8)
        sections.append(
            Section(
                "How far its confidence can be trusted",
                [
                    Cards([
                        ("ECE", _percent(calibration.ece), "gap between confidence and share right"),
                        ("Brier score", f"{calibration.brier:.3f}", "0 is best, 2 worst"),
                        ("NLL", f"{calibration.nll:.3f}", "nats a sample"),
                        ("Wrong among the surest 80 %", _percent(at80), f"AURC {calibration.aurc:.3f}"),
                    ]),
                    Picture(plots.plot_reliability(calibration, figures / "reliability.png")),
                ],
            )
        )  # fmt: skip
    shown: list[Block] = []
    for i, example in enumerate(examples or ()):
        strip = plots.plot_skeleton_strip(example.skeleton, figures / f"example_{i + 1}.png")
        truth = "" if example.true is None else f", in truth {example.true}"
        shown.append(
            Picture(strip, f"Predicted {example.predicted} ({_percent(example.probability)}){truth}")
        )
    if shown:
        sections.append(Section("Examples", shown))
    sections.extend(extra)
    sections.append(Section("All figures", [all_figures], folded=True))
    if facts:
        sections.append(
            Section("Facts", [Table(("what", "value"), [(k, plain_text(v)) for k, v in facts.items()])])
        )
    metrics = result.to_dict() | {"calibration": None if calibration is None else calibration.to_dict()}
    metrics |= none_for_nan(dict(more_metrics or {}))
    write_text(folder / "metrics.json", json.dumps(metrics, indent=1, allow_nan=False, default=str) + "\n")
    write_text(folder / "per_class.csv", _csv(result))
    return write_report(folder / "report.html", title, sections, subtitle=subtitle, command=command)
