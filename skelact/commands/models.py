"""``skelact models``."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from skelact.commands.options import parse
from skelact.commands.ui import UI

HELP = """List the networks: how many weights each has by default, for a layout and a number of classes.

  skelact models --layout coco17 --classes 12"""


@dataclass
class Options:
    """Options of models.

    Args:
        layout: skeleton layout that the weights are counted for.
        classes: number of actions that they are counted for.
        channels: values per joint.
    """

    layout: str = "ntu25"
    classes: int = 60
    channels: int = 3


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.models import MODELS

    options = parse(Options, arguments, "models", HELP)
    rows = []
    for name, settings in MODELS.items():
        network = settings().build(options.layout, options.classes, options.channels)
        words = (sys.modules[settings.__module__].__doc__ or "").strip().partition("\n\n")[0]
        rows.append(
            {
                "name": name,
                "weights": sum(p.numel() for p in network.parameters()),
                "what": " ".join(words.split()),
            }
        )
    ui.table(["name", "weights", "what"], [[r["name"], f"{r['weights']:,}", r["what"]] for r in rows])
    ui.next("skelact train CONFIG.yaml --model.name NAME")
    ui.result({"layout": options.layout, "classes": options.classes, "models": rows})
    return 0
