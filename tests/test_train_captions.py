"""The tool that trains the captions network: a tiny run of it, stopped and gone on."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from skelact.recognition.checkpoint import load_checkpoint

PATH = Path(__file__).parents[1] / "tools" / "train_captions.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("train_captions", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_tiny_run(
    tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    made = tool.utterances
    monkeypatch.setattr(tool, "utterances", lambda n, *rest: made(min(n, 8), *rest))
    common = [str(tmp_path), "--scenes", "8", "--epochs", "2", "--held-out", "4"]
    tool.main([*common, "--stop-after", "1"])
    assert json.loads((tmp_path / "captions.json").read_text())["trained_epochs"] == 1
    tool.main(common)
    report = json.loads((tmp_path / "captions.json").read_text())
    assert report["trained_epochs"] == 2 and report["held_out"]["scenes"] == 4 and len(report["twenty"]) == 4
    assert "slots" in report["held_out"] and json.loads(capsys.readouterr().out.split("\n}\n")[1] + "\n}")
    _, card = load_checkpoint(tmp_path / "captions.safetensors")
    assert card.trained["on"] == "synthetic people" and card.trained["epoch"] == 2


@pytest.mark.slow
def test_parts_do_not_share_combinations(tool) -> None:
    held = tool.held_out_combinations()
    train, test = (tool.utterances(30, 0, 0, held, wanted) for wanted in (False, True))
    for part, wanted in ((train, False), (test, True)):
        scenes = [tool.understand(tool.join_words(u.words)) for u in part]
        assert all(tool.is_held_out(s, held) == wanted for s in scenes)
    assert all(set(u.words) <= set(tool.all_words().words) for u in [*train, *test])


def test_scores_of_sentences(tool) -> None:
    held = tool.held_out_combinations()
    truth = tool.utterances(6, 0, 0, held, False)
    right = tool.score([list(u.words) for u in truth], truth)
    assert right["slots"] == right["sentences"] == 100 and right["wer"] == 0
    wrong = tool.score([["a"]] * len(truth), truth)
    assert wrong["slots"] == 0 and np.isfinite(list(wrong.values())).all()
