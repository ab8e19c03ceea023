"""What there is: networks and recipes by name, from any folder, and in a wheel."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cli_helpers import skelact

from skelact.errors import ConfigError
from skelact.models import MODELS
from skelact.models.video import create_video_model, list_video_models
from skelact.recipes import describe_recipe, find_recipe, list_recipes

ROOT = Path(__file__).parents[2]


def test_models_are_listed_with_their_weights() -> None:
    done = skelact("models", "--json", "--classes", "7", "--layout", "natops8")
    rows = {row["name"]: row for row in json.loads(done.out)["models"]}
    assert done.code == 0 and set(rows) == {*MODELS, *list_video_models()}
    assert all((row["sees"] == "video") == (name in list_video_models()) for name, row in rows.items())
    video = create_video_model("resnet3d_18", 7)
    assert rows["resnet3d_18"]["weights"] == sum(p.numel() for p in video.parameters())
    network = MODELS["ctrgcn"]().build("natops8", 7, 3)
    assert rows["ctrgcn"]["weights"] == sum(p.numel() for p in network.parameters())


def test_recipes_are_listed_with_what_they_are_for() -> None:
    done = skelact("recipes", "--json")
    rows = {row["name"]: row for row in json.loads(done.out)["recipes"]}
    assert set(rows) == {path.stem for path in (ROOT / "configs").rglob("*.yaml")}
    assert rows["ntu60_xsub_ctrgcn"]["what"].startswith("NTU RGB+D 60, cross-subject, CTR-GCN")
    assert all(describe_recipe(Path(row["file"])) for row in rows.values())


def test_a_recipe_is_found_by_name_or_path(tmp_path: Path) -> None:
    assert find_recipe("ntu60_xsub_ctrgcn") == list_recipes()["ntu60_xsub_ctrgcn"]
    assert find_recipe(str(tmp_path / "mine.yaml")) == tmp_path / "mine.yaml"
    with pytest.raises(ConfigError, match=r"ntu60_xsub_ctrgc.*A file of your own ends in \.yaml"):
        find_recipe("ntu60_xsub_ctrgc")


def test_train_takes_a_recipe_by_name(dataset: Path, tmp_path: Path) -> None:
    done = skelact(
        "train", "default_small", "--data", dataset, "--out", tmp_path, "--train.epochs", 1, "--train.repeat", 1,
        "--model.channels", 8, "--model.stride-blocks", "--pipeline.sampling.n-frames", 8, "--device", "cpu",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert (tmp_path / "default_small" / "best.safetensors").exists()
    refused = skelact("train", "default_smal", "--data", dataset, "--out", tmp_path)
    assert refused.code == 2 and "default_small" in refused.err


@pytest.mark.slow
def test_the_wheel_holds_the_recipes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    recipes = {Path(name).stem for name in names if name.startswith("skelact/configs/")}
    assert recipes == {path.stem for path in (ROOT / "configs").rglob("*.yaml")}
