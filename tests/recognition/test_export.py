"""Exported networks answer as the checkpoint does, in onnxruntime and as exported programs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import SMALL
from small_sets import random_set
from small_video_models import SMALL_VIDEO
from variants import slow_but

from skelact.cli import run
from skelact.datasets.clip_sampling import ClipSampling, Framing
from skelact.datasets.gather import Sampling, gather
from skelact.datasets.pictures import KINDS, PictureInput, PictureSet
from skelact.datasets.pipeline import Normalise, Pipeline
from skelact.errors import ConfigError
from skelact.layouts import get_layout
from skelact.models import MODELS, find_settings
from skelact.models.video import VIDEO_MODELS
from skelact.recognition import load_model
from skelact.recognition.checkpoint import Card, save_checkpoint
from skelact.recognition.export import export_checkpoint
from skelact.recognition.export_onnx import to_onnx
from skelact.settings import from_plain, to_plain
from skelact.transforms.video import KINETICS_MEAN, KINETICS_STD

ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


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


def session(path: Path) -> Any:
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("name", slow_but(MODELS, "skelactnet", "stgcn", "raggedgat", "gru"))
def test_every_network_in_onnxruntime(name: str, tmp_path: Path) -> None:
    """On clips of one and of several people, prepared by nobody but the model."""
    pipeline = Pipeline(Sampling(n_frames=16), Normalise("mean", "body"), streams=["joint", "bone"])
    made = export_checkpoint(checkpoint(tmp_path, name, pipeline), tmp_path / "out")
    network, _, pipeline = load_model(tmp_path / f"{name}.safetensors")
    data, run_ = random_set("coco17", n=4), session(tmp_path / "out" / "model.onnx")
    for clip in range(4):  # odd ones have two people
        which = torch.tensor([clip])
        raw = gather(data, which, pipeline.sampling)
        with torch.no_grad():
            batch = pipeline(data, which)
            expected = network(batch.x, batch.owner, batch.score, 1).softmax(-1).numpy()
        found = run_.run(None, {"joints": raw.x.numpy(), "score": raw.score.numpy()})[0]
        assert found.shape == (1, 4) and np.abs(found - expected).max() < 1e-4
    assert made["difference"] < 1e-4


@pytest.mark.slow
def test_frames_that_do_not_divide_into_windows(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, "skateformer", Pipeline(Sampling(n_frames=13)))
    assert export_checkpoint(path, tmp_path / "out")["difference"] < 1e-4


class _Singular(torch.nn.Module):
    def forward(self, joints: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
        return torch.linalg.svdvals(joints[0, 0] * score[0, 0, :, None])[None]


def test_what_onnx_cannot_say_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no words for .*svd.*--format torch-export"):
        to_onnx(_Singular(), (torch.ones(2, 3, 4, 3), torch.ones(2, 3, 4)))


@pytest.mark.parametrize("name", slow_but(["skelactnet", "ctrgcn", "conv_transformer", "stgat", "posec3d"]))
def test_an_exported_program(name: str, tmp_path: Path) -> None:
    path = checkpoint(tmp_path, name, Pipeline(Sampling(n_frames=12), streams=["joint"]))
    export_checkpoint(path, tmp_path / "out", "torch-export", people=2)
    program = torch.export.load(tmp_path / "out" / "model.pt2").module()
    network, card, pipeline = load_model(path)
    data, clip = random_set("coco17", n=2), torch.tensor([1])
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


def seen_frames(n: int, stack: int = 1) -> PictureInput:
    return PictureInput(
        ClipSampling("segments", 1, 0.1, n), Framing((44, 44)), fps=10, crop=40, stack=stack,
        camera="none",
    )  # fmt: skip


def fusion(folder: Path, pipeline: Pipeline, **streams: dict) -> Path:
    return with_pictures(folder, pipeline, {"name": "fusion", "streams": streams})


def with_pictures(folder: Path, pipeline: Pipeline, model_settings: dict) -> Path:
    torch.manual_seed(0)
    settings = from_plain(find_settings(model_settings), model_settings, "model")
    model = settings.build("coco17", 4, pipeline.channels(3), pipeline.picture_channels())
    with torch.no_grad():
        for value in model.parameters():
            value.add_(torch.randn_like(value), alpha=0.02)
    card = Card(
        layout=get_layout("coco17").to_dict(), dims=3, unit="m", origin="camera", label_names=list("abcd"), fps=30.0,
        model=to_plain(settings), pipeline=to_plain(pipeline), config={}, clip_seconds=2.0, skelact="0",
    )  # fmt: skip
    return save_checkpoint(folder / "fusion.safetensors", model.state_dict(), card)


def answers_agree(path: Path, folder: Path) -> list[str]:
    """Names of the exported model's inputs, after comparing its answers with the network's on clips of a set."""
    export_checkpoint(path, folder)
    network, _, pipeline = load_model(path)
    data, run_ = random_set("coco17", n=3), session(folder / "model.onnx")
    g = torch.Generator().manual_seed(1)
    for name, seen in pipeline.pictures.items():
        channels = KINDS[name].channels
        frames = torch.randint(0, 256, (60, *seen.framing.size, channels), generator=g, dtype=torch.uint8)
        data.pictures[seen.kept_as(name)] = PictureSet(name, frames, torch.tensor([20, 20, 20]), 10.0)
    for clip in range(3):
        batch = pipeline(data, torch.tensor([clip]))
        with torch.no_grad():
            expected = network(batch.x, batch.owner, batch.score, 1, batch.pictures, batch.there).softmax(-1)
        raw = gather(data, torch.tensor([clip]), pipeline.sampling)
        given = {"joints": raw.x, "score": raw.score}
        for name, seen in pipeline.pictures.items():
            x = batch.pictures[name][0]
            if KINDS[name].flow:
                fields = x.unflatten(0, (seen.stack, 2)).permute(
                    2, 0, 3, 4, 1
                )  # moment, field, row, column, (x, y)
                given[name] = 2 * fields.flatten(0, 1)
            else:
                mean, std = (torch.tensor(v)[:, None, None, None] for v in (KINETICS_MEAN, KINETICS_STD))
                given[name] = ((x * std + mean) * 255).round().to(torch.uint8).permute(1, 2, 3, 0)
        found = run_.run(None, {i.name: given[i.name].numpy() for i in run_.get_inputs()})[0]
        assert np.abs(found - expected.numpy()).max() < 1e-4
    return [i.name for i in run_.get_inputs()]


@pytest.mark.parametrize("name", slow_but(VIDEO_MODELS, "resnet3d"))
def test_every_network_over_pictures_in_onnxruntime(name: str, tmp_path: Path) -> None:
    pipeline = Pipeline(Sampling(n_frames=16), pictures={"rgb": seen_frames(8)})
    path = fusion(tmp_path, pipeline, rgb={"name": name, **SMALL_VIDEO[name]})
    assert answers_agree(path, tmp_path / "out") == ["rgb"]
    said = json.loads((tmp_path / "out" / "model.json").read_text())
    assert said["inputs"] == {"rgb": "[8, 40, 40, 3] uint8, RGB or grey"} and "joints" not in said
    assert said["pictures"]["rgb"]["resized_to"] == [44, 44]


@pytest.mark.slow
def test_skeletons_colour_and_flow_together(tmp_path: Path) -> None:
    pipeline = Pipeline(
        Sampling(n_frames=16), streams=["joint", "bone"],
        pictures={"rgb": seen_frames(4), "flow": seen_frames(4, stack=3)},
    )  # fmt: skip
    path = fusion(
        tmp_path, pipeline, skeleton={"name": "skelactnet", **SMALL["skelactnet"]},
        rgb={"name": "resnet3d", **SMALL_VIDEO["resnet3d"]}, flow={"name": "tsn", **SMALL_VIDEO["tsn"]},
    )  # fmt: skip
    assert answers_agree(path, tmp_path / "out") == ["joints", "score", "rgb", "flow"]
    said = json.loads((tmp_path / "out" / "model.json").read_text())
    assert said["inputs"]["flow"].startswith("[12, 40, 40, 2] float32, dis flow") and said["joints"]
    export_checkpoint(path, tmp_path / "program", "torch-export")


def test_pictures_that_are_not_exported(tmp_path: Path) -> None:
    seen = replace(seen_frames(4), stack=2, stacking="trajectory")
    along = fusion(tmp_path, Pipeline(pictures={"flow": seen}), flow={"name": "tsn", **SMALL_VIDEO["tsn"]})
    with pytest.raises(ConfigError, match="trajectories"):
        export_checkpoint(along, tmp_path / "no")
    placed = fusion(
        tmp_path, Pipeline(pictures={"rgb": replace(seen_frames(4), places=True)}), rgb={"name": "tsn"}
    )
    with pytest.raises(ConfigError, match="where joints are in the pictures"):
        export_checkpoint(placed, tmp_path / "no")
    assert not (tmp_path / "no").exists()
