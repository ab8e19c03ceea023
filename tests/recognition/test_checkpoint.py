"""Checkpoints: weights and card come back, and what is damaged or foreign is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_sets import random_set

from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Pipeline
from skelact.errors import CheckpointError
from skelact.layouts import get_layout
from skelact.models import STGCNSettings
from skelact.recognition.checkpoint import Card, load_checkpoint, load_weights, save_checkpoint
from skelact.recognition.engine import predict_logits

PIPELINE = Pipeline(Sampling(n_frames=16))
SETTINGS = STGCNSettings(channels=(16, 16), stride_blocks=(1,), dropout=0.1)
CARD = Card(get_layout("ntu25").to_dict(), 3, "m", ["a", "b", "c", "d"], 30.0, {}, {}, config={"epochs": 4})


def test_checkpoint_gives_the_same_logits(tmp_path: Path) -> None:
    data = random_set("ntu25")
    torch.manual_seed(1)
    model, other = (SETTINGS.build("ntu25", 4, 3) for _ in range(2))
    for value in model.state_dict().values():
        if value.is_floating_point():  # norms' statistics too differ from a new network's
            value.copy_(torch.rand_like(value) + 0.5)
    index = torch.arange(5)
    logits = predict_logits(model, data, index, PIPELINE)
    assert not torch.allclose(predict_logits(other, data, index, PIPELINE), logits, atol=0.1)
    path = save_checkpoint(tmp_path / "a.safetensors", model.state_dict(), CARD)
    state, loaded = load_checkpoint(path)
    load_weights(other, state, "a")
    assert torch.equal(predict_logits(other, data, index, PIPELINE), logits)
    assert loaded == CARD and loaded.skeleton_layout == get_layout("ntu25")


def test_weights_that_do_not_fit_are_listed() -> None:
    state = SETTINGS.build("ntu25", 4, 3).state_dict()
    state["extra"] = state.pop("head.bias")
    state["head.weight"] = state["head.weight"][:2]
    with pytest.raises(
        CheckpointError, match=r"missing: head\.bias\n  unexpected: extra\n  head\.weight: \[2, 16\]"
    ):
        load_weights(SETTINGS.build("ntu25", 4, 3), state, "x")


@pytest.mark.parametrize("content", [b"", b"garbage" * 50, (200).to_bytes(8, "little") + b"{" * 200])
def test_damaged_checkpoints(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "best.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match="not a readable checkpoint"):
        load_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "nothing")


def test_foreign_safetensors(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(2)}, str(tmp_path / "best.safetensors"))
    with pytest.raises(CheckpointError, match="without skelact's card"):
        load_checkpoint(tmp_path)
