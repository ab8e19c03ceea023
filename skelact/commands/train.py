"""``skelact train CONFIG.yaml [--key value ...]``."""

from __future__ import annotations

import math
import os
import re
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from skelact.commands.experiment import (
    Extra,
    choose_family,
    choose_recipe,
    config_files,
    open_data,
    split_options,
)
from skelact.commands.options import HELP_ALL, asks_help, parse
from skelact.commands.ui import UI, command_line, percent
from skelact.errors import ConfigError, choices, counted

HELP = """Train a network.

  skelact train --data mine.h5                          the default for a set of its size
  skelact train ntu60_xsub_ctrgcn --data ntu60.h5       a recipe by its name (skelact recipes)
  skelact train CONFIG.yaml --overfit 8                 first: can it learn 8 clips by heart?
  skelact train CONFIG.yaml --train.lr 0.02 --name slow
  skelact train CONFIG.yaml --model my_module:MyNet --model.width 64      a network of your own
  torchrun --nproc-per-node 2 -m skelact.cli train CONFIG.yaml

usual options:
  --data FILE.h5   the skelact file
  --epochs N, --lr X, --batch-size N, --seed N
                   short for --train.epochs and so on
  --device NAME    auto, cpu, cuda or cuda:1
  --model NAME     another network (skelact models), or a class of your own, module:Class, whose code is run
  --init-from CKPT start from a checkpoint, or from everyday, which ships with skelact
  --overfit N      only check that the network can learn N clips by heart, then stop
  --restart        begin again even if the folder holds an unfinished run

A run that was stopped continues with the same command. Its folder holds best.safetensors (weights and
everything that using them needs), curves, logs and config.yaml."""


SHORT = {
    "--model": "--model.name",
    **{
        f"--{name}": f"--train.{name}"
        for name in ("device", "init-from", "epochs", "lr", "batch-size", "seed")
    },
}


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    if not is_leading():
        ui = UI(quiet=True, silent=True)
    experiment, options = read_experiment(arguments, ui)
    if options.overfit is not None:
        return _overfit(experiment, options, ui)
    result = train(experiment, ui, restart=options.restart)
    ui.result(result)
    return 0


def read_experiment(arguments: list[str], ui: UI) -> tuple[Any, Extra]:
    """What a command line of ``skelact train`` asks for: the experiment, and the command's own options."""
    from skelact.config import Experiment, load_config
    from skelact.recipes import find_recipe

    for short, long in SHORT.items():
        arguments = [re.sub(rf"^{short}(?==|$)", long, word) for word in arguments]
    options = split_options(arguments)
    check_short(arguments)
    files = config_files(arguments)
    if len(files) > 1:
        raise ConfigError(f"one configuration file is needed, got {len(files)}: {', '.join(files)}")
    asks = asks_help(arguments)
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
    choose_family(experiment, arguments, fixed=bool(files))
    experiment = parse(Experiment, arguments, "train CONFIG.yaml", HELP, default=experiment)
    if options.data_file:
        experiment.data.path = options.data_file
    return experiment, options


def check_short(arguments: list[str]) -> None:
    """Refuse a mistyped short option; of the settings, which have a full stop in them, the parser knows more.

    Raises:
        ConfigError: naming the option that was probably meant.
    """
    known = [*SHORT, "--data", "--overfit", "--restart", "--name", "--views", "--out", "--help", HELP_ALL]
    for word in arguments:
        option = word.partition("=")[0]
        if option.startswith("--") and "." not in option and option not in known:
            raise ConfigError(choices(option, known, "option") + " All settings: skelact train --help-all")


def is_leading() -> bool:
    """Whether this process speaks; of several that torchrun started only the first does."""
    return int(os.environ.get("RANK", "0")) == 0


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


