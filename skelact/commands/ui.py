"""What every command shares: words for people, JSON for programs, progress bars, exit codes."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

PARTLY = 4  # exit code when some inputs could not be used and the rest could


class UI:
    """Output of one command.

    Args:
        json_output: results go to standard output as one JSON object, words for people to standard error.
        quiet: no progress bars.
        silent: no words either; for commands that run as part of another.
    """

    def __init__(self, json_output: bool = False, quiet: bool = False, silent: bool = False) -> None:
        self.json_output = json_output
        self.console = Console(stderr=json_output, highlight=False, soft_wrap=True, quiet=silent)
        if not self.console.is_terminal:
            self.console.width = 140
        self.quiet = quiet or not self.console.is_terminal

    def say(self, text: str = "", style: str | None = None) -> None:
        """A line for people."""
        self.console.print(escape(text), style=style)

    def warn(self, text: str) -> None:
        """A line that people should not miss."""
        self.console.print(f"[yellow]![/] {escape(text)}")

    def done(self, text: str) -> None:
        """A line that says what was made."""
        self.console.print(f"[green]✓[/] {escape(text)}")

    def next(self, *commands: str) -> None:
        """What to do next."""
        self.console.print("[dim]Next:[/]")
        for command in commands:
            self.console.print(f"  [cyan]{escape(command)}[/]")

    def table(self, columns: list[str], rows: list[list[Any]], title: str | None = None) -> None:
        """A small table."""
        table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False, header_style="bold")
        for k, name in enumerate(columns):
            numeric = bool(rows) and all(isinstance(row[k], (int, float)) for row in rows)
            table.add_column(escape(name), justify="right" if numeric else "left")
        for row in rows:
            table.add_row(*(escape(f"{v:.4g}" if isinstance(v, float) else str(v)) for v in row))
        self.console.print(table)

    def result(self, values: dict[str, Any]) -> None:
        """The machine-readable result; printed with ``--json`` only."""
        if self.json_output:
            sys.stdout.write(json.dumps(values, indent=2, default=_simple) + "\n")
            sys.stdout.flush()

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int, str], None]]:
        """A progress bar; yields ``update(done, total, text)``."""
        bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), TextColumn("[dim]{task.fields[note]}"), console=self.console, disable=self.quiet,
            transient=True,
        )  # fmt: skip
        with bar:
            task = bar.add_task(escape(what), total=None, note="")

            def update(done: int, total: int, text: str = "") -> None:
                bar.update(task, completed=done, total=total or None, note=escape(text[:60]))

            yield update


def _simple(value: Any) -> Any:
    for name in ("tolist", "as_posix", "to_dict"):
        if hasattr(value, name):
            return getattr(value, name)()
    return str(value)


def command_line(*words: object) -> str:
    """A ``skelact`` command as it can be typed in the folder that this one was typed in, names with blanks and all."""
    return shlex.join(["skelact", *map(str, words)])


def percent(share: float) -> str:
    """``0.912`` as ``91.2 %``."""
    return f"{100 * share:.1f} %"
