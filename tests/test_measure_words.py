"""Bags of words, cross-validated: what moves to the right or to the left is told apart, people are never divided."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from motion_pictures import encode, pan

from skelact.errors import DataError

PATH = Path(__file__).parents[1] / "tools" / "measure_words.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measure_words", PATH)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_directions_are_told_apart_by_words(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for label, step in (("right", 2), ("left", -2)):
        for k in range(4):
            encode(tmp_path / f"p{k % 2}_{label}_{k}.mp4", pan(26, (step, 0), 48, 64, seed=k))
    arguments = [str(tmp_path), "--label", "_(right|left)_", "--group", "(p[01])_", "--words", "20"]
    monkeypatch.setattr(sys, "argv", ["measure_words", *arguments, "--size", "48"])
    trained = []
    histograms = tool.histograms

    def spy(described: list, channel: str, training, options):
        trained.append(tuple(training.tolist()))
        return histograms(described, channel, training, options)

    monkeypatch.setattr(tool, "histograms", spy)
    tool.main()
    out = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in out] == ["cells", "tracks", "both"]
    assert all(line.split(": ")[1].startswith("100.0 %") for line in out)
    # p0's four videos come first; each fold's words are those of the other person alone
    assert set(trained) == {(True,) * 4 + (False,) * 4, (False,) * 4 + (True,) * 4} and len(trained) == 14
    monkeypatch.setattr(sys, "argv", ["measure_words", str(tmp_path), "--label", "(x)", "--group", "(y)"])
    with pytest.raises(DataError, match="8 videos, 0 of which"):
        tool.main()
