"""MS-TCN's loss against a calculation by hand."""

from __future__ import annotations

import math

import pytest
import torch

from skelact.training.segmentation.loss import label_weights, segmentation_loss


def test_by_hand() -> None:
    p = torch.tensor([[0.5, 0.5], [0.9, 0.1], [1e-6, 1 - 1e-6]], dtype=torch.float64)
    label = torch.tensor([[0, 1, -1]])
    crossed = -(math.log(0.5) + math.log(0.1)) / 2
    steps = [math.log(0.9 / 0.5) ** 2, math.log(0.1 / 0.5) ** 2, 16.0, math.log((1 - 1e-6) / 0.1) ** 2]
    expected = crossed + 0.15 * sum(steps) / 4
    logits = p.log()[None, None]
    assert float(segmentation_loss(logits, label)) == pytest.approx(expected, abs=1e-9)
    assert float(segmentation_loss(logits.repeat(3, 1, 1, 1), label)) == pytest.approx(3 * expected, abs=1e-9)
    assert float(segmentation_loss(logits, label, smoothing=0)) == pytest.approx(crossed, abs=1e-9)
    mild = crossed + 0.15 * (sum(steps) - 16 + 1 - steps[1] + 1 - steps[3] + 1) / 4
    assert float(segmentation_loss(logits, label, limit=1.0)) == pytest.approx(mild, abs=1e-9)
    real = torch.tensor([[True, True, False]])
    short = crossed + 0.15 * (steps[0] + steps[1]) / 2
    assert float(segmentation_loss(logits, label, real=real)) == pytest.approx(short, abs=1e-9)


def test_weights_of_classes() -> None:
    logits = torch.tensor([[[[0.3, 0.1], [0.2, 0.9]]]])
    label = torch.tensor([[0, 1]])
    nll = -logits[0, 0].log_softmax(-1)[[0, 1], [0, 1]]
    weighed = segmentation_loss(logits, label, torch.tensor([3.0, 1.0]), smoothing=0)
    assert float(weighed) == pytest.approx(float((3 * nll[0] + nll[1]) / 4), rel=1e-5)
    counts = torch.tensor([90, 10, 0])
    assert label_weights(counts, 0) is None
    for balance, ratio in ((1.0, 9.0), (0.5, 3.0)):
        weight = label_weights(counts, balance)
        assert weight is not None and float(weight[1] / weight[0]) == pytest.approx(ratio) and weight[2] == 0
        assert float((weight * counts).sum()) == pytest.approx(100, rel=1e-5)


def test_the_earlier_frame_has_no_gradient() -> None:
    logits = torch.tensor([[[[0.0, 1.0], [2.0, 0.0]]]], dtype=torch.float64, requires_grad=True)
    segmentation_loss(logits, torch.tensor([[-1, -1]])).backward()
    assert logits.grad is not None and not logits.grad[0, 0, 0].any() and logits.grad[0, 0, 1].any()
    far = torch.tensor([[[[0.0, 9.0], [9.0, 0.0]]]], dtype=torch.float64, requires_grad=True)
    segmentation_loss(far, torch.tensor([[-1, -1]])).backward()
    assert far.grad is not None and not far.grad.any()  # beyond the limit a step costs no more
