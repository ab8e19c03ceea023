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
from skelact.errors import CheckpointError, ConfigError

HELP = """Test a checkpoint on a data set: numbers, a confusion matrix, calibration, a report with pictures.

  skelact evaluate runs/NAME data.h5 --split xsub/test"""


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
        batch_size: clips at once.
        dtype: of the arithmetic: float32, bfloat16 or float16.
        device: auto (a GPU if there is one), cpu, cuda or cuda:1.
        model: your own class (module:Class) that the checkpoint is of, if it is; its code is run. Can be repeated.
    """

    checkpoint: Annotated[str, tyro.conf.Positional, named("CHECKPOINT")] = ""
    data: Annotated[str, tyro.conf.Positional, named("DATA.h5")] = ""
    split: str = ""
    videos: str = ""
    views: int = 0
    out: str = ""
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


def match_set(data: Any, card: Any, name: str) -> Any:
    """Labels of the set in the checkpoint's class order; refuses a set that does not fit."""
    import torch

    if data.layout != card.skeleton_layout:
        raise CheckpointError(
            f"{name} has layout '{data.layout.name}', the checkpoint was trained on '{card.skeleton_layout.name}'; "
            f"convert it first: skelact convert {name} --to-layout {card.skeleton_layout.name} --out OTHER.h5"
        )
    if data.dims != card.dims or data.unit != card.unit:
        raise CheckpointError(
            f"{name} has {data.dims} coordinates in '{data.unit}', the checkpoint was trained on {card.dims} in "
            f"'{card.unit}'"
        )
    if data.origin != card.origin:
        raise CheckpointError(
            f"{name} has origin '{data.origin}', the checkpoint was trained on '{card.origin}': with 'camera' the "
            "trajectory is in the joints, with 'hips' it is not; extract the videos again with --coordinates "
            + ("camera" if card.origin == "camera" else "world")
        )
    unknown = [n for n in data.label_names if n not in card.label_names]
    if unknown:
        raise CheckpointError(
            f"{name} has classes that the checkpoint does not know: {', '.join(unknown[:10])}; it knows: "
            f"{', '.join(card.label_names)}"
        )
    order = torch.tensor([card.label_names.index(n) for n in data.label_names] or [0])
    return torch.where(data.labels < 0, data.labels, order[data.labels.clamp_min(0)])


def evaluate(
    options: Options,
    ui: UI,
    command: str = "",
    examples: int = 6,
    sections: Sequence[Any] = (),
    advise: bool = True,
) -> dict:
    """Evaluate a checkpoint; returns what ``--json`` prints."""
    if options.views:  # 0: the configuration's
        need_at_least(1, views=options.views)
    need_at_least(1, batch_size=options.batch_size)
    use_own(options.model)
    with ExitStack() as held:
        return _evaluate(options, ui, held, command, examples, sections, advise)


