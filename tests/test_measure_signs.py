"""The tool that measures isolated signs on held-out people."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from small_sets import random_set

from skelact.config import Experiment, dump_config
from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Augment, Normalise, Pipeline
from skelact.datasets.synthetic import make_set
from skelact.io.store import StoreWriter
from skelact.models import STGCNSettings
from skelact.training.settings import TrainSettings

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tool() -> Any:
    spec = importlib.util.spec_from_file_location("measure_signs", ROOT / "tools" / "measure_signs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_row_for_each_protocol_and_none_twice(
    tool: Any, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    clips = list(make_set(24, subjects=range(1, 5), seed=0))
    with StoreWriter(tmp_path / "set.h5", layout="ntu25") as writer:
        for clip in clips:
            writer.append(clip)
        splits = {}
        for k, name in enumerate(("one", "two")):
            test = [c.id for c in clips if int(c.info["subject"]) % 2 == k]
            splits |= {f"{name}/test": test, f"{name}/train": [c.id for c in clips if c.id not in test]}
        writer.set_splits(splits)
    pipeline = Pipeline(Sampling(n_frames=8), streams=["joint"])
    model = STGCNSettings(channels=(4, 8), stride_blocks=(1,))
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(
        dump_config(Experiment("tiny", pipeline=pipeline, model=model, train=TrainSettings(epochs=1)))
    )
    words = [str(tmp_path / "out"), str(recipe), "--data", str(tmp_path / "set.h5")]
    tool.main(words)
    assert "mean" in capsys.readouterr().out
    file = tmp_path / "out" / "signs.json"
    rows = json.loads(file.read_text())
    assert [row["protocol"] for row in rows] == ["one", "two"]
    assert all(set(row["top1"]) == {"as they are", *tool.CHANGES} and sum(row["clips"]) == 24 for row in rows)
    tool.main([*words, "--protocols", "one", "--fold", "1/2", "--by", "clip"])
    later = json.loads(file.read_text())
    assert later[:2] == rows and later[2]["fold"] == "1/2" and sum(later[2]["clips"]) == rows[0]["clips"][0]
    with pytest.raises(SystemExit):
        tool.main([*words, "--protocols", "three"])
    assert "no protocol three" in capsys.readouterr().err


def test_changes_reach_what_the_network_sees(tool: Any) -> None:
    data = random_set("coco17", n=8)
    seen: dict[str, torch.Tensor] = {}

    class Net(torch.nn.Module):
        def forward(self, x, owner, score, n_clips):
            seen[self.change] = score.clone() if self.change != "mirrored" else x.clone()
            return torch.zeros(n_clips, 3)

    experiment = Experiment(
        "x", pipeline=Pipeline(Sampling(n_frames=12), Normalise("none", "none"), Augment(), ["joint"])
    )
    net = Net()
    for change in ("", *tool.CHANGES):
        net.change = change
        tool.accuracy(net, data, torch.arange(8), experiment, change)
    there = seen[""] > 0
    frames, joints = (seen[name] > 0 for name in ("frames missing", "joints missing"))
    assert there.all() and (frames.any(2) == frames.all(2)).all() and not frames.all()
    assert (joints.any(1) == joints.all(1)).all() and not joints.all()
    assert seen["mirrored"].shape[-1] == 3
