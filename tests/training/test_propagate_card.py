"""Which graph products ``auto`` took is in the checkpoint's card, and ``skelact inspect`` says it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from commands.cli_helpers import skelact
from test_training import data, run  # noqa: F401 - a fixture

from skelact.datasets.skeleton_set import SkeletonSet
from skelact.nn import measure, propagate
from skelact.recognition.checkpoint import load_checkpoint


def test_the_card_says_what_auto_took(
    data: SkeletonSet,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(measure, "_chosen", {})
    monkeypatch.setattr(propagate, "_SMALL", 0)
    run(data, tmp_path, 1)
    taken = load_checkpoint(tmp_path)[1].trained["propagate"]
    assert taken == measure.chosen_backends()
    assert {key.split("|")[-1] for key in taken} == {"True", "False"}  # training, and validation
    said = skelact("inspect", tmp_path / "best.safetensors").out
    for key, backend in taken.items():
        assert f"{backend} for 3 partitions of 25 joints" in said and key.split("|")[5] in said


def test_a_continued_training_keeps_to_what_was_taken(
    data: SkeletonSet,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(propagate, "_SMALL", 0)
    monkeypatch.setattr(measure, "_chosen", {})
    run(data, tmp_path, 1)
    first = measure.chosen_backends()
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    torch.save(state | {"backends": dict.fromkeys(first, "sparse")}, tmp_path / "last.pt")
    monkeypatch.setattr(measure, "_chosen", {})
    run(data, tmp_path, 2)
    assert measure.chosen_backends() == dict.fromkeys(first, "sparse")


def test_a_fused_graph_convolution_is_said_too() -> None:
    from skelact.commands.inspect import _product

    said = _product("graph convolution|H100|torch.bfloat16|3|25|73|4096|64|128|True", "fused")
    assert said == (
        "fused (graph convolution) for 3 partitions of 25 joints (73 edges) by 4096 columns, bfloat16, H100, training"
    )
