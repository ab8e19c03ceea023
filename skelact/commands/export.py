"""``skelact export RUN --out FOLDER``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from skelact.commands.options import OwnModels, named, parse, use_own
from skelact.commands.ui import UI
from skelact.errors import ConfigError

HELP = """Write a trained network as one file for other programs, with its normalisation and streams inside.

  skelact export runs/NAME --out exported                        ONNX, for any number of people
  skelact export everyday --out exported                         the network that ships
  skelact export runs/NAME --out exported --format torch-export  for torch.export.load

model.json beside it says which frames of a clip it takes, in which joints and units, and names the classes. The file is
written only if its probabilities are those of the network (to 1e-4)."""


@dataclass
class Options:
    """Options of export.

    Args:
        checkpoint: checkpoint file or run folder, of one network.
        out: folder of the files.
        format: onnx, or torch-export.
        people: in a clip, for torch-export; ONNX takes any number.
        model: a class of your own that the checkpoint is of, module:Class. Its code is run.
    """

    checkpoint: Annotated[str, tyro.conf.Positional, named("CHECKPOINT")] = ""
    out: Annotated[str, named("FOLDER")] = ""
    format: Literal["onnx", "torch-export"] = "onnx"
    people: int = 1
    model: OwnModels = ()


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "export", HELP)

    from skelact.io.outputs import holding
    from skelact.recognition.export import FORMATS, PARAMETERS, export_checkpoint

    if not options.checkpoint or not options.out:
        raise ConfigError("name a checkpoint and a folder: skelact export runs/NAME --out exported")
    use_own(options.model)
    with holding(options.out, [options.checkpoint], folder=True):
        result = export_checkpoint(options.checkpoint, options.out, options.format, options.people)
    ui.done(f"{result['model']}: probabilities equal to {result['difference']:.0e}")
    ui.say(f"what it takes is in {PARAMETERS} beside {FORMATS[options.format]}")
    ui.result(result)
    return 0
