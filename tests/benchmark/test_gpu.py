"""``skelact benchmark gpu``: its parts on a CPU, small; its budget, its report, and what fails."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import build

from skelact.benchmark import gpu, gpu_models, gpu_parts
from skelact.benchmark.gpu import Job, find_gpu, jobs, measure_gpu
from skelact.benchmark.gpu_kernels import measure_products, measure_spatial
from skelact.benchmark.gpu_models import arithmetic, measure_compiled, measure_network
from skelact.benchmark.gpu_parts import PARTS
from skelact.benchmark.scale import SameBatch
from skelact.benchmark.yardsticks import YARDSTICKS
from skelact.cli import run
from skelact.errors import ConfigError

CPU = torch.device("cpu")
SMALL: dict[str, Any] = {"n_clips": 1, "n_frames": 8}


def test_products_against_the_bandwidth_of_a_copy() -> None:
    copy, *rows = measure_products(CPU, 0.01, columns=(640,), types=("float32",), copy_bytes=1 << 20)
    assert [row["what"].rsplit(", ", 1)[1] for row in rows] == ["dense", "sparse"] * 2
    features = 25 * 640 * 4  # bytes; three partitions' aggregates are three times as many
    for row, times in zip(rows, (4, 4, 9, 9), strict=True):
        assert row["GB/s"] * row["ms"] * 1e6 == pytest.approx(times * features)
        assert row["share %"] == pytest.approx(100 * row["GB/s"] / copy["GB/s"])


def test_a_kernel_that_does_not_run_here_says_so() -> None:
    rows = list(measure_spatial(CPU, 0.01, blocks=((1, 4, 3, 5),), types=("float32",)))
    assert len(rows) == 2 and all("does not run on cpu" in row["error"] for row in rows)


def test_a_network_in_every_kind_of_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_models, "make_network", partial(build, n_classes=60))
    rows = list(measure_network("stgcnpp", CPU, 0.01, **SMALL))
    assert [row["what"].split(" ", 1)[1] for row in rows] == [
        f"{what}, {kind}" for what in ("forward", "training step") for kind in ("float32", "tf32", "bfloat16")
    ]
    assert all(row["usual"] > 0 and row["ours"] > 0 and row["ratio"] > 0 for row in rows)
    assert rows[0]["difference"] < 1e-4 and 1e-4 < rows[2]["difference"] < 0.1
    if not torch.cuda.is_available():
        assert all("no graph" in row for row in rows[:3])


def test_arithmetic_is_put_back() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with arithmetic("tf32"):
        assert torch.get_float32_matmul_precision() == "high" and torch.backends.cudnn.allow_tf32
        with arithmetic("float32"):
            assert torch.get_float32_matmul_precision() == "highest" and not torch.backends.cudnn.allow_tf32
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


@pytest.mark.slow
def test_the_compiler() -> None:
    rows = list(measure_compiled("stgcn", CPU, 0.01, backend="eager", **SMALL))
    assert len(rows) == 2 and all(row["compiled"] > 0 and row["compiling s"] > 0 for row in rows)


def test_every_network_and_part_is_measured() -> None:
    assert {job.part for job in jobs()} == set(PARTS)
    assert [job.sizes["name"] for job in jobs() if job.part == "network"] == list(YARDSTICKS)


@pytest.mark.slow
def test_an_epoch_on_a_set_that_is_made_for_it() -> None:
    rows = list(PARTS["epoch"](device=CPU, seconds=0.3, clips=120, model="lstm", batch_size=8))
    assert rows[0]["clips"] == 120 and [row["what"] for row in rows[2:]] == [
        "training lstm, batches made ahead", "training lstm, batches made on demand",
    ]  # fmt: skip
    assert 100 <= gpu_parts._clips_in(1e-9, 1000, trial=100) == 100
    assert gpu_parts._clips_in(1e9, 300, trial=100) == 300


def test_one_batch_again_and_again() -> None:
    made: list[int] = []
    feed = SameBatch(lambda i: made.append(i) or i)  # type: ignore[arg-type]
    assert [feed(i) for i in (3, 4, 5)] == [3, 3, 3] and made == [3]


TESTS = """
import os, pytest
pytestmark = pytest.mark.gpu
def test_good(): print("words")
def test_bad(): assert 1 == 2, "one is not two"
def test_left_out(): pytest.skip("no GPU")
"""


@pytest.mark.slow
def test_what_fails_is_reported_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "MEASURING", 1e-3)
    for name, text in (("good", TESTS), ("dies", TESTS + "def test_dies(): os._exit(9)\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"test_{name}.py").write_text(text)
    out = tmp_path / "out"
    todo = [
        Job("network", "nix", 1.0, {"name": "nix"}),
        Job("tests", "dying", 1.0, {"folder": str(tmp_path / "dies")}),
        Job("tests", "tests", 1.0, {"folder": str(tmp_path / "good")}),
    ]
    kept: list[int] = []

    def on_row(row: dict[str, Any]) -> None:
        kept.append(len(json.loads((out / "gpu.json").read_text())["rows"]))
        assert row["what"] in (out / "gpu.md").read_text()

    rows = measure_gpu(CPU, out, 4.0, {"GPU": "none"}, todo, on_row)
    assert kept == list(range(1, len(rows) + 1))
    network, dying, bad, tests = rows
    assert "unknown network with a yardstick 'nix'" in network["error"]
    assert bad["what"].endswith("::test_bad") and "one is not two" in bad["error"]
    assert [tests[name] for name in ("passed", "failed", "skipped")] == [1, 1, 1]
    assert dying["what"] == "dying" and "ended with code 9" in dying["error"]
    assert json.loads((out / "gpu.json").read_text()) == {"machine": {"GPU": "none"}, "rows": rows}
    assert "| tests | 1 | 1 | 1 |" in " ".join((out / "gpu.md").read_text().replace("|  |", "|").split())


def test_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one job leaves over the later ones have; what does not end in time is ended."""
    limits: list[float] = []

    def take(job: Job, device: torch.device, limit: float) -> list[dict[str, Any]]:
        limits.append(limit)
        return []

    with monkeypatch.context() as patch:
        patch.setattr(gpu, "run_job", take)
        measure_gpu(CPU, tmp_path, 1.0, None, [Job("epoch", "a"), Job("epoch", "b", 3.0), Job("epoch", "c")])
    assert limits == pytest.approx([12, 45, 60], abs=1)
    rows = measure_gpu(CPU, tmp_path, 0.01, None, [Job("propagate", "a", 9), Job("propagate", "b", 1e-9)])
    assert rows[0]["error"] == "not finished within 1 s" and "error" in rows[1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("auto", "cuda", "cuda:3"):
        with pytest.raises(ConfigError, match="but torch sees no GPU"):
            find_gpu(name)
    with pytest.raises(ConfigError, match="the device is 'cpu'"):
        find_gpu("cpu")
    with pytest.raises(ConfigError, match="allowed: auto, cpu"):
        find_gpu("gpu")
    out = tmp_path / "out"
    assert run(["benchmark", "gpu", "--out", str(out)]) == 2 and not out.exists()
    assert run(["benchmark", "gpu", "propagate"]) == 2
    assert run(["benchmark", "gpu", "--minutes", "0"]) == 2
    assert "gpu is measured by itself" in capsys.readouterr().err
