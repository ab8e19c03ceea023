"""What there is: networks and recipes by name, from any folder, and in a wheel."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cli_helpers import skelact

from skelact.commands.ui import PARTLY
from skelact.datasets.named import BENCHMARKS
from skelact.errors import ConfigError, SkelactError
from skelact.io.formats import FORMATS
from skelact.layouts import LAYOUTS
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


@pytest.mark.parametrize(
    "error", [ModuleNotFoundError("No module named 'torchvision'"), RuntimeError("no nms")]
)
def test_models_are_listed_where_torchvision_cannot_be_used(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        """A torchvision that is not there, or was built for another torch."""

        def find_spec(self, name: str, *_: object) -> None:
            if name.partition(".")[0] == "torchvision":
                raise error

    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    assert skelact("models", "resnet3d_18", "--json").json["models"][0]["weights"] > 0
    done = skelact("models", "torchvision", "--json", "--classes", "7")
    assert done.code == 0 and done.json["models"][0]["weights"] is None
    assert "skelact[vision]" in done.err and ("no nms" in done.err) == isinstance(error, RuntimeError)


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


def test_layouts_are_listed_and_shown() -> None:
    listed = json.loads(skelact("layouts", "--json").out)["layouts"]
    assert listed == {name: len(layout) for name, layout in LAYOUTS.items()}
    shown = json.loads(skelact("layouts", "coco17", "--json").out)
    assert [row["joint"] for row in shown["joints"]] == list(LAYOUTS["coco17"].joints)
    rows = {row["joint"]: row for row in shown["joints"]}
    assert rows["left_wrist"] == {"joint": "left_wrist", "parent": "left_elbow", "mirrored": "right_wrist"}
    assert rows["nose"]["parent"] is None
    made = json.loads(skelact("layouts", "coco17", "--to", "ntu25", "--json").out)["joints"]
    assert made["mid_hip"] == ["left_hip", "right_hip"] and made["left_hand_tip"] == []
    words = skelact("layouts", "coco17", "--to", "ntu25").out
    assert "left_hip + right_hip" in words and "of 25 joints are missing" in words
    assert "further edges" in skelact("layouts", "coco17").out
    assert skelact("layouts", "coco18").code == 3 and skelact("layouts", "--to", "coco17").code == 2


def test_formats_and_benchmarks_are_listed() -> None:
    for words in (("formats",), ("convert", "--formats")):
        found = json.loads(skelact(*words, "--json").out)
        assert found["formats"] == list(FORMATS) and found["benchmarks"] == list(BENCHMARKS)


def test_short_options_are_the_long_ones(dataset: Path, tmp_path: Path) -> None:
    from skelact.commands.train import read_experiment
    from skelact.commands.ui import UI

    words = [
        "default_small",
        "--data",
        str(dataset),
        "--epochs",
        "3",
        "--lr=0.02",
        "--batch-size",
        "4",
        "--seed",
        "9",
    ]
    how = read_experiment(words, UI(silent=True))[0].train
    assert (how.epochs, how.lr, how.batch_size, how.seed) == (3, 0.02, 4, 9)


def test_errors_are_told_to_programs_and_by_their_kind(tmp_path: Path) -> None:
    """The exit codes are those that --help lists."""
    for words, code in (
        (("trian",), 2), (("train", "default_smal", "--data", "x.h5"), 2), (("inspect", tmp_path / "none"), 3),
        (("evaluate", tmp_path), 3),
    ):  # fmt: skip
        done = skelact(*words, "--json")
        told = json.loads(done.out)
        assert done.code == code == told["exit_code"] and told["error"] in done.err
        assert skelact(*words).out == ""
    text = skelact("--help").out
    said = dict(re.findall(r"(\d+) ([a-z ]+)", text.partition("exit codes:")[2]))
    assert said.keys() == {"0", "1", "2", "3", "4", "5", "130"}
    kinds = {kind.__name__: kind.exit_code for kind in [SkelactError, *SkelactError.__subclasses__()]}
    assert kinds["ConfigError"] == 2 and kinds["DataError"] == 3 and kinds["DependencyError"] == 5
    assert {str(code) for code in kinds.values()} <= said.keys() and PARTLY == 4
