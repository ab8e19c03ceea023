"""``skelact recipes``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from skelact.commands.options import named, parse
from skelact.commands.ui import UI
from skelact.errors import matching

HELP = """List the configurations that come with skelact; train takes them by name.

  skelact recipes ntu60_xsub
  skelact train ntu60_xsub_ctrgcn --data ntu60.h5"""


@dataclass
class Options:
    """Options of recipes.

    Args:
        name: only those with this in their name; * and ? stand for others.
    """

    name: Annotated[str, tyro.conf.Positional, named("NAME")] = ""


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    from skelact.recipes import describe_recipe, list_recipes

    options = parse(Options, arguments, "recipes", HELP)
    recipes = list_recipes()
    rows = [
        {"name": name, "file": str(recipes[name]), "what": describe_recipe(recipes[name])}
        for name in matching(options.name, recipes, "recipe")
    ]
    ui.table(["name", "what"], [[row["name"], row["what"]] for row in rows])
    ui.next("skelact train NAME --data FILE.h5")
    ui.result({"recipes": rows})
    return 0
