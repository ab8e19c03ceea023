"""The tool that trains the gesture encoder: it learns, goes on where it stopped, and ends the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
import measure_teach
import train_gestures

from skelact.models.gesture_features import N_FEATURES
from skelact.recognition.gesture_weights import encoder_id, load_encoder

SMALL = ["--classes", "6", "--examples", "2", "--steps", "4"]


@pytest.fixture(autouse=True)
def few_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_gestures, "held_out", lambda *_: {})
    monkeypatch.setattr(train_gestures, "FITTED_CLASSES", 16)
    monkeypatch.setattr(train_gestures, "FITTED_EXAMPLES", 3)


def test_an_interrupted_training_goes_on_and_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train_gestures, "KEEP_EVERY", 2)
    train_gestures.main([str(tmp_path / "whole"), *SMALL])
    contrast, steps = train_gestures.contrast, 0

    def stops(vectors: torch.Tensor, warmth: torch.Tensor) -> torch.Tensor:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise KeyboardInterrupt
        return contrast(vectors, warmth)

    monkeypatch.setattr(train_gestures, "contrast", stops)
    with pytest.raises(KeyboardInterrupt):
        train_gestures.main([str(tmp_path / "parts"), *SMALL])
    monkeypatch.setattr(train_gestures, "contrast", contrast)
    assert not (tmp_path / "parts" / "gestures.safetensors").exists()
    capsys.readouterr()
    train_gestures.main([str(tmp_path / "parts"), *SMALL])
    assert "goes on at step 2" in capsys.readouterr().err
    models = [load_encoder(tmp_path / name / "gestures.safetensors") for name in ("whole", "parts")]
    assert encoder_id(models[0]) == encoder_id(models[1])
    report = json.loads((tmp_path / "parts" / "gestures.json").read_text())
    assert report["steps"] == 4 and report["weights"] <= 400_000


def test_what_needs_no_steps_is_fitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train_gestures.main([str(tmp_path / "a"), *SMALL])
    first = load_encoder(tmp_path / "a" / "gestures.safetensors")
    assert (
        first.settings["dims"]
        == train_gestures.DIMS
        == first.learned(torch.zeros(1, 32, N_FEATURES)).shape[1]
    )
    assert first.slow_axes.any() and first.shape_middle.any()
    monkeypatch.setattr(train_gestures, "FITTED_CLASSES", 24)
    known = ["--network", str(tmp_path / "a" / "gestures.safetensors")]
    train_gestures.main([str(tmp_path / "b"), *known])
    again = load_encoder(tmp_path / "b" / "gestures.safetensors")
    assert not torch.equal(again.slow_axes, first.slow_axes)
    assert torch.equal(again.blocks[0].mix[1].weight, first.blocks[0].mix[1].weight)  # type: ignore[index]
    report = json.loads((tmp_path / "b" / "gestures.json").read_text())
    assert report["steps"] == 4 and report["seed"] == 0


def test_the_loss_pulls_examples_of_a_class_together() -> None:
    far = torch.nn.functional.normalize(torch.eye(8)[:, :8].reshape(2, 4, 8), dim=-1)
    near = torch.nn.functional.normalize(torch.eye(4)[None].expand(2, 4, 4), dim=-1)
    warmth = torch.tensor(10.0)
    assert train_gestures.contrast(near, warmth) < 0.01 < train_gestures.contrast(far, warmth)


def test_the_area_under_the_roc() -> None:
    import numpy as np

    assert measure_teach.area(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1.0
    assert measure_teach.area(np.array([0.0, 3.0]), np.array([1.0, 2.0])) == 0.5


@pytest.mark.slow
def test_real_signals_are_recognised_from_five_examples(shared_data: Path, tmp_path: Path) -> None:
    measure_teach.main(["natops", str(shared_data), "--seeds", "2", "--out", str(tmp_path / "r.json")])
    assert json.loads((tmp_path / "r.json").read_text())["right"] > 80
