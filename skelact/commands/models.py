"""``skelact models``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from skelact.commands.options import named, parse
from skelact.commands.ui import UI
from skelact.errors import DependencyError, matching
from skelact.settings import to_plain

HELP = """List the networks: how many weights each has by default, for a layout and a number of classes; of one
alone the settings, too.

  skelact models ctrgcn
  skelact models "*gcn*" --layout coco17 --classes 12

Networks over video see a stream of pictures (colour where not said otherwise), and are trained as a stream of a fusion
network, alone or beside others:

  model: {name: fusion, streams: {rgb: {name: resnet3d, depth: 18}}}"""


@dataclass
class Options:
    """Options of models.

    Args:
        name: only networks with this in their name; * and ? stand for others.
        layout: skeleton layout that the weights are counted for.
        classes: number of actions that they are counted for.
        channels: values per joint.
    """

    name: Annotated[str, tyro.conf.Positional, named("NAME")] = ""
    layout: str = "ntu25"
    classes: int = 60
    channels: int = 3


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    options = parse(Options, arguments, "models", HELP)

    import torch

    from skelact.models import MODELS
    from skelact.models.video import VIDEO_MODELS, list_video_models, video_settings

    rows, lacking = [], ""
    every = [*MODELS, *list_video_models()]
    chosen = [options.name] if options.name in every else matching(options.name, every, "network")
    with torch.device("meta"):  # weights are counted, not made
        for name in (name for name in list_video_models() if name in chosen):
            settings = video_settings(name)
            channels = 1 if name == "convgrbm" else 3
            try:
                network = settings.build(options.classes, channels)
            except DependencyError as error:
                network, lacking = None, str(error).partition(": ")[2]
            rows.append(_row(name, "video", network, settings))
    skeletons = [
        _row(
            name, "skeleton", settings().build(options.layout, options.classes, options.channels), settings()
        )
        for name, settings in MODELS.items()
        if name in chosen
    ]
    rows = skeletons + rows
    heads = ["name", "sees", "weights", "what"]
    shown = [
        [r["name"], r["sees"], "–" if r["weights"] is None else f"{r['weights']:,}", r["what"]] for r in rows
    ]
    ui.table(heads, shown)
    if lacking:
        ui.say(f"–: weights cannot be counted here; these networks need: {lacking}")
    if len(rows) == 1:
        ui.say()
        shown = rows[0]["settings"].items()
        ui.table(
            ["setting", "default"],
            [
                [k if rows[0]["sees"] == "video" else f"--model.{k.replace('_', '-')}", str(v)]
                for k, v in shown
            ],
        )
    if any(row["sees"] == "skeleton" for row in rows):
        ui.next(f"skelact train --data FILE.h5 --model {rows[0]['name'] if len(rows) == 1 else 'NAME'}")
    if any(row["sees"] == "video" for row in rows):
        ui.say(
            f"Networks over video ({', '.join(VIDEO_MODELS)}) are streams of a fusion network: "
            "model: {name: fusion, streams: {rgb: {name: resnet3d}}}"
        )
    ui.result({"layout": options.layout, "classes": options.classes, "models": rows})
    return 0


def _row(name: str, sees: str, network: Any, settings: Any) -> dict[str, Any]:
    """What is listed of a network."""
    words = (sys.modules[type(settings).__module__].__doc__ or "").strip().partition("\n\n")[0]
    weights = None if network is None else sum(p.numel() for p in network.parameters())
    values = {key: value for key, value in to_plain(settings).items() if key != "name"}
    return {
        "name": name,
        "sees": sees,
        "weights": weights,
        "what": " ".join(words.split()),
        "settings": values,
    }
