"""frame-mAP and video-mAP: golden files that can be verified on paper, and plain slow implementations."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import ConfigError, DataError
from skelact.evaluate.detection import frame_map, interpolated_average_precision, video_map
from skelact.evaluate.tubes import Tube, tube_iou
from skelact.io.ava import ActionBoxes, read_ava, read_excluded_frames

GOLDEN = Path(__file__).parent / "golden"


def slow_iou(a, b) -> float:
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(w, 0) * max(h, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def slow_ap(hits: list[bool], n: int) -> float:
    """Interpolated precision: at each hit, the best precision at this or a later point."""
    precision = [sum(hits[: i + 1]) / (i + 1) for i in range(len(hits))]
    return sum(max(precision[i:]) for i, hit in enumerate(hits) if hit) / n


def test_average_precision_on_paper() -> None:
    # precision 1, 1/2, 2/3, 2/4, 2/5, 3/6; at the three hits the best of what follows: 1, 2/3, 1/2
    assert interpolated_average_precision(np.array([1, 0, 1, 0, 0, 1]), 4) == pytest.approx(13 / 24)
    # precision 0, 1/2, 2/3: at both hits 2/3
    assert interpolated_average_precision(np.array([0, 1, 1]), 2) == pytest.approx(2 / 3)
    assert interpolated_average_precision(np.array([], bool), 3) == 0
    assert np.isnan(interpolated_average_precision(np.array([0, 0]), 0))


def test_frame_map_on_paper() -> None:
    """Action 1 has four boxes; its detections by falling score:

    0.9 is the first box of v1 at 902: hit. 0.8 overlaps the same box by 0.1875 / 0.25 = 0.75, which is taken: false.
    0.7 covers half of the box at 903, IoU 0.5 exactly: hit. 0.6 lies in a frame that shows nobody: false. 0.5 overlaps
    by 0.125 / 0.5 = 0.25: false. 0.4 is the second box at 902: hit. AP = 13/24 as above.
    Action 2 without the excluded frame has one box, which is found: AP = 1. Action 3 is never found: AP = 0.
    """
    truth, found = read_ava(GOLDEN / "frames_truth.csv"), read_ava(GOLDEN / "frames_found.csv", True)
    excluded = read_excluded_frames(GOLDEN / "frames_excluded.csv")
    result = frame_map(truth, found, classes=[1, 2], excluded=excluded)
    assert result.per_class == pytest.approx({1: 13 / 24, 2: 1.0})
    assert result.support == {1: 4, 2: 1} and result.mean == pytest.approx(37 / 48)
    assert frame_map(truth, found, excluded=excluded).mean == pytest.approx(37 / 72)
    # with the frame: two boxes of action 2, and by falling score a false alarm and a hit: precision 1/2 at recall 1/2
    assert frame_map(truth, found).per_class[2] == pytest.approx(1 / 4)
    # above 0.5 the half box is false: hits at ranks 1 and 6 of 4 boxes, precision 1 and 2/6
    assert frame_map(truth, found, threshold=0.51).per_class[1] == pytest.approx((1 + 1 / 3) / 4)


def slow_frame_map(truth: ActionBoxes, found: ActionBoxes, threshold: float) -> dict[int, float]:
    values = {}
    for action in sorted(set(truth.action.tolist())):
        hits, taken = [], set()
        order = sorted(
            (i for i in range(len(found)) if found.action[i] == action), key=lambda i: -found.score[i]
        )
        true = [j for j in range(len(truth)) if truth.action[j] == action]
        for i in order:
            same = [j for j in true if (truth.video[j], truth.time[j]) == (found.video[i], found.time[i])]
            best = max(same, key=lambda j, i=i: slow_iou(found.box[i], truth.box[j]), default=None)
            hit = (
                best is not None
                and slow_iou(found.box[i], truth.box[best]) >= threshold
                and best not in taken
            )
            if hit:
                taken.add(best)
            hits.append(hit)
        values[action] = slow_ap(hits, len(true))
    return values


def random_boxes(rng: np.random.Generator, n: int) -> ActionBoxes:
    """People near three places in six frames of two videos, with one of three actions."""
    corner = rng.choice([0.05, 0.3, 0.5], n)[:, None] + rng.uniform(0, 0.1, (n, 2))
    box = np.concatenate([corner, corner + rng.uniform(0.2, 0.35, (n, 2))], 1)
    video, time = rng.choice(["a", "b"], n), rng.integers(0, 3, n)
    return ActionBoxes(video, time, box, rng.integers(0, 3, n), rng.permutation(n) / n)


@pytest.mark.parametrize("seed", range(6))
def test_frame_map_as_the_plain_rule_has_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, found = random_boxes(rng, 40), random_boxes(rng, 90)
    for threshold in (0.3, 0.5):
        result = frame_map(truth, found, threshold=threshold)
        assert result.per_class == pytest.approx(slow_frame_map(truth, found, threshold))
        assert 0 < result.mean < 1


def golden_tubes(kind: str) -> list[Tube]:
    rows: dict[str, list[dict]] = {}
    with (GOLDEN / "tubes.csv").open() as file:
        for row in csv.DictReader(file):
            if row["kind"] == kind:
                rows.setdefault(row["tube"], []).append(row)
    return [
        Tube(
            np.array([int(r["frame"]) for r in part]),
            np.array([[float(r[k]) for k in ("x1", "y1", "x2", "y2")] for r in part]),
            float(part[0]["score"]),
            int(part[0]["action"]),
            part[0]["video"],
        )
        for part in rows.values()
    ]


def test_video_map_on_paper() -> None:
    """Action 1 has the tubes A (frames 1-4) and B (frames 3-4). By falling score at a threshold of 0.5:

    a, frames 2-5: 3 of 5 frames in common with A, boxes overlap by 1, 1 and 1/2: 3/5 · 5/6 = 1/2: hit. b is A exactly,
    but A is taken: false. c shares 1 of 3 frames with B: 1/3: false. d: all frames of B, boxes 1 and 3/4: 7/8: hit.
    e is in a video without the action: false. Precision 1, 1/2, 1/3, 2/4, 2/5; AP = (1 + 1/2) / 2.
    Action 2: half of C: hit at 0.5, AP = 1. At 0.6: a, c, e and f false, b and d hit: precision 1/2 and 2/4.
    """
    truth, found = golden_tubes("truth"), golden_tubes("found")
    assert tube_iou(found[0], truth[0]) == pytest.approx(1 / 2)
    assert tube_iou(found[0], truth[1]) == 0 and tube_iou(found[2], truth[1]) == pytest.approx(1 / 3)
    assert tube_iou(found[3], truth[1]) == pytest.approx(7 / 8)
    result = video_map(truth, found)
    assert result.per_class == pytest.approx({1: 3 / 4, 2: 1}) and result.support == {1: 2, 2: 1}
    assert video_map(truth, found, threshold=0.6).per_class == pytest.approx({1: 1 / 2, 2: 0})
    assert video_map(truth, found, classes=[2]).mean == 1


def slow_video_map(truth: list[Tube], found: list[Tube], threshold: float) -> float:
    def overlap(a: Tube, b: Tube) -> float:
        one, other = dict(zip(a.frames, a.boxes, strict=True)), dict(zip(b.frames, b.boxes, strict=True))
        both = set(one) & set(other)
        spatial = [slow_iou(one[t], other[t]) for t in both]
        return len(both) / len(set(one) | set(other)) * float(np.mean(spatial)) if both else 0.0

    hits, free = [], list(truth)
    for guess in sorted(found, key=lambda tube: -tube.score):
        near = [t for t in free if t.video == guess.video and overlap(guess, t) >= threshold]
        hits.append(bool(near))
        if near:
            free.remove(max(near, key=lambda t: overlap(guess, t)))
    return slow_ap(hits, len(truth))


@pytest.mark.parametrize("seed", range(4))
def test_video_map_as_the_plain_rule_has_it(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def tubes(n: int) -> list[Tube]:
        made = []
        for k in range(n):
            first, last = rng.integers(0, 3), rng.integers(5, 9)
            frames = np.arange(first, last)
            boxes = random_boxes(rng, 1).box + rng.uniform(0, 0.02, (len(frames), 1))
            made.append(Tube(frames, boxes, float(rng.random()), 7, "ab"[k % 2]))
        return made

    truth, found = tubes(12), tubes(30)
    result = video_map(truth, found, threshold=0.3).mean
    assert result == pytest.approx(slow_video_map(truth, found, 0.3)) and 0 < result < 1


def test_what_cannot_be_scored_is_said() -> None:
    truth, found = read_ava(GOLDEN / "frames_truth.csv"), read_ava(GOLDEN / "frames_found.csv", True)
    with pytest.raises(DataError, match="none of the scored actions"):
        frame_map(truth, found, classes=[9])
    with pytest.raises(ConfigError, match="at most 1, got 50"):
        frame_map(truth, found, threshold=50)
    with pytest.raises(ConfigError, match="got 0"):
        video_map(golden_tubes("truth"), golden_tubes("found"), threshold=0)
