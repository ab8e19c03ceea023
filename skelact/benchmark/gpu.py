"""Everything that needs a GPU, measured in one call within a budget of time."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from skelact.benchmark.gpu_parts import MARK
from skelact.benchmark.shown import shown
from skelact.benchmark.yardsticks import YARDSTICKS
from skelact.device import check_device, find_device
from skelact.errors import ConfigError
from skelact.io.files import write_text

Row = dict[str, Any]
MINUTES = 7.5
MEASURING = 0.4  # share of a part's time that it measures; the rest is for starting, compiling and warming up


@dataclass(frozen=True)
class Job:
    """A part, to be run in a process of its own.

    Args:
        part: of `skelact.benchmark.gpu_parts.PARTS`.
        what: in words, for the report.
        share: of the time that is left, in proportion to the other jobs' that are still to come.
        sizes: further arguments of the part.
    """

    part: str
    what: str
    share: float = 1.0
    sizes: dict[str, Any] = field(default_factory=dict)


def jobs(dataset: str = "") -> list[Job]:
    """All jobs, the most important first; the compiler's, which take long to start, have what is left.

    Args:
        dataset: of NTU's size, for the epoch; empty: made for it.
    """
    networks = [Job("network", name, 2.0, {"name": name}) for name in YARDSTICKS]
    compiled = [Job("compiled", f"{name}, compiled", 2.0, {"name": name}) for name in ("stgcn", "ctrgcn")]
    return [
        Job("tests", "tests", 12.0),
        *networks,
        Job("propagate", "propagate", 2.0),
        Job("graph convolution", "graph convolution", 1.0),
        Job("epoch", "epoch at NTU's scale", 4.0, {"path": dataset}),
        *compiled,
    ]


def find_gpu(name: str = "auto") -> torch.device:
    """The GPU of this name.

    Raises:
        ConfigError: for a name that is none, a CPU, or where there is no such GPU.
    """
    if check_device(name) == "cpu" or not torch.cuda.is_available():
        got = "the device is 'cpu'" if name == "cpu" else "torch sees no GPU"
        raise ConfigError(
            f"benchmark gpu measures a CUDA device, but {got}; run it where there is one (--device cuda or cuda:N), "
            "or measure the CPU with: skelact benchmark models"
        )
    return find_device("cuda" if name == "auto" else name)


def measure_gpu(
    device: torch.device,
    out: Path,
    minutes: float = MINUTES,
    machine: dict[str, Any] | None = None,
    todo: Sequence[Job] | None = None,
    on_row: Callable[[Row], None] | None = None,
) -> list[Row]:
    """Run all jobs one after another, each for its share of the time that is left.

    After every row ``gpu.json`` and ``gpu.md`` in ``out`` hold what there is so far. A job that fails, or does not
    end in time, has a row with its ``error``; the others go on.

    Args:
        device: where; a CPU only for trials.
        out: folder of the report.
        minutes: in all.
        machine: what the figures depend on, for the report.
        todo: instead of `jobs`.
        on_row: called with every row.

    Returns:
        rows with ``part``, ``what`` and what was measured; see the parts.

    Raises:
        DataError: if the report cannot be written.
    """
    end = time.monotonic() + 60 * minutes
    todo = jobs() if todo is None else todo
    rows: list[Row] = []
    for i, job in enumerate(todo):
        left = end - time.monotonic()
        limit = left * job.share / sum(later.share for later in todo[i:])
        for row in run_job(job, device, limit):
            rows.append({"part": job.part, **row})
            write_report(out, rows, machine or {})
            if on_row:
                on_row(rows[-1])
    return rows


def run_job(job: Job, device: torch.device, limit: float) -> Iterator[Row]:
    """Rows of a job as it writes them; after ``limit`` seconds its process is ended."""
    words = {
        "part": job.part,
        "what": job.what,
        "device": str(device),
        "seconds": limit * MEASURING,
        "sizes": job.sizes,
    }
    end = time.monotonic() + limit
    if limit <= 0:
        yield {"what": job.what, "error": "not begun: no time was left"}
        return
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "skelact.benchmark.gpu_parts", json.dumps(words)],
            stdout=subprocess.PIPE, stderr=said, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        try:
            n_errors = 0
            for line in _lines(process, end):
                if line.startswith(MARK):
                    row = json.loads(line.removeprefix(MARK))
                    n_errors += "error" in row
                    yield row
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
            if process.poll() is None:
                yield {"what": job.what, "error": f"not finished within {limit:.0f} s"}
            elif process.returncode and not (process.returncode == 1 and n_errors):  # it died
                said.seek(0)
                last = (said.read().strip().splitlines() or ["no words"])[-1]
                yield {"what": job.what, "error": f"ended with code {process.returncode}: {last[:300]}"}
        finally:
            with suppress(ProcessLookupError):  # with the processes that it may have started
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _lines(process: subprocess.Popen[str], end: float) -> Iterator[str]:
    """Lines of a process's output, until it closes it or time is up."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            return
        if line is None:
            return
        yield line


def write_report(out: Path, rows: Sequence[Row], machine: dict[str, Any]) -> None:
    """Write ``gpu.json`` and ``gpu.md``, whole or not at all.

    Raises:
        DataError: if they cannot be written.
    """
    write_text(out / "gpu.json", json.dumps({"machine": machine, "rows": list(rows)}, indent=1) + "\n")
    write_text(out / "gpu.md", markdown(rows, machine))


def markdown(rows: Sequence[Row], machine: dict[str, Any]) -> str:
    """Rows as one table for each part."""
    text = ["# GPU", "", ", ".join(f"{name} {value}" for name, value in machine.items()), ""]
    for part in dict.fromkeys(row["part"] for row in rows):
        mine = [row for row in rows if row["part"] == part]
        columns = list(dict.fromkeys(name for row in mine for name in row if name != "part"))
        text += [f"## {part}", "", _line(columns), _line(["---"] * len(columns))]
        text += [_line([shown(row.get(name, "")) for name in columns]) for row in mine]
        text.append("")
    return "\n".join(text)


def _line(cells: Sequence[Any]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
