"""What is added to a room is a file or a function and one line in its table: tried for each, then taken out again."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
import yaml
from commands.cli_helpers import refused, skelact
from torch import Tensor, nn

from skelact.commands.options import parse
from skelact.commands.predict import Options as PredictOptions
from skelact.commands.predict import pose_of_video
from skelact.commands.ui import UI
from skelact.datasets import pipeline
from skelact.datasets.augment import AUGMENTATIONS, Augment, Augmentation
from skelact.datasets.synthetic import make_set
from skelact.evaluate.metrics import METRICS
from skelact.io.store import write_store
from skelact.io.video import write_video
from skelact.layouts import get_layout
from skelact.models import MODELS, NetworkSettings, SkeletonModel
from skelact.pose import extract_many
from skelact.pose.estimator import Detection
from skelact.pose.estimators import ESTIMATORS, EstimatorKind
from skelact.pose.tasks import extract_task
from skelact.recognition.checkpoint import load_checkpoint
from skelact.training.losses import LOSSES
from skelact.transforms.streams import STREAMS, Stream


class Flat(SkeletonModel):
    """Joints joined, one linear map, the mean over frames."""

    def __init__(self, layout: Any, n_classes: int, channels_in: int, width: int = 4) -> None:
        super().__init__(layout, n_classes, channels_in, width)
        self.inside = nn.Linear(len(self.layout) * channels_in, width)

    def people_features(self, x: Tensor, present: Tensor | None = None, rank: Tensor | None = None) -> Tensor:
        return self.inside(x.flatten(2)).mean(1)


@dataclass
class FlatSettings(NetworkSettings):
    network = Flat

    name: Literal["flat"] = "flat"
    width: int = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("set") / "set.h5"
    write_store(path, list(make_set(actions=("wave", "kick"), subjects=(1, 2))))
    return path


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The line of a new network, which the other tests use too, as it is quick."""
    monkeypatch.setitem(MODELS, "flat", FlatSettings)
    monkeypatch.chdir(tmp_path)


def train(data: Path, *words: object, **settings: Any) -> dict[str, Any]:
    """Train for one epoch with a YAML file and options; what ``--json`` prints."""
    short = {"epochs": 1, "device": "cpu", **settings.pop("train", {})}
    values = {"data": {"train": "all", "val": 0.0}, "model": {"name": "flat"}, "train": short} | settings
    Path("mine.yaml").write_text(yaml.safe_dump(values))
    done = skelact("train", "mine.yaml", "--data", data, "--json", "--restart", *words)
    assert done.code == 0, done.err
    return done.json


def test_a_network(data: Path) -> None:
    train(data, "--model.width", 6)
    state, card = load_checkpoint("runs/experiment")
    assert card.model == {"name": "flat", "width": 6} and state["inside.weight"].shape == (6, 75)
    evaluated = skelact("evaluate", "runs/experiment", "--json", "--device", "cpu")
    assert evaluated.code == 0 and "top1" in evaluated.json, evaluated.err
    del MODELS["flat"]
    assert "unknown model 'flat'" in refused(2, "train", "mine.yaml", "--data", data)


