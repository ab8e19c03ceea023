"""``skelact train CONFIG.yaml [--key value ...]``."""

from __future__ import annotations

import os
import re
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skelact.commands.options import parse
from skelact.commands.ui import UI, command_line, percent
from skelact.errors import ConfigError, DataError

HELP = """Train a network from a configuration file; every setting below can be changed on the command line.

  skelact train --data mine.h5                          the default for a set of its size
  skelact train ntu60_xsub_ctrgcn --data ntu60.h5       a recipe by its name (skelact recipes)
  skelact train CONFIG.yaml --overfit 8                 first: can it learn 8 clips by heart?
  skelact train CONFIG.yaml --train.lr 0.02 --name slow
  skelact train CONFIG.yaml --model my_module:MyNet --model.width 64      a network of your own
  torchrun --nproc-per-node 2 -m skelact.cli train CONFIG.yaml

besides the settings:
  --data FILE.h5   the skelact file, instead of the configuration's data.path
  --overfit N      only check that the network can learn N clips by heart, then stop
  --model NAME     another network, with its defaults (skelact models), or a class of your own, module:Class,
                   from the current folder or installed: an nn.Module made by (layout, n_classes, channels_in,
                   **settings) and called (x [P, T, V, C], owner [P], score [P, T, V], n_clips), or a dataclass of
                   settings with build(layout, n_classes, channels_in). Its code is run.
  --device NAME    auto, cpu, cuda or cuda:1; short for --train.device
  --restart        begin again even if the folder holds an unfinished run

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

    overfit: int | None = None
    restart: bool = False
    data_file: str = ""


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.config import Experiment, load_config
    from skelact.recipes import find_recipe

    if not is_leading():
        ui = UI(quiet=True, silent=True)
    options = _split_options(arguments)
    files = _config_files(arguments)
    if len(files) > 1:
        raise ConfigError(f"one configuration file is needed, got {len(files)}: {', '.join(files)}")
    asks = any(a in arguments for a in ("-h", "--help"))
    if not files and not options.data_file and not asks:
        raise ConfigError(
            "name the data, a configuration file, or both: skelact train --data FILE.h5, skelact train "
            "configs/NAME.yaml --data FILE.h5"
        )
    experiment = (
        load_config(find_recipe(files[0]))
        if files
        else Experiment()
        if asks
        else choose_recipe(options.data_file, arguments, ui)
    )
    for short, long in (("--device", "--train.device"), ("--model", "--model.name")):
        arguments = [re.sub(rf"^{short}(?==|$)", long, word) for word in arguments]
    choose_family(experiment, arguments)
    experiment = parse(Experiment, arguments, "train CONFIG.yaml", HELP, default=experiment)
    if options.data_file:
        experiment.data.path = options.data_file
    if options.overfit is not None:
        return _overfit(experiment, options, ui)
    result = train(experiment, ui, restart=options.restart)
    ui.result(result)
    return 0


def is_leading() -> bool:
    """Whether this process speaks; of several that torchrun started only the first does."""
    return int(os.environ.get("RANK", "0")) == 0


def _split_options(arguments: list[str]) -> Extra:
    """Take the command's own options out of ``arguments``."""
    extra = Extra()
    for flag, name, kind, what in (
        ("--overfit", "overfit", int, "a number of clips above 0"),
        ("--data", "data_file", str, "a skelact file"),
    ):
        for place, word in enumerate(arguments):
            if word != flag and not word.startswith(f"{flag}="):
                continue
            given = [word.partition("=")[2]] if "=" in word else arguments[place + 1 : place + 2]
            try:
                value = kind(given[0])
            except (IndexError, ValueError):
                raise ConfigError(f"{flag} needs {what}, got {given[0] if given else 'nothing'}") from None
            if isinstance(value, int) and value < 1:
                raise ConfigError(f"{flag} needs {what}, got {value}")
            setattr(extra, name, value)
            del arguments[place : place + (1 if "=" in word else 2)]
            break
    if "--restart" in arguments:
        extra.restart = True
        arguments.remove("--restart")
    return extra


def _config_files(arguments: list[str]) -> list[str]:
    """Take the configuration files out of ``arguments``: first words, or YAML files that are no option's value."""
    files = []
    while arguments and not arguments[0].startswith("-"):
        files.append(arguments.pop(0))
    for place in range(len(arguments) - 1, 0, -1):
        if arguments[place].endswith((".yaml", ".yml")) and not arguments[place - 1].startswith("--"):
            files.append(arguments.pop(place))
    return files


