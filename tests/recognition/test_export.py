"""Exported networks answer as the checkpoint does, in onnxruntime and as exported programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import SMALL
from small_sets import random_set

from skelact.cli import run
from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Normalise, Pipeline
from skelact.errors import ConfigError
from skelact.models import MODELS
from skelact.recognition import load_model
from skelact.recognition.checkpoint import Card, save_checkpoint
from skelact.recognition.export import export_checkpoint
from skelact.settings import to_plain

ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
NOT_IN_ONNX = {"stgat", "posec3d"}  # sums and maxima over edges and pixels that ONNX has no words for


def checkpoint(folder: Path, name: str, pipeline: Pipeline, layout: str = "coco17") -> Path:
    channels = pipeline.channels(3)
    torch.manual_seed(0)
    settings = MODELS[name](**SMALL[name])
    model = settings.build(layout, 4, channels)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(torch.randn_like(value), alpha=0.05)
    card = Card(
        layout=model.layout.to_dict(), dims=3, unit="m", origin="camera", label_names=list("abcd"), fps=30.0,
        model=to_plain(settings), pipeline=to_plain(pipeline), config={}, clip_seconds=2.0, skelact="0",
    )  # fmt: skip
    return save_checkpoint(folder / f"{name}.safetensors", model.state_dict(), card)


def session(path: Path) -> ort.InferenceSession:
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", [name for name in MODELS if name not in NOT_IN_ONNX])
def test_every_network_in_onnxruntime(name: str, tmp_path: Path) -> None:
    """On clips of one and of several people, prepared by nobody but the model."""
    pipeline = Pipeline(Sampling(n_frames=16), Normalise("mean", "body"), streams=["joint", "bone"])
    made = export_checkpoint(checkpoint(tmp_path, name, pipeline), tmp_path / "out")
    network, _, pipeline = load_model(tmp_path / f"{name}.safetensors")
    data, run_ = random_set("coco17", n=4), session(tmp_path / "out" / "model.onnx")
    from skelact.datasets.gather import gather

    for clip in range(4):  # odd ones have two people
        which = torch.tensor([clip])
        raw = gather(data, which, pipeline.sampling)
        with torch.no_grad():
            batch = pipeline(data, which)
            expected = network(batch.x, batch.owner, batch.score, 1).softmax(-1).numpy()
        found = run_.run(None, {"joints": raw.x.numpy(), "score": raw.score.numpy()})[0]
        assert found.shape == (1, 4) and np.abs(found - expected).max() < 1e-4
    assert made["difference"] < 1e-4


@pytest.mark.parametrize("name", sorted(NOT_IN_ONNX))
def test_what_onnx_cannot_say_is_refused_and_can_be_a_program(name: str, tmp_path: Path) -> None:
    path = checkpoint(tmp_path, name, Pipeline(Sampling(n_frames=12)))
    with pytest.raises(ConfigError, match="torch-export"):
        export_checkpoint(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    export_checkpoint(path, tmp_path / "out", "torch-export")
    assert (tmp_path / "out" / "model.pt2").exists()


@pytest.mark.parametrize("name", ["skelactnet", "ctrgcn", "conv_transformer"])
def test_an_exported_program(name: str, tmp_path: Path) -> None:
    path = checkpoint(tmp_path, name, Pipeline(Sampling(n_frames=12), streams=["joint"]))
    export_checkpoint(path, tmp_path / "out", "torch-export", people=2)
    program = torch.export.load(tmp_path / "out" / "model.pt2").module()
    network, card, pipeline = load_model(path)
    data, clip = random_set("coco17", n=2), torch.tensor([1])
    from skelact.datasets.gather import gather

    raw = gather(data, clip, pipeline.sampling)
    with torch.no_grad():
        batch = pipeline(data, clip)
        expected = network(batch.x, batch.owner, batch.score, 1).softmax(-1)
        assert torch.allclose(program(raw.x, raw.score), expected, atol=1e-5)
    said = json.loads((tmp_path / "out" / "model.json").read_text())
    assert said["people"] == 2 and said["classes"] == card.label_names and said["joints"][0] == "nose"


@pytest.mark.parametrize(
    "pipeline",
    [
        Pipeline(Sampling(n_frames=12), Normalise("first_frame", "range")),
        Pipeline(Sampling(n_frames=12), Normalise(level=True, align_view=True)),
        Pipeline(Sampling(n_frames=12), Normalise(canonical="dominant_hand"), streams=["part_joint", "part_place"]),
        Pipeline(Sampling(n_frames=12), streams=["joint", "partner", "angles", "joint_motion_2"]),
    ],
)  # fmt: skip
def test_normalisation_and_streams_are_inside(pipeline: Pipeline, tmp_path: Path) -> None:
    made = export_checkpoint(checkpoint(tmp_path, "stgcn", pipeline), tmp_path / "out")
    assert made["difference"] < 1e-4


def test_what_cannot_be_exported_says_why(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    choice = checkpoint(tmp_path, "stgcn", Pipeline(Sampling("choice", 12)))
    for path, kind, people, words in (
        (choice, "onnx", 1, "sampling choice"), (choice, "tflite", 1, "allowed: onnx, torch-export"),
        (choice, "onnx", 0, "people must be at least 1"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=words):
            export_checkpoint(path, tmp_path / "out", kind, people)
    assert run(["export"]) == 2 and "name a checkpoint" in capsys.readouterr().err
    assert run(["export", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 3
    assert run(["export", "everyday", "--out", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["difference"] < 1e-4
