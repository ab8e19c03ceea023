"""The parts of ``skelact benchmark gpu``, each in a process of its own that writes rows as it gets them."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from skelact.benchmark.shown import words_of

Row = dict[str, Any]
MARK = "skelact-row "  # before every row, so that other words on standard output are told apart


def run_tests(device: torch.device, seconds: float, folder: str = "") -> Iterator[Row]:
    """The tests that need a GPU (``tests/gpu``), in several processes where pytest-xdist is installed.

    Args:
        device: they take the first GPU, whatever this is.
        seconds: not heeded; whoever started the process ends it.
        folder: where they are; empty: beside the package.

    Yields:
        a row with ``passed``, ``failed``, ``skipped`` and ``seconds``, and one with ``error`` for each that failed.
    """
    place = Path(folder) if folder else Path(__file__).parents[2] / "tests" / "gpu"
    if not place.is_dir():
        yield {
            "what": "tests",
            "error": "the tests are not here: they come with the source, not with the package",
        }
        return
    try:
        import pytest
    except ImportError:
        yield {"what": "tests", "error": "pytest is not installed: pip install pytest"}
        return
    count = _Count()
    begin = time.perf_counter()
    # -s: what is written to standard output goes through, rows and other words alike
    many = min(12, (os.cpu_count() or 1) - 2) if importlib.util.find_spec("xdist") else 0
    parallel = ["-n", str(many)] if many > 2 else []
    words = [str(place), "-o", "addopts=", "-m", "gpu", "-q", "-s", "-p", "no:cacheprovider", *parallel]
    pytest.main(words, plugins=[count])
    seconds = time.perf_counter() - begin
    yield from ({"what": f"test {name}", "error": words} for name, words in count.failures.items())
    yield {"what": "tests", **count.outcomes, "seconds": seconds}


class _Count:
    """A plugin of pytest that counts outcomes."""

    def __init__(self) -> None:
        self.outcomes = {"passed": 0, "failed": 0, "skipped": 0}
        self.failures: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            self.outcomes[report.outcome] += 1
        if report.failed:
            self.failures[report.nodeid] = _last_line(str(report.longrepr))

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failures[report.nodeid] = _last_line(str(report.longrepr))
            self.outcomes["failed"] += 1


def _last_line(text: str) -> str:
    said = [line for line in text.splitlines() if line.startswith("E ")] or text.splitlines() or [""]
    return said[0].removeprefix("E").strip()[:300]


def measure_epoch(
    device: torch.device,
    seconds: float,
    path: str = "",
    clips: int = 0,
    model: str = "ctrgcn",
    batch_size: int = 64,
) -> Iterator[Row]:
    """Training at NTU's scale: see `skelact.benchmark.scale.measure_ntu_scale`.

    Args:
        device: where.
        seconds: of training, with batches made ahead, made on demand, and made once; an epoch of each at most.
        path: the set; empty: made for this.
        clips: of the set; 0: as many as NTU RGB+D 60 has, or as can be written here in ``seconds``.
        model: the network.
        batch_size: clips per step.
    """
    from skelact.benchmark.scale import NTU60_CLIPS, measure_ntu_scale

    if not clips:
        clips = NTU60_CLIPS if path and Path(path).exists() else _clips_in(seconds, NTU60_CLIPS)
    yield from measure_ntu_scale(path, clips, model, seconds / 3, batch_size, str(device))


def _clips_in(seconds: float, most: int, trial: int = 1000) -> int:
    """How many clips of a set can be written here in so many seconds."""
    from skelact.datasets.synthetic.scale import write_ntu_like

    with tempfile.TemporaryDirectory(prefix="skelact-scale-") as folder:
        begin = time.perf_counter()
        write_ntu_like(Path(folder) / "trial.h5", trial)
        rate = trial / (time.perf_counter() - begin)
    return max(trial, min(most, int(rate * seconds)))


def _products(device: torch.device, seconds: float, **sizes: Any) -> Iterator[Row]:
    from skelact.benchmark.gpu_kernels import measure_products

    return measure_products(device, seconds, **sizes)


def _spatial(device: torch.device, seconds: float, **sizes: Any) -> Iterator[Row]:
    from skelact.benchmark.gpu_kernels import measure_spatial

    return measure_spatial(device, seconds, **sizes)


def _network(device: torch.device, seconds: float, **sizes: Any) -> Iterator[Row]:
    from skelact.benchmark.gpu_models import measure_network

    return measure_network(device=device, seconds=seconds, **sizes)


def _compiled(device: torch.device, seconds: float, **sizes: Any) -> Iterator[Row]:
    from skelact.benchmark.gpu_models import measure_compiled

    return measure_compiled(device=device, seconds=seconds, **sizes)


PARTS: dict[str, Callable[..., Iterator[Row]]] = {
    "tests": run_tests,
    "propagate": _products,
    "graph convolution": _spatial,
    "network": _network,
    "epoch": measure_epoch,
    "compiled": _compiled,
}


def main(words: str) -> int:
    """Run the part that JSON ``{"part", "device", "seconds", "sizes"}`` names; rows go to standard output."""
    job = json.loads(words)
    torch.set_flush_denormal(True)
    device = torch.device(job["device"])
    try:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        for row in PARTS[job["part"]](device=device, seconds=job["seconds"], **job["sizes"]):
            _write(row)
    except Exception as error:  # of any library below: the other parts go on
        _write({"what": job["what"], "error": words_of(error)})
        return 1
    return 0


def _write(row: Row) -> None:
    sys.stdout.write(f"\n{MARK}{json.dumps(row)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
