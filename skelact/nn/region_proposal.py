"""Region proposals: where somebody is, from the map of a network (Ren et al., NIPS 2015)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn.boxes import box_iou, decode_boxes, encode_boxes, non_maximum_suppression

HEIGHTS = (0.2, 0.4, 0.8)
ASPECTS = (0.4, 0.8)
_PRIOR = 0.01  # probability that an anchor shows somebody, before training
_FOCAL_ALPHA, _FOCAL_GAMMA = 0.25, 2.0


class RegionProposal(nn.Module):
    """A probability and four offsets for every anchor of every place of a map.

    Args:
        channels_in: D, channels of the map.
        channels: between the 3×3 convolution and the two 1×1 ones.
        heights: of the anchors, in fractions of the picture's height.
        aspects: widths of the anchors, in shares of their height (both as fractions of the picture).
        positive: anchors that overlap a person by this IoU show them; so does every person's best anchor.
        negative: anchors that overlap everybody by less show nobody; those between are not counted.

    Raises:
        ConfigError: for sizes that are not above 0, or limits that are not 0 <= negative <= positive <= 1.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int = 128,
        heights: Sequence[float] = HEIGHTS,
        aspects: Sequence[float] = ASPECTS,
        positive: float = 0.5,
        negative: float = 0.4,
    ) -> None:
        super().__init__()
        if not heights or not aspects or min(*heights, *aspects, 1) <= 0:
            raise ConfigError(
                f"anchors need heights and aspects above 0, got {list(heights)} and {list(aspects)}"
            )
        if not 0 <= negative <= positive <= 1:
            raise ConfigError(
                f"limits must be 0 <= negative <= positive <= 1, got negative={negative}, positive={positive}"
            )
        self.heights, self.aspects = tuple(heights), tuple(aspects)
        self.positive, self.negative = positive, negative
        n = len(self.heights) * len(self.aspects)
        self.conv = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.objectness, self.offsets = nn.Conv2d(channels, n, 1), nn.Conv2d(channels, 4 * n, 1)
        for part in (self.conv, self.objectness, self.offsets):
            nn.init.normal_(part.weight, std=0.01)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        if self.objectness.bias is not None:
            nn.init.constant_(self.objectness.bias, math.log(_PRIOR / (1 - _PRIOR)))

    def anchors(self, height: int, width: int, like: Tensor) -> Tensor:
        """The anchors ``[H·W·A, 4]`` of a map, in fractions 0..1 of the picture, around the centres of its places."""
        y = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) / height
        x = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) / width
        centre = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], -1).view(-1, 1, 2)
        sizes = like.new_tensor([(h * aspect, h) for h in self.heights for aspect in self.aspects])
        return torch.cat([centre - sizes / 2, centre + sizes / 2], -1).flatten(0, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of maps ``[N, D, H, W]``: logits ``[N, R]``, offsets ``[N, R, 4]`` and anchors ``[R, 4]``."""
        inner = self.conv(x).relu()
        logits = self.objectness(inner).permute(0, 2, 3, 1).flatten(1)
        offsets = self.offsets(inner).permute(0, 2, 3, 1).reshape(len(x), -1, 4)
        return logits, offsets, self.anchors(x.shape[2], x.shape[3], x)

    def match(self, anchors: Tensor, boxes: Tensor) -> Tensor:
        """The person of every anchor, ``[R]``: an index of ``boxes [B, 4]``, -1 for nobody, -2 for not counted."""
        if not len(boxes):
            return torch.full((len(anchors),), -1, device=anchors.device)
        iou = box_iou(anchors[:, None], boxes)
        best, who = iou.max(1)
        who = torch.where(best >= self.positive, who, torch.where(best < self.negative, -1, -2))
        own, anchor = iou.max(0)
        there = own > 0
        who[anchor[there]] = torch.arange(len(boxes), device=who.device)[there]
        return who

    def loss(self, x: Tensor, clip: Tensor, boxes: Tensor) -> Tensor:
        """Focal loss of the probabilities plus smooth L1 of the people's offsets, per anchor that shows somebody.

        The focal loss (Lin et al., ICCV 2017) takes all anchors as they are, without sampling.

        Args:
            x: maps ``[N, D, H, W]``.
            clip, boxes: ``[B]`` and ``[B, 4]``, the people that there are.
        """
        logits, offsets, anchors = self(x)
        total, n_positive = logits.new_zeros(()), 0
        for i in range(len(x)):
            own = boxes[clip == i].to(anchors.dtype)
            who = self.match(anchors, own)
            counted, there = who > -2, who >= 0
            total = total + _focal(logits[i, counted], there[counted].to(logits.dtype))
            if there.any():
                wanted = encode_boxes(own[who[there]], anchors[there])
                total = total + functional.smooth_l1_loss(
                    offsets[i, there], wanted, beta=0.1, reduction="sum"
                )
            n_positive += int(there.sum())
        return total / max(1, n_positive)

    @torch.no_grad()
    def propose(
        self, x: Tensor, most: int = 20, least_score: float = 0.05, overlap: float = 0.5
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes without those that overlap a surer one.

        Args:
            x: maps ``[N, D, H, W]``.
            most: boxes of a clip at most.
            least_score: less sure ones are left out.
            overlap: IoU above which two boxes are taken for the same.

        Returns:
            clip ``[B]``, boxes ``[B, 4]`` within 0..1 and scores ``[B]``, by clip and falling score.
        """
        logits, offsets, anchors = self(x)
        boxes, scores = decode_boxes(offsets, anchors).clamp(0, 1), logits.sigmoid()
        clips, kept_boxes, kept_scores = [], [], []
        for i in range(len(x)):
            there = ((scores[i] >= least_score) & (boxes[i, :, 2:] > boxes[i, :, :2]).all(1)).nonzero()[:, 0]
            keep = there[non_maximum_suppression(boxes[i, there], scores[i, there], overlap)[:most]]
            clips.append(torch.full_like(keep, i))
            kept_boxes.append(boxes[i, keep])
            kept_scores.append(scores[i, keep])
        return torch.cat(clips), torch.cat(kept_boxes), torch.cat(kept_scores)


def _focal(logits: Tensor, there: Tensor) -> Tensor:
    loss = functional.binary_cross_entropy_with_logits(logits, there, reduction="none")
    wrong = (there - logits.sigmoid()).abs()
    weight = _FOCAL_ALPHA * there + (1 - _FOCAL_ALPHA) * (1 - there)
    return (weight * wrong**_FOCAL_GAMMA * loss).sum()
