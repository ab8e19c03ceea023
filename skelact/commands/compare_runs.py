"""What ``skelact compare`` needs of each run: its answers (read, or made by evaluating), card and history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skelact.commands.ui import UI
from skelact.errors import ConfigError

FILE = "predictions.csv"
NOT_SETTINGS = ("name", "out")  # of a configuration: where a run lies


@dataclass
class Run:
    """One side of a comparison.

    Args:
        name: for people.
        path: where its answers are.
        answers: for every clip.
        card: of its checkpoint, if that is known.
        weights: how many numbers the network has.
        history: records of its epochs, if they are there.
        beside: where a comparison goes by default.
    """

    name: str
    path: str
    answers: Any
    card: Any
    weights: int
    history: list[dict[str, float]] | None
    beside: Path


def written_answers(word: str, options: Any) -> Path | None:
    """The file of answers that a word names, or the folder it is in; None for a run or checkpoint.

    Raises:
        ConfigError: for answers together with options that say what to evaluate.
        CheckpointError: if there is neither.
    """
    from skelact.recognition.checkpoint import find_checkpoint

    path = Path(word)
    file = path / FILE if (path / FILE).is_file() else path if path.suffix == ".csv" else None
    if file is None:
        find_checkpoint(word)
    elif options.data or options.split:
        raise ConfigError(
            f"{word} holds answers that were given before, and --data and --split say what to evaluate; name the run "
            "instead, or leave them out"
        )
    return file


def answers_of(word: str, file: Path | None, options: Any, ui: UI) -> Run:
    """The answers of a run: from a file, or those that evaluate has written of the same data, else made anew.

    Raises:
        SkelactError: if the run cannot be evaluated, or a file of answers is damaged.
    """
    from skelact.evaluate.predictions import read_predictions
    from skelact.recognition.checkpoint import find_checkpoint

    if file is not None:
        answers = read_predictions(file)
        checkpoint = file.parent.parent / "best.safetensors"
        return _run(file, checkpoint if checkpoint.is_file() else None, answers)
    checkpoint = find_checkpoint(word)
    file = evaluate_run(word, checkpoint, options, ui)
    return _run(file, checkpoint, read_predictions(file))


def _run(file: Path, checkpoint: Path | None, answers: Any) -> Run:
    from skelact.commands.evaluate import read_history
    from skelact.recognition.checkpoint import load_checkpoint
    from skelact.recognition.everyday import SHIPPED

    if checkpoint is None:
        folder = file.resolve().parent
        return Run(folder.name, str(file), answers, None, 0, None, file.parent.parent)
    state, card = load_checkpoint(checkpoint)
    weights = sum(value.numel() for value in state.values())
    if checkpoint in SHIPPED.values():
        return Run(checkpoint.stem, str(file), answers, card, weights, None, Path())
    name = checkpoint.resolve().parent.name if checkpoint.name == "best.safetensors" else checkpoint.stem
    history = read_history(checkpoint.parent / "metrics.csv")
    return Run(name, str(file), answers, card, weights, history, checkpoint.parent.parent)


def evaluate_run(word: str, checkpoint: Path, options: Any, ui: UI) -> Path:
    """The file of answers of a checkpoint; evaluated unless the same has been done since it was trained."""
    from skelact.commands.evaluate import Options as EvaluateOptions
    from skelact.commands.evaluate import evaluate, folder_of
    from skelact.recognition.checkpoint import load_checkpoint

    config = load_checkpoint(checkpoint)[1].config
    named = config.get("data", {})
    split = options.split or named.get("test") or "all"
    settings = EvaluateOptions(
        word,
        options.data,
        options.split,
        batch_size=options.batch_size,
        device=options.device,
        model=options.model,
    )
    file = folder_of(settings, checkpoint, split) / FILE
    wanted = {
        "data": options.data or named.get("path", ""), "split": split, "views": config.get("views", 1),
        "arithmetic": "float32",
    }  # fmt: skip
    if (
        is_newer(file, checkpoint)
        and is_newer(file, Path(wanted["data"]))
        and _as_wanted(file.parent, wanted)
    ):
        ui.say(f"{word}: {file}")
        return file
    ui.say(f"evaluating {word} on {wanted['data']}, part {split}")
    silent = UI(json_output=ui.json_output, quiet=ui.quiet, silent=True)
    evaluate(settings, silent, f"skelact evaluate {word} --split {split}", advise=False)
    return file


def is_newer(file: Path, source: Path) -> bool:
    """Whether a file is there and was written after its source."""
    return file.is_file() and source.is_file() and file.stat().st_mtime_ns >= source.stat().st_mtime_ns


def _as_wanted(folder: Path, wanted: Mapping[str, Any]) -> bool:
    try:
        done = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return all(done.get(key) == value for key, value in wanted.items())


def settings_that_differ(first: Run, second: Run) -> list[dict[str, Any]]:
    """The settings of two runs that are not the same: ``setting, first, second``; None where one lacks it."""
    from skelact.config import with_defaults

    if first.card is None or second.card is None:
        return []
    flat = []
    for run in (first, second):
        config = with_defaults(run.card.config) if run.card.config else {}
        plain = {"model": run.card.model, "pipeline": run.card.pipeline, **config}
        values = {k: v for k, v in flatten(plain).items() if k not in NOT_SETTINGS}
        flat.append(
            {
                **values, "weights": run.weights, "layout": run.card.layout["name"],
                "classes": len(run.card.label_names),
            }
        )  # fmt: skip
    keys = dict.fromkeys([*flat[0], *flat[1]])
    pairs = [(key, flat[0].get(key), flat[1].get(key)) for key in keys]
    return [{"setting": key, "first": a, "second": b} for key, a, b in pairs if a != b]


def flatten(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Nested mappings as one, with names such as ``train.lr``."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        out |= flatten(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return out
