"""``skelact train CONFIG.yaml [--key value ...]``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skelact.commands.options import parse
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError

HELP = """Train a network.

  skelact train CONFIG.yaml [--train.lr 0.05 ...]
  torchrun --nproc-per-node 2 -m skelact.cli train CONFIG.yaml

A run that was stopped or killed continues where it was with the same command. The folder it prints
holds best.safetensors (weights and everything that using them needs), curves, logs and config.yaml."""


@dataclass
class Extra:
    """Options of the command itself.

    Args:
        overfit: only check that the network can learn this many clips by heart, then stop.
        restart: begin again even if the folder holds an unfinished run.
        data_file: the skelact file, instead of the configuration's ``data.path``.
    """

    overfit: int = 0
    restart: bool = False
    data_file: str = ""


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.config import Experiment, load_config

    files = []
    while arguments and not arguments[0].startswith("-"):
        files.append(arguments.pop(0))
    if len(files) > 1:
        raise ConfigError(f"one configuration file is needed, got {len(files)}: {', '.join(files)}")
    if not files and not any(a in arguments for a in ("-h", "--help")):
        raise ConfigError(
            "name a configuration file: skelact train configs/NAME.yaml (see the folder configs)"
        )
    experiment = load_config(files[0]) if files else Experiment()
    options = _split_options(arguments)
    experiment = parse(Experiment, arguments, "train CONFIG.yaml", HELP, default=experiment)
    if options.data_file:
        experiment.data.path = options.data_file
    if options.overfit:
        return _overfit(experiment, options, ui)
    result = train(experiment, ui, restart=options.restart)
    ui.result(result)
    return 0


def _split_options(arguments: list[str]) -> Extra:
    """Take the command's own options out of ``arguments``."""
    extra = Extra()
    for flag, name, kind in (("--overfit", "overfit", int), ("--data", "data_file", str)):
        if flag in arguments:
            place = arguments.index(flag)
            try:
                setattr(extra, name, kind(arguments[place + 1]))
            except (IndexError, ValueError):
                raise ConfigError(
                    f"{flag} needs a value ({'number of clips' if kind is int else 'file'})"
                ) from None
            del arguments[place : place + 2]
    if "--restart" in arguments:
        extra.restart = True
        arguments.remove("--restart")
    return extra


def open_data(experiment: Any) -> Any:
    """The experiment's set, with a word on what to do if its path is not given."""
    from skelact.datasets.skeleton_set import SkeletonSet

    if not experiment.data.path:
        raise ConfigError(
            "data.path is empty; give the skelact file with --data FILE.h5 (made by skelact convert)"
        )
    return SkeletonSet.open(experiment.data.path)


def make_card(experiment: Any, data: Any) -> Any:
    """What a checkpoint of this experiment must carry."""
    from skelact import __version__
    from skelact.config import to_plain
    from skelact.training.checkpoint import Card

    seconds = (data.n_frames.float() / data.fps).median()
    return Card(
        layout=data.layout.to_dict(),
        dims=data.dims,
        unit=data.unit,
        label_names=data.label_names,
        fps=float(data.fps.median()),
        model=to_plain(experiment.model),
        pipeline=to_plain(experiment.pipeline),
        config=to_plain(experiment),
        clip_seconds=float(seconds),
        skelact=__version__,
    )


