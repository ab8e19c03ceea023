"""Boxes ``[x1, y1, x2, y2]``: overlap, non-maximum suppression, offsets to anchors."""

from __future__ import annotations

import torch
from torch import Tensor

_LARGEST = 4.0  # of a predicted logarithm of a size: e^4 times the anchor's


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes.

    Args:
        a, b: ``[..., 4]``, broadcast against each other: ``box_iou(a[:, None], b)`` compares all with all.

    Returns:
        ``[...]`` in 0..1; 0 where both boxes are empty.
    """
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    common = (high - low).clamp(min=0).prod(-1)
    union = _area(a) + _area(b) - common
    return torch.where(union > 0, common / union.where(union > 0, torch.ones_like(union)), 0.0)


def _area(box: Tensor) -> Tensor:
    return (box[..., 2:] - box[..., :2]).clamp(min=0).prod(-1)


def non_maximum_suppression(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Greedy non-maximum suppression: by falling score, a box is dropped if it overlaps one that was kept.

    Args:
        boxes: ``[B, 4]``.
        scores: ``[B]``.
        threshold: boxes that overlap by more than this IoU are taken for the same.

    Returns:
        indices of the kept boxes, by falling score.
    """
    order = scores.argsort(descending=True, stable=True)
    ranked = boxes[order]
    same = box_iou(ranked[:, None], ranked) > threshold
    kept = torch.ones(len(order), dtype=torch.bool, device=boxes.device)
    for i in range(len(order)):
        if kept[i]:
            kept[i + 1 :] &= ~same[i, i + 1 :]
    return order[kept]


def encode_boxes(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Offsets ``[..., 4]`` that turn anchors into boxes (Girshick et al., CVPR 2014).

    The centre's shift in units of the anchor's size, and the logarithms of the ratios of the sizes.
    """
    size, anchor_size = boxes[..., 2:] - boxes[..., :2], anchors[..., 2:] - anchors[..., :2]
    shift = (boxes[..., :2] + boxes[..., 2:] - anchors[..., :2] - anchors[..., 2:]) / 2
    return torch.cat([shift / anchor_size, (size / anchor_size).log()], -1)


def decode_boxes(offsets: Tensor, anchors: Tensor) -> Tensor:
    """The boxes ``[..., 4]`` that offsets make of anchors: the inverse of `encode_boxes`."""
    anchor_size = anchors[..., 2:] - anchors[..., :2]
    centre = (anchors[..., :2] + anchors[..., 2:]) / 2 + offsets[..., :2] * anchor_size
    half = anchor_size * offsets[..., 2:].clamp(max=_LARGEST).exp() / 2
    return torch.cat([centre - half, centre + half], -1)
