"""``skelact layouts [NAME]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from skelact.commands.convert import find_layout
from skelact.commands.options import named, parse
from skelact.commands.ui import UI

HELP = """List the skeleton layouts, or the joints of one.

  skelact layouts
  skelact layouts coco17                     its joints, parents and mirror images
  skelact layouts my_layout.yaml             one of your own
  skelact layouts ntu25 --to coco17          what becomes of each joint in another layout"""


@dataclass
class Options:
    """Options of layouts.

    Args:
        name: a layout, or a YAML file that declares one.
        to: another, into which it is converted.
    """

    name: Annotated[str, tyro.conf.Positional, named("NAME|FILE.yaml")] = ""
    to: Annotated[str, named("NAME|FILE.yaml")] = ""


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.errors import ConfigError
    from skelact.layouts import LAYOUTS, conversion

    options = parse(Options, arguments, "layouts", HELP)
    if not options.name:
        if options.to:
            raise ConfigError("name the layout that is converted, too: skelact layouts NAME --to OTHER")
        ui.table(["layout", "joints", "source"], [[x.name, len(x), x.source] for x in LAYOUTS.values()])
        ui.next("skelact layouts NAME")
        ui.result({"layouts": {x.name: len(x) for x in LAYOUTS.values()}})
        return 0
    layout = find_layout(options.name)
    if options.to:
        made = conversion(layout, find_layout(options.to))
        sources = {
            joint: [made.source.joints[v] for v in row.nonzero()[0]]
            for joint, row in zip(made.target.joints, made.weight, strict=True)
        }
        ui.table(
            [f"joint of {made.target.name}", f"from {made.source.name}"],
            [[joint, " + ".join(names) or "missing"] for joint, names in sources.items()],
        )
        ui.say(
            f"{len(made.missing)} of {len(made.target)} joints are missing"
            if made.missing
            else "nothing is missing"
        )
        ui.result({"from": made.source.name, "to": made.target.name, "joints": sources})
        return 0
    rows = [
        {
            "joint": joint,
            "parent": None if layout.parents[v] < 0 else layout.joints[layout.parents[v]],
            "mirrored": layout.joints[layout.mirror[v]],
        }
        for v, joint in enumerate(layout.joints)
    ]
    ui.say(f"{layout.name}: {layout.source}")
    ui.table(
        ["", "joint", "parent", "mirrored"],
        [
            [v, r["joint"], r["parent"] or "", "" if r["mirrored"] == r["joint"] else r["mirrored"]]
            for v, r in enumerate(rows)
        ],
    )
    if layout.extra_edges:
        edges = ", ".join(f"{layout.joints[a]}-{layout.joints[b]}" for a, b in layout.extra_edges)
        ui.say(f"further edges: {edges}")
    ui.result({"layout": layout.name, "source": layout.source, "joints": rows})
    return 0
