"""The script that compares how networks overfit: on a tiny set, all of its files, and what they say."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from motion_pictures import encode, pan

from skelact.cli import run
from skelact.datasets.synthetic import write_ntu_folder
from skelact.io.store import Store
from skelact.recognition.checkpoint import load_checkpoint

TRAIN = {"epochs": 1, "batch_size": 4, "warmup_epochs": 0, "ema": 0, "device": "cpu"}
JOINTS = {
    "name": "joints",
    "pipeline": {"sampling": {"n_frames": 8}},
    "model": {"name": "stgcn", "channels": [8, 8], "stride_blocks": [1]},
    "train": TRAIN,
}
PICTURES = {
    "name": "pictures",
    "pipeline": {
        "sampling": {"n_frames": 8},
        "pictures": {
            "rgb": {
                "framing": {"size": [16, 16]}, "crop": 12,
                "sampling": {"kind": "segments", "segments": 2, "n_frames": 1},
            }
        },
    },
    "model": {"name": "fusion", "streams": {"rgb": {"name": "single_frame", "width": 0.0625}}},
    "train": TRAIN,
}  # fmt: skip


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).parents[1] / "tools" / "compare_overfitting.py"
    spec = importlib.util.spec_from_file_location("compare_overfitting", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Twenty clips of two actions, each with a small video, and two tiny networks: the script's arguments."""
    folder = tmp_path_factory.mktemp("tiny")
    write_ntu_folder(
        folder / "raw", actions=("wave", "kick"), subjects=range(1, 6), repetitions=(1, 2), cameras=(2,)
    )
    data = folder / "set.h5"
    assert run(["convert", str(folder / "raw"), "--out", str(data), "--split", "0.8", "0", "0.2"]) == 0
    (folder / "videos").mkdir()
    with Store(data) as store:
        for k, name in enumerate(store.clips["id"].tolist()):
            encode(folder / "videos" / f"{name}_rgb.mp4", pan(4, (1, 0), 16, 16, seed=k))
    for recipe in (JOINTS, PICTURES):
        (folder / f"{recipe['name']}.yaml").write_text(yaml.safe_dump(recipe))
    recipes = [str(folder / f"{name}.yaml") for name in ("joints", "pictures")]
    return [*recipes, "--data", str(data), "--videos", str(folder / "videos"), "--shares", "1", "0.25"]


@pytest.mark.slow
def test_all_files_are_made_and_nothing_is_trained_twice(
    script: ModuleType, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.main([str(tmp_path), *words])
    rows = json.loads((tmp_path / "overfitting.json").read_text())
    assert [(r["recipe"], r["share"], r["repeat"]) for r in rows] == [
        ("joints", 1, 1), ("pictures", 1, 1), ("joints", 0.25, 4), ("pictures", 0.25, 4),
    ]  # fmt: skip
    whole, quarter = rows[0]["clips"], rows[2]["clips"]
    assert rows[1]["clips"] == whole and rows[3]["clips"] == quarter  # the same clips for both
    assert {**whole, "training": 0} == {**quarter, "training": 0} and whole["test"] == 4
    assert quarter["training"] == pytest.approx(whole["training"] / 4, abs=1) and quarter["training"] >= 2
    for row in rows:
        assert 0 <= row["training"] <= 100 and 0 <= row["test"] <= 100
        assert {"epoch", "train_loss", "val_loss", "val_top1"} <= row["curve"][-1].keys()
    _, card = load_checkpoint(tmp_path / "runs" / "pictures_share0.25_seed0")
    assert card.config["data"]["share"] == 0.25 and card.config["train"]["keep"] == "last"
    steps = [r["clips"]["training"] * r["repeat"] for r in rows]
    assert max(steps) <= 1.5 * min(steps)

    table = (tmp_path / "overfitting.md").read_text()
    assert table.count("\n") == 2 + 4 and "| pictures | 25 % |" in table
    latex = (tmp_path / "overfitting.tex").read_text()
    assert r"pictures & 25 \%" in latex and latex.count(r"\\") == 5
    assert (tmp_path / "overfitting.png").stat().st_size > 5000

    monkeypatch.setattr(script, "train", lambda *_, **__: pytest.fail("what has a row was trained again"))
    for name in ("overfitting.md", "overfitting.png"):
        (tmp_path / name).unlink()
    script.main([str(tmp_path), *words])
    assert json.loads((tmp_path / "overfitting.json").read_text()) == rows
    assert (tmp_path / "overfitting.md").read_text() == table and (tmp_path / "overfitting.png").is_file()


@pytest.mark.slow
def test_all_take_the_steps_asked_for(script: ModuleType, words: list[str], tmp_path: Path) -> None:
    script.main([str(tmp_path), *words[:1], *words[2:], "--epochs", "3", "--steps", "24"])
    rows = json.loads((tmp_path / "overfitting.json").read_text())
    assert [r["epochs"] for r in rows] == [3, 3]
    for row in rows:  # batches of four
        assert row["epochs"] * row["repeat"] * row["clips"]["training"] / 4 == pytest.approx(24, rel=0.25)


def test_tables_take_the_mean_over_seeds_and_escape_names(script: ModuleType) -> None:
    rows = [
        {
            "recipe": "a_b",
            "share": share,
            "seed": seed,
            "clips": {"training": 8},
            "training": top,
            "test": 50.0,
        }
        for share, seed, top in ((0.5, 0, 90.0), (1.0, 0, 80.0), (1.0, 1, 84.0))
    ]
    assert script.summarise(rows)[0] == ["a_b", "100 %", "8", "2", "82.0 ± 2.8", "50.0 ± 0.0", "32.0 ± 2.8"]
    assert script.summarise(rows)[1][1] == "50 %"
    latex = script.as_latex(rows)
    assert r"a\_b & 100 \% & 8 & 2 & 82.0 $\pm$ 2.8" in latex and "a_b" not in latex
    assert all(line.count("&") == 6 for line in latex.splitlines() if "&" in line)


@pytest.mark.parametrize(
    ("wrong", "what"), [(["--shares", "2"], "data.share"), (["no_such_recipe"], "no_such_recipe")]
)
def test_wrong_words_are_refused_before_anything_is_trained(
    script: ModuleType, wrong: list[str], what: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit):
        script.main([str(tmp_path / "out"), *wrong, "--data", "x.h5"])
    assert what in capsys.readouterr().err and not (tmp_path / "out").exists()
