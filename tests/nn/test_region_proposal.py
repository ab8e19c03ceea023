"""The region proposal head: anchors, matching rules, losses."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.boxes import decode_boxes, encode_boxes
from skelact.nn.region_proposal import RegionProposal


def test_anchors_lie_around_the_places() -> None:
    head = RegionProposal(4, 8, heights=(0.5, 0.25), aspects=(1.0, 0.5))
    anchors = head.anchors(2, 4, torch.zeros(1))
    assert anchors.shape == (2 * 4 * 4, 4)
    first, last = anchors[0], anchors[-1]  # centres (1/8, 1/4) and (7/8, 3/4)
    assert first.tolist() == pytest.approx([0.125 - 0.25, 0.0, 0.125 + 0.25, 0.5])
    assert last.tolist() == pytest.approx([0.875 - 0.0625, 0.625, 0.875 + 0.0625, 0.875])
    logits, offsets, again = head(torch.randn(3, 4, 2, 4))
    assert logits.shape == (3, 32) and offsets.shape == (3, 32, 4) and torch.equal(anchors, again)


def test_outputs_belong_to_their_anchors() -> None:
    """A map with one place set moves the outputs of that place's anchors only (but for the 3×3 around)."""
    torch.manual_seed(0)
    head = RegionProposal(2, 8, heights=(0.3, 0.6), aspects=(1.0,))
    x = torch.zeros(1, 2, 7, 9)
    still, still_offsets, anchors = head(x)
    x[0, :, 5, 2] = 50.0
    logits, offsets, _ = head(x)
    moved = ((logits - still).abs() > 1e-6)[0]
    assert torch.equal(moved, ((offsets - still_offsets).abs() > 1e-6).any(-1)[0]) and moved.any()
    centre = (anchors[moved, :2] + anchors[moved, 2:]) / 2 * torch.tensor([9, 7]) - 0.5
    assert (centre - torch.tensor([2.0, 5.0])).abs().max() < 1.001
    assert len(centre) == 9 * 2


def test_matching_rules() -> None:
    head = RegionProposal(4, 8, positive=0.5, negative=0.3)
    anchors = torch.tensor(
        [
            [0.0, 0, 1, 1],
            [0, 0, 1, 0.6],
            [0, 0, 1, 0.4],
            [0, 0, 1, 0.2],
            [5, 5, 6, 6],
            [5, 5, 6, 5.2],
            [9, 9, 10, 10],
        ]
    )
    boxes = torch.tensor([[0.0, 0, 1, 1], [5, 5, 6, 5.1]])
    # IoU 1, 0.6: the first person; 0.4: not counted; 0.2: nobody; 0.1: nobody; 0.5: the second; 0: nobody
    assert head.match(anchors, boxes).tolist() == [0, 0, -2, -1, -1, 1, -1]
    # a person whom no anchor reaches has the best one all the same
    assert head.match(anchors[2:5], boxes).tolist() == [0, -1, 1]
    assert head.match(anchors, boxes[:0]).tolist() == [-1] * 7


def test_loss_as_written_on_paper() -> None:
    torch.manual_seed(0)
    head = RegionProposal(3, 8, heights=(0.5,), aspects=(1.0,), positive=0.5, negative=0.5)
    x = torch.randn(2, 3, 4, 4)
    boxes = torch.tensor([[0.1, 0.1, 0.6, 0.7], [0.45, 0.5, 0.9, 0.95]])
    logits, offsets, anchors = head(x)
    who = head.match(anchors, boxes)
    total, n = 0.0, int((who >= 0).sum())
    for i in range(2):
        for r in range(len(anchors)):
            there = i == 1 and who[r] >= 0
            p = logits[i, r].sigmoid()
            total -= 0.25 * (1 - p) ** 2 * p.log() if there else 0.75 * p**2 * (1 - p).log()
            if there:
                wanted = encode_boxes(boxes[who[r]], anchors[r])
                total += functional.smooth_l1_loss(offsets[i, r], wanted, beta=0.1, reduction="sum")
    assert n > 1
    assert torch.allclose(head.loss(x, torch.tensor([1, 1]), boxes), total / n, rtol=1e-4)
    nobody = head.loss(x, torch.zeros(0, dtype=torch.long), boxes[:0])
    assert torch.isfinite(nobody) and nobody > 0


def test_proposals_are_the_decoded_best() -> None:
    torch.manual_seed(0)
    head = RegionProposal(3, 8, heights=(0.3,), aspects=(1.0,))
    torch.nn.init.normal_(head.objectness.weight, std=60.0)
    x = torch.randn(2, 3, 5, 5)
    clip, boxes, scores = head.propose(x, most=4, least_score=0.3)
    logits, offsets, anchors = head(x)
    for i in range(2):
        own = scores[clip == i]
        assert 0 < len(own) <= 4 and (own.diff() <= 0).all() and (own >= 0.3).all()
        best = logits[i].argmax()
        assert torch.allclose(own[0], logits[i, best].sigmoid())
        assert torch.allclose(boxes[clip == i][0], decode_boxes(offsets[i, best], anchors[best]).clamp(0, 1))
    assert ((boxes >= 0) & (boxes <= 1)).all()
    assert len(head.propose(x, least_score=1.0)[1]) == 0
    assert head.propose(x, most=2, least_score=0.0)[0].tolist() == [0, 0, 1, 1]


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match=r"heights and aspects above 0"):
        RegionProposal(4, heights=())
    with pytest.raises(ConfigError, match=r"negative=0.7, positive=0.5"):
        RegionProposal(4, negative=0.7)
