"""The script behind the table of results: its recipes exist, and wrong words are refused before anything runs."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from skelact.config import load_config
from skelact.transforms.streams import check_streams

ROOT = Path(__file__).parents[1]


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "reproduce_results", ROOT / "tools" / "reproduce_results.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_recipe_has_its_configuration_and_known_streams(script: ModuleType) -> None:
    assert script.RECIPES
    for recipe in script.RECIPES:
        words, streams = script.networks(recipe, "")
        for word in words:
            if word.endswith(".yaml"):
                load_config(word)
        for stream in streams:
            if stream:
                check_streams(stream.split())
        if streams[0]:
            assert script.networks(recipe, streams[0])[1] == [streams[0]]


@pytest.mark.parametrize("wrong", [["no_such_recipe"], ["nw_ucla_skelactnet", "--stream", "no_such_stream"]])
def test_wrong_words_are_refused(
    script: ModuleType,
    wrong: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    out = tmp_path / "results"
    monkeypatch.setattr(sys, "argv", ["reproduce_results.py", str(tmp_path), str(out), *wrong])
    with pytest.raises(SystemExit) as stopped:
        script.main()
    assert stopped.value.code == 2
    assert wrong[-1] in capsys.readouterr().err
    assert not out.exists()


def test_prints_mean_and_spread_of_seeds_and_folds(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The commands are replaced (they have tests of their own); what is checked is what is asked of them."""
    asked: list[list[str]] = []
    top1 = {("fold1", "0"): 0.9, ("fold2", "0"): 0.8, ("fold1", "3"): 0.92, ("fold2", "3"): 0.86}

    def command(words: list[str]) -> int:
        asked.append(words)
        if words[0] == "evaluate":
            run_folder = Path(words[1])
            fold, seed = run_folder.name.split("_")[2], "3" if run_folder.name.endswith("_seed3") else "0"
            folder = run_folder / f"evaluation-{fold}-test"
            folder.mkdir(parents=True)
            (folder / "metrics.json").write_text(json.dumps({"top1": top1[fold, seed]}))
        return 0

    monkeypatch.setattr(script, "run", command)
    words = ["sbu_default_fold1", "sbu_default_fold2", "--seeds", "0", "3", "--stream", "joint partner"]
    monkeypatch.setattr(
        sys, "argv", ["reproduce_results.py", str(tmp_path), str(tmp_path / "results"), *words]
    )
    script.main()
    assert "sbu_default_folds joint partner: 87.0 ± 2.8 (seeds 0, 3: 85.0, 89.0)" in capsys.readouterr().out
    trained = [words for words in asked if words[0] == "train"]
    assert [words[words.index("--train.seed") + 1] for words in trained] == ["0", "3", "0", "3"]
    assert len({words[words.index("--name") + 1] for words in trained}) == 4
    assert not any(words[0] == "fuse" for words in asked)
    tested = sum(words[0] == "evaluate" for words in asked)
    script.main()
    assert sum(words[0] == "evaluate" for words in asked) == tested  # what was tested is not tested again
    monkeypatch.setattr(script, "run", lambda words: 3)
    with pytest.raises(SystemExit) as stopped:
        script.main()
    assert stopped.value.code == 3
