"""``skelact evaluate CKPT DATA``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from skelact.commands.convert import show_reasons
from skelact.commands.options import OwnModels, named, need_at_least, parse, use_own
from skelact.commands.ui import PARTLY, UI, command_line, percent
from skelact.errors import ConfigError, counted

HELP = """Test a checkpoint on a data set: numbers, a confusion matrix, calibration, a report with pictures.

  skelact evaluate runs/NAME data.h5 --split xsub/test
  skelact evaluate runs/NAME --fit-unknown 0.05          predict says 'unknown' of what it hardly knows"""


@dataclass
class Options:
    """Options of evaluate.

    Args:
        checkpoint: checkpoint file or run folder.
        data: skelact file; the one it was trained on if not given.
        split: which part; the configuration's test split (or all) if not given.
        videos: folder of the clips' videos, for networks that see pictures; the one of the training if not given.
        views: samples per clip, spread over it and averaged (each of them over its test crops); the configuration's
            if not given.
        out: folder of the report; RUN/evaluation-SPLIT if not given.
        mistakes: how many of the most confident wrong answers the report shows; 0: none.
        fit_unknown: fit the confidence below which predict answers 'unknown', so that at most this share of clips of
            known classes (such as 0.05) is refused; it is kept beside the checkpoint.
        fit_on: part of the data that this is fitted on; the configuration's validation part if not given.
        batch_size: clips at once.
        dtype: of the arithmetic: float32, bfloat16 or float16.
        device: auto (a GPU if there is one), cpu, cuda or cuda:1.
        model: your own class (module:Class) that the checkpoint is of, if it is; its code is run. Can be repeated.
    """

    checkpoint: Annotated[str, tyro.conf.Positional, named("CHECKPOINT")] = ""
    data: Annotated[str, tyro.conf.Positional, named("DATA.h5")] = ""
    split: Annotated[str, named("PART")] = ""
    videos: Annotated[str, named("FOLDER")] = ""
    views: int = 0
    out: Annotated[str, named("FOLDER")] = ""
    mistakes: Annotated[int, named("N")] = 12
    fit_unknown: Annotated[float | None, named("RATE")] = None
    fit_on: Annotated[str, named("SPLIT")] = ""
    batch_size: int = 64
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = "auto"
    model: OwnModels = ()


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "evaluate", HELP)
    if not options.checkpoint:
        raise ConfigError("name a checkpoint: skelact evaluate runs/NAME data.h5")
    output = evaluate(options, ui, "skelact evaluate " + " ".join(arguments))
    ui.result(output)
    return PARTLY if output["left_out"] else 0


def evaluate(
    options: Options,
    ui: UI,
    command: str = "",
    examples: int = 6,
    sections: Sequence[Any] = (),
    advise: bool = True,
    title: str = "",
) -> dict:
    """Evaluate a checkpoint; returns what ``--json`` prints."""
    if options.views:  # 0: the configuration's
        need_at_least(1, views=options.views)
    need_at_least(1, batch_size=options.batch_size)
    if options.mistakes < 0:
        raise ConfigError(f"--mistakes must be 0 or more, got {options.mistakes}")
    use_own(options.model)
    with ExitStack() as held:
        return _evaluate(options, ui, held, command, examples, sections, advise, title)


def answer(
    ensemble: Any, data: Any, clips: Any, options: Options, views: int, ui: UI, what: str = "evaluating"
) -> tuple[list, Any]:
    """Logits of every member, and joint ones ``[N, views × crops, K]``, of clips whose pictures are attached."""
    with ui.progress(what) as update:
        each = ensemble.member_logits(data, clips, options.batch_size, views, update)
    return each, ensemble.combine(each).numpy()


def folder_of(options: Options, checkpoint: Path, split: str) -> Path:
    """Where the report goes: beside the checkpoint, or here for one that ships with skelact."""
    from skelact.recognition.everyday import SHIPPED

    if options.out:
        return Path(options.out)
    name = f"evaluation-{split.replace('/', '-')}"
    return Path(f"{checkpoint.stem}-{name}") if checkpoint in SHIPPED.values() else checkpoint.parent / name


def _evaluate(
    options: Options,
    ui: UI,
    held: ExitStack,
    command: str,
    examples: int,
    sections: Sequence[Any],
    advise: bool,
    title: str,
) -> dict:
    import torch

    from skelact.commands.evaluate_clips import examples_of, find_copies, looker, match_set
    from skelact.commands.evaluate_unknown import fit, known_threshold, part_to_fit_on, say_refused
    from skelact.datasets.skeleton_set import SkeletonSet
    from skelact.evaluate.calibration import calibration_metrics
    from skelact.evaluate.metrics import classification_metrics, combine_clips, hit_metrics
    from skelact.evaluate.mistakes import mistakes_section
    from skelact.evaluate.predictions import predictions_of, write_predictions
    from skelact.evaluate.report import Section, Table, write_evaluation_report
    from skelact.io.outputs import holding
    from skelact.io.store import Store
    from skelact.recognition import load_ensemble
    from skelact.recognition.checkpoint import find_checkpoint

    path = find_checkpoint(options.checkpoint)
    ensemble = load_ensemble(path, getattr(torch, options.dtype), options.device)
    card = ensemble.card
    config = card.config
    data_path = options.data or config.get("data", {}).get("path", "")
    split = options.split or config.get("data", {}).get("test") or "all"
    views = options.views or config.get("views", 1)
    folder = folder_of(options, path, split)
    held.enter_context(holding(folder, [path, data_path], folder=True))
    if not data_path:
        raise ConfigError(
            f"the checkpoint names no data; name a skelact file: skelact evaluate {path.parent} DATA.h5"
        )
    data = SkeletonSet.open(data_path)
    labels = match_set(data, card, data_path)
    clips = data.split(split)
    clips = clips[labels[clips] >= 0]
    if not len(clips):
        raise ConfigError(f"the part '{split}' of {data_path} has no labelled clips")
    if split == "all" and Path(data_path).resolve() == Path(config.get("data", {}).get("path", "")).resolve():
        ui.warn(
            "most of these clips were trained on, so the figures say little; name a test part with --split"
        )
    fitted, fitted_on = clips[:0], ""
    if options.fit_unknown is not None:
        fitted, fitted_on = part_to_fit_on(options, ensemble, path, data, labels)
        fitted = ensemble.readable(data, fitted)[0]
    n_clips = len(clips)
    clips, left_out = ensemble.readable(data, clips)
    show_reasons(ui, f"of {n_clips} clips cannot be read and are left out", list(left_out.items()))
    videos = options.videos or config.get("data", {}).get("videos", "")
    with ui.progress("reading pictures") as update:
        ensemble.attach_pictures(data, torch.cat([clips, fitted]), videos, progress=update)
    if options.fit_unknown is not None:
        surest = combine_clips(answer(ensemble, data, fitted, options, views, ui, "fitting")[1]).max(1)
        fit(surest, options, path, data_path, fitted_on, ui)
    each, logits = answer(ensemble, data, clips, options, views, ui)
    target = labels[clips].numpy()
    probability = combine_clips(logits)  # of one view or several: mAP ranks across clips
    result = classification_metrics(probability, target, card.label_names)
    calibration = calibration_metrics(probability, target)
    hits = hit_metrics(logits, target, ensemble.n_crops)
    hit_table = [
        (f"hit@{k}", hits[f"clip_hit{k}"], hits[f"video_hit{k}"]) for k in (1, 5) if f"clip_hit{k}" in hits
    ]
    numbers = clips.tolist()
    found = predictions_of(
        [data.ids[i] for i in numbers],
        [str(data.infos[i].get("subject", "")) for i in numbers],
        probability,
        target,
        card.label_names,
    )
    figures = {
        "top-1": result.top1, "top-5": result.top5, "mean class": result.mean_class_accuracy,
        "macro F1": result.macro_f1, "mAP": result.mean_average_precision, "calibration error": calibration.ece,
    }  # fmt: skip
    if len(card.label_names) <= 5:
        del figures["top-5"]  # always 100 %
    what = (
        f"{counted(len(clips), 'clip')}, part {split}; {counted(len(card.label_names), 'class', 'classes')}"
    )
    ui.table([*figures], [[percent(value) for value in figures.values()]], title=what)
    refused, unknown = say_refused(found, known_threshold(path, ui), split, ui)
    with Store(data_path) as store:
        copies = find_copies(store, numbers, config.get("data", {}).get("train", ""))
        mistakes = mistakes_section(
            found, options.mistakes, looker(store, numbers, videos), folder / "figures"
        )
        shown = examples_of(store, numbers, found, examples)
    several = [
        Section(
            f"Each of {views} samples in time alone (clip), and their mean (video)",
            [Table(("", "clip", "video"), hit_table, ("clip", "video"))],
        )
    ] * (views > 1)
    history = read_history(path.parent / "metrics.csv")
    predictions = write_predictions(folder / "predictions.csv", found)
    how = {"data": data_path, "split": split, "views": views, "arithmetic": options.dtype}
    report = write_evaluation_report(
        folder, result, calibration, history=history, examples=shown,
        title=title
        or (path.parent.name if len(ensemble.members) > 1 else config.get("name", path.parent.name)),
        mistakes=mistakes,
        extra=[*unknown, *sections, *several],
        more_metrics={**hits, **how, "unknown": refused}, command=command,
        subtitle=f"{counted(len(clips), 'clip')} of {Path(data_path).name}, part {split}"
        + (f"; {len(left_out)} more cannot be read and are left out" if left_out else ""),
        facts={
            "checkpoint": path.name, "network": card.model.get("name"), "layout": card.layout["name"],
            "streams": ensemble.streams, "samples per clip": views,
            "crops per sample": ensemble.n_crops, "arithmetic": options.dtype,
            "seed": config.get("train", {}).get("seed"), "skelact": card.skelact,
        },
    )  # fmt: skip
    if views > 1:
        rows = [[name, percent(clip), percent(video)] for name, clip, video in hit_table]
        ui.table(
            ["", "each sample (clip)", "their mean (video)"], rows, title=f"{views} samples of each clip"
        )
    alone = member_table(ensemble, each, target, ui)
    without = top1_without(found, copies, ui)
    ui.done(f"report {report}, answers {predictions}")
    if advise:
        own = [word for name in options.model for word in ("--model", name)]
        ui.next(command_line("predict", options.checkpoint, "video.mp4", "--overlay", "out.mp4", *own))
    return {
        "report": str(report), "predictions": str(predictions), "split": split, "views": views,
        "crops": ensemble.n_crops, **result.to_dict(), **hits, "ece": calibration.ece, "members": alone,
        "copies_of_training_clips": int(copies.sum()), "top1_without_copies": without, "unknown": refused,
        "left_out": left_out,
    }  # fmt: skip


def top1_without(found: Any, copies: Any, ui: UI) -> float | None:
    """Top-1 on the clips that are no copies of training clips, said if there are copies; None without any."""
    if not copies.any():
        return None
    without = None if copies.all() else float(found.correct[~copies].mean())
    rest = f"; on the other {int((~copies).sum())} top-1 is {percent(without)}" if without is not None else ""
    what = counted(int(copies.sum()), "of these clips is an exact copy", "of these clips are exact copies")
    ui.warn(f"{what} of training clips{rest}")
    return without


def member_table(ensemble: Any, logits: list, target: Any, ui: UI) -> list[dict]:
    """Top-1 of every member of a fused checkpoint alone, said and returned; nothing for a single network."""
    if len(ensemble.members) == 1:
        return []
    rows = [
        {
            "from": m.name,
            "streams": ", ".join(m.pipeline.streams),
            "weight": w,
            "top1": float((z.softmax(-1).mean(1).argmax(1).numpy() == target).mean()),
        }
        for m, w, z in zip(ensemble.members, ensemble.weights, logits, strict=True)
    ]
    shown = [[r["from"], r["streams"], f"{r['weight']:.2f}", percent(r["top1"])] for r in rows]
    ui.table(["member", "streams", "weight", "top-1 alone"], shown)
    return rows


def read_history(path: Path) -> list[dict[str, float]] | None:
    """The training history of a run folder, if it is there."""
    import csv

    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