def choose_recipe(path: str, arguments: list[str], ui: UI) -> Any:
    """The default recipe for a set, or a training part (``--data.train``), of this size."""
    from skelact.config import Experiment
    from skelact.datasets.parts import resolve_parts
    from skelact.recipes import default_recipe

    experiment = Experiment()
    experiment.data.path = path
    experiment.data.train = _given(arguments, "--data.train") or experiment.data.train
    data = open_data(experiment)
    train = data.split(resolve_parts(data, experiment.data).train)
    chosen = default_recipe(data, train)
    sees = f"{', '.join(chosen.pipeline.streams)} at {chosen.pipeline.sampling.n_frames} moments of a clip"
    ui.say(
        f"no configuration is named; {len(train)} clips to train on: configs/{chosen.name}.yaml is used, "
        f"fitted to the set: {sees}"
    )
    chosen.name = f"{Path(path).stem}_{chosen.name}"
    return chosen


def choose_family(experiment: Any, arguments: list[str]) -> None:
    """``--model NAME`` of another family than the configuration's: that family's defaults."""
    from skelact.models import find_settings, use_model

    given = _given(arguments, "--model.name")
    if given is None:
        return
    if ":" in given:
        use_model(given)
    if given != experiment.model.name:
        experiment.model = find_settings({"name": given})()


def _given(arguments: list[str], flag: str) -> str | None:
    """What is given for an option; None if it is not there."""
    for place, word in enumerate(arguments):
        if word == flag:
            return "".join(arguments[place + 1 : place + 2])
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None


def open_data(experiment: Any) -> Any:
    """The experiment's set, with a word on what to do if its path is not given."""
    from skelact.datasets.skeleton_set import SkeletonSet

    path = experiment.data.path
    if not path:
        raise ConfigError(
            "data.path is empty; give the skelact file with --data FILE.h5 (made by skelact convert or extract)"
        )
    if not Path(path).exists():
        raise DataError(
            f"there is no file {path}; make it with skelact convert or skelact extract, or name another "
            "with --data FILE.h5"
        )
    data = SkeletonSet.open(path)
    if not data.label_names or bool((data.labels < 0).all()):
        raise DataError(
            f"{path} has no labels to learn: put videos in one folder per action, or give the CSV a column 'label', "
            "then convert again"
        )
    return data


def make_card(experiment: Any, data: Any) -> Any:
    """What a checkpoint of this experiment must carry."""
    from skelact import __version__
    from skelact.recognition.checkpoint import Card
    from skelact.settings import to_plain

    seconds = (data.n_frames.float() / data.fps).median()
    return Card(
        layout=data.layout.to_dict(),
        dims=data.dims,
        unit=data.unit,
        origin=data.origin,
        label_names=data.label_names,
        fps=float(data.fps.median()),
        model=to_plain(experiment.model),
        pipeline=to_plain(experiment.pipeline),
        config=to_plain(experiment),
        clip_seconds=float(seconds),
        skelact=__version__,
        trained={"people": int(data.n_tracks.float().quantile(0.95))},  # a few spurious bodies do not count
    )


def train(
    experiment: Any, ui: UI, *, restart: bool = False, folder: Path | None = None, advise: bool = True
) -> dict:
    """Train an experiment with progress; returns what ``--json`` prints."""
    from skelact.io.outputs import check_output, holding
    from skelact.recognition.checkpoint import find_checkpoint

    run_folder = folder or Path(experiment.out) / experiment.name
    if experiment.train.init_from:
        check_output(run_folder / "best.safetensors", [find_checkpoint(experiment.train.init_from)])
    # of several processes of one training only the first writes
    with holding(run_folder, folder=True) if is_leading() else nullcontext():
        return _train(experiment, ui, restart, run_folder, advise)


