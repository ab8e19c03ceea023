"""``skelact learn-activities SET.h5``."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import tyro

from skelact.commands.options import named, need_at_least, parse
from skelact.commands.ui import UI, percent
from skelact.errors import ConfigError, DataError, choices, counted

HELP = """Learn activities as hidden Markov models over quantised poses: seconds on a CPU, a small file.

  skelact learn-activities utd_mhad.h5 --out activities.safetensors
  skelact learn-activities utd_mhad.h5 --part xsub/train --test xsub/test
  skelact lifelog recordings.h5 --activities activities.safetensors"""


@dataclass
class Options:
    """Options of learn-activities.

    Args:
        data: a skelact file with a label for each recording, three coordinates.
        out: the model.
        part: which recordings to learn from; the training part if there is just one, else all.
        test: which recordings to test on; the test part beside the training part if not given.
        codes: of each codebook.
        states: of each activity.
        streams: what is quantised together: body, halves or limbs.
        seed: of the codebooks.
    """

    data: Annotated[str, tyro.conf.Positional, named("SET.h5")] = ""
    out: Annotated[str, named("FILE")] = "activities.safetensors"
    part: Annotated[str, named("PART")] = ""
    test: Annotated[str, named("PART")] = ""
    codes: int = 128
    states: int = 4
    streams: Literal["body", "halves", "limbs"] = "halves"
    seed: int = 0


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "learn-activities", HELP)

    from skelact.datasets.parts import sibling_part
    from skelact.evaluate.metrics import wilson_interval
    from skelact.io.outputs import check_output
    from skelact.io.store import Store
    from skelact.recognition.activity_model import ActivityModel, ActivitySettings

    if not options.data:
        raise ConfigError(
            "name a file to learn from: skelact learn-activities SET.h5; skelact convert makes one"
        )
    need_at_least(1, codes=options.codes, states=options.states)
    check_output(options.out, [options.data])
    settings = ActivitySettings(options.codes, options.states, options.streams, seed=options.seed)
    with Store(options.data) as store:
        part = options.part or training_part(list(store.splits), options.data)
        learn = clips_of(store, part)
        test = options.test or sibling_part(part, "test") or ""
        tested = clips_of(store, test) if options.test or test in store.splits else []
        if both := set(learn) & set(tested):
            raise ConfigError(f"{len(both)} recordings are in '{part}' and in '{test}'; test on others")
        with ui.progress("reading") as update:
            found = read(store, [*learn, *tested], settings.rate, update)
    taught = [found[i] for i in learn if i in found]
    if not taught:
        raise DataError(f"no recording of '{part}' has a label and a body in three coordinates")
    model = ActivityModel.fit([m for m, _ in taught], [label for _, label in taught], settings)
    model.save(options.out)
    asked = [found[i] for i in tested if i in found]
    left = len(learn) + len(tested) - len(found)
    if left:
        ui.warn(
            f"{counted(left, 'recording was', 'recordings were')} left out: no label, or no body to measure"
        )
    ui.done(
        f"{options.out}: {counted(len(model.label_names), 'activity', 'activities')} from "
        f"{counted(len(taught), 'recording')} of '{part}'"
    )
    result = {
        "out": options.out, "activities": model.label_names, "learned_from": len(taught), "left_out": left,
        "seconds": dict(zip(model.label_names, model.seconds.tolist(), strict=True)),
    }  # fmt: skip
    if asked:
        right = np.array([model.recognise(motion) == label for motion, label in asked])
        low, high = wilson_interval(int(right.sum()), len(right))
        truth = np.array([label for _, label in asked])
        each = {name: float(right[truth == name].mean()) for name in sorted(set(truth))}
        ui.table(["activity", "recognised"], [[name, percent(share)] for name, share in each.items()])
        ui.say(
            f"{percent(float(right.mean()))} of {counted(len(right), 'recording')} of '{test}' (95 % "
            f"interval {percent(low)} to "
            f"{percent(high)})"
        )
        result |= {
            "top1": float(right.mean()),
            "interval": [low, high],
            "tested": len(right),
            "per_activity": each,
        }
    ui.next(f"skelact lifelog RECORDINGS.h5 --activities {options.out}")
    ui.result(result)
    return 0


def training_part(names: list[str], path: str) -> str:
    """The one training part, or ``all``.

    Raises:
        ConfigError: if there are several.
    """
    train = [name for name in names if name.rpartition("/")[2].startswith("train")]
    if len(train) > 1:
        raise ConfigError(f"{path} has several training parts: {', '.join(train)}; choose one with --part")
    return train[0] if train else "all"


def clips_of(store: Any, part: str) -> list[int]:
    """Numbers of the recordings of a part.

    Raises:
        ConfigError: for a part that there is not.
    """
    if part == "all":
        return list(range(len(store)))
    if part not in store.splits:
        raise ConfigError(choices(part, ["all", *store.splits], "part"))
    return [int(i) for i in store.splits[part]]


def read(store: Any, clips: list[int], rate: float, update: Any) -> dict[int, tuple[Any, str]]:
    """Motion and label of recordings, of the person who is seen most; those without either are left out."""
    from skelact.models.classical.body_motion import body_motion

    out = {}
    for n, clip in enumerate(clips):
        recording = store.read(clip)
        update(n + 1, len(clips), recording.id)
        if recording.label is None:
            continue
        with suppress(DataError):
            person = int((recording.score > 0).sum((1, 2)).argmax())
            out[clip] = body_motion(recording, person, rate), recording.label
    return out
