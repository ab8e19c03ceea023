"""How far networks overfit when the training data shrinks: the question of Hara et al. (CVPR 2018), on the same clips.

python tools/compare_overfitting.py OUT_FOLDER --data utd_mhad.h5 --videos utd-mhad/depth
    [--shares 1 0.5 0.25 0.1] [--seeds 0] [--epochs N] [--steps N] [RECIPE ...]

By default a 3D ResNet-18 on depth video and ST-GCN on joints. All train on the same clips of a share (`data.share`:
class-balanced, the smaller ones within the larger), with the same clips held out for the validation curve (by clip:
their people are in training too), and are tested on the same test part. With a share of the clips the training part
is seen 1/share times as often within an epoch (`train.repeat`, rounded), so that all trainings take about as many
steps of the optimiser; with --steps, all take that many, whatever the set. The last weights are tested, none is chosen.
One row per training is written when ready (``overfitting.json``, ``.md``, ``.tex``, ``.png``); what has a row is not
trained again, and an unfinished training goes on. Accuracies are top-1 in percent, without augmentation. What a start
from the network that ships is worth is shown likewise: RECIPE start_everyday start_scratch.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch

from skelact.commands.experiment import open_data
from skelact.commands.train import build_network, read_pictures, train
from skelact.commands.ui import UI
from skelact.config import Experiment, load_config
from skelact.datasets.parts import choose_parts
from skelact.errors import ConfigError, SkelactError
from skelact.evaluate.share_plot import plot_shares
from skelact.io.files import write_text
from skelact.recipes import find_recipe
from skelact.recognition.checkpoint import load_checkpoint, load_weights
from skelact.recognition.engine import predict_logits

RECIPES = ["utd_mhad_depth", "utd_mhad_stgcn"]
SHARES = [1.0, 0.5, 0.25, 0.1]
VAL = 0.1  # of the training part, for the curve
KEPT = ("epoch", "train_loss", "train_top1", "val_loss", "val_top1")  # of the history
COLUMNS = ("network", "share", "clips", "seeds", "training", "test", "gap")


def make_experiment(recipe: str, share: float, seed: int, options: argparse.Namespace) -> Experiment:
    """A recipe's training on a share of the clips."""
    experiment = load_config(find_recipe(recipe))
    experiment.name = f"{experiment.name}_share{share:g}_seed{seed}"
    data, how = experiment.data, experiment.train
    data.path, data.videos = str(options.data), str(options.videos)
    data.val, data.val_by, data.share = VAL, "clip", share
    data.__post_init__()
    how.epochs, how.seed, how.keep = options.epochs or how.epochs, seed, "last"
    how.repeat = max(1, round(how.repeat / share))
    if options.steps:
        part = choose_parts(open_data(experiment), data)[0]
        passes = options.steps * how.batch_size / max(1, len(part))  # over the part, in all
        how.epochs = min(how.epochs, max(1, round(passes)))
        how.repeat = max(1, round(passes / how.epochs))
    return experiment


def run(experiment: Experiment, folder: Path, ui: UI) -> dict[str, Any]:
    """Train, or go on, and test; returns what the row says of it."""
    result = train(experiment, ui, folder=folder / "runs" / experiment.name, advise=False)
    data = open_data(experiment)
    part, val = choose_parts(data, experiment.data)
    if not experiment.data.test:
        raise ConfigError(
            f"{experiment.data.path} has no test part beside {experiment.data.train}; name one when converting"
        )
    test = data.split(experiment.data.test)
    model = build_network(experiment, data)
    load_weights(model, load_checkpoint(result["checkpoint"])[0], result["checkpoint"])
    read_pictures(experiment, data, torch.cat([part, test]), ui)
    top1 = []
    for clips in (part, test):
        clips = clips[data.labels[clips] >= 0]
        logits = predict_logits(model, data, clips, experiment.pipeline, views=experiment.views).mean(1)
        right = logits.argmax(1) == data.labels[clips].cpu()
        top1.append(round(100 * float(right.float().mean()), 2))
    return {
        "clips": {"training": len(part), "validation": 0 if val is None else len(val), "test": len(test)},
        "epochs": experiment.train.epochs,
        "repeat": experiment.train.repeat,
        "training": top1[0],
        "test": top1[1],
        "curve": [{k: record[k] for k in KEPT if k in record} for record in result["history"]],
    }


def summarise(rows: list[dict[str, Any]]) -> list[list[str]]:
    """The lines of the table (`COLUMNS`): means over the seeds, with standard deviations where there are several."""
    found = defaultdict(list)
    for row in rows:
        found[row["recipe"], row["share"]].append(row)
    lines = []
    for recipe, share in sorted(found, key=lambda key: (key[0], -key[1])):
        runs = found[recipe, share]
        values = [[r["training"], r["test"], r["training"] - r["test"]] for r in runs]
        means = [
            f"{statistics.mean(v):.1f}" + (f" ± {statistics.stdev(v):.1f}" if len(v) > 1 else "")
            for v in zip(*values, strict=True)
        ]
        lines.append(
            [recipe, f"{100 * share:g} %", str(runs[0]["clips"]["training"]), str(len(runs)), *means]
        )
    return lines


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """The table as Markdown."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *summarise(rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_latex(rows: list[dict[str, Any]]) -> str:
    """The table as a LaTeX ``tabular`` with booktabs' rules."""
    special = {"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", "±": r"$\pm$"}
    cells = [["".join(special.get(c, c) for c in cell) for cell in line] for line in summarise(rows)]
    body = [" & ".join(line) + r" \\" for line in cells]
    head = " & ".join(COLUMNS) + r" \\"
    lines = [
        r"\begin{tabular}{lrrrrrr}",
        r"\toprule",
        head,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "% needs \\usepackage{booktabs}\n" + "\n".join(lines) + "\n"


def write_results(rows: list[dict[str, Any]], folder: Path) -> None:
    """All four files."""
    networks: dict[str, dict[float, list]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        networks[row["recipe"]][row["share"]].append((row["training"], row["test"]))
    write_text(folder / "overfitting.json", json.dumps(rows, indent=1))
    write_text(folder / "overfitting.md", as_markdown(rows))
    write_text(folder / "overfitting.tex", as_latex(rows))
    plot_shares(networks, folder / "overfitting.png")


def main(arguments: list[str] | None = None) -> None:
    """Train what has no row yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER")
    parser.add_argument("recipes", nargs="*", default=RECIPES, metavar="RECIPE", help="names or YAML files")
    parser.add_argument("--data", type=Path, required=True, help="the skelact file")
    parser.add_argument("--videos", default="", help="folder of the clips' videos")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=0, help="instead of the recipes' own")
    parser.add_argument("--steps", type=int, default=0, help="of the optimiser, about, for each training")
    options = parser.parse_args(arguments)
    ui = UI(quiet=True)
    try:
        wanted = [
            (recipe, share, seed, make_experiment(recipe, share, seed, options))
            for share in options.shares
            for recipe in options.recipes
            for seed in options.seeds
        ]
    except SkelactError as error:
        parser.error(str(error))
    file = options.out / "overfitting.json"
    rows = json.loads(file.read_text()) if file.exists() else []
    for recipe, share, seed, experiment in wanted:
        key = {"recipe": Path(recipe).stem, "share": share, "seed": seed}
        if not any(key.items() <= row.items() for row in rows):
            rows.append({**key, **run(experiment, options.out, ui)})
            write_results(rows, options.out)
    if rows:
        write_results(rows, options.out)
        ui.done(f"{len(rows)} rows in {file.with_suffix('.md')}, .json, .tex and .png")


if __name__ == "__main__":
    main()
