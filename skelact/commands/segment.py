"""``skelact segment train|evaluate|moments|detect``: labels for every frame of untrimmed recordings."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skelact.commands.experiment import Extra, config_files, open_recordings, split_options
from skelact.commands.options import asks_help, parse
from skelact.commands.ui import UI, command_line, percent
from skelact.errors import ConfigError, choices, counted

HELP = """usage: skelact segment train|evaluate|moments|detect ...      skelact segment train --help

Networks that label every frame of untrimmed recordings, and what is made of their scores.

examples:
  skelact convert gesture-phase --out gp.h5 --benchmark gesture_phase
  skelact segment train --data gp.h5 --name gp          MS-TCN; --model gru for the baseline
  skelact segment evaluate runs/gp gp.h5                frames, segments, pictures of every recording
  skelact segment detect runs/gp gp.h5                  events by proposals, as ActivityNet's JSON; mAP
  skelact segment moments runs/NAME                     moments of gestures as they come, for sets with moments

train     --data FILE.h5 --model mstcn|gru --model.causal --data.train PART --data.val IDS|SHARE --name NAME --out DIR;
          for moments --target.background NAME --target.before S --target.after S --target.delay S; CONFIG.yaml
evaluate  --split PART --out FOLDER --pictures N
detect    --split PART --out FOLDER --least S --least-score P --most N --sigma X
moments   --fit-with RUN --threshold P --false-per-hour N --refractory S --wait S --drop X --each-alone --within S
Each part has its own --help.
"""

TRAIN_HELP = """Train a network that labels every frame.

  skelact segment train --data gp.h5 --name gp
  skelact segment train CONFIG.yaml --data gp.h5 --model gru --train.epochs 80
  skelact segment train --data gp.h5 --model.causal --data.val a3 --name live

usual options:
  --data FILE.h5   the skelact file, with recordings that are labelled frame by frame
  --model NAME     mstcn or gru, with its defaults
  --device NAME    short for --train.device
  --restart        begin again even if the folder holds an unfinished run

A run that was stopped or killed continues where it was with the same command."""

SHORT = {"--device": "--train.device", "--model": "--model.name"}


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.commands import segment_detect, segment_evaluate, segment_moments

    parts: dict[str, Callable[[list[str], UI], int]] = {
        "train": train_main,
        "evaluate": segment_evaluate.main,
        "detect": segment_detect.main,
        "moments": segment_moments.main,
    }
    if not arguments or asks_help(arguments[:1]):
        ui.say(HELP)
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in parts:
        raise ConfigError(choices(name, parts, "part of skelact segment"))
    return parts[name](rest, ui)


def train_main(arguments: list[str], ui: UI) -> int:
    """``skelact segment train``."""
    from skelact.io.outputs import holding

    experiment, options = read_experiment(arguments)
    folder = Path(experiment.out) / experiment.name
    with holding(folder, folder=True):
        ui.result(train(experiment, ui, folder, restart=options.restart))
    return 0


def read_experiment(arguments: list[str]) -> tuple[Any, Extra]:
    """What a command line asks for: the experiment, and the command's own options."""
    from skelact.models.segmentation import find_segmenter
    from skelact.training.segmentation.settings import SegmentExperiment, load_segment_config

    options = split_options(arguments)
    files = config_files(arguments)
    asks = asks_help(arguments)
    if len(files) > 1:
        raise ConfigError(f"one configuration file is needed, got {len(files)}: {', '.join(files)}")
    if not files and not options.data_file and not asks:
        raise ConfigError(
            "name the data, a configuration file, or both: skelact segment train --data FILE.h5"
        )
    experiment = load_segment_config(files[0]) if files else SegmentExperiment()
    for short, long in SHORT.items():
        arguments = [re.sub(rf"^{short}(?==|$)", long, word) for word in arguments]
    for place, word in enumerate(arguments):
        name = word.partition("=")[2] or "".join(arguments[place + 1 : place + 2])
        if re.match(r"--model\.name(=|$)", word) and name != experiment.model.name:
            experiment.model = find_segmenter({"name": name})()
    experiment = parse(SegmentExperiment, arguments, "segment train", TRAIN_HELP, default=experiment)
    if options.data_file:
        experiment.data.path = options.data_file
    return experiment, options


