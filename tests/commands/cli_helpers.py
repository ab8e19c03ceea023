"""Running the command line from tests: in this process, or as a real one."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skelact.cli import run


@dataclass
class Done:
    """What a command left on its streams, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


def skelact(*words: object) -> Done:
    """Run a command in this process; whatever happens, nobody sees a traceback."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([str(w) for w in words])
    done = Done(code, out.getvalue(), err.getvalue())
    assert "Traceback" not in done.out + done.err, done.err
    assert "fault in skelact" not in done.err, done.err
    return done


def refused(code: int, *words: object) -> str:
    """Run a command that must fail with this exit code and, but for ``--json``, say nothing on standard output."""
    done = skelact(*words)
    assert done.code == code, (done.code, done.out, done.err)
    assert done.err.strip() and (done.json["exit_code"] == code if "--json" in words else done.out == "")
    return done.err


def start(
    *words: object, cwd: Path, module: tuple[str, ...] = ("-m", "skelact.cli")
) -> subprocess.Popen[str]:
    """Start a command as a real process, which hears Ctrl-C even if what started the tests does not."""
    return subprocess.Popen(
        [sys.executable, *module, *map(str, words)], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def tree(folder: Path) -> set[str]:
    """Everything below a folder."""
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*")}
