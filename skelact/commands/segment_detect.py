"""``skelact segment detect RUN [DATA]``: events of untrimmed recordings by proposals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from skelact.commands.options import named, parse
from skelact.commands.segment_evaluate import look, write_events
from skelact.commands.ui import UI, command_line
from skelact.errors import counted

HELP = """Find events in untrimmed recordings by proposals over a network's scores: grouping by several thresholds,
class scores, soft non-maximum suppression. Overlapping guesses are kept with their scores, as detection is evaluated.

  skelact segment detect runs/gp gp.h5 --split user/test

The folder gets detections.json and truth.json as ActivityNet has them, for skelact evaluate-events."""


@dataclass
class Options:
    """Options of segment detect.

    Args:
        checkpoint: run folder or checkpoint file; several, separated by commas, are averaged.
        data: skelact file; the one it was trained on if not given.
        split: which part; the training's test part (or all) if not given.
        out: folder of the results; RUN/detections-SPLIT if not given.
        least: shorter events do not count [s].
        least_score: less sure ones are left out.
        most: events of a class and recording.
        sigma: how slowly the scores of overlapping events fall.
        device: auto (a GPU if there is one), cpu, cuda or cuda:1.
    """

    checkpoint: Annotated[str, tyro.conf.Positional, named("RUN")] = ""
    data: Annotated[str, tyro.conf.Positional, named("DATA.h5")] = ""
    split: Annotated[str, named("PART")] = ""
    out: Annotated[str, named("FOLDER")] = ""
    least: Annotated[float, named("SECONDS")] = 0.05
    least_score: float = 0.02
    most: int = 100
    sigma: float = 0.4
    device: str = "auto"


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "segment detect", HELP)
    ui.result(detect(options, ui))
    return 0


def detect(options: Options, ui: UI) -> dict[str, Any]:
    """Find events; returns what ``--json`` prints."""
    from skelact.evaluate.events import ACTIVITYNET, THUMOS, temporal_map
    from skelact.evaluate.frames import events_of
    from skelact.evaluate.proposals import ProposalSettings, propose
    from skelact.io.outputs import holding
    from skelact.recognition.checkpoint import find_checkpoint

    settings = ProposalSettings(
        least=options.least, least_score=options.least_score, most=options.most, sigma=options.sigma
    )
    seen = look(options.checkpoint, options.data, options.split, options.device, ui)
    target = seen.segmenter.target
    background = [target.background] if target.background else []
    found, truth, lengths = {}, {}, {}
    for scores, labels in zip(seen.scores, seen.truth, strict=True):
        found[scores.id] = propose(
            scores.times, scores.probability, seen.segmenter.names, settings, background
        )
        truth[scores.id] = events_of(labels, scores.times, background)
        lengths[scores.id] = float(scores.times[-1]) + 1 / seen.segmenter.shown.fps
    run = find_checkpoint(options.checkpoint.split(",")[0]).parent
    folder = Path(options.out) if options.out else run / f"detections-{seen.split.replace('/', '-')}"
    with holding(folder, [*options.checkpoint.split(","), seen.data_path], folder=True):
        folder.mkdir(parents=True, exist_ok=True)
        write_events(folder / "detections.json", found)
        write_events(folder / "truth.json", truth, lengths)
    n = sum(map(len, found.values()))
    result: dict[str, Any] = {"folder": str(folder), "split": seen.split, "events": n}
    if any(truth.values()):
        wide, strict = temporal_map(truth, found, THUMOS), temporal_map(truth, found, ACTIVITYNET)
        rows = [[k, *(f"{100 * v:.1f}" for v in wide.per_class[k])] for k in wide.per_class]
        ui.table(
            ["AP [%] at IoU", *map(str, THUMOS)], [*rows, ["mean", *(f"{100 * v:.1f}" for v in wide.means)]]
        )
        ui.say(f"mAP 0.1 to 0.7: {100 * wide.average:.1f} %, 0.5 to 0.95: {100 * strict.average:.1f} %")
        result |= {
            "map": dict(zip(map(str, THUMOS), wide.means, strict=True)),
            "average_map_0.1_0.7": wide.average,
            "average_map_0.5_0.95": strict.average,
        }
    ui.done(f"{counted(n, 'event')} of {counted(len(found), 'recording')} in {folder / 'detections.json'}")
    ui.next(command_line("evaluate-events", folder / "detections.json", folder / "truth.json"))
    return result
