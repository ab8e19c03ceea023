"""``skelact formats``."""

from __future__ import annotations

from dataclasses import dataclass

from skelact.commands.options import parse
from skelact.commands.ui import UI

HELP = """List the file formats that are read (convert) and written, and the benchmarks whose splits are known.

  skelact convert FOLDER --out set.h5                    the format is found out from the files
  skelact convert FOLDER --out set.h5 --benchmark NAME   with the benchmark's official splits"""


@dataclass
class Options:
    """Options of formats."""


def main(arguments: list[str], ui: UI) -> int:
    """Run the command."""
    parse(Options, arguments, "formats", HELP)
    return list_formats(ui)


def list_formats(ui: UI) -> int:
    """Print the formats, benchmarks and layouts."""
    from skelact.datasets.named import BENCHMARKS
    from skelact.io.formats import FORMATS
    from skelact.layouts import LAYOUTS

    rows = [[f.name, f.layout or "given", "yes" if f.write else "", f.description] for f in FORMATS.values()]
    ui.table(["format", "layout", "writes", "what"], rows)
    ui.say()
    ui.table(
        ["benchmark", "format", "protocol"],
        [[name, b.format, b.description] for name, b in BENCHMARKS.items()],
    )
    ui.next("skelact layouts", "skelact convert FOLDER --out set.h5")
    ui.result({"formats": [r[0] for r in rows], "benchmarks": list(BENCHMARKS), "layouts": list(LAYOUTS)})
    return 0
