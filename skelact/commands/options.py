"""Command-line options from typed dataclasses (tyro)."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from typing import Annotated, Any

import tyro

from skelact.errors import ConfigError

HELP_ALL = "--help-all"
_HELP = {"-h", "--help", HELP_ALL}
OwnModels = Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="MODULE:CLASS")]


def parse(kind: Any, arguments: list[str], prog: str, description: str = "", default: Any = None) -> Any:
    """Parse ``arguments`` into ``kind``; a dataclass instance as ``default`` fills what is not given.

    ``--help`` names settings of a configuration in groups; ``--help-all`` shows each with what it does.

    Raises:
        ConfigError: for options that cannot be understood.
        SystemExit: after ``--help``.
    """
    extra = {} if default is None else {"default": default}
    if asks_help(arguments):
        _show_help(kind, arguments, prog, description, extra)
    said = StringIO()
    try:
        with redirect_stderr(said):
            return _parse(kind, arguments, prog, description, extra)
    except SystemExit as stop:
        if not stop.code:  # --help
            raise
        raise ConfigError(_unboxed(said.getvalue())) from None


def asks_help(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for help rather than for something to be done."""
    return not _HELP.isdisjoint(arguments)


class _Unicode(StringIO):
    """Text in memory that boxes may be drawn in."""

    encoding = "utf-8"


def _show_help(kind: Any, arguments: list[str], prog: str, description: str, extra: dict[str, Any]) -> None:
    """Print the help and leave; does nothing where ``--help`` is another option's value."""
    plain = ["--help" if word == HELP_ALL else word for word in arguments]
    said = _Unicode()
    with redirect_stdout(said), suppress(SystemExit):
        _parse(kind, plain, prog, description, extra)
    text = said.getvalue()
    if not text:
        return
    if HELP_ALL not in arguments and _GROUP.search(text):
        sys.stdout.write(_grouped(text, prog))
        raise SystemExit(0)
    _parse(kind, plain, prog, description, extra)  # once more, with the terminal's colours


# A box of tyro's that holds the settings of one part of a configuration.
_GROUP = re.compile(r"^╭─ ([a-z_.]+) options ─+╮\n(.*?)^╰─+╯\n", re.MULTILINE | re.DOTALL)


def _grouped(text: str, prog: str) -> str:
    """A help whose boxes of settings are a line or two each."""
    lines = [
        f"settings, such as --train.lr 0.01 (skelact {prog} {HELP_ALL} tells what each does, and its default):"
    ]
    groups = [(name.replace("_", "-"), inside) for name, inside in _GROUP.findall(text)]
    width = 6 + max(len(name) for name, _ in groups)
    for name, inside in groups:
        options = re.findall(rf"^│ --{re.escape(name)}\.([a-z0-9-]+)", inside, re.MULTILINE)
        lines += textwrap.wrap(
            f"  --{name}.".ljust(width) + " ".join(options),
            110,
            subsequent_indent=" " * width,
            break_on_hyphens=False,
        )
    return _GROUP.sub("", text).rstrip() + "\n\n" + "\n".join(lines) + "\n"


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
