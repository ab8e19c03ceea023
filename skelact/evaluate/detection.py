"""Who does what and where: frame-mAP as AVA has it, and video-mAP over tubes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from skelact.errors import ConfigError, DataError
from skelact.evaluate.tubes import Tube, tube_iou
from skelact.io.ava import ActionBoxes, FrameKey
from skelact.nn.boxes import box_iou


@dataclass(frozen=True)
class DetectionScore:
    """What an evaluation of detections gave.

    Args:
        mean: mAP, the mean over the classes below.
        per_class: average precision of every class that is scored and occurs in the ground truth.
        support: how many boxes or tubes of the ground truth each of these classes has.
        threshold: the least IoU of a hit.
    """

    mean: float
    per_class: dict[int, float]
    support: dict[int, int]
    threshold: float


def interpolated_average_precision(hit: np.ndarray, n_truth: int) -> float:
    """Area under the precision-recall curve whose precision is made non-increasing from the right.

    Args:
        hit: ``[n]`` whether each detection is a true positive, by falling score.
        n_truth: how many there are to be found.

    Returns:
        the sum of (r_i - r_{i-1}) p_i over the points where the recall changes; NaN if there is nothing to find.
    """
    if n_truth == 0:
        return float("nan")
    hit = np.asarray(hit, bool)
    recall = np.cumsum(hit) / n_truth
    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0) * precision).sum())


def frame_map(
    truth: ActionBoxes,
    found: ActionBoxes,
    *,
    threshold: float = 0.5,
    classes: Collection[int] | None = None,
    excluded: Collection[FrameKey] = (),
) -> DetectionScore:
    """Frame-mAP by the protocol of AVA (Gu et al., CVPR 2018).

    Per class, the boxes of all frames are one list. By falling score, a detection is compared with the box of its
    frame and class that it overlaps most: if their IoU reaches the threshold and no detection had that box before,
    it is a hit, otherwise a false alarm (a second detection of the same person as well).

    Args:
        truth: the boxes that there are.
        found: the detections, with scores; the earlier row comes first where scores are equal.
        threshold: least IoU.
        classes: the actions that are scored (60 of AVA's 80); None: all that occur in the truth.
        excluded: frames that are left out on both sides (`skelact.io.ava.read_excluded_frames`).

    Raises:
        DataError: if no scored class occurs in the truth.
        ConfigError: for a threshold outside 0..1.
    """
    left_out = set(excluded)
    scored = _scored(set(truth.action.tolist()), classes, threshold)
    true_frames, found_frames = truth.frames(), found.frames()
    numbers: dict[FrameKey, int] = {}
    for key in true_frames:
        numbers.setdefault(key, len(numbers))
    true_frame = np.array([-2 if key in left_out else numbers[key] for key in true_frames], int)
    found_frame = np.array([-2 if key in left_out else numbers.get(key, -1) for key in found_frames], int)
    per_class, support = {}, {}
    for action in scored:
        rows = np.flatnonzero((truth.action == action) & (true_frame >= 0))
        if not len(rows):
            continue
        rows = rows[np.argsort(true_frame[rows], kind="stable")]
        guesses = np.flatnonzero((found.action == action) & (found_frame >= -1))
        guesses = guesses[np.argsort(-found.score[guesses], kind="stable")]
        hit = _hits(found_frame[guesses], found.box[guesses], true_frame[rows], truth.box[rows], threshold)
        per_class[action], support[action] = interpolated_average_precision(hit, len(rows)), len(rows)
    return _mean(per_class, support, threshold)


def _hits(
    frame: np.ndarray, box: np.ndarray, true_frame: np.ndarray, true_box: np.ndarray, threshold: float
) -> np.ndarray:
    """Which detections of one class (by falling score) are hits; the true frames are sorted."""
    first = np.searchsorted(true_frame, frame, "left")
    count = np.searchsorted(true_frame, frame, "right") - first
    best, overlap = np.full(len(frame), -1), np.full(len(frame), -1.0)
    for k in range(int(count.max(initial=0))):  # the k-th true box of each detection's frame
        there = np.flatnonzero(count > k)
        other = first[there] + k
        iou = box_iou(torch.from_numpy(box[there]), torch.from_numpy(true_box[other])).numpy()
        better = iou > overlap[there]
        best[there[better]], overlap[there[better]] = other[better], iou[better]
    near = np.flatnonzero(overlap >= threshold)
    hit = np.zeros(len(frame), bool)
    hit[near[np.unique(best[near], return_index=True)[1]]] = True  # the first that has the box
    return hit


def video_map(
    truth: Sequence[Tube],
    found: Sequence[Tube],
    *,
    threshold: float = 0.5,
    classes: Collection[int] | None = None,
) -> DetectionScore:
    """Video-mAP: tubes as detections, compared by their 3D IoU.

    Per class, by falling score, a tube takes the free tube of the truth of its video that it overlaps most, if their
    `skelact.evaluate.tubes.tube_iou` reaches the threshold; otherwise it is a false alarm.

    Args:
        truth, found: tubes with video, action and score.
        threshold, classes: as for `frame_map`.

    Raises:
        DataError: if no scored class occurs in the truth.
        ConfigError: for a threshold outside 0..1.
    """
    per_class, support = {}, {}
    for action in _scored({tube.action for tube in truth}, classes, threshold):
        there: dict[str, list[Tube]] = defaultdict(list)
        for tube in truth:
            if tube.action == action:
                there[tube.video].append(tube)
        guesses = sorted((tube for tube in found if tube.action == action), key=lambda tube: -tube.score)
        hit = _tube_hits(guesses, there, threshold)
        support[action] = sum(map(len, there.values()))
        per_class[action] = interpolated_average_precision(hit, support[action])
    return _mean(per_class, support, threshold)


def _tube_hits(guesses: Sequence[Tube], truth: Mapping[str, Sequence[Tube]], threshold: float) -> np.ndarray:
    """Which tubes of one action (by falling score) are hits, each compared with those that are still free."""
    free = {video: list(tubes) for video, tubes in truth.items()}
    hit = np.zeros(len(guesses), bool)
    for i, guess in enumerate(guesses):
        others = free.get(guess.video, [])
        overlaps = [tube_iou(guess, other) for other in others]
        best = int(np.argmax(overlaps)) if overlaps else -1
        if best >= 0 and overlaps[best] >= threshold:
            hit[i] = True
            del others[best]
    return hit


def _scored(there: set[int], classes: Collection[int] | None, threshold: float) -> list[int]:
    if not 0 < threshold <= 1:
        raise ConfigError(f"the IoU threshold must be above 0 and at most 1, got {threshold}")
    return sorted(there if classes is None else there & set(classes))


def _mean(per_class: dict[int, float], support: dict[int, int], threshold: float) -> DetectionScore:
    if not per_class:
        raise DataError(
            "the ground truth shows none of the scored actions; check its action numbers and the excluded frames"
        )
    return DetectionScore(float(np.mean(list(per_class.values()))), per_class, support, threshold)
