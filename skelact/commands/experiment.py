"""Which experiment a command line of ``skelact train`` asks for, and its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skelact.commands.ui import UI
from skelact.errors import ConfigError, DataError, counted


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


def split_options(arguments: list[str]) -> Extra:
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


def config_files(arguments: list[str]) -> list[str]:
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
        f"no configuration is named; {counted(len(train), 'clip')} to train on: configs/{chosen.name}.yaml is used, "
        f"fitted to the set: {sees}"
    )
    chosen.name = f"{Path(path).stem}_{chosen.name}"
    return chosen


def choose_family(experiment: Any, arguments: list[str], fixed: bool = True) -> None:
    """``--model NAME`` of another family than the configuration's: that family's defaults.

    Without a configuration (not ``fixed``) and without ``--model``, a network that starts from a checkpoint is of the
    checkpoint's family and size.
    """
    from skelact.models import find_settings, use_model

    given = _given(arguments, "--model.name")
    if given is None:
        start = _given(arguments, "--train.init-from") or _given(arguments, "--train.init_from")
        if start and not fixed:
            experiment.model = settings_of(start, experiment.model)
        return
    if ":" in given:
        use_model(given)
    if given != experiment.model.name:
        experiment.model = find_settings({"name": given})()


def settings_of(checkpoint: str, otherwise: Any) -> Any:
    """The settings of a checkpoint's network; ``otherwise`` if it is none that can be trained (a fused one)."""
    from skelact.models import find_settings
    from skelact.recognition.checkpoint import load_checkpoint
    from skelact.settings import from_plain

    card = load_checkpoint(checkpoint)[1]
    if ":" in str(card.model.get("name", "")) or card.model.get("name") == "fused":
        return otherwise
    return from_plain(find_settings(card.model), card.model, checkpoint)


def _given(arguments: list[str], flag: str) -> str | None:
    """What is given for an option; None if it is not there."""
    for place, word in enumerate(arguments):
        if word == flag:
            return "".join(arguments[place + 1 : place + 2])
        if word.startswith(f"{flag}="):
            return word.partition("=")[2]
    return None


def open_data(experiment: Any) -> Any:
    """The experiment's set of labelled clips; raises with what to do if it is not there, or has no labels."""
    path = experiment.data.path
    data = open_recordings(path)
    if not data.label_names or bool((data.labels < 0).all()):
        if data.frame_codes is not None:
            raise DataError(
                f"{path} has a label for every frame and none for whole recordings; networks for these are trained "
                f"with: skelact segment train --data {path}"
            )
        raise DataError(
            f"{path} has no labels to learn: put videos in one folder per action, or give the CSV a column 'label', "
            "then convert again"
        )
    return data


def open_recordings(path: str) -> Any:
    """The set of a path, with a word on what to do if it is not there."""
    from skelact.datasets.skeleton_set import SkeletonSet

    if not path:
        raise ConfigError(
            "data.path is empty; give the skelact file with --data FILE.h5 (made by skelact convert or extract)"
        )
    if not Path(path).exists():
        raise DataError(
            f"there is no file {path}; make it with skelact convert or skelact extract, or name another "
            "with --data FILE.h5"
        )
    return SkeletonSet.open(path)
