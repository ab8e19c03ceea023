"""Training of region heads: clips with boxes and any number of actions for each, and the loss of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from skelact.errors import DataError
from skelact.io.ava import ActionBoxes
from skelact.models.video.region import RegionNet, check_boxes


@dataclass(frozen=True)
class RegionBatch:
    """Clips and the people at the middle of each.

    Args:
        clips: ``[N, C, T, H, W]``.
        boxes: ``[B, 5]``: the clip's index, then x1, y1, x2, y2 in fractions 0..1.
        labels: ``[B, K]`` 1 for every action that a person does, otherwise 0.

    Raises:
        DataError: if labels do not fit the boxes, or are not 0 or 1.
        ConfigError: for boxes that cannot be.
    """

    clips: Tensor
    boxes: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        check_boxes(self.boxes, len(self.clips))
        if self.labels.ndim != 2 or len(self.labels) != len(self.boxes):
            raise DataError(
                f"{len(self.boxes)} boxes need labels [{len(self.boxes)}, actions], got {list(self.labels.shape)}"
            )
        if not ((self.labels == 0) | (self.labels == 1)).all():
            raise DataError("labels of people must be 0 or 1 for every action")

    def __len__(self) -> int:
        return len(self.clips)

    def to(self, device: torch.device | str) -> RegionBatch:
        """The batch on another device."""
        return RegionBatch(*(value.to(device) for value in (self.clips, self.boxes, self.labels)))

    def take(self, clips: Sequence[int] | Tensor) -> RegionBatch:
        """Some of the clips with their people, in the order given."""
        index = torch.as_tensor(clips, dtype=torch.int64)
        own = [(self.boxes[:, 0] == i).nonzero()[:, 0] for i in index.tolist()]
        rows = torch.cat(own) if own else index
        place = torch.repeat_interleave(
            torch.arange(len(index)), torch.tensor([len(r) for r in own], dtype=torch.int64)
        )
        boxes = torch.cat([place[:, None].to(self.boxes.dtype), self.boxes[rows, 1:]], 1)
        return RegionBatch(self.clips[index], boxes, self.labels[rows])


def region_loss(model: RegionNet, batch: RegionBatch) -> dict[str, Tensor]:
    """The parts of the loss of a batch; training minimises their sum.

    Args:
        model: the network.
        batch: on its device.

    Returns:
        ``action``: binary cross-entropy of every person and action, their mean, and ``proposal``: the loss of the
        proposal head (`skelact.nn.region_proposal.RegionProposal.loss`), if the network has one.
    """
    maps = model.mean_map(batch.clips)
    logits = model.classify(maps, batch.boxes)
    wanted = batch.labels.to(logits.dtype)
    # a batch that shows nobody has no action to learn, and still shows the proposal head where nobody is
    parts = {
        "action": functional.binary_cross_entropy_with_logits(logits, wanted) if len(wanted) else logits.sum()
    }
    if model.proposal is not None:
        parts["proposal"] = model.proposal.loss(maps, batch.boxes[:, 0], batch.boxes[:, 1:])
    return parts


def multi_hot(boxes: ActionBoxes, actions: Sequence[int]) -> tuple[ActionBoxes, np.ndarray]:
    """A table with one row for each box, and the actions of each.

    Args:
        boxes: one row for each box and action.
        actions: numbers of the actions, in the order of the network's outputs; others are left out.

    Returns:
        (the first row of every box, labels ``[B, K]`` of 0 and 1). A box without any of the actions is kept.
    """
    place = {action: k for k, action in enumerate(actions)}
    rows: dict[tuple, int] = {}
    found: list[tuple[int, int]] = []
    for i, frame in enumerate(boxes.frames()):
        own = rows.setdefault((frame, *boxes.box[i].tolist(), int(boxes.person[i])), i)
        if int(boxes.action[i]) in place:
            found.append((own, place[int(boxes.action[i])]))
    order = {row: n for n, row in enumerate(rows.values())}
    labels = np.zeros((len(rows), len(actions)), np.float32)
    for row, k in found:
        labels[order[row], k] = 1
    return boxes.take(np.array(list(rows.values()), int)), labels
