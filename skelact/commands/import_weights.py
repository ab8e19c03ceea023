"""``skelact import-weights NAME FILE.pth CHECKPOINT``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from skelact.commands.options import named, parse
from skelact.commands.ui import UI, command_line
from skelact.errors import ConfigError

HELP = """Make a checkpoint of a published implementation's weights; nothing in the file is run as code.

  skelact import-weights ctrgcn ctrgcn_ntu60_xsub_joint.pt ctrgcn.safetensors
  skelact evaluate ctrgcn.safetensors ntu60.h5 --split xsub/test
  skelact train CONFIG.yaml --train.init-from ctrgcn.safetensors     fine-tune on your own set

names: {names}"""


@dataclass
class Options:
    """Options of import-weights.

    Args:
        name: of the published model.
        file: its weights: .pth, .pt or .safetensors.
        checkpoint: where to write.
        layout: skeleton layout, if it is not the usual one with as many joints.
        labels: text file with one class name a line, in the order of the outputs.
        stream: what the weights were trained on: joint, bone, joint_motion, bone_motion.
    """

    name: Annotated[str, tyro.conf.Positional, named("NAME")] = ""
    file: Annotated[str, tyro.conf.Positional, named("FILE.pth")] = ""
    checkpoint: Annotated[str, tyro.conf.Positional, named("CHECKPOINT")] = ""
    layout: Annotated[str | None, named("NAME")] = None
    labels: Annotated[str, named("FILE.txt")] = ""
    stream: str = "joint"


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.io.outputs import holding
    from skelact.models.published import PUBLISHED

    options = parse(Options, arguments, "import-weights", HELP.format(names=", ".join(PUBLISHED)))
    if not (options.name and options.file and options.checkpoint):
        raise ConfigError(
            "three words are needed: skelact import-weights NAME FILE.pth CHECKPOINT; names: "
            + ", ".join(PUBLISHED)
        )
    with holding(options.checkpoint, [options.file, *([options.labels] if options.labels else [])]):
        return import_weights(options, ui)


def import_weights(options: Options, ui: UI) -> int:
    """Read the weights and write the checkpoint."""
    from skelact import __version__
    from skelact.config import Experiment
    from skelact.layouts import get_layout
    from skelact.models.published import find_input, find_release, read_published
    from skelact.recognition.checkpoint import Card, save_checkpoint
    from skelact.settings import from_plain, to_plain

    release, fed = find_release(options.name), find_input(options.name, options.stream)
    model, plan = release.build(options.name, read_published(options.file), options.layout)
    nearest = {**release.pipeline, "streams": [options.stream]}  # of our own settings, to train on from
    settings = {
        "pipeline": nearest,
        "model": to_plain(plan.settings),
        "views": fed.views,
        "data": {"test": "all"},
    }
    experiment = from_plain(Experiment, {"name": options.name, **settings}, "the release")
    layout = get_layout(plan.layout)
    dims = 3 if layout.name.startswith("ntu25") else 2  # in a picture the third channel is the score
    card = Card(
        layout=layout.to_dict(),
        dims=dims,
        unit={"ntu25": "m", "openpose18": "image"}.get(layout.name, "m" if dims == 3 else "px"),
        label_names=read_labels(options.labels, plan.n_classes, plan.layout),
        fps=30.0,
        model=to_plain(experiment.model),
        pipeline=to_plain(experiment.pipeline) | {"release": options.name, "channels_in": plan.channels_in},
        config=to_plain(experiment),
        clip_seconds=experiment.pipeline.sampling.n_frames / 30.0,
        skelact=__version__,
        trained={"people": max(1, getattr(plan.settings, "padded_people", 2)), "source": release.source},
    )
    written = save_checkpoint(Path(options.checkpoint), model.state_dict(), card)
    n_weights = sum(p.numel() for p in model.parameters())
    ui.done(
        f"{options.name}: {n_weights:,} weights, {plan.n_classes} classes, layout {plan.layout}, written to {written}"
    )
    ui.say(f"  from: {release.source}")
    ui.next(command_line("evaluate", written, "DATA.h5"), command_line("inspect", written))
    ui.result(
        {"checkpoint": str(written), "weights": n_weights, "classes": plan.n_classes, "layout": plan.layout}
    )
    return 0


def read_labels(path: str, n_classes: int, layout: str) -> list[str]:
    """Class names from a text file; without one, NTU RGB+D's names or ``class 0``, ....

    Raises:
        ConfigError: if the file cannot be read or has another number of names.
    """
    if not path:
        if layout.startswith("ntu25") and n_classes in (60, 120):
            from skelact.io.ntu import NTU120_NAMES

            return list(NTU120_NAMES[:n_classes])
        return [f"class {i}" for i in range(n_classes)]
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the class names in {path}: {error}") from error
    names = [line.strip() for line in lines if line.strip()]
    if len(names) != n_classes or len(set(names)) != n_classes:
        raise ConfigError(
            f"{path} has {len(set(names))} different names, the weights have {n_classes} classes; give one name a "
            "line, in the order of the outputs"
        )
    return names
