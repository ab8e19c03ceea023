"""Command-line options from typed dataclasses (tyro)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO
from typing import Annotated, Any

import tyro

from skelact.errors import ConfigError

OwnModels = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="MODULE:CLASS")]


def parse(kind: Any, arguments: list[str], prog: str, description: str = "", default: Any = None) -> Any:
    """Parse ``arguments`` into ``kind``; a dataclass instance as ``default`` fills what is not given.

    Raises:
        ConfigError: for options that cannot be understood.
        SystemExit: after ``--help``.
    """
    extra = {} if default is None else {"default": default}
    said = StringIO()
    try:
        with redirect_stderr(said):
            return _parse(kind, arguments, prog, description, extra)
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
        raise ConfigError(_unboxed(said.getvalue())) from None


def _parse(kind: Any, arguments: list[str], prog: str, description: str, extra: dict[str, Any]) -> Any:
    return tyro.cli(
        tyro.conf.AvoidSubcommands[kind],  # a network's settings are options like all others
        args=arguments,
        prog=f"skelact {prog}",
        description=re.sub(r"\n\n(?=  skelact )", "\n\nexamples:\n", description, count=1) or None,
        **extra,
    )


def _unboxed(text: str) -> str:
    """What tyro says of wrong options, without the box that it draws about it."""
    lines = [line.strip("│ ") for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()]
    return "\n  ".join(line for line in lines if line.strip("╭╮╰╯─ ") and not line.startswith("╭"))


def use_own(models: Sequence[str]) -> None:
    """Import the classes that ``--model module:Class`` names, so that checkpoints of them can be used.

    Raises:
        ConfigError: if one cannot be imported, or is no network.
    """
    if models:
        from skelact.models import find_settings, use_model

        for name in models:
            if ":" in name:
                use_model(name)
            find_settings({"name": name})


def need_at_least(least: float, **values: float | None) -> None:
    """Refuse numbers below ``least`` (above it, if that is 0); None is not given.

    Raises:
        ConfigError: naming the option.
    """
    for name, value in values.items():
        if value is not None and not (value >= least if least else 0 < value < float("inf")):
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(
                f"{option} must be {f'at least {least:g}' if least else 'above 0'}, got {value}"
            )


def named(metavar: str) -> Any:
    """How ``--help`` shows an option's value, or a positional argument; that it is not given by default goes unsaid."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=_default)


def _default(label: str) -> str:
    return "" if label in ("", "''", "None") else f"(default: {label})"
