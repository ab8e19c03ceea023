"""The tool that leaves classes out and measures how ``unknown`` tells them."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
import yaml

from skelact.datasets.synthetic import make_set
from skelact.io.store import Store, write_store

ROOT = Path(__file__).parents[1]
CONFIG = {
    "name": "tiny",
    "pipeline": {"sampling": {"n_frames": 16}},
    "model": {"channels": [16, 16], "stride_blocks": [1], "dropout": 0.1},
    "train": {"epochs": 1, "batch_size": 4, "warmup_epochs": 1.0, "device": "cpu"},
}


@pytest.mark.slow
def test_a_row_for_each_group_of_classes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("measure_unknown", ROOT / "tools" / "measure_unknown.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    clips = list(make_set(48, subjects=range(1, 5), seed=0))
    names = sorted({c.label for c in clips if c.label})[:4]
    clips = [c for c in clips if c.label in names]
    thirds = {f"subjects/{part}": [c.id for c in clips[k::3]] for k, part in enumerate(tool.PARTS)}
    write_store(tmp_path / "set.h5", clips, thirds, names)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    words = [
        tmp_path / "out",
        tmp_path / "tiny.yaml",
        "--data",
        tmp_path / "set.h5",
        "--rate",
        0.5,
        "--leave",
        2,
    ]
    monkeypatch.setattr(sys, "argv", ["measure_unknown", *map(str, words)])
    tool.main()
    rows = json.loads((tmp_path / "out" / "unknown.json").read_text())
    assert [row["left_out"] for row in rows] == [names[:2], names[2:]]
    for row in rows:
        strangers = [c for c in clips[2::3] if c.label in row["left_out"]]
        assert row["strangers"] == len(strangers) and row["known_clips"] == len(clips[2::3]) - len(strangers)
        assert 0 <= row["auroc"] <= 1 and 0 <= row["strangers_refused"] <= 1
    with Store(tmp_path / "out" / "-".join(names[:2]) / "known.h5") as store:
        assert store.label_names == names[2:] and {s.label for s in store} == set(names[2:])
    assert "mean" in capsys.readouterr().out
    monkeypatch.setattr(tool, "row_of", lambda *_: pytest.fail("trained again"))
    tool.main()
    monkeypatch.undo()
    words[0] = tmp_path / "other"
    monkeypatch.setattr(sys, "argv", ["measure_unknown", *map(str, [*words, "--protocol", "xsub"])])
    with pytest.raises(SystemExit, match="lacks xsub/train"):
        tool.main()