def build_network(experiment: Any, data: Any) -> Any:
    """An experiment's network for a set.

    Raises:
        ConfigError: if its settings do not fit the set's joints or the streams.
    """
    from skelact.errors import ConfigError

    model, streams = experiment.model, experiment.pipeline.streams
    check_streams_of(experiment)
    n_dims = getattr(model, "n_dims", None)  # of a network that takes positions out of its input
    if n_dims is not None and n_dims != data.dims:
        raise ConfigError(
            f"{model.name} would take {n_dims} channels for a joint's position, but {experiment.data.path} has "
            f"{data.dims} coordinates a joint; use --model.n-dims {data.dims}"
        )
    if n_dims is not None and streams[0] != "joint":
        raise ConfigError(
            f"{model.name} takes joints' positions out of the first stream, which is '{streams[0]}'; put joint "
            f"first: --pipeline.streams {' '.join(dict.fromkeys(['joint', *streams]))}"
        )
    pipeline = experiment.pipeline
    return model.build(
        data.layout, len(data.label_names), pipeline.channels(data.dims), pipeline.picture_channels()
    )


def load_streams(experiment: Any, model: Any, label_names: list[str]) -> None:
    """Give encoders of a fusion network the weights that they had alone (``train.init_streams``).

    Raises:
        ConfigError: for a stream that the network does not have.
        CheckpointError: if a checkpoint is of another network or other classes.
        DependencyError: if weights of a network over pictures cannot be had.
    """
    from skelact.errors import CheckpointError, ConfigError, choices
    from skelact.models.video import is_published, start_from_published
    from skelact.recognition.checkpoint import load_checkpoint, load_weights

    for name, path in experiment.train.init_streams.items():
        streams = getattr(model, "streams", [])
        if name not in streams:
            raise ConfigError(choices(name, streams, "stream of the network (train.init_streams)"))
        if is_published(path):
            start_from_published(getattr(model, "backbone", None) or model.encoders[name], path)
            continue
        state, card = load_checkpoint(path)
        prefix = f"encoders.{name}." if card.model["name"] == "fusion" else ""
        state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        if card.label_names != label_names:
            raise CheckpointError(
                f"{path} was trained on other classes: {', '.join(card.label_names[:8])}, ..."
            )
        if hasattr(model, "start_stream"):
            model.start_stream(name, state, str(path))
        else:
            load_weights(model.encoders[name], state, str(path))


def check_streams_of(experiment: Any) -> None:
    """Give every stream of pictures of a network its input, by default the usual one.

    Raises:
        ConfigError: for an input that no stream of the network has.
    """
    from skelact.datasets.pictures import PictureInput
    from skelact.errors import ConfigError, choices
    from skelact.models.fusion import SKELETON

    of_network = [name for name in getattr(experiment.model, "streams", {}) if name != SKELETON]
    for name in experiment.pipeline.pictures:
        if name not in of_network:
            raise ConfigError(choices(name, of_network, "stream of pictures of the network (model.streams)"))
    for name in of_network:
        seen = experiment.pipeline.pictures.setdefault(name, PictureInput())
        seen.places = seen.places or getattr(experiment.model, "needs_places", False)
    experiment.pipeline.check_places()