def train(
    experiment: Any, ui: UI, *, restart: bool = False, folder: Path | None = None, advise: bool = True
) -> dict:
    """Train an experiment with progress; returns what ``--json`` prints."""
    from skelact.config import choose_parts, dump_config
    from skelact.training.loop import fit

    leading = int(os.environ.get("RANK", "0")) == 0
    data = open_data(experiment)
    if not data.label_names:
        raise ConfigError(f"{experiment.data.path} has no labels to learn; convert it with labels")
    part, val = choose_parts(data, experiment.data, experiment.train.seed)
    import torch

    torch.manual_seed(experiment.train.seed)
    model = experiment.model.build(
        data.layout, len(data.label_names), experiment.pipeline.channels(data.dims)
    )
    run_folder = folder or Path(experiment.out) / experiment.name
    if leading:
        n_weights = sum(p.numel() for p in model.parameters())
        ui.say(
            f"{experiment.name}: {experiment.model.name} ({n_weights / 1e6:.2f} M weights) on {len(part)} clips of "
            f"{experiment.data.path}, {len(data.label_names)} classes, "
            + (f"{len(val)} clips held out for validation" if val is not None else "no validation part")
        )
        run_folder.mkdir(parents=True, exist_ok=True)
        (run_folder / "config.yaml").write_text(dump_config(experiment), encoding="utf-8")
    epochs = experiment.train.epochs
    with ui.progress("training") as update:

        def on_step(epoch: int, step: int, steps: int, loss: float) -> None:
            update((epoch - 1) * steps + step, epochs * steps, f"epoch {epoch}, loss {loss:.3f}")

        def on_epoch(record: dict[str, float]) -> None:
            if ui.quiet and (record["epoch"] % max(1, epochs // 10) == 0 or record["epoch"] == epochs):
                val_text = f", validation {percent(record['val_top1'])}" if "val_top1" in record else ""
                ui.say(
                    f"  epoch {record['epoch']:.0f}/{epochs}: loss {record['train_loss']:.3f}, "
                    f"training {percent(record['train_top1'])}{val_text}"
                )

        outcome = fit(
            model, data, part, val, experiment.pipeline, experiment.train, run_folder, make_card(experiment, data),
            restart=restart, on_step=on_step, on_epoch=on_epoch,
        )  # fmt: skip
    if leading:
        from skelact.evaluate.plots import plot_curves

        plot_curves(outcome.history, run_folder / "curves.png")
        last = outcome.history[-1]
        chosen = outcome.history[outcome.best_epoch - 1]
        ui.done(
            f"trained {epochs} epochs in {outcome.seconds:.0f} s; last loss {last['train_loss']:.3f}, "
            + (
                f"best validation {percent(chosen['val_top1'])} in epoch {outcome.best_epoch}"
                if "val_top1" in chosen
                else "the last weights are kept"
            )
        )
        ui.done(f"checkpoint {outcome.best}, curves {run_folder / 'curves.png'}")
        test = experiment.data.test
        if advise:
            ui.next(
                f"skelact evaluate {run_folder} {experiment.data.path}" + (f" --split {test}" if test else ""),
                f"skelact predict {run_folder} video.mp4 --overlay out.mp4",
            )
    return {
        "folder": str(run_folder),
        "checkpoint": str(outcome.best),
        "best_epoch": outcome.best_epoch,
        "seconds": outcome.seconds,
        "history": outcome.history,
    }


def _overfit(experiment: Any, options: Extra, ui: UI) -> int:
    from skelact.config import choose_parts
    from skelact.training.loop import check_overfit

    data = open_data(experiment)
    part, _ = choose_parts(data, experiment.data, experiment.train.seed)
    import torch

    torch.manual_seed(experiment.train.seed)
    model = experiment.model.build(
        data.layout, len(data.label_names), experiment.pipeline.channels(data.dims)
    )
    with ui.progress("overfitting") as update:
        learned, steps, loss = check_overfit(
            model, data, part, experiment.pipeline, experiment.train, options.overfit,
            on_step=lambda step, total, value: update(step, total, f"loss {value:.3f}"),
        )  # fmt: skip
    if learned:
        ui.done(
            f"{options.overfit} clips were learned by heart in {steps} steps (loss {loss:.3f}): the path is sound"
        )
    else:
        ui.warn(
            f"{options.overfit} clips were NOT learned in {steps} steps (loss {loss:.3f}): look at labels and joints "
            "with skelact inspect, and at normalise and streams in the configuration"
        )
    ui.result({"learned": learned, "steps": steps, "loss": loss, "clips": options.overfit})
    return 0 if learned else 1