def _evaluate(
    options: Options,
    ui: UI,
    held: ExitStack,
    command: str,
    examples: int,
    sections: Sequence[Any],
    advise: bool,
) -> dict:
    import numpy as np
    import torch

    from skelact.datasets.skeleton_set import SkeletonSet
    from skelact.evaluate.calibration import calibration_metrics
    from skelact.evaluate.metrics import classification_metrics, combine_clips, hit_metrics
    from skelact.evaluate.report import Example, Section, Table, write_evaluation_report
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
    folder = Path(options.out) if options.out else path.parent / f"evaluation-{split.replace('/', '-')}"
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
    n_clips = len(clips)
    clips, left_out = ensemble.readable(data, clips)
    show_reasons(ui, f"of {n_clips} clips cannot be read and are left out", list(left_out.items()))
    with ui.progress("reading pictures") as update:
        videos = options.videos or config.get("data", {}).get("videos", "")
        ensemble.attach_pictures(data, clips, videos, progress=update)
    with ui.progress("evaluating") as update:
        each = ensemble.member_logits(data, clips, options.batch_size, views, update)
    logits = ensemble.combine(each).numpy()
    target = labels[clips].numpy()
    probability = combine_clips(logits)  # of one view or several: mAP ranks across clips
    result = classification_metrics(probability, target, card.label_names)
    calibration = calibration_metrics(probability, target)
    hits = hit_metrics(logits, target, ensemble.n_crops)
    hit_table = [
        (f"hit@{k}", hits[f"clip_hit{k}"], hits[f"video_hit{k}"]) for k in (1, 5) if f"clip_hit{k}" in hits
    ]
    shown = []
    with Store(data_path) as store:
        copies = find_copies(store, clips.tolist(), config.get("data", {}).get("train", ""))
        right = np.flatnonzero(probability.argmax(1) == target)
        wrong = np.flatnonzero(probability.argmax(1) != target)
        for i in [*wrong[: examples // 2], *right[:: max(1, len(right) // examples)]][:examples]:
            best, skeleton = int(probability[i].argmax()), store.read(int(clips[i]))
            if not skeleton.score.any():
                continue
            shown.append(
                Example(
                    skeleton,
                    card.label_names[best],
                    float(probability[i, best]),
                    card.label_names[int(target[i])],
                )
            )
    history = read_history(path.parent / "metrics.csv")
    report = write_evaluation_report(
        folder, result, calibration, history=history, examples=shown, title=config.get("name", path.parent.name),
        extra=[*sections, Section(
            f"Each of {views} samples in time alone (clip), and their mean (video)",
            [Table(("", "clip", "video"), hit_table, ("clip", "video"))],
        )],
        more_metrics=hits, command=command,
        subtitle=f"{len(clips)} clips of {Path(data_path).name}, part {split}"
        + (f"; {len(left_out)} more cannot be read and are left out" if left_out else ""),
        facts={
            "checkpoint": path.name, "network": card.model.get("name"), "layout": card.layout["name"],
            "streams": ensemble.streams, "samples per clip": views,
            "crops per sample": ensemble.n_crops, "arithmetic": options.dtype,
            "seed": config.get("train", {}).get("seed"), "skelact": card.skelact,
        },
    )  # fmt: skip
    ui.table(
        ["top-1", "top-5", "mean class", "macro F1", "mAP", "calibration error"],
        [[
            percent(result.top1), percent(result.top5), percent(result.mean_class_accuracy), percent(result.macro_f1),
            percent(result.mean_average_precision), percent(calibration.ece),
        ]],
        title=f"{len(clips)} clips, part {split}",
    )  # fmt: skip
    if views > 1:
        rows = [[name, percent(clip), percent(video)] for name, clip, video in hit_table]
        ui.table(
            ["", "each sample (clip)", "their mean (video)"], rows, title=f"{views} samples of each clip"
        )
    alone = member_table(ensemble, each, target, ui)
    without = None
    if copies.any():
        right_ones = probability.argmax(1) == target
        without = float(right_ones[~copies].mean()) if not copies.all() else None
        ui.warn(
            f"{int(copies.sum())} of these clips are exact copies of training clips"
            + (
                f"; on the other {int((~copies).sum())} top-1 is {percent(without)}"
                if without is not None
                else ""
            )
        )
    ui.done(f"report {report}")
    if advise:
        own = [word for name in options.model for word in ("--model", name)]
        ui.next(command_line("predict", options.checkpoint, "video.mp4", "--overlay", "out.mp4", *own))
    return {
        "report": str(report), "split": split, "views": views, "crops": ensemble.n_crops,
        **result.to_dict(), **hits, "ece": calibration.ece, "members": alone,
        "copies_of_training_clips": int(copies.sum()), "top1_without_copies": without, "left_out": left_out,
    }  # fmt: skip


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


def find_copies(store: Any, clips: list[int], train: str) -> Any:
    """Which clips hold the very joints of a clip of another, the training part: booleans ``[N]``."""
    import hashlib

    import numpy as np

    if train not in store.splits or set(clips) & set(store.splits[train].tolist()):
        return np.zeros(len(clips), bool)  # not known, or the training part itself is looked at

    def mark(clip: int) -> bytes:
        skeleton = store.read(clip)
        if not skeleton.score.any():  # a clip of pictures alone
            return str(store.infos[clip].get("video", clip)).encode()
        return hashlib.sha256(skeleton.xyz.tobytes() + skeleton.score.tobytes()).digest()

    trained = {mark(int(clip)) for clip in store.splits[train]}
    return np.array([mark(clip) in trained for clip in clips])


def read_history(path: Path) -> list[dict[str, float]] | None:
    """The training history of a run folder, if it is there."""
    import csv

    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as file:
        return [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(file)]
