"""How isolated signs and gestures are recognised on held-out people, and what missing data and mirroring cost.

python tools/measure_signs.py OUT_FOLDER RECIPE --data mp_signs.h5
    [--protocols signer01 signer02 ...] [--fold 1/8 --by subject] [--epochs N] [--seed 0]

For each protocol of the set (``NAME/train`` and ``NAME/test``; all by default) the recipe is trained on the one part
and tested on the other: as they are, with 20 % of the frames missing, with 20 % of the joints missing in whole clips,
and mirrored. What is dropped is drawn from the seed. With --fold, the test part is never looked at: the fold is held
out of the training part and tested instead, to choose settings by. The last weights are tested, none is chosen. A row
per protocol is written when ready (``signs.json``); what has a row is not trained again.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import torch

from skelact.commands.experiment import open_data
from skelact.commands.train import build_network, train
from skelact.commands.ui import UI
from skelact.config import Experiment, load_config
from skelact.datasets.augment import AUGMENTATIONS
from skelact.datasets.gather import gather
from skelact.datasets.parts import choose_parts
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, SkelactError
from skelact.io.files import write_text
from skelact.io.store import Store
from skelact.recipes import find_recipe
from skelact.recognition.checkpoint import load_checkpoint, load_weights
from skelact.recognition.engine import compute_logits

CHANGES: dict[str, tuple[str, float]] = {
    "frames missing": ("drop_frames", 0.2),
    "joints missing": ("drop_joints", 0.2),
    "mirrored": ("mirror", 1.0),
}


def make_experiment(recipe: str, protocol: str, options: argparse.Namespace) -> Experiment:
    """A recipe's training on one protocol."""
    experiment = load_config(find_recipe(recipe))
    experiment.name = (
        f"{experiment.name}_{protocol}_seed{options.seed}{options.fold and '_fold'}{options.fold[:1]}"
    )
    data, how = experiment.data, experiment.train
    data.path, data.train, data.test, data.val = (
        str(options.data),
        f"{protocol}/train",
        f"{protocol}/test",
        0.0,
    )
    data.fold, data.val_by = options.fold, options.by
    data.__post_init__()
    how.epochs, how.seed, how.keep = options.epochs or how.epochs, options.seed, "last"
    return experiment


def accuracy(
    model: torch.nn.Module, data: SkeletonSet, clips: torch.Tensor, experiment: Experiment, change: str = ""
) -> float:
    """Top-1 in percent, with one of `CHANGES`."""
    pipeline = experiment.pipeline
    generator = torch.Generator().manual_seed(experiment.train.seed)

    def make_batch(some: slice, view: tuple[int, int]) -> Any:
        batch = gather(data, clips[some], pipeline.sampling, view=view)
        if change:
            name, amount = CHANGES[change]
            batch = AUGMENTATIONS[name].change(batch, amount, generator)
        return pipeline.prepare(batch)

    logits = compute_logits(model, make_batch, len(clips), 64, experiment.views).mean(1)
    right = logits.argmax(1) == data.labels[clips].cpu()
    return round(100 * float(right.float().mean()), 2)


def run(experiment: Experiment, folder: Path, ui: UI) -> dict[str, Any]:
    """Train, or go on, and test; returns what the row says of it."""
    result = train(experiment, ui, folder=folder / "runs" / experiment.name, advise=False)
    data = open_data(experiment)
    part, held_out = choose_parts(data, experiment.data)
    model = build_network(experiment, data)
    load_weights(model, load_checkpoint(result["checkpoint"])[0], result["checkpoint"])
    test = data.split(experiment.data.test) if held_out is None else held_out
    test = test[data.labels[test] >= 0]
    found = {"as they are": accuracy(model, data, test, experiment)}
    found |= {name: accuracy(model, data, test, experiment, name) for name in CHANGES}
    return {"clips": [len(part), len(test)], "top1": found}


def protocols_of(path: Path) -> list[str]:
    """The protocols of a set that have a training and a test part."""
    with Store(path) as store:
        return sorted(
            name.removesuffix("/test")
            for name in store.splits
            if name.endswith("/test") and f"{name.removesuffix('/test')}/train" in store.splits
        )


def main(arguments: list[str] | None = None) -> None:
    """Train and test what has no row yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER")
    parser.add_argument("recipe", metavar="RECIPE", help="name or YAML file")
    parser.add_argument("--data", type=Path, required=True, help="the skelact file")
    parser.add_argument("--protocols", nargs="+", default=[], help="all by default")
    parser.add_argument(
        "--fold", default="", help="i/k of the training part, tested instead of the test part"
    )
    parser.add_argument("--by", default="subject", help="what a fold never divides: a column, or clip")
    parser.add_argument("--epochs", type=int, default=0, help="instead of the recipe's own")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    ui = UI(quiet=True)
    try:
        known = protocols_of(options.data)
        wanted = options.protocols or known
        if missing := set(wanted) - set(known):
            raise ConfigError(
                f"{options.data} has no protocol {', '.join(missing)}; it has {', '.join(known)}"
            )
        file = options.out / "signs.json"
        rows = json.loads(file.read_text()) if file.exists() else []
        for protocol in wanted:
            key = {"protocol": protocol, "seed": options.seed, "fold": options.fold}
            if not any(key.items() <= row.items() for row in rows):
                experiment = make_experiment(options.recipe, protocol, options)
                rows.append({**key, **run(experiment, options.out, ui)})
                write_text(file, json.dumps(rows, indent=1))
    except SkelactError as error:
        parser.error(str(error))
    shown = [
        row
        for row in rows
        if row["protocol"] in wanted and (row["seed"], row["fold"]) == (options.seed, options.fold)
    ]
    names = ["as they are", *CHANGES]
    lines = [[row["protocol"], *(f"{row['top1'][name]:.1f}" for name in names)] for row in shown]
    means = [statistics.mean(row["top1"][name] for row in shown) for name in names]
    ui.table(["protocol", *names], [*lines, ["mean", *(f"{mean:.1f}" for mean in means)]])
    ui.done(f"{len(shown)} rows in {file}")


if __name__ == "__main__":
    main()
