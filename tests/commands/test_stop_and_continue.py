"""Training that is stopped: by Ctrl-C, by a kill; and the check whether a network can learn at all."""

from __future__ import annotations

import csv
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from cli_helpers import skelact, start, tree

from skelact.recognition.checkpoint import load_checkpoint


def epochs_done(run: Path) -> int:
    try:
        with (run / "metrics.csv").open() as file:
            return len(list(csv.DictReader(file)))
    except FileNotFoundError:
        return 0


def wait_for_epochs(process: subprocess.Popen[str], run: Path, n: int) -> None:
    until = time.monotonic() + 200
    while epochs_done(run) < n:
        assert process.poll() is None, f"it ended too early: {process.communicate()}"
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.mark.slow
def test_stopped_twice_gives_the_same_weights(config: Path, dataset: Path, tmp_path: Path) -> None:
    words = ("train", config, "--data", dataset, "--train.epochs", 30, "--train.eval-every", 4)
    whole = skelact(*words, "--out", tmp_path / "whole", "--json")
    assert whole.code == 0

    cut, run = (*words, "--out", tmp_path / "cut"), tmp_path / "cut" / "tiny"
    process = start(*cut, cwd=tmp_path)
    wait_for_epochs(process, run, 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (out, err)
    assert "interrupted" in err and "Traceback" not in err
    after_interrupt = epochs_done(run)
    assert 2 <= after_interrupt < 30

    process = start(*cut, cwd=tmp_path)
    wait_for_epochs(process, run, after_interrupt + 2)
    process.send_signal(signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL and f"after epoch {after_interrupt}" in out
    after_kill = epochs_done(run)
    assert after_interrupt < after_kill < 30

    done = skelact(*cut, "--json")
    assert done.code == 0 and "continuing the run" in done.err
    strip = [{k: v for k, v in r.items() if k != "seconds"} for r in done.json["history"]]
    assert strip == [{k: v for k, v in r.items() if k != "seconds"} for r in whole.json["history"]]
    one, two = (load_checkpoint(tmp_path / name / "tiny") for name in ("whole", "cut"))
    assert one[0].keys() == two[0].keys() and all(torch.equal(one[0][k], two[0][k]) for k in one[0])
    assert one[1].trained == two[1].trained
    assert not [n for n in tree(run) if n.endswith((".tmp", ".part"))]


def test_overfit(config: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = skelact("train", config, "--data", dataset, "--overfit", 8, "--data.train", "all", "--json")
    assert done.code == 0 and done.json["learned"] and done.json["clips"] == 8
    assert "8 clips were learned by heart" in done.err
    done = skelact("train", config, "--data", dataset, "--overfit=8", "--model.dropout", 0)
    assert done.code == 0 and "6 clips were learned" in done.out  # the training part has no more
    assert tree(tmp_path) == set()


def test_overfit_that_fails_says_so(config: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import skelact.training.overfit as overfit

    monkeypatch.setattr(overfit, "check_overfit", lambda *_, **__: (False, 200, 1.5))
    done = skelact("train", config, "--data", dataset, "--overfit", 4, "--json")
    assert (
        done.code == 1
        and not done.json["learned"]
        and "NOT learned" in done.err
        and "skelact inspect" in done.err
    )
