"""``skelact segment evaluate RUN [DATA]``: how labels of frames compare with the truth, and pictures of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from skelact.commands.options import named, parse
from skelact.commands.ui import UI, command_line, percent
from skelact.errors import CheckpointError, ConfigError, counted

HELP = """Test a segmentation network: accuracy and F1 of frames, F1 of segments, edit score, delay, and a picture of
every recording.

  skelact segment evaluate runs/gp gp.h5 --split user/test

The folder gets metrics.json, predicted.json and truth.json (for skelact evaluate-events), frames-ID.csv and
timeline-ID.png."""


@dataclass
class Options:
    """Options of segment evaluate.

    Args:
        checkpoint: run folder or checkpoint file; several, separated by commas, are averaged.
        data: skelact file; the one it was trained on if not given.
        split: which part; the training's test part (or all) if not given.
        out: folder of the results; RUN/segments-SPLIT if not given.
        pictures: how many recordings are drawn.
        device: auto (a GPU if there is one), cpu, cuda or cuda:1.
    """

    checkpoint: Annotated[str, tyro.conf.Positional, named("RUN")] = ""
    data: Annotated[str, tyro.conf.Positional, named("DATA.h5")] = ""
    split: Annotated[str, named("PART")] = ""
    out: Annotated[str, named("FOLDER")] = ""
    pictures: int = 50
    device: str = "auto"


@dataclass(frozen=True)
class Looked:
    """A set's recordings as a network sees them.

    Args:
        segmenter: the network.
        data: the set.
        data_path, split: of the recordings.
        clips: their numbers.
        scores: of each, `skelact.recognition.segmentation.FrameScores`.
        truth: labels of each one's frames, empty where there is none.
    """

    segmenter: Any
    data: Any
    data_path: str
    split: str
    clips: list[int]
    scores: list[Any]
    truth: list[list[str]]


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "segment evaluate", HELP)
    if options.pictures < 0:
        raise ConfigError(f"--pictures must not be negative, got {options.pictures}")
    ui.result(evaluate(options, ui))
    return 0


def look(checkpoint: str, data_path: str, split: str, device: str, ui: UI) -> Looked:
    """Run a network over the recordings of a part.

    Raises:
        ConfigError: if nothing is named, or no recording is there.
        CheckpointError: if the set does not fit the checkpoint.
    """
    from skelact.commands.experiment import open_recordings
    from skelact.datasets.frame_input import FrameLabels
    from skelact.recognition.segmentation import Segmenters

    if not checkpoint:
        raise ConfigError("name a run of skelact segment train: skelact segment evaluate runs/NAME data.h5")
    segmenter = Segmenters.load(checkpoint, device)
    trained = segmenter.card.config.get("data", {})
    data_path = data_path or trained.get("path", "")
    split = split or trained.get("test") or "all"
    data = open_recordings(data_path)
    segmenter.check(data, data_path)
    clips = data.split(split).tolist()
    if not clips:
        raise ConfigError(f"the part '{split}' of {data_path} has no recordings")
    names: list[list[str]] = [[""] * int(data.n_frames[c]) for c in clips]
    if data.frame_codes is not None:
        unknown = [n for n in data.frame_label_names if n not in segmenter.names]
        if unknown:
            raise CheckpointError(
                f"{data_path} has labels that the checkpoint does not know: {', '.join(unknown[:10])}"
            )
        labels = FrameLabels(data, segmenter.target)
        every = [*labels.names, ""]
        names = [[every[code] for code in labels.wide(clip).tolist()] for clip in clips]
    if split == "all" and trained.get("train") != "all":
        ui.warn("no test part is known: all recordings are looked at, those of the training among them")
    scores = []
    with ui.progress("looking") as update:
        for n, clip in enumerate(clips):
            scores.append(segmenter.scores(data, clip))
            update(n + 1, len(clips), data.ids[clip])
    return Looked(segmenter, data, data_path, split, clips, scores, names)


def evaluate(options: Options, ui: UI) -> dict[str, Any]:
    """Evaluate a network; returns what ``--json`` prints."""
    from skelact.evaluate.frames import events_of, score_frames, score_probabilities
    from skelact.io.outputs import holding
    from skelact.recognition.checkpoint import find_checkpoint

    seen = look(options.checkpoint, options.data, options.split, options.device, ui)
    names, target = seen.segmenter.names, seen.segmenter.target
    found = [[names[k] for k in s.probability.argmax(1)] for s in seen.scores]
    background = [target.background] if target.background else []
    run = find_checkpoint(options.checkpoint.split(",")[0]).parent
    folder = Path(options.out) if options.out else run / f"segments-{seen.split.replace('/', '-')}"
    times = [s.times for s in seen.scores]
    events = {
        s.id: events_of(f, s.times, background, s.probability.max(1))
        for s, f in zip(seen.scores, found, strict=True)
    }
    truth = {s.id: events_of(t, s.times, background) for s, t in zip(seen.scores, seen.truth, strict=True)}
    lengths = {s.id: float(s.times[-1]) + 1 / seen.segmenter.shown.fps for s in seen.scores}
    result: dict[str, Any] = {"folder": str(folder), "split": seen.split, "recordings": len(seen.clips)}
    with holding(folder, [*options.checkpoint.split(","), seen.data_path], folder=True):
        folder.mkdir(parents=True, exist_ok=True)
        if any(name for labels in seen.truth for name in labels):
            score = score_frames(seen.truth, found, times, background)
            ranked = score_probabilities(
                seen.truth, [s.probability for s in seen.scores], names, background
            ).to_dict()
            result |= score.to_dict() | ranked
            say(score, ranked, ui, len(seen.clips))
        else:
            ui.warn(f"no frame of '{seen.split}' has a label; there is nothing to compare with")
        write_events(folder / "predicted.json", events)
        write_events(folder / "truth.json", truth, lengths)
        write_frames(folder, seen, found)
        for s in seen.scores[: options.pictures]:
            draw(
                folder / f"timeline-{file_name(s.id)}.png",
                truth[s.id],
                events[s.id],
                lengths[s.id],
                seen.segmenter.names,
            )
        from skelact.io.files import write_text

        write_text(folder / "metrics.json", json.dumps(result, indent=1))
    ui.done(
        f"{folder}: metrics.json, predicted.json, truth.json, frames and timelines of "
        f"{counted(len(seen.clips), 'recording')}"
    )
    ui.next(command_line("evaluate-events", folder / "predicted.json", folder / "truth.json"))
    return result


def say(score: Any, ranked: Mapping[str, Any], ui: UI, n: int) -> None:
    """The numbers as tables."""
    ui.table(["frame F1", "%"], [*[[k, f"{100 * v:.1f}"] for k, v in score.per_class.items()],
                                 ["mean", f"{100 * score.macro_f1:.1f}"]])  # fmt: skip
    ui.say(
        f"{counted(n, 'recording')}: frames right {percent(score.accuracy)}, "
        + ", ".join(f"F1@{round(100 * k)} {percent(v)}" for k, v in score.segment_f1.items())
        + f", edit {percent(score.edit)}; {percent(score.found)} of {score.n_segments} segments noticed, median delay "
        f"{score.median_delay:.2f} s; per-frame mAP {percent(ranked['frame_map'])}, calibrated "
        f"{percent(ranked['calibrated_map'])}"
    )


def file_name(name: str) -> str:
    """A recording's name as part of a file's."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)[:100]


