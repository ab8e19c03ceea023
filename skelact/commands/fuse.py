"""``skelact fuse RUN RUN ...``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from skelact.commands.options import named, need_at_least, parse
from skelact.commands.ui import UI, command_line, percent
from skelact.errors import ConfigError

HELP = """Join trained networks (streams, families, seeds) into one checkpoint that answers for all of them.

  skelact train CONFIG.yaml --pipeline.streams joint --name j --data.val 0.15
  skelact train CONFIG.yaml --pipeline.streams bone  --name b --data.val 0.15
  skelact fuse runs/j runs/b --out runs/fused
  skelact evaluate runs/fused data.h5 --split xsub/test

The weights of the members' scores are fitted on the validation clips that all of them left out."""


@dataclass
class Options:
    """Options of fuse.

    Args:
        checkpoints: checkpoint files or run folders.
        out: folder of the fused checkpoint.
        data: skelact file; the one the first was trained on if not given.
        equal: give all the same weight instead of fitting.
        batch_size: clips at once.
        device: auto (a GPU if there is one), cpu, cuda or cuda:1.
    """

    checkpoints: Annotated[tuple[str, ...], tyro.conf.Positional, named("CHECKPOINT")] = ()
    out: str = "runs/fused"
    data: str = ""
    equal: bool = False
    batch_size: int = 64
    device: str = "auto"


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "fuse", HELP)
    if len(options.checkpoints) < 2:
        raise ConfigError("name at least two checkpoints: skelact fuse runs/A runs/B --out runs/fused")
    ui.result(fuse(options, ui))
    return 0


def fuse(options: Options, ui: UI) -> dict:
    """Fuse checkpoints; returns what ``--json`` prints."""
    from skelact.io.outputs import check_output, holding
    from skelact.training.checkpoint import find_checkpoint

    need_at_least(1, batch_size=options.batch_size)
    inputs = [find_checkpoint(path) for path in options.checkpoints]
    check_output(Path(options.out) / "best.safetensors", inputs)
    with holding(options.out, inputs, folder=True):
        return _fuse(options, ui)


def _fuse(options: Options, ui: UI) -> dict:
    from skelact.recognition.ensemble import join_checkpoints, save_ensemble

    ensemble = join_checkpoints(options.checkpoints, device=options.device)
    figures: dict[str, Any] = {}
    if options.equal:
        ensemble.weights = [1 / len(ensemble.members)] * len(ensemble.members)
    else:
        figures = fit_on_validation(ensemble, options, ui)
    path = save_ensemble(Path(options.out) / "best.safetensors", ensemble)
    rows = [
        [m.name, m.card.model["name"], ", ".join(m.pipeline.streams), f"{w:.2f}", *shown]
        for m, w, shown in zip(
            ensemble.members,
            ensemble.weights,
            [[percent(a)] for a in figures.get("alone", [])] or [[]] * len(ensemble.members),
            strict=True,
        )
    ]
    heads = ["member", "network", "streams", "weight", *(["validation top-1"] if figures else [])]
    ui.table(heads, rows)
    if figures:
        ui.done(f"fused: {percent(figures['fused'])} on {figures['clips']} validation clips")
    ui.done(f"checkpoint {path}")
    test = ensemble.card.config.get("data", {}).get("test")
    data = options.data or ensemble.card.config.get("data", {}).get("path") or "DATA.h5"
    ui.next(command_line("evaluate", options.out, data) + (f" --split {test}" if test else ""))
    return {"checkpoint": str(path), "weights": ensemble.weights, **figures}


def fit_on_validation(ensemble: Any, options: Options, ui: UI) -> dict[str, Any]:
    """Set the ensemble's weights from the clips that all members left out for validation."""
    import numpy as np
    import torch

    from skelact.datasets.skeleton_set import SkeletonSet
    from skelact.evaluate.fusion import fit_fusion_weights

    path = options.data or ensemble.card.config.get("data", {}).get("path", "")
    if not path:
        raise ConfigError(
            "the checkpoints name no data; name a skelact file with --data DATA.h5, or use --equal"
        )
    data = SkeletonSet.open(path)
    clips = common_validation(ensemble, data)
    labels = data.labels[clips]
    with ui.progress("validating") as update:
        logits = ensemble.member_logits(data, clips, options.batch_size, progress=update)
    scores = torch.cat(logits, 1).transpose(0, 1)
    ensemble.weights = [round(float(w), 6) for w in fit_fusion_weights(scores.numpy(), labels.numpy())]
    fused = ensemble.combine([z[:, 0] for z in logits])
    return {
        "clips": len(clips),
        "alone": [float((z[:, 0].argmax(1) == labels).float().mean()) for z in logits],
        "fused": float(np.mean((fused.argmax(1) == labels).numpy())),
    }


def common_validation(ensemble: Any, data: Any) -> Any:
    """Clips that every member held out for validation.

    Raises:
        ConfigError: if there are none.
    """
    import torch

    from skelact.config import DataSettings, choose_parts, from_plain

    common: set[int] | None = None
    for member in ensemble.members:
        settings = from_plain(DataSettings, member.card.config.get("data", {}), f"{member.name}: data")
        _, val = choose_parts(data, settings)
        mine = set() if val is None else set(val.tolist())
        if not mine:
            raise ConfigError(
                f"{member.name} was trained without validation clips, so no weights can be fitted; train with "
                "--data.val 0.15 (the same for all members), or give all the same weight with --equal"
            )
        common = mine if common is None else common & mine
    if not common:
        raise ConfigError(
            "the members left out different validation clips, with none in common; train all with the same "
            "data settings and --data.val-seed, or use --equal"
        )
    labels = data.labels
    return torch.tensor([c for c in sorted(common) if labels[c] >= 0], dtype=torch.int64)
