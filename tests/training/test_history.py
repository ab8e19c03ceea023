"""What is written of a run's epochs: a table of all, and TensorBoard's log."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from skelact.training.history import HistoryWriter


def test_the_table_and_tensorboards_log(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    records = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "val_top1": 0.5}]
    with HistoryWriter(tmp_path) as history:
        for n in (1, 2):
            history.write(records[:n])
    rows = list(csv.DictReader((tmp_path / "metrics.csv").open(encoding="utf-8")))
    assert rows == [
        {"epoch": "1", "loss": "2.0", "val_top1": ""}, {"epoch": "2", "loss": "1.0", "val_top1": "0.5"},
    ]  # fmt: skip
    read = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    drawn = {name: [(e.step, e.value) for e in read.Scalars(name)] for name in read.Tags()["scalars"]}
    assert drawn == {"loss": [(1, 2.0), (2, 1.0)], "val_top1": [(2, 0.5)]}  # by epoch


def test_a_writer_that_is_not_active_writes_nothing(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, False) as history:
        history.write([{"epoch": 1, "loss": 2.0}])
    assert not list(tmp_path.iterdir())
