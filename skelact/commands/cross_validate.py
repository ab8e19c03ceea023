"""``skelact cross-validate RECIPE ... --data SET.h5``."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from skelact.commands.options import named, parse
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError, counted

HELP = """Test recipes by cross-validation: every clip is tested once, by networks that saw nothing of its group.

  skelact cross-validate rgb.yaml flow.yaml --data weizmann.h5 --folds each --out runs/weizmann
  skelact cross-validate default rgb.yaml --data set.h5 --folds 5 --by clip -- --train.epochs 20

RECIPE is a configuration, a recipe's name, or "default". What follows -- goes to every skelact train. Groups (--by,
a column of the clips: subject) are never divided. Several recipes are also fused, all and every smaller choice: a
fold's weights are fitted on the other folds. The last epoch counts: nothing is chosen by the fold that is tested.
Whatever was trained before is kept, and an unfinished training goes on."""


@dataclass
class Options:
    """Options of cross-validate.

    Args:
        recipes: configurations, recipes' names, or "default".
        data: skelact file.
        out: folder of the runs and the results.
        folds: how many, or "each": one for every group.
        by: column of the clips that is never divided, or clip.
        part: the part of the set that is divided; all by default.
        views: samples per clip; the configuration's if not given.
        batch_size: clips at once when testing.
    """

    recipes: Annotated[tuple[str, ...], tyro.conf.Positional, named("RECIPE")] = ()
    data: Annotated[str, named("DATA.h5")] = ""
    out: str = "runs/cross_validation"
    folds: str = "5"
    by: str = "subject"
    part: str = "all"
    views: int = 0
    batch_size: int = 64


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    more: list[str] = []
    if "--" in arguments:
        place = arguments.index("--")
        arguments, more = arguments[:place], arguments[place + 1 :]
    options = parse(Options, arguments, "cross-validate", HELP)
    if not options.recipes or not options.data:
        raise ConfigError("name recipes and a set: skelact cross-validate RECIPE ... --data SET.h5")
    names = [Path(recipe).stem for recipe in options.recipes]
    if len(set(names)) < len(names):
        raise ConfigError(f"the recipes need different names, got {', '.join(names)}")
    ui.result(cross_validate(options, more, ui))
    return 0


def cross_validate(options: Options, more: list[str], ui: UI) -> dict[str, Any]:
    """Train what is not trained, test and fuse; returns what ``--json`` prints."""
    import numpy as np

    from skelact.datasets.skeleton_set import SkeletonSet
    from skelact.evaluate.cross_validation import fuse_out_of_fold, grouped_interval
    from skelact.evaluate.metrics import confusion_matrix
    from skelact.evaluate.plots import plot_confusion
    from skelact.io.files import write_text
    from skelact.io.outputs import check_output

    out = Path(options.out)
    check_output(out / "cross_validation.json", [options.data])
    data = SkeletonSet.open(options.data)
    groups = groups_of(data, options)
    n_folds = len(set(groups.values())) if options.folds == "each" else _number(options.folds)
    logits, fold, clips = {}, np.zeros(0), np.zeros(0, int)
    for recipe in options.recipes:
        name = Path(recipe).stem
        parts = []
        for k in range(1, n_folds + 1):
            parts.append(_of_fold(recipe, k, n_folds, options, more, ui))
        clips = np.concatenate([clip for clip, _ in parts])
        fold = np.concatenate([np.full(len(clip), k) for k, (clip, _) in enumerate(parts)])
        order = clips.argsort()
        clips, fold, logits[name] = clips[order], fold[order], np.concatenate([z for _, z in parts])[order]
    labels = data.labels.numpy()[clips]
    mine = [groups[int(clip)] for clip in clips]
    rows: list[dict[str, Any]] = []
    fused = np.zeros(0)
    for size in range(1, len(logits) + 1):
        for chosen in itertools.combinations(logits, size):
            stack = np.stack([logits[name] for name in chosen])
            fused, weights = (
                fuse_out_of_fold(stack, labels, fold) if size > 1 else (stack[0], np.ones((1, 1)))
            )
            right = fused.argmax(1) == labels
            rows.append(
                {
                    "networks": list(chosen),
                    "top1": float(right.mean()),
                    "interval": grouped_interval(right, mine),
                    "by_fold": [float(right[fold == k].mean()) for k in np.unique(fold)],
                    "weights": dict(zip(chosen, weights.mean(0).round(4).tolist(), strict=True)),
                }
            )
    matrix = confusion_matrix(fused.argmax(1), labels, len(data.label_names))
    plot_confusion(matrix, data.label_names, out / "confusion.png")
    found = {
        "data": options.data, "clips": len(clips), "folds": n_folds, "by": options.by, "settings": more,
        "groups": len(set(mine)), "rows": rows,
    }  # fmt: skip
    write_text(out / "cross_validation.json", json.dumps(found, indent=1))
    write_text(out / "cross_validation.md", table_of(rows))
    shown = [
        [" + ".join(r["networks"]), percent(r["top1"]), " to ".join(percent(v) for v in r["interval"])]
        for r in rows
    ]
    ui.table(
        ["networks", "top-1", "95 % interval"],
        shown,
        title=f"{counted(len(clips), 'clip')}, {n_folds} folds by {options.by}",
    )
    ui.done(f"{out / 'cross_validation.md'}, {out / 'confusion.png'} (all networks)")
    return found


def groups_of(data: Any, options: Options) -> dict[int, str]:
    """The group of every labelled clip of the part.

    Raises:
        ConfigError: if a clip does not say its group.
    """
    clips = [clip for clip in data.split(options.part).tolist() if data.labels[clip] >= 0]
    if options.by == "clip":
        return {clip: str(clip) for clip in clips}
    column = data.column(options.by)
    silent = [data.ids[clip] for clip in clips if column[clip] is None]
    if silent:
        raise ConfigError(
            f"{counted(len(silent), 'clip does', 'clips do')} not say their {options.by}, such as "
            f"{silent[0]}; divide --by another column, or "
            f"--by clip (extract finds subjects in the files' names: --subject PATTERN)"
        )
    return {clip: str(column[clip]) for clip in clips}


def _number(text: str) -> int:
    try:
        n = int(text)
    except ValueError:
        n = 0
    if n < 2:
        raise ConfigError(f"--folds must be a number from 2 on, or each, got {text}")
    return n


def _of_fold(recipe: str, k: int, n_folds: int, options: Options, more: list[str], ui: UI) -> tuple[Any, Any]:
    """Train without fold k and test on it: its labelled clips ``[n]`` and logits ``[n, K]``."""
    import numpy as np

    from skelact.commands import train
    from skelact.datasets.parts import DataSettings, choose_parts
    from skelact.datasets.skeleton_set import SkeletonSet
    from skelact.evaluate.metrics import combine_clips
    from skelact.io.files import atomic_path
    from skelact.recognition import load_ensemble
    from skelact.settings import from_plain

    name = f"{Path(recipe).stem}_fold{k}"
    run = Path(options.out) / name
    words = [] if recipe == "default" else [recipe]
    words += ["--data", options.data, "--data.train", options.part, "--data.fold", f"{k}/{n_folds}"]
    words += [
        "--data.val-by",
        options.by,
        "--train.keep",
        "last",
        "--name",
        name,
        "--out",
        options.out,
        *more,
    ]
    experiment, _ = train.read_experiment(words, ui)
    train.train(experiment, ui, advise=False)
    ensemble = load_ensemble(run)
    views = options.views or ensemble.card.config.get("views", 1)
    kept, weights = run / f"left_out_views{views}.npz", run / "best.safetensors"
    if kept.exists() and kept.stat().st_mtime > weights.stat().st_mtime:
        with np.load(kept) as file:
            return file["clips"], file["logits"]
    data = SkeletonSet.open(options.data)
    _, val = choose_parts(data, from_plain(DataSettings, ensemble.card.config["data"], f"{name}: data"))
    assert val is not None  # a fold always leaves clips out
    val = val[data.labels[val] >= 0]
    ensemble.attach_pictures(data, val, ensemble.card.config["data"].get("videos", ""))
    with ui.progress("testing") as update:
        (logits,) = ensemble.member_logits(data, val, options.batch_size, views, update)
    clips = val.numpy()
    scores = np.log(combine_clips(logits.numpy()).clip(1e-12))  # of all samples together
    with atomic_path(kept) as part, part.open("wb") as out:
        np.savez(out, clips=clips, logits=scores)
    return clips, scores


def table_of(rows: list[dict[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = ["| networks | top-1 % | 95 % interval | weights |", "| --- | --- | --- | --- |"]
    for row in rows:
        low, high = row["interval"]
        weights = ", ".join(f"{w:.2f}" for w in row["weights"].values()) if len(row["networks"]) > 1 else ""
        names = " + ".join(row["networks"])
        lines.append(
            f"| {names} | {100 * row['top1']:.1f} | {100 * low:.1f} to {100 * high:.1f} | {weights} |"
        )
    return "\n".join(lines) + "\n"
