"""``skelact learn-language TASK DATA.h5``: networks that turn motion into glosses and text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from skelact.commands.options import asks_help, parse
from skelact.commands.ui import UI, command_line, percent
from skelact.errors import ConfigError, DataError, choices, counted

HELP = """Train a network that turns motion into words.

  skelact learn-language glosses SIGNS.h5 --streams --data.val 3     continuous signing, from isolated signs
  skelact learn-language signs   SIGNS.h5 --streams --data.val 3     sign or no sign in every frame
  skelact learn-language glosses CLIPS.h5 --annotations A.csv,B.csv --format phoenix14t
  skelact learn-language gloss2text --annotations PHOENIX-2014-T.train.corpus.csv --format phoenix14t
  skelact learn-language text CLIPS.h5 --annotations how2sign_realigned_train.csv --format how2sign

The checkpoint is OUT/NAME/TASK/best.safetensors, so that skelact translate OUT/NAME VIDEO finds all parts of one name.
Annotated clips and recordings are matched by name; formats: phoenix14t, how2sign, wlasl, msasl, autsl, include, lsa64.

usual options:
  TASK             glosses, signs, text or gloss2text
  DATA.h5 ...      skelact files (skelact extract VIDEOS --parts pose+hands --out DATA.h5); several are joined
  CONFIG.yaml      settings of an earlier run (OUT/NAME/TASK/config.yaml)
  --input.pictures mobilenet_v2   for text: see the person in the video, too (--data.videos FOLDER)
  --streams        the recordings are isolated signs with labels, of which streams are made
  --annotations, --format, --device, --restart