def _train(experiment: Any, ui: UI, restart: bool, run_folder: Path, advise: bool) -> dict:
    from skelact.config import dump_config
    from skelact.datasets.parts import choose_parts, resolve_parts
    from skelact.io.files import write_text
    from skelact.training.loop import fit
    from skelact.transforms.streams import check_streams

    leading = is_leading()
    data = open_data(experiment)
    experiment.data = resolve_parts(data, experiment.data)
    part, val = choose_parts(data, experiment.data)
    check_streams(experiment.pipeline.streams, data.origin, experiment.data.path)
    import torch

    torch.manual_seed(experiment.train.seed)
    model = experiment.model.build(
        data.layout, len(data.label_names), experiment.pipeline.channels(data.dims)
    )
    start = None
    if experiment.train.init_from:
        from skelact.training.transfer import load_pretrained

        start = load_pretrained(
            model,
            experiment.model.build,
            data.layout,
            experiment.pipeline.channels(data.dims),
            experiment.train.init_from,
            experiment.model.name,
            data.label_names,
        )
    if leading:
        n_weights = sum(p.numel() for p in model.parameters())
        ui.say(
            f"{experiment.name}: {experiment.model.name} ({n_weights / 1e6:.2f} M weights), "
            f"{len(data.label_names)} classes of {experiment.data.path}"
        )
        if start:
            ui.say(f"  {start.describe()}")
        ui.say(f"  {describe_parts(experiment.data, len(part), None if val is None else len(val))}")
        run_folder.mkdir(parents=True, exist_ok=True)
        if restart or not (run_folder / "last.pt").exists():  # an unfinished run keeps its own
            write_text(run_folder / "config.yaml", dump_config(experiment))
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

        def on_continue(done: int) -> None:
            if leading:
                ui.say(
                    f"  continuing the run in {run_folder} after epoch {done}"
                    if done < epochs
                    else f"  the run in {run_folder} is finished already; --restart begins again, --name starts another"
                )

        outcome = fit(
            model, data, part, val, experiment.pipeline, experiment.train, run_folder, make_card(experiment, data),
            restart=restart, on_step=on_step, on_epoch=on_epoch, on_continue=on_continue,
        )  # fmt: skip
    if leading:
        from skelact.evaluate.plots import plot_curves

        plot_curves(outcome.history, run_folder / "curves.png")
        last = outcome.history[-1]
        chosen = outcome.history[outcome.best_epoch - 1]
        ui.done(
            f"trained {epochs} epochs in {outcome.seconds:.0f} s; last loss {last['train_loss']:.3f}, "
            + (
                f"{'last' if experiment.train.keep == 'last' else 'best'} validation {percent(chosen['val_top1'])} in "
                f"epoch {outcome.best_epoch}"
                if "val_top1" in chosen
                else "the last weights are kept"
            )
        )
        ui.done(f"checkpoint {outcome.best}, curves {run_folder / 'curves.png'}")
        test = experiment.data.test
        if advise:
            ui.next(
                command_line(
                    "evaluate", run_folder, experiment.data.path, *(["--split", test] if test else [])
                ),
                command_line("predict", run_folder, "video.mp4", "--overlay", "out.mp4"),
            )
    return {
        "folder": str(run_folder),
        "checkpoint": str(outcome.best),
        "best_epoch": outcome.best_epoch,
        "seconds": outcome.seconds,
        "history": outcome.history,
    }


def describe_parts(settings: Any, n_train: int, n_val: int | None) -> str:
    """Which clips train, validate and test, in words."""
    text = f"training on {n_train} clips (" + ("all" if settings.train == "all" else settings.train) + ")"
    if n_val is None:
        text += ", no validation"
    elif isinstance(settings.val, str) and not settings.fold:
        text += f", validation on {n_val} ({settings.val})"
    else:
        text = text.replace("(all)", "(all others)")
        how = f"fold {settings.fold}" if settings.fold else "held out"
        text += f", validation on {n_val} {how} by {settings.val_by}"
        if settings.val_by == "clip":
            text += " (their people are in training too: figures are better than those on other people)"
    return text + (f"; test part: {settings.test}" if settings.test else "; no test part")


def _overfit(experiment: Any, options: Extra, ui: UI) -> int:
    from skelact.datasets.parts import choose_parts
    from skelact.training.overfit import check_overfit

    data = open_data(experiment)
    part, _ = choose_parts(data, experiment.data)
    part = part[data.labels[part] >= 0]
    n_clips = min(options.overfit or 1, len(part))
    import torch

    torch.manual_seed(experiment.train.seed)
    model = experiment.model.build(
        data.layout, len(data.label_names), experiment.pipeline.channels(data.dims)
    )
    with ui.progress("overfitting") as update:
        learned, steps, loss = check_overfit(
            model, data, part, experiment.pipeline, experiment.train, n_clips,
            on_step=lambda step, total, value: update(step, total, f"loss {value:.3f}"),
        )  # fmt: skip
    if learned:
        ui.done(
            f"{n_clips} clips were learned by heart in {steps} steps (loss {loss:.3f}): the path is sound"
        )
    else:
        ui.warn(
            f"{n_clips} clips were NOT learned in {steps} steps (loss {loss:.3f}): look at labels and joints "
            "with skelact inspect, and at normalise and streams in the configuration"
        )
    ui.result({"learned": learned, "steps": steps, "loss": loss, "clips": n_clips})
    return 0 if learned else 1
