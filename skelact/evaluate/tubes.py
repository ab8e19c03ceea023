"""Tubes: the boxes of one person through time, their overlap, and linking boxes of single frames into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from skelact.errors import ConfigError, DataError
from skelact.io.ava import NO_PERSON, ActionBoxes
from skelact.nn.boxes import box_iou


@dataclass(frozen=True, eq=False)
class Tube:
    """The boxes of one person over some frames.

    Args:
        frames: ``[n]`` numbers of the frames, increasing.
        boxes: ``[n, 4]`` as x1, y1, x2, y2.
        score: confidence.
        action: number of the action.
        video: name of the video.
        rows: ``[n]`` which of its frame's boxes each one is, where `link_tubes` made the tube.

    Raises:
        DataError: for a tube without frames, frames that do not increase, or another number of boxes.
    """

    frames: np.ndarray
    boxes: np.ndarray
    score: float = 1.0
    action: int = 0
    video: str = ""
    rows: np.ndarray | None = None

    def __post_init__(self) -> None:
        frames = np.array(self.frames, dtype=np.int64)
        boxes = np.array(self.boxes, dtype=np.float64)
        if not len(frames) or (np.diff(frames) <= 0).any() or boxes.shape != (len(frames), 4):
            raise DataError(
                f"a tube needs increasing frames and a box for each, got {len(frames)} frames and boxes "
                f"{list(boxes.shape)}"
            )
        object.__setattr__(self, "frames", frames)
        object.__setattr__(self, "boxes", boxes)


def tube_iou(a: Tube, b: Tube) -> float:
    """3D IoU of two tubes: the IoU of their frames times the mean IoU of their boxes in the frames of both."""
    _, in_a, in_b = np.intersect1d(a.frames, b.frames, assume_unique=True, return_indices=True)
    if not len(in_a):
        return 0.0
    temporal = len(in_a) / (len(a.frames) + len(b.frames) - len(in_a))
    spatial = box_iou(torch.from_numpy(a.boxes[in_a]), torch.from_numpy(b.boxes[in_b])).mean()
    return temporal * float(spatial)


def tubes_of_people(boxes: ActionBoxes, rate: float = 1.0) -> list[Tube]:
    """The tubes of a table that knows its people: one for every video, person and action.

    A tube's score is the mean of its rows'. A person who pauses has one tube with a gap in its frames.

    Args:
        boxes: with persons.
        rate: frames per second; a row's frame is its time times this, rounded.

    Raises:
        DataError: if persons are not known, or one has two boxes in a frame.
    """
    if (boxes.person == NO_PERSON).any():
        raise DataError("tubes need to know who is who: a row has no person; link the boxes instead")
    groups: dict[tuple[str, int, int], list[int]] = {}
    for i in range(len(boxes)):
        key = str(boxes.video[i]), int(boxes.person[i]), int(boxes.action[i])
        groups.setdefault(key, []).append(i)
    tubes = []
    for (video, person, action), members in groups.items():
        rows = np.array(members)[np.argsort(boxes.time[members], kind="stable")]
        frames = np.round(boxes.time[rows] * rate).astype(int)
        if (np.diff(frames) == 0).any():
            raise DataError(
                f"person {person} of video '{video}' has two boxes with action {action} in one frame "
                f"(at {rate:g} frames per second)"
            )
        tubes.append(Tube(frames, boxes.box[rows], float(boxes.score[rows].mean()), action, video))
    return tubes


def link_tubes(
    boxes: Sequence[np.ndarray],
    scores: Sequence[np.ndarray],
    *,
    weight: float = 1.0,
    least_iou: float = 0.0,
) -> list[Tube]:
    """Link the boxes of successive frames into tubes (Gkioxari and Malik, "Finding action tubes", CVPR 2015).

    Two boxes of successive frames are linked with the score ``s_t + s_(t+1) + weight · IoU``. The path of the highest
    sum is found by the Viterbi algorithm and becomes a tube; its boxes are removed, and so on until none is left. A
    path may begin and end anywhere, and a frame without boxes ends it.

    Args:
        boxes: for each frame ``[n_t, 4]``.
        scores: for each frame ``[n_t]``, at least 0: of one action, or of a person.
        weight: lambda, of the overlap.
        least_iou: boxes that overlap less are not linked.

    Returns:
        tubes with their mean score, in the order in which they were found.

    Raises:
        DataError: if boxes and scores do not fit together, or a score is negative.
        ConfigError: for a negative weight, or a ``least_iou`` outside 0..1.
    """
    if weight < 0 or not 0 <= least_iou <= 1:
        raise ConfigError(f"weight must be at least 0 and least_iou in 0..1, got {weight} and {least_iou}")
    at = [np.asarray(b, np.float64).reshape(-1, 4) for b in boxes]
    value = [np.asarray(s, np.float64) for s in scores]
    if [len(b) for b in at] != [s.size for s in value]:
        raise DataError(
            f"every box needs a score: {[len(b) for b in at]} boxes in the frames, {[s.size for s in value]} scores"
        )
    if any((~(s >= 0)).any() for s in value):
        raise DataError("scores must be at least 0; give probabilities")
    links = []
    for t in range(1, len(at)):
        iou = box_iou(torch.from_numpy(at[t - 1])[:, None], torch.from_numpy(at[t])).numpy()
        link = value[t - 1][:, None] + value[t] + weight * iou
        links.append(np.where(iou >= least_iou, link, -np.inf))
    free = [np.ones(len(b), bool) for b in at]
    tubes = []
    while any(f.any() for f in free):
        first, path = _best_path(links, free)
        frames = np.arange(first, first + len(path))
        for t, i in zip(frames, path, strict=True):
            free[t][i] = False
        score = float(np.mean([value[t][i] for t, i in zip(frames, path, strict=True)]))
        own = np.stack([at[t][i] for t, i in zip(frames, path, strict=True)])
        tubes.append(Tube(frames, own, score, rows=np.array(path)))
    return tubes


def _best_path(links: Sequence[np.ndarray], free: Sequence[np.ndarray]) -> tuple[int, list[int]]:
    """(first frame, box of each frame) of the free path whose links have the highest sum."""
    total = [np.where(free[0], 0.0, -np.inf)]
    before = [np.full(len(free[0]), -1)]
    for link, there in zip(links, free[1:], strict=True):
        sums = np.concatenate([total[-1][:, None] + link, np.full((1, link.shape[1]), -np.inf)])
        came = sums.argmax(0)
        best = sums[came, np.arange(link.shape[1])]
        came = np.where(best >= 0, came, -1)  # nothing leads here: a path begins
        total.append(np.where(there, np.maximum(best, 0.0), -np.inf))
        before.append(came)
    tops = [row.max(initial=-np.inf) for row in total]
    last = len(tops) - 1 - int(np.argmax(tops[::-1]))  # the longer of equal paths
    path = [int(total[last].argmax())]
    first = last
    while before[first][path[0]] >= 0:
        path.insert(0, int(before[first][path[0]]))
        first -= 1
    return first, path