def write_events(
    path: Path, events: Mapping[str, Sequence[Any]], lengths: Mapping[str, float] | None = None
) -> Path:
    """Write events as ActivityNet's JSON: ``results`` with scores, or with the recordings' lengths ``database``."""
    from skelact.io.files import write_text

    def plain(event: Any, scored: bool) -> dict[str, Any]:
        entry = {"label": event.label, "segment": [round(event.start, 4), round(event.end, 4)]}
        return {**entry, "score": round(float(event.score), 6)} if scored else entry

    if lengths is None:
        results = {name: [plain(e, True) for e in found] for name, found in events.items()}
        whole: dict[str, Any] = {"version": "skelact", "results": results, "external_data": {}}
    else:
        whole = {
            "version": "skelact",
            "database": {
                name: {"duration": round(lengths[name], 4), "annotations": [plain(e, False) for e in found]}
                for name, found in events.items()
            },
        }
    return write_text(path, json.dumps(whole, indent=1))


def write_frames(folder: Path, seen: Looked, found: list[list[str]]) -> None:
    """A table for each recording: time, true label, predicted label, the probability of every label."""
    import csv
    import io

    from skelact.io.files import write_text

    for scores, truth, labels in zip(seen.scores, seen.truth, found, strict=True):
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["time", "truth", "predicted", *seen.segmenter.names])
        for t, real, label, row in zip(scores.times, truth, labels, scores.probability, strict=True):
            table.writerow([f"{t:.4f}", real, label, *(f"{p:.4f}" for p in row)])
        write_text(folder / f"frames-{file_name(scores.id)}.csv", text.getvalue())


def draw(path: Path, truth: Sequence[Any], found: Sequence[Any], length: float, names: Sequence[str]) -> None:
    """Truth against prediction over time."""
    from skelact.evaluate.plots import plot_timeline

    lanes = [
        {"person": lane, "label": e.label, "start": e.start, "end": e.end, "score": e.score}
        for lane, events in (("1 truth", truth), ("2 predicted", found))
        for e in events
    ]
    plot_timeline(lanes, length, path, names)
