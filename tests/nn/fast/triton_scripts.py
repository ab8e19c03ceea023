"""Scripts in processes of their own: whether Triton interprets or compiles is decided when it is loaded."""

from __future__ import annotations

import os
import subprocess
import sys


def run(script: str, **environment: str) -> None:
    """Run a script; it must end well."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
