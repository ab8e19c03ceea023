"""``skelact recipes``."""

from __future__ import annotations

from dataclasses import dataclass

from skelact.commands.options import parse
from skelact.commands.ui import UI

HELP = """List the configurations that come with skelact; train takes them by name.

  skelact train ntu60_xsub_ctrgcn --data ntu60.h5"""


@dataclass
class Options:
    """Options of recipes."""


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.recipes import describe_recipe, list_recipes

    parse(Options, arguments, "recipes", HELP)
    rows = [
        {"name": name, "file": str(path), "what": describe_recipe(path)}
        for name, path in list_recipes().items()
    ]
    ui.table(["name", "what"], [[row["name"], row["what"]] for row in rows])
    ui.next("skelact train NAME --data FILE.h5")
    ui.result({"recipes": rows})
    return 0
