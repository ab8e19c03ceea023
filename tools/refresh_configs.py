"""Write every recipe in configs/ anew, with the settings that were added since; comments on top stay."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

from skelact.config import dump_config, load_config


def main() -> None:
    for path in sorted((Path(__file__).parents[1] / "configs").rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        head = takewhile(lambda line: line.startswith("#"), text.splitlines(keepends=True))
        path.write_text("".join(head) + dump_config(load_config(path)), encoding="utf-8")


if __name__ == "__main__":
    main()
