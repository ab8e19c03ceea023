"""The table of losses, and that the setting chooses among them."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.training.losses import LOSSES, class_weights
from skelact.training.settings import TrainSettings

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.0, 0.0, 0.0], [-1.0, 3.0, 0.5]])
LABEL = torch.tensor([0, 2, 1])


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    plain = functional.cross_entropy(LOGITS, LABEL)
    assert torch.allclose(LOSSES["focal"](LOGITS, LABEL, None, TrainSettings(focal_gamma=0.0)), plain)
    weight = torch.tensor([1.0, 2.0, 0.5])
    weighed = functional.cross_entropy(LOGITS, LABEL, weight)
    assert torch.allclose(LOSSES["focal"](LOGITS, LABEL, weight, TrainSettings(focal_gamma=0.0)), weighed)


def test_focal_loss_is_its_formula() -> None:
    p = LOGITS.softmax(-1)[torch.arange(3), LABEL]
    expected = (-((1 - p) ** 2.0) * p.log()).mean()
    assert torch.allclose(LOSSES["focal"](LOGITS, LABEL, None, TrainSettings(focal_gamma=2.0)), expected)


def test_cross_entropy_smooths() -> None:
    for share in (0.0, 0.2):
        settings = TrainSettings(label_smoothing=share)
        expected = functional.cross_entropy(LOGITS, LABEL, label_smoothing=share)
        assert torch.equal(LOSSES["cross_entropy"](LOGITS, LABEL, None, settings), expected)


def test_effective_numbers() -> None:
    labels = torch.tensor([0] * 9 + [1])
    beta = 0.9
    raw = torch.tensor([(1 - beta) / (1 - beta**9), 1.0])
    assert torch.allclose(class_weights(labels, 3, beta), torch.cat([raw * 2 / raw.sum(), torch.zeros(1)]))
    assert class_weights(labels, 2, 0.0).tolist() == [1.0, 1.0]


def test_unknown_losses_are_refused() -> None:
    with pytest.raises(ConfigError, match="cross_entropy, focal"):
        TrainSettings(loss="hinge")