def read_pictures(experiment: Any, data: Any, clips: Any, ui: UI) -> None:
    """Read the pictures that a network sees of a set's clips, with progress."""
    if not experiment.pipeline.pictures:
        return
    from skelact.datasets.picture_files import attach_pictures

    with ui.progress("reading pictures") as update:
        attach_pictures(
            data, experiment.pipeline.pictures, experiment.data.videos, clips, workers=2, progress=update
        )
    for seen in data.pictures.values():
        if seen.missing:
            ui.warn(
                f"{counted(len(seen.missing), 'clip lacks', 'clips lack')} the stream {seen.name}: "
                f"{next(iter(seen.missing.values()))}"
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
    from skelact.config import dump_config, with_defaults
    from skelact.datasets.parts import choose_parts, describe_parts, resolve_parts
    from skelact.io.files import write_text
    from skelact.training.loop import fit
    from skelact.training.resume import done_epochs
    from skelact.transforms.streams import check_streams

    leading = is_leading()
    data = open_data(experiment)
    experiment.data = resolve_parts(data, experiment.data)
    part, val = choose_parts(data, experiment.data)
    check_streams(experiment.pipeline.streams, data.origin, experiment.data.path)
    import torch

    torch.manual_seed(experiment.train.seed)
    model = build_network(experiment, data)
    load_streams(experiment, model, data.label_names)
    if restart or done_epochs(run_folder) < experiment.train.epochs:
        read_pictures(experiment, data, part if val is None else torch.cat([part, val]), ui)
    start = None
    if experiment.train.init_from:
        from skelact.training.transfer import load_pretrained

        start = load_pretrained(
            model,
            partial(experiment.model.build, pictures=experiment.pipeline.picture_channels()),
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
            f"{counted(len(data.label_names), 'class', 'classes')} of {experiment.data.path}"
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
            shown = f", loss {loss:.3f}" if math.isfinite(loss) else ""
            update((epoch - 1) * steps + step, epochs * steps, f"epoch {epoch}{shown}")

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
            read_config=with_defaults,
        )  # fmt: skip
    if leading:
        from skelact.evaluate.plots import plot_curves

        plot_curves(outcome.history, run_folder / "curves.png")
        last = outcome.history[-1]
        chosen = outcome.history[outcome.best_epoch - 1]
        ui.done(
            f"trained {counted(epochs, 'epoch')} in {outcome.seconds:.0f} s; last loss {last['train_loss']:.3f}, "
            + (
                f"{'last' if experiment.train.keep == 'last' else 'best'} validation {percent(chosen['val_top1'])} in "
                f"epoch {outcome.best_epoch}"
                if "val_top1" in chosen
                else "the last weights are kept"
            )
        )
        ui.done(f"checkpoint {outcome.best}, curves {run_folder / 'curves.png'}")
        test = ["--split", experiment.data.test] if experiment.data.test else []
        own = ["--model", experiment.model.name] if ":" in experiment.model.name else []
        if advise:
            ui.next(
                command_line("evaluate", run_folder, experiment.data.path, *test, *own),
                command_line("predict", run_folder, "video.mp4", "--overlay", "out.mp4", *own),
            )
    return {
        "folder": str(run_folder),
        "checkpoint": str(outcome.best),
        "best_epoch": outcome.best_epoch,
        "seconds": outcome.seconds,
        "history": outcome.history,
    }


def _overfit(experiment: Any, options: Extra, ui: UI) -> int:
    from skelact.datasets.parts import choose_parts
    from skelact.training.overfit import check_overfit

    data = open_data(experiment)
    part, _ = choose_parts(data, experiment.data)
    part = part[data.labels[part] >= 0]
    n_clips = min(options.overfit or 1, len(part))
    import torch

    torch.manual_seed(experiment.train.seed)
    model = build_network(experiment, data)
    read_pictures(experiment, data, part, ui)
    with ui.progress("overfitting") as update:
        learned, steps, loss = check_overfit(
            model, data, part, experiment.pipeline, experiment.train, n_clips,
            on_step=lambda step, total, value: update(step, total, f"loss {value:.3f}"),
        )  # fmt: skip
    if learned:
        ui.done(
            f"{counted(n_clips, 'clip was', 'clips were')} learned by heart in {counted(steps, 'step')} "
            f"(loss {loss:.3f}): the path is sound"
        )
    else:
        ui.warn(
            f"{counted(n_clips, 'clip was', 'clips were')} NOT learned in {counted(steps, 'step')} (loss "
            f"{loss:.3f}): look at labels and joints "
            "with skelact inspect, and at normalise and streams in the configuration"
        )
    ui.result({"learned": learned, "steps": steps, "loss": loss, "clips": n_clips})
    return 0 if learned else 1