def make_card(experiment: Any, data: Any) -> Any:
    """What a checkpoint of this experiment must carry."""
    from skelact import __version__
    from skelact.recognition.checkpoint import Card
    from skelact.settings import to_plain

    return Card(
        layout=data.layout.to_dict(), dims=data.dims, unit=data.unit, origin=data.origin,
        label_names=data.frame_label_names, fps=experiment.input.fps, model=to_plain(experiment.model),
        pipeline=to_plain(experiment.input), config=to_plain(experiment), clip_seconds=experiment.input.window,
        skelact=__version__,
    )  # fmt: skip


def train(experiment: Any, ui: UI, folder: Path, *, restart: bool = False) -> dict[str, Any]:
    """Train with progress; returns what ``--json`` prints."""
    import torch

    from skelact.datasets.frame_input import FrameLabels
    from skelact.datasets.frame_parts import choose_recordings, find_test_part, find_train_part
    from skelact.io.files import write_text
    from skelact.training.segmentation.loop import fit_segmentation
    from skelact.training.segmentation.settings import dump_segment_config

    data = open_recordings(experiment.data.path)
    labels = FrameLabels(data, experiment.target)
    experiment.data.train = find_train_part(data, experiment.data.train)
    experiment.data.test = find_test_part(data, experiment.data.train, experiment.data.test)
    part, val = choose_recordings(data, experiment.data.train, experiment.data.val, experiment.data.seed)
    torch.manual_seed(experiment.train.seed)
    model = experiment.model.build(data.layout, len(labels.names), experiment.input.channels(data.dims))
    n_weights = sum(p.numel() for p in model.parameters())
    ui.say(
        f"{experiment.name}: {experiment.model.name}{' (causal)' if model.causal else ''}, {n_weights / 1e6:.2f} M "
        f"weights, {counted(len(labels.names), 'label')} of {experiment.data.path}"
    )
    ui.say(
        f"  {counted(len(part), 'recording')} of '{experiment.data.train}' to train on"
        + (f", validation: {', '.join(data.ids[int(c)] for c in val)}" if len(val) else "")
    )
    folder.mkdir(parents=True, exist_ok=True)
    if restart or not (folder / "last.pt").exists():
        write_text(folder / "config.yaml", dump_segment_config(experiment))
    epochs = experiment.train.epochs
    with ui.progress("training") as update:

        def on_step(epoch: int, step: int, steps: int, loss: float) -> None:
            update((epoch - 1) * steps + step, epochs * steps, f"epoch {epoch}, loss {loss:.3f}")

        def on_epoch(record: dict[str, float]) -> None:
            if ui.quiet and ("val_f1" in record or record["epoch"] % max(1, epochs // 10) == 0):
                val_text = (
                    f", validation {percent(record['val_accuracy'])}, F1 {percent(record['val_f1'])}, F1@50 "
                    f"{percent(record['val_f1_50'])}, edit {percent(record['val_edit'])}"
                    if "val_f1" in record
                    else ""
                )
                ui.say(
                    f"  epoch {record['epoch']:.0f}/{epochs}: loss {record['train_loss']:.3f}, training "
                    f"{percent(record['train_accuracy'])}{val_text}"
                )

        def on_continue(done: int) -> None:
            ui.say(
                f"  continuing the run in {folder} after epoch {done}"
                if done < epochs
                else f"  the run in {folder} is finished already; --restart begins again, --name starts another"
            )

        outcome = fit_segmentation(
            model, data, part, val, labels, experiment, folder, make_card(experiment, data),
            restart=restart, on_step=on_step, on_epoch=on_epoch, on_continue=on_continue,
        )  # fmt: skip
    ui.done(
        f"trained {epochs} epochs in {outcome.seconds:.0f} s; last loss {outcome.history[-1]['train_loss']:.3f}"
    )
    ui.done(f"checkpoint {outcome.best}, the weights of epoch {outcome.best_epoch}")
    test = ["--split", experiment.data.test] if experiment.data.test else []
    ui.next(
        command_line("segment", "evaluate", folder, experiment.data.path, *test),
        command_line("segment", "detect", folder, experiment.data.path, *test),
    )
    return {
        "folder": str(folder), "checkpoint": str(outcome.best), "best_epoch": outcome.best_epoch,
        "seconds": outcome.seconds, "history": outcome.history,
    }  # fmt: skip
