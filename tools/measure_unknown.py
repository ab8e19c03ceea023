"""How well ``unknown`` tells classes that a network was not trained on, by leaving out some in turn.

python tools/measure_unknown.py OUT_FOLDER CONFIG.yaml --data SET.h5 [--protocol subjects] [--leave 2] [--rate 0.05]
    [--epochs N] [--seed 0]

The classes are left out in groups of --leave, each once. For each group the recipe is trained on PROTOCOL/train without
them and validated on PROTOCOL/val (PROTOCOL/test has to be there too), the threshold is fitted on the validation clips,
and the test clips are answered: those of the classes that it knows, and the strangers. A row holds top-1 on the known
clips, the share of known clips and of strangers that are refused, and the AUROC of the confidence; the last row is
their mean. Rows are written when ready (``unknown.json``); what has a row is not trained again.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from skelact.commands.evaluate import Options, evaluate
from skelact.commands.train import train
from skelact.commands.ui import UI
from skelact.config import load_config
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError, SkelactError
from skelact.evaluate.metrics import combine_clips
from skelact.evaluate.predictions import read_predictions
from skelact.evaluate.ranking import roc_auc
from skelact.io.files import write_text
from skelact.io.store import Store, write_store
from skelact.recipes import find_recipe
from skelact.recognition import load_ensemble
from skelact.skeleton import Skeleton

PARTS = ("train", "val", "test")


def divide(path: Path, protocol: str, left_out: list[str], folder: Path) -> tuple[Path, list[Skeleton]]:
    """A set of the known classes, with the protocol's parts, and the strangers among its test clips."""
    with Store(path) as store:
        missing = [part for part in PARTS if f"{protocol}/{part}" not in store.splits]
        if missing:
            raise ConfigError(f"{path} lacks {', '.join(f'{protocol}/{part}' for part in missing)}")
        parts = {part: set(store.splits[f"{protocol}/{part}"].tolist()) for part in PARTS}
        clips = {i: store.read(i) for i in sorted(set().union(*parts.values()))}
        known = [name for name in store.label_names if name not in left_out]
    kept = {i: clip for i, clip in clips.items() if clip.label in known}
    splits = {f"{protocol}/{part}": [kept[i].id for i in rows if i in kept] for part, rows in parts.items()}
    out = folder / "known.h5"
    write_store(out, list(kept.values()), splits, known, overwrite=True)
    return out, [clips[i] for i in sorted(parts["test"]) if clips[i].label in left_out]


def row_of(options: argparse.Namespace, left_out: list[str], ui: UI) -> dict[str, Any]:
    """Train without some classes, and measure."""
    folder = Path(options.out) / "-".join(left_out).replace(" ", "_").replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    data, strangers = divide(options.data, options.protocol, left_out, folder)
    experiment = load_config(find_recipe(options.recipe))
    experiment.data.path, experiment.train.seed = str(data), options.seed
    for part in PARTS:
        setattr(experiment.data, part, f"{options.protocol}/{part}")
    experiment.train.epochs = options.epochs or experiment.train.epochs
    run = folder / "run"
    train(experiment, ui, folder=run, advise=False)
    found = evaluate(Options(str(run), mistakes=0, fit_unknown=options.rate), ui, examples=0, advise=False)
    answers = read_predictions(found["predictions"])
    ensemble = load_ensemble(run)
    others = SkeletonSet.from_skeletons([s.with_(label=None) for s in strangers])
    logits = ensemble.member_logits(others, torch.arange(len(others)), views=found["views"])
    sure = combine_clips(ensemble.combine(logits).numpy()).max(1)
    both = np.concatenate([answers.confidence, sure])
    return {
        "left_out": left_out, "known_clips": len(answers), "strangers": len(sure), "top1": found["top1"],
        "threshold": found["unknown"]["threshold"], "known_refused": found["unknown"]["refused"],
        "strangers_refused": float((sure < found["unknown"]["threshold"]).mean()),
        "auroc": roc_auc(both, np.arange(len(both)) < len(answers)),
    }  # fmt: skip


def main() -> None:
    """Run the tool."""
    assert __doc__
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out")
    parser.add_argument("recipe")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--protocol", default="subjects")
    parser.add_argument("--leave", type=int, default=2)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    ui, target = UI(quiet=True), Path(options.out) / "unknown.json"
    try:
        rows = json.loads(target.read_text()) if target.is_file() else []
        with Store(options.data) as store:
            names = store.label_names
        groups = [
            names[i : i + options.leave] for i in range(0, len(names) - options.leave + 1, options.leave)
        ]
        for left_out in groups:
            if left_out not in [row["left_out"] for row in rows]:
                rows.append(row_of(options, left_out, UI(silent=True)))
                write_text(target, json.dumps(rows, indent=1) + "\n")
    except SkelactError as error:
        raise SystemExit(f"measure_unknown: {error}") from None
    columns = ("top1", "known_refused", "strangers_refused", "auroc")
    table = [[", ".join(row["left_out"]), *(100 * row[c] for c in columns)] for row in rows]
    table.append(["mean", *(float(np.mean([row[k] for row in table])) for k in range(1, 5))])
    ui.table(["left out", "top-1 of the known", "known refused", "strangers refused", "AUROC"], table)


if __name__ == "__main__":
    main()
