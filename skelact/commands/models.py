"""``skelact models``."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from skelact.commands.options import parse
from skelact.commands.ui import UI
from skelact.errors import DependencyError

HELP = """List the networks: how many weights each has by default, for a layout and a number of classes.

  skelact models --layout coco17 --classes 12

Networks over video see a stream of pictures (colour where not said otherwise), and are trained as a stream of a fusion
network, alone or beside others:

  model: {name: fusion, streams: {rgb: {name: resnet3d, depth: 18}}}"""


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
    import torch

    from skelact.models import MODELS
    from skelact.models.video import VIDEO_MODELS, list_video_models, video_settings

    options = parse(Options, arguments, "models", HELP)
    rows, lacking = [], ""
    with torch.device("meta"):  # weights are counted, not made
        for name in list_video_models():
            settings = video_settings(name)
            channels = 1 if name == "convgrbm" else 3
            try:
                network = settings.build(options.classes, channels)
            except DependencyError as error:
                network, lacking = None, str(error).partition(": ")[2]
            rows.append(_row(name, "video", network, type(settings)))
    skeletons = [
        _row(name, "skeleton", settings().build(options.layout, options.classes, options.channels), settings)
        for name, settings in MODELS.items()
    ]
    rows = skeletons + rows
    heads = ["name", "sees", "weights", "what"]
    shown = [
        [r["name"], r["sees"], "–" if r["weights"] is None else f"{r['weights']:,}", r["what"]] for r in rows
    ]
    ui.table(heads, shown)
    if lacking:
        ui.say(f"–: weights cannot be counted here; these networks need: {lacking}")
    ui.next("skelact train CONFIG.yaml --model.name NAME")
    ui.say(
        f"Networks over video ({', '.join(VIDEO_MODELS)}) are streams of a fusion network: "
        "model: {name: fusion, streams: {rgb: {name: resnet3d}}}"
    )
    ui.result({"layout": options.layout, "classes": options.classes, "models": rows})
    return 0


def _row(name: str, sees: str, network: Any, settings: type) -> dict[str, Any]:
    """What is listed of a network."""
    words = (sys.modules[settings.__module__].__doc__ or "").strip().partition("\n\n")[0]
    weights = None if network is None else sum(p.numel() for p in network.parameters())
    return {"name": name, "sees": sees, "weights": weights, "what": " ".join(words.split())}