A run that was stopped or killed continues where it was with the same command."""

SHORT = {
    "--device": "--train.device", "--annotations": "--data.annotations", "--format": "--data.format",
    "--streams": "--data.streams", "--model": "--model.name",
}  # fmt: skip


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.io.outputs import holding

    experiment, restart = read_experiment(arguments)
    with holding(experiment.folder, folder=True):
        ui.result(learn(experiment, ui, restart))
    return 0


def read_experiment(arguments: list[str]) -> tuple[Any, bool]:
    """What a command line asks for: the experiment, and whether to begin again."""
    from skelact.models.language import find_language_network
    from skelact.training.language.settings import (
        TASKS,
        LanguageExperiment,
        load_language_config,
        usual_experiment,
    )

    words: list[str] = []
    while arguments and not arguments[0].startswith("-"):
        words.append(arguments.pop(0))
    restart = "--restart" in arguments
    arguments = [a for a in arguments if a != "--restart"]
    configs = [w for w in words if w.endswith((".yaml", ".yml"))]
    tasks = [w for w in words if not w.endswith((".yaml", ".yml", ".h5", ".hdf5"))]
    files = [w for w in words if w not in configs and w not in tasks]
    asks = asks_help(arguments)
    if len(configs) > 1 or len(tasks) > 1 or (not tasks and not configs and not asks):
        raise ConfigError(
            f"name one task ({', '.join(TASKS)}) and its data: skelact learn-language glosses SIGNS.h5 --streams"
        )
    if tasks and tasks[0] not in TASKS:
        raise ConfigError(choices(tasks[0], TASKS, "task"))
    experiment = load_language_config(configs[0]) if configs else usual_experiment(*(tasks or ["glosses"]))
    if configs and tasks and experiment.task != tasks[0]:
        raise ConfigError(f"{configs[0]} is of the task {experiment.task}, not {tasks[0]}")
    for short, long in SHORT.items():
        arguments = [re.sub(rf"^{short}(?==|$)", long, word) for word in arguments]
    for place, word in enumerate(arguments):
        name = word.partition("=")[2] or "".join(arguments[place + 1 : place + 2])
        if re.match(r"--model\.name(=|$)", word) and name != experiment.model.name:
            experiment.model = find_language_network({"name": name})()
    experiment = parse(LanguageExperiment, arguments, "learn-language", HELP, default=experiment)
    if files:
        experiment.data.path = ",".join(files)
    experiment.check()
    if not experiment.data.path and experiment.task != "gloss2text":
        raise ConfigError("name the recordings: skelact learn-language TASK DATA.h5")
    return experiment, restart


def utterances(experiment: Any) -> tuple[Callable[[int], Sequence[Any]], list[Any], Any]:
    """The utterances of every epoch, those to validate on, and a recording that stands for all (None: text alone)."""
    from skelact.datasets.signing.annotations import read_annotations
    from skelact.datasets.signing.load import join_annotations, read_recordings
    from skelact.datasets.signing.parts import (
        labelled_utterances,
        listed,
        part_records,
        part_signers,
        repeat,
        text_only,
    )
    from skelact.datasets.signing.streams import make_streams, signs_by_signer

    data, seed = experiment.data, experiment.train.seed
    records = read_annotations(listed(data.annotations), data.format) if data.annotations else []
    if experiment.task == "gloss2text" and not data.path:
        train, val = part_records(text_only(records), data.train, data.val, data.test, seed)
        return repeat(train), val, None
    recordings = read_recordings(listed(data.path))
    if data.streams:
        signs = signs_by_signer(recordings, listed(data.glosses))
        own, held = part_signers(signs, data.train, data.val, data.test)
        val = make_streams(held, data.each, experiment.streams, [seed, 1]) if held else []
        return lambda k: make_streams(own, data.each, experiment.streams, [seed, 2, k]), val, recordings[0]
    pairs = join_annotations(recordings, records) if records else labelled_utterances(recordings)
    train, val = part_records(pairs, data.train, data.val, data.test, seed)
    return repeat(train), val, recordings[0]


def with_pictures(experiment: Any, parts: Sequence[list[Any]], ui: UI) -> list[list[Any]]:
    """Lists of utterances with what their people look like in the videos."""
    from pathlib import Path

    from skelact.datasets.signing.parts import listed
    from skelact.recognition.language_looks import Looker, videos_of, with_looks

    data = experiment.data
    root = Path(listed(data.path)[0]).parent
    videos = videos_of([u.skeleton for part in parts for u in part], root, data.videos)
    looker = Looker(experiment.input, experiment.train.device)
    with ui.progress("looking at the videos") as update:
        return [with_looks(part, videos, looker, update) for part in parts]


def vocabularies(experiment: Any, epoch: Callable[[int], Sequence[Any]]) -> tuple[Any, Any]:
    """The glosses and the words of the training utterances (those that the task needs)."""
    from skelact.language.vocabulary import Vocabulary

    first, least = epoch(0), experiment.data.least
    if experiment.data.streams:  # a sign that no stream happens to show in the first epochs belongs to it too
        first = [u for k in range(5) for u in epoch(k)]
    glosses = words = None
    if experiment.task in ("glosses", "gloss2text"):
        glosses = Vocabulary.of([u.glosses for u in first], "ctc", least)
    if experiment.task in ("text", "gloss2text"):
        words = Vocabulary.of([u.words for u in first], "text", least)
    return glosses, words


def learn(experiment: Any, ui: UI, restart: bool = False) -> dict[str, Any]:
    """Train with progress; returns what ``--json`` prints."""
    import torch

    from skelact import __version__
    from skelact.datasets.signing.parts import repeat
    from skelact.io.files import write_text
    from skelact.layouts import get_layout
    from skelact.recognition.checkpoint import Card
    from skelact.settings import to_plain
    from skelact.training.language.loop import fit_language
    from skelact.training.language.settings import dump_language_config
    from skelact.training.language.tasks import make_task

    epoch, val, like = utterances(experiment)
    if experiment.input.pictures:
        train, val = with_pictures(experiment, [list(epoch(0)), val], ui)
        epoch = repeat(train)
    glosses, words = vocabularies(experiment, epoch)
    task = make_task(experiment, glosses, words)
    if glosses is not None and experiment.data.least > 1 and not experiment.data.streams:
        whole = epoch(0)
        kept = [u for u in whole if not glosses.unknown(u.glosses)]
        if len(kept) < len(whole):
            ui.warn(
                f"{len(whole) - len(kept)} of {len(whole)} utterances have glosses that occur fewer than "
                f"{experiment.data.least} times; they are left out of training"
            )
        if not kept:
            raise DataError("every utterance has a rare gloss; lower --data.least")
        epoch = repeat(kept)
    if glosses is not None and experiment.task == "glosses":
        unknown = glosses.unknown(w for u in val for w in u.glosses)
        if unknown:
            ui.warn(
                f"validation has glosses that training lacks; they count as errors: {', '.join(unknown[:10])}"
            )
    task.check(epoch(0))
    torch.manual_seed(experiment.train.seed)
    layout = get_layout("hand21") if like is None else like.layout
    dims = 2 if like is None else like.xyz.shape[3]
    settings: Any = experiment.model
    if experiment.task == "gloss2text":
        assert glosses is not None and words is not None
        model = settings.build(len(glosses), len(words))
    else:
        shown = experiment.input
        model = settings.build(shown.layout(layout), len(task.label_names), shown.channels(dims))
    trained = {} if glosses is None or experiment.task == "glosses" else {"glosses": list(glosses.words)}
    card = Card(
        layout.to_dict(), dims, "unknown" if like is None else like.unit, task.label_names, experiment.input.fps,
        to_plain(settings), to_plain(experiment.input), to_plain(experiment), __version__, trained=trained,
        origin="camera" if like is None else like.origin,
    )  # fmt: skip
    folder, epochs = experiment.folder, experiment.train.epochs
    n_weights = sum(p.numel() for p in model.parameters())
    ui.say(
        f"{experiment.name}: {experiment.task} by {settings.name}, {n_weights / 1e6:.2f} M weights, {len(epoch(0))} "
        f"utterances an epoch, {len(val)} to validate on, {counted(len(task.label_names), 'token')}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    if restart or not (folder / "last.pt").exists():
        write_text(folder / "config.yaml", dump_language_config(experiment))
    with ui.progress("training") as update:

        def on_step(number: int, step: int, steps: int, loss: float) -> None:
            update((number - 1) * steps + step, epochs * steps, f"epoch {number}, loss {loss:.3f}")

        def on_epoch(record: dict[str, float]) -> None:
            if ui.quiet and ("val_score" in record or record["epoch"] % max(1, epochs // 10) == 0):
                ui.say(
                    f"  epoch {record['epoch']:.0f}/{epochs}: loss {record['train_loss']:.3f}{looks(record)}"
                )

        def on_continue(done: int) -> None:
            ui.say(
                f"  continuing the run in {folder} after epoch {done}"
                if done < epochs
                else f"  the run in {folder} is finished already; --restart begins again, --name starts another"
            )

        outcome = fit_language(
            model, task, epoch, val, experiment, folder, card,
            restart=restart, on_step=on_step, on_epoch=on_epoch, on_continue=on_continue,
        )  # fmt: skip
    ui.done(f"trained {epochs} epochs in {outcome.seconds:.0f} s{looks(outcome.history[-1])}")
    ui.done(f"checkpoint {outcome.best}, the weights of epoch {outcome.best_epoch}")
    if experiment.task != "signs":
        ui.next(command_line("translate", folder.parent, "VIDEO.mp4", "--out", "VIDEO.eaf"))
    return {
        "folder": str(folder), "checkpoint": str(outcome.best), "best_epoch": outcome.best_epoch,
        "seconds": outcome.seconds, "history": outcome.history,
    }  # fmt: skip


def looks(record: dict[str, float]) -> str:
    """The validation part of a record in words."""
    said = []
    for key, name in (("val_wer", "word errors"), ("val_f1", "frames F1"), ("val_f1_50", "segments F1@50")):
        if key in record:
            said.append(f"{name} {percent(record[key])}")
    said += [
        f"{n} {record[k]:.1f}" for k, n in (("val_bleu", "BLEU"), ("val_rouge_l", "ROUGE-L")) if k in record
    ]
    return f"; validation: {', '.join(said)}" if said else ""
