"""Command-line options from typed dataclasses (tyro)."""

from __future__ import annotations

from typing import Any


def parse(kind: Any, arguments: list[str], prog: str, description: str = "", default: Any = None) -> Any:
    """Parse ``arguments`` into ``kind``; a dataclass instance as ``default`` fills what is not given."""
    import tyro

    extra = {} if default is None else {"default": default}
    return tyro.cli(
        tyro.conf.AvoidSubcommands[kind],  # a network's settings are options like all others
        args=arguments,
        prog=f"skelact {prog}",
        description=description or None,
        **extra,
    )


def named(metavar: str) -> Any:
    """How ``--help`` shows an option's value, or a positional argument."""
    import tyro

    return tyro.conf.arg(metavar=metavar)
