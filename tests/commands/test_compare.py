"""``skelact compare``: the numbers, which answers are taken, what differs, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from cli_helpers import refused, skelact, tree

from skelact.evaluate.paired import mcnemar
from skelact.evaluate.predictions import read_predictions


@pytest.fixture(scope="module")
def runs(trained: Path, config: Path, dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs that differ in a stream and the epochs."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(trained, folder / "tiny")
    words = ("train", config, "--data", dataset, "--out", folder, "--name", "bones")
    assert skelact(*words, "--pipeline.streams", "bone", "--epochs", 1).code == 0
    return folder


@pytest.fixture
def pair(runs: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Copies of both, which may be changed."""
    shutil.copytree(runs, tmp_path / "runs")
    return tmp_path / "runs" / "tiny", tmp_path / "runs" / "bones"


def test_two_runs(pair: tuple[Path, Path]) -> None:
    tiny, bones = pair
    done = skelact("compare", tiny, bones, "--split", "all", "--json")
    assert done.code == 0, done.err
    assert [run["name"] for run in done.json["runs"]] == ["tiny", "bones"]
    (found,) = done.json["comparisons"]
    a, b = (read_predictions(run / "evaluation-all" / "predictions.csv") for run in pair)
    assert found["n"] == 12 and found["top1"] == [a.correct.mean(), b.correct.mean()]
    only = [(a.correct & ~b.correct).sum(), (b.correct & ~a.correct).sum()]
    assert [found["only_first"], found["only_second"]] == only and found["p_value"] == mcnemar(*only)
    assert found["clips_only_first"] == [
        c for c, x, y in zip(a.clips, a.correct, b.correct, strict=True) if x > y
    ]
    assert found["by"] == "subject" and found["groups"] == 4
    assert found["verdict"] in done.err and "rough" in done.err and "right alone" in done.err
    settings = {s["setting"]: (s["first"], s["second"]) for s in found["settings"]}
    assert settings["pipeline.streams"] == (["joint"], ["bone"]) and settings["train.epochs"] == (2, 1)
    assert not {"name", "out", "train.lr"} & settings.keys()
    folder = tiny.parent / "compare-tiny-bones"
    assert {"report.html", "compare.json", "figures/curves_1.png", "figures/differences_1.png"} <= tree(
        folder
    )
    assert json.loads((folder / "compare.json").read_text())["comparisons"] == done.json["comparisons"]
    page = (folder / "report.html").read_text()
    for words in ("bones against tiny", "Settings that differ", "pipeline.streams", "exact McNemar"):
        assert words in page


@pytest.mark.slow
def test_answers_are_taken_while_they_hold(pair: tuple[Path, Path]) -> None:
    tiny, bones = pair
    evaluated = lambda *words: skelact("compare", tiny, bones, *words).out.count("evaluating ")  # noqa: E731
    assert evaluated() == 2 and evaluated() == 0
    os.utime(bones / "best.safetensors")  # trained again
    assert evaluated() == 1
    metrics = tiny / "evaluation-subjects-test" / "metrics.json"
    kept = json.loads(metrics.read_text())
    metrics.write_text(json.dumps({**kept, "views": 3}))  # evaluated otherwise than the other was
    assert evaluated() == 1
    metrics.write_text(json.dumps({**kept, "data": "other.h5"}))
    assert evaluated() == 1
    # what evaluate has written, as a folder or as a file
    written = [run / "evaluation-subjects-test" for run in pair]
    done = skelact("compare", written[0], written[1] / "predictions.csv", "--json")
    assert done.code == 0 and [run["name"] for run in done.json["runs"]] == ["tiny", "bones"]
    assert done.json["comparisons"][0]["n"] == 3 and "evaluating" not in done.err


@pytest.mark.slow
def test_three_runs_and_one_that_is_named_alike(pair: tuple[Path, Path], tmp_path: Path) -> None:
    tiny, bones = pair
    twin = Path(shutil.copytree(tiny, tmp_path / "elsewhere" / "tiny"))
    done = skelact("compare", tiny, bones, twin, "--out", tmp_path / "c", "--json")
    assert [run["name"] for run in done.json["runs"]] == ["tiny-1", "bones", "tiny-3"]
    first, second = done.json["comparisons"]
    assert (first["second"], second["second"]) == ("bones", "tiny-3") and second["settings"] == []
    assert second["verdict"].startswith("tiny-1 and tiny-3 are right equally often")
    assert "No setting differs" in (tmp_path / "c" / "report.html").read_text()


@pytest.mark.slow
def test_clips_that_are_not_the_same(pair: tuple[Path, Path], tmp_path: Path) -> None:
    tiny, bones = pair
    assert skelact("evaluate", tiny, "--split", "all").code == 0 and skelact("evaluate", bones).code == 0
    words = ("compare", tiny / "evaluation-all", bones / "evaluation-subjects-test", "--out", tmp_path / "c")
    assert "12 and 3, 3 of them in both" in refused(3, *words)
    assert not (tmp_path / "c" / "report.html").exists() and not list(tmp_path.rglob("*.part"))
    done = skelact(*words, "--common", "--json")
    assert done.code == 0 and done.json["comparisons"][0]["n"] == 3
    assert done.json["comparisons"][0]["left_out"] == 9 and "9 clips were answered by one" in done.err


@pytest.mark.slow
def test_what_it_refuses(pair: tuple[Path, Path], tmp_path: Path) -> None:
    tiny, bones = pair
    assert skelact("evaluate", tiny).code == 0
    for words, code, why in (
        ((tiny,), 2, "two runs or more"),
        ((tiny, tiny), 2, "named twice"),
        ((tiny, tmp_path / "none"), 3, "no checkpoint"),
        ((tiny, bones, "--batch-size", 0), 2, "--batch-size"),
        ((bones, tiny / "evaluation-subjects-test", "--split", "all"), 2, "given before"),
    ):
        assert why in refused(code, "compare", *words)
    assert "unknown split" in skelact("compare", tiny, bones, "--split", "none").err
    (tmp_path / "p.csv").write_text("clip,label\na,b\n")
    assert "lacks the column" in refused(3, "compare", tmp_path / "p.csv", bones)
