"""What diverged is not kept; cards, states and settings of the wrong type are refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file
from test_training import data, run  # noqa: F401 - a fixture

from skelact.errors import CheckpointError, ConfigError, SkelactError
from skelact.layouts import get_layout
from skelact.recognition.checkpoint import Card, load_checkpoint
from skelact.training import loop
from skelact.training.resume import load_resume
from skelact.training.settings import TrainSettings


@pytest.mark.parametrize("diverged", [1, 2, 3])
def test_a_diverged_epoch_is_never_the_best(data, tmp_path: Path, monkeypatch, diverged: int) -> None:  # noqa: F811
    looks = []

    def validate(*_: object) -> dict[str, float]:
        looks.append(1)
        bad = len(looks) == diverged
        return {"val_loss": float("nan") if bad else 1.0, "val_top1": 0.9 if bad else 0.1 * len(looks)}

    monkeypatch.setattr(loop, "_validate", validate)
    result = run(data, tmp_path, 3)
    assert result.best_epoch == (2 if diverged == 3 else 3)
    assert load_checkpoint(tmp_path)[1].trained["val_loss"] == 1


def test_all_diverged_keeps_nothing(data, tmp_path: Path, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setattr(loop, "_validate", lambda *_: {"val_loss": float("inf"), "val_top1": 1.0})
    with pytest.raises(SkelactError, match=r"never finite.*train\.lr"):
        run(data, tmp_path, 2)
    assert not (tmp_path / "best.safetensors").exists()


def test_weights_that_end_an_epoch_as_nan_are_not_saved(data, tmp_path: Path, monkeypatch) -> None:  # noqa: F811
    real = loop._train_epoch

    def train(run_, *more):
        record = real(run_, *more)
        if record["epoch"] == 2:
            with torch.no_grad():
                next(iter(run_.plain.parameters())).fill_(float("nan"))
                run_.average.update(run_.plain)
        return record

    monkeypatch.setattr(loop, "_train_epoch", train)
    with pytest.raises(SkelactError, match="no longer finite after epoch 2"):
        run(data, tmp_path, 3, keep="last")
    state, card = load_checkpoint(tmp_path)
    assert card.trained["epoch"] == 1 and all(bool(v.isfinite().all()) for v in state.values())
    assert load_resume(tmp_path / "last.pt")["epoch"] == 1


def test_the_latest_is_kept_until_there_is_a_validation(data, tmp_path: Path) -> None:  # noqa: F811
    seen = []

    class Stop(BaseException):
        pass

    real = loop._Run.save

    def save(self, epoch: int) -> None:
        real(self, epoch)
        seen.append(load_checkpoint(tmp_path)[1].trained["epoch"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop._Run, "save", save)
        run(data, tmp_path, 4, eval_every=3)
    assert seen[:3] == [1, 2, 3]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dims": "3"}, "dims"), ({"dims": 7}, "dims"), ({"unit": "feet"}, "unit"), ({"fps": "30"}, "fps"),
        ({"fps": -1.0}, "fps"), ({"clip_seconds": float("nan")}, "clip_seconds"),
        ({"label_names": "ab"}, "label_names"),
        ({"label_names": []}, "label_names"), ({"label_names": ["a", "a"]}, "label_names"),
        ({"label_names": [1, 2]}, "label_names"), ({"model": ["stgcn"]}, "model"),
        ({"model": {"name": 5}}, "model.name"),
        ({"pipeline": 3}, "pipeline"), ({"pipeline": {"streams": "joint"}}, "pipeline.streams"),
        ({"layout": {"name": "x", "joints": 5}}, "damaged"),
        ({"layout": {"name": "x", "joints": ["a", "a"]}}, "damaged"),
        ({"config": None}, "config"), ({"trained": []}, "trained"), ({"version": "1"}, "version"),
    ],
)  # fmt: skip
def test_cards_of_the_wrong_type(tmp_path: Path, change: dict, words: str) -> None:
    card = Card(get_layout("coco17").to_dict(), 3, "m", ["a", "b"], 30.0, {"name": "stgcn"}, {})
    text = yaml.safe_dump(json.loads(json.dumps(dataclasses.asdict(card) | change)))
    save_file({"x": torch.zeros(1)}, str(tmp_path / "a.safetensors"), metadata={"skelact": text})
    with pytest.raises(CheckpointError, match=words) as error:
        load_checkpoint(tmp_path / "a.safetensors")
    assert "a.safetensors" in str(error.value) and error.value.exit_code == 3


WHOLE = {
    "epoch": 1, "step": 1, "model": {}, "optimiser": {}, "average": {}, "average_updates": 0, "history": [],
    "best_score": 1.0, "best_epoch": 1, "seconds": 1.0, "config": {},
}  # fmt: skip


@pytest.mark.parametrize("state", [[1], {"epoch": 1}, WHOLE | {"epoch": "1"}, WHOLE | {"history": None}])
def test_states_of_the_wrong_type(tmp_path: Path, state: object) -> None:
    torch.save(state, tmp_path / "last.pt")
    with pytest.raises(CheckpointError, match="cannot be continued from"):
        load_resume(tmp_path / "last.pt")
    torch.save(WHOLE, tmp_path / "last.pt")
    assert load_resume(tmp_path / "last.pt") == WHOLE


@pytest.mark.parametrize("name", ["lr", "momentum", "weight_decay", "warmup_epochs", "clip_norm"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_settings_that_are_no_numbers(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        TrainSettings(**{name: value})
