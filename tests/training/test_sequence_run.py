"""Which epoch a run over sequences keeps: the best, the later of equal ones, or the last."""

from __future__ import annotations

from pathlib import Path

import pytest
from torch import nn

from skelact.layouts import get_layout
from skelact.recognition.checkpoint import Card, load_checkpoint
from skelact.training.segmentation.settings import FrameTraining
from skelact.training.sequence_run import SequenceRun


@pytest.mark.parametrize(
    ("keep", "scores", "best"),
    [
        ("best", [0.1, 0.5, 0.3], 2),
        ("best", [0.5, 0.1, 0.5], 3),
        ("best", [0.2, None, 0.1], 1),  # an epoch that was not measured is never the best
        ("last", [0.5, 0.3, 0.1], 3),
    ],
)
def test_the_epoch_that_is_kept(tmp_path: Path, keep: str, scores: list[float | None], best: int) -> None:
    model, told = nn.Linear(1, 1), iter(scores)

    def train_epoch(epoch: int, _check) -> dict[str, float]:
        nn.init.constant_(model.weight, epoch + 1)
        return {"epoch": epoch + 1}

    def validate() -> dict[str, float]:
        score = next(told)
        return {} if score is None else {"val_f1": score}

    settings = FrameTraining(epochs=3, ema=0.0, eval_every=1, keep=keep, device="cpu")
    card = Card(get_layout("coco17").to_dict(), 3, "m", ["a"], 30.0, {}, {})
    result = SequenceRun(model, settings, tmp_path, card).train(train_epoch, validate, "val_f1")
    weights, kept = load_checkpoint(tmp_path)
    assert result.best_epoch == float(weights["weight"]) == best
    assert kept.trained == {"epoch": best, "val_f1": scores[best - 1]}