def test_a_stream(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def height(x: Tensor, score: Tensor, layout: Any) -> Tensor:
        return x[..., 1:2] * (score > 0)[..., None]

    monkeypatch.setitem(STREAMS, "height", Stream(height, channels=1))
    train(data, pipeline={"streams": ["joint", "height"]})
    assert load_checkpoint("runs/experiment")[0]["inside.weight"].shape[1] == 25 * 4
    train(data, "--pipeline.streams", "height", pipeline={"streams": ["joint", "height"]})
    assert load_checkpoint("runs/experiment")[0]["inside.weight"].shape[1] == 25
    del STREAMS["height"]
    assert "unknown stream 'height'" in refused(2, "train", "mine.yaml", "--data", data)


def test_an_augmentation(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    amounts = []

    def push(batch: Any, amount: float, generator: torch.Generator | None) -> Any:
        amounts.append(amount)
        return batch.replace(x=batch.x + amount * torch.rand(1, generator=generator))

    @dataclass
    class More(Augment):  # the field's line
        push: float = 0.0

    monkeypatch.setitem(AUGMENTATIONS, "push", Augmentation(push, most=1.0))
    monkeypatch.setattr(pipeline, "Augment", More)
    train(data, pipeline={"augment": {"push": 0.5}})
    assert set(amounts) == {0.5}
    assert load_checkpoint("runs/experiment")[1].pipeline["augment"]["push"] == 0.5
    train(data, "--pipeline.augment.push", 0.25, pipeline={"augment": {"push": 0.5}})
    assert set(amounts) == {0.5, 0.25}
    assert "is a probability" in refused(
        2, "train", "mine.yaml", "--data", data, "--pipeline.augment.push", 2
    )
    monkeypatch.setattr(pipeline, "Augment", Augment)
    assert "unknown key 'pipeline.augment.push'" in refused(2, "train", "mine.yaml", "--data", data)


def test_every_augmentation_has_a_field_and_every_field_an_augmentation() -> None:
    assert {f.name for f in fields(Augment)} == set(AUGMENTATIONS)


def test_a_loss(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def brier(logits: Tensor, label: Tensor, weight: Tensor | None, settings: Any) -> Tensor:
        truth = nn.functional.one_hot(label, logits.shape[1])
        return (logits.softmax(-1) - truth).square().sum(-1).mean()

    monkeypatch.setitem(LOSSES, "brier", brier)
    by_yaml = train(data, train={"loss": "brier"})["history"]
    by_option = train(data, "--train.loss", "brier")["history"]
    assert by_yaml[0]["train_loss"] == by_option[0]["train_loss"] < 2
    assert by_yaml[0]["train_loss"] != train(data)["history"][0]["train_loss"]
    del LOSSES["brier"]
    assert "unknown loss 'brier'" in refused(2, "train", "mine.yaml", "--data", data, "--train.loss", "brier")


@pytest.mark.slow
def test_a_metric(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, "classes_named", lambda a: float((a.predicted > 0).mean()))
    train(data)
    found = skelact("evaluate", "runs/experiment", "--json", "--out", "report", "--device", "cpu").json
    assert found["classes_named"] in (0.5, 1.0)
    assert "classes named" in Path("report/report.html").read_text(encoding="utf-8")


class Dot:
    """An estimator that sees the same person everywhere."""

    layout, unit, follows = get_layout("coco17"), "image", True

    options: ClassVar[dict[str, object]] = {}

    def __init__(self, people: str, parts: str, coordinates: str, **options: object) -> None:
        assert (parts, coordinates) == ("pose", "image")
        Dot.options = {"people": people, **options}

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        xyz = np.full((17, 3), 0.5, np.float32)
        return [Detection(xyz, np.ones(17, np.float32), xyz[:, :2], 0)]

    def close(self) -> None:
        """Nothing is open."""


def test_a_pose_estimator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ESTIMATORS, "dot", EstimatorKind(Dot, {"pose": "coco17"}, ("image",)))
    # a line in the file is known in other processes, one that a test adds only in this
    monkeypatch.setattr(
        extract_many, "run_in_workers", lambda tasks, n, progress: [extract_task(t, progress) for t in tasks]
    )
    write_video(Path("a.mp4"), [np.full((48, 64, 3), 9 * i, np.uint8) for i in range(20)], 20)
    words = ("extract", "a.mp4", "--out", "a.h5", "--estimator", "dot", "--json")
    assert "sees no depth" in refused(2, *words)
    done = skelact(*words, "--coordinates", "image")
    assert done.code == 0, done.err
    assert skelact("inspect", "a.h5", "--json").json["layout"] == "coco17"
    assert Dot.options == {"people": "many"}
    monkeypatch.setitem(
        ESTIMATORS, "dot", EstimatorKind(Dot, {"pose": "coco17"}, ("image",), qualities=("full", "heavy"))
    )
    choice = ("--estimator", "dot", "--people", "one", "--quality", "heavy", "--min-score", "0.7")
    words = ("extract", "a.mp4", "--out", "b.h5", *choice)
    assert skelact(*words, "--coordinates", "image").code == 0
    arrived = {"people": "one", "quality": "heavy", "min_score": 0.7}
    assert Dot.options == arrived
    Dot.options = {}
    flat = SimpleNamespace(extraction={"parts": "pose", "coordinates": "image"}, pictures=False)
    pose_of_video(parse(PredictOptions, ["run", "a.mp4", *choice], "predict"), flat, UI())
    assert Dot.options == arrived
    assert "unknown quality 'lite'; allowed: full, heavy" in refused(
        2, *words[:2], "--out", "c.h5", *choice[:4], "--quality", "lite", "--coordinates", "image"
    )
    del ESTIMATORS["dot"]
    assert "unknown estimator 'dot'; allowed: auto, mediapipe" in refused(2, *words)
