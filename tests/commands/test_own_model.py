"""A network of the user's own: trained, evaluated and predicted with from the command line, never run unasked."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from cli_helpers import Done, refused, skelact, start

from skelact.config import dump_config, load_config
from skelact.errors import ConfigError
from skelact.models import find_settings, use_model
from skelact.recognition.checkpoint import load_checkpoint
from skelact.settings import to_plain

NETWORK = """
from torch import nn
from skelact.nn.pooling import pool_clips

class MyNet(nn.Module):
    def __init__(self, layout, n_classes, channels_in, *, width: int = 8, names=("a",), deep=False):
        super().__init__()
        self.inside = nn.Linear(len(layout) * channels_in, width)
        self.out = nn.Linear(width, n_classes)

    def forward(self, x, owner, score, n_clips):
        return self.out(pool_clips(self.inside(x.flatten(2)).relu().mean(1), owner, n_clips))

class OnlyX(MyNet):
    def forward(self, x):
        return self.out(self.inside(x.flatten(2)).mean(1))

class ByPerson(MyNet):
    def forward(self, x, owner=None, score=None, n_clips=None):
        return self.out(self.inside(x.flatten(2)).mean(1))[:1]

class Faulty(MyNet):
    def forward(self, x, owner, score, n_clips):
        return self.out(x)

class NoDefault(MyNet):
    def __init__(self, layout, n_classes, channels_in, width):
        super().__init__(layout, n_classes, channels_in)

class Named(MyNet):
    def __init__(self, layout, n_classes, channels_in, name="x"):
        super().__init__(layout, n_classes, channels_in)

class Other:
    pass
"""
SETTINGS = """
from __future__ import annotations
from dataclasses import dataclass, field
from NET import MyNet

@dataclass
class Wide:
    width: int = 16
    names: list[str] = field(default_factory=list)

    def build(self, layout, n_classes, channels_in):
        return MyNet(layout, n_classes, channels_in, width=2 * self.width)
"""


@pytest.fixture
def net(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of networks in the current folder, of another name in every test, as modules stay imported."""
    name = "net_" + re.sub(r"\W", "_", request.node.name)
    (tmp_path / f"{name}.py").write_text(NETWORK, encoding="utf-8")
    (tmp_path / f"{name}_settings.py").write_text(SETTINGS.replace("NET", name), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return name


@pytest.mark.slow
def test_train_evaluate_and_predict(net: str, config: Path, dataset: Path, raw: Path) -> None:
    def run(*words: object) -> Done:
        process = start(*words, "--json", cwd=Path.cwd())
        out, err = process.communicate()
        return Done(process.returncode, out, err)

    mine, clip = f"{net}:MyNet", sorted(raw.glob("*.skeleton"))[0]
    chosen = ("--model", mine, "--model.width", 12, "--train.epochs", 1)
    trained = run("train", config, "--data", dataset, "--name", "own", *chosen)
    assert trained.code == 0, trained.err
    state, card = load_checkpoint("runs/own")
    assert card.model == {"name": mine, "width": 12, "names": ["a"], "deep": False}
    assert state["inside.weight"].shape[0] == 12
    assert f"skelact evaluate runs/own {dataset}" in trained.err and f"--model {mine}" in trained.err  # next
    for command in (("evaluate", "runs/own", dataset), ("predict", "runs/own", clip)):
        assert f"--model {mine}" in refused(2, *command)  # a checkpoint alone runs no code
        assert net not in sys.modules
    evaluated = run("evaluate", "runs/own", dataset, "--model", mine)
    assert evaluated.code == 0 and 0 <= evaluated.json["top1"] <= 1, evaluated.err
    predicted = run("predict", "runs/own", clip, "--out", "out", "--model", mine)
    assert predicted.code == 0 and predicted.json["segments"], predicted.err


def test_settings_by_yaml_and_by_a_dataclass(net: str, dataset: Path) -> None:
    wide = f"{net}_settings:Wide"
    Path("a.yaml").write_text(f"model: {{name: '{wide}', width: 5, names: [x, y]}}\ntrain: {{epochs: 1}}\n")
    experiment = load_config("a.yaml")
    assert experiment.model.build("ntu25", 3, 3).inside.out_features == 10
    assert to_plain(experiment.model) == {"name": wide, "width": 5, "names": ["x", "y"]}
    Path("b.yaml").write_text(dump_config(experiment))
    assert load_config("b.yaml") == experiment
    done = skelact(
        "train", "a.yaml", "--data", dataset, "--model.width", 6, "--train.device", "cpu", "--json"
    )
    assert done.code == 0, done.err
    assert load_checkpoint("runs/experiment")[0]["inside.weight"].shape[0] == 12
    assert skelact("train", "a.yaml", "--data", dataset, "--model.width", "x").code == 2
    Path("a.yaml").write_text(f"model: {{name: '{net}:MyNet', wdith: 5}}")
    with pytest.raises(
        ConfigError, match=r"'model\.wdith'; allowed here: name, width, names, deep\. Did you mean"
    ):
        load_config("a.yaml")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("NET:OnlyX", "got forward(x)"),
        ("NET:ByPerson", "logits [clips, classes], here of"),
        ("NET:NoDefault", "need defaults; without one: width"),
        ("NET:Named", "cannot have a setting called name"),
        ("NET:Other", "neither an nn.Module nor a dataclass of settings"),
        ("NET:Missing", "has no attribute 'Missing'"),
        ("nowhere:Net", "No module named 'nowhere'"),
        ("NET:", "define the class after the colon"),
    ],
)
def test_what_is_no_network_is_refused(net: str, name: str, hint: str, dataset: Path) -> None:
    name = name.replace("NET", net)
    said = refused(2, "train", "--data", dataset, "--model", name, "--device", "cpu", "--json")
    assert hint in said and (name in said or "ByPerson" in name), said


def test_an_error_in_the_users_code_is_not_called_ours(net: str, dataset: Path) -> None:
    said = refused(1, "train", "--data", dataset, "--model", f"{net}:Faulty", "--device", "cpu", "--json")
    assert f"RuntimeError in {Path.cwd() / net}.py:" in said and "--debug" in said


def test_a_class_is_used_only_if_it_is_named(net: str) -> None:
    with pytest.raises(ConfigError, match="asked for by name"):
        find_settings({"name": f"{net}:MyNet"})
    settings = use_model(f"{net}:MyNet")
    assert find_settings({"name": f"{net}:MyNet"}) is settings
    assert settings().names == ("a",) and settings(width=3).build("coco17", 2, 2).inside.in_features == 34
