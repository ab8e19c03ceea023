"""Boxes: overlap, suppression and offsets, on paper, by plain rules, and as torchvision has them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from skelact.nn.boxes import box_iou, decode_boxes, encode_boxes, non_maximum_suppression


def random_boxes(n: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(n, 2, generator=generator, dtype=torch.float64) * 0.6
    return torch.cat(
        [corner, corner + 0.1 + 0.4 * torch.rand(n, 2, generator=generator, dtype=torch.float64)], 1
    )


def test_overlap_on_paper() -> None:
    one = torch.tensor([0.0, 0.0, 2.0, 2.0])
    others = torch.tensor([[0.0, 0, 2, 2], [1, 1, 3, 3], [2, 0, 4, 2], [5, 5, 6, 6], [1, 1, 1, 1]])
    assert box_iou(one, others).tolist() == pytest.approx([1, 1 / 7, 0, 0, 0])
    assert box_iou(others[-1], others[-1]) == 0


def slow_suppression(boxes: Tensor, scores: Tensor, threshold: float) -> list[int]:
    left = sorted(range(len(boxes)), key=lambda i: -float(scores[i]))
    kept = []
    while left:
        best = left.pop(0)
        kept.append(best)
        left = [i for i in left if float(box_iou(boxes[best], boxes[i])) <= threshold]
    return kept


def test_suppression() -> None:
    boxes, scores = random_boxes(60), torch.rand(60, generator=torch.Generator().manual_seed(1))
    for threshold in (0.2, 0.5, 0.8):
        kept = non_maximum_suppression(boxes, scores, threshold).tolist()
        assert kept == slow_suppression(boxes, scores, threshold) and len(kept) < 60
    assert non_maximum_suppression(boxes[:0], scores[:0], 0.5).tolist() == []


def test_suppression_as_torchvision_has_it() -> None:
    ops = pytest.importorskip("torchvision.ops")
    boxes, scores = random_boxes(200, 2).float(), torch.rand(200, generator=torch.Generator().manual_seed(3))
    assert torch.equal(non_maximum_suppression(boxes, scores, 0.4), ops.nms(boxes, scores, 0.4))
    assert torch.allclose(box_iou(boxes[:, None], boxes), ops.box_iou(boxes, boxes))


def test_offsets_turn_anchors_into_boxes() -> None:
    anchors, boxes = random_boxes(9, 4), random_boxes(9, 5)
    assert torch.allclose(decode_boxes(encode_boxes(boxes, anchors), anchors), boxes)
    # centre half a width to the right, twice as high
    offsets = encode_boxes(torch.tensor([[1.0, -0.5, 2.0, 1.5]]), torch.tensor([[0.5, 0.0, 1.5, 1.0]]))
    assert offsets[0].tolist() == pytest.approx([0.5, 0.0, 0.0, math.log(2)])
    wild = decode_boxes(torch.full((1, 4), 100.0), anchors[:1])
    assert torch.isfinite(wild).all()
