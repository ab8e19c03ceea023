"""Tubes: linking against trying every path, overlap, people as tubes."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from skelact.errors import ConfigError, DataError
from skelact.evaluate.tubes import Tube, link_tubes, tube_iou, tubes_of_people
from skelact.io.ava import ActionBoxes
from skelact.nn.boxes import box_iou


def random_frames(rng: np.random.Generator, counts: list[int]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    boxes, scores = [], []
    for n in counts:
        corner = rng.uniform(0, 0.4, (n, 2))
        boxes.append(np.concatenate([corner, corner + rng.uniform(0.2, 0.5, (n, 2))], 1))
        scores.append(rng.random(n))
    return boxes, scores


def every_path(counts: list[int]):
    """(first frame, boxes) of every path over successive frames."""
    for first in range(len(counts)):
        for last in range(first, len(counts)):
            for path in product(*(range(counts[t]) for t in range(first, last + 1))):
                yield first, path


def energy(first, path, boxes, scores, weight, least_iou) -> float:
    total = 0.0
    for k in range(1, len(path)):
        t = first + k
        iou = float(box_iou(*(torch.from_numpy(boxes[s][path[s - first]]) for s in (t - 1, t))))
        if iou < least_iou:
            return -np.inf
        total += scores[t - 1][path[k - 1]] + scores[t][path[k]] + weight * iou
    return total


@pytest.mark.parametrize("counts", [[2, 3, 2, 3], [1, 2, 0, 3, 2], [2, 2, 2, 2, 2], [0, 1, 0]])
@pytest.mark.parametrize(("weight", "least_iou"), [(1.0, 0.0), (3.0, 0.35), (0.0, 0.0)])
def test_linking_finds_the_best_of_all_paths(counts: list[int], weight: float, least_iou: float) -> None:
    boxes, scores = random_frames(np.random.default_rng(sum(counts)), counts)
    tubes = link_tubes(boxes, scores, weight=weight, least_iou=least_iou)
    taken: set[tuple[int, int]] = set()
    for tube in tubes:
        allowed = [
            (energy(first, path, boxes, scores, weight, least_iou), first, path)
            for first, path in every_path(counts)
            if not taken & {(first + k, i) for k, i in enumerate(path)}
        ]
        best = max(e for e, _, _ in allowed)
        assert tube.rows is not None
        first, path = int(tube.frames[0]), tuple(tube.rows.tolist())
        assert energy(first, path, boxes, scores, weight, least_iou) == pytest.approx(best)
        if best > 0:
            assert (first, path) == next((f, p) for e, f, p in allowed if e == best)
        for k, i in enumerate(path):
            assert np.array_equal(tube.boxes[k], boxes[first + k][i])
        assert tube.score == pytest.approx(np.mean([scores[first + k][i] for k, i in enumerate(path)]))
        taken |= {(first + k, i) for k, i in enumerate(path)}
    assert len(taken) == sum(counts) == sum(len(tube.frames) for tube in tubes)


def test_crossing_people_keep_their_tubes() -> None:
    t = np.arange(9)
    x = 0.1 * t
    right = np.stack([x, 0 * x + 0.0, x + 0.2, 0 * x + 0.4], 1)
    left = np.stack([0.8 - x, 0 * x + 0.2, 1.0 - x, 0 * x + 0.6], 1)
    boxes = [
        np.stack(pair) if k % 2 else np.stack(pair[::-1])
        for k, pair in enumerate(zip(right, left, strict=True))
    ]
    tubes = link_tubes(boxes, [np.array([0.5, 0.5])] * 9, weight=2.0)
    assert len(tubes) == 2
    assert {tuple(tube.boxes[-1].round(6)) for tube in tubes} == {
        tuple(right[-1].round(6)),
        tuple(left[-1].round(6)),
    }
    for tube in tubes:
        assert np.allclose(tube.boxes, right) or np.allclose(tube.boxes, left)


def test_boxes_that_say_nothing_are_linked_all_the_same() -> None:
    boxes = [np.array([[0, 0, 0.2, 0.2]])] * 3
    assert [len(t.frames) for t in link_tubes(boxes, [np.zeros(1)] * 3, weight=0)] == [3]


def test_overlap_of_tubes() -> None:
    one = Tube(np.arange(4), np.tile([0, 0, 0.5, 0.5], (4, 1)))
    assert tube_iou(one, one) == 1
    assert tube_iou(one, Tube(np.arange(4, 8), one.boxes)) == 0
    late = Tube(np.arange(2, 6), np.tile([0, 0, 0.5, 1.0], (4, 1)))
    assert tube_iou(one, late) == tube_iou(late, one) == pytest.approx(2 / 6 * 1 / 2)


def test_people_as_tubes() -> None:
    box = [0, 0, 0.5, 0.5]
    table = ActionBoxes(
        ["v"] * 5,
        [1.0, 0.5, 0.0, 0.0, 0.5],
        [box] * 5,
        [1, 1, 1, 1, 2],
        [0.1, 0.2, 0.3, 1, 1],
        [4, 4, 4, 5, 5],
    )
    tubes = {(t.action, len(t.frames)): t for t in tubes_of_people(table, rate=2)}
    assert set(tubes) == {(1, 3), (1, 1), (2, 1)}
    assert tubes[1, 3].frames.tolist() == [0, 1, 2] and tubes[1, 3].score == pytest.approx(0.2)
    with pytest.raises(DataError, match=r"person 4 of video 'v' has two boxes"):
        tubes_of_people(table, rate=0.5)
    with pytest.raises(DataError, match="link the boxes instead"):
        tubes_of_people(ActionBoxes(["v"], [0], [box], [1]))


def test_wrong_input() -> None:
    boxes, scores = random_frames(np.random.default_rng(0), [2, 1])
    with pytest.raises(DataError, match=r"\[2, 1\] boxes in the frames, \[2, 2\] scores"):
        link_tubes(boxes, [scores[0], scores[0]])
    with pytest.raises(DataError, match="give probabilities"):
        link_tubes(boxes, [scores[0], -scores[1]])
    with pytest.raises(ConfigError, match="got -1"):
        link_tubes(boxes, scores, weight=-1)
    with pytest.raises(DataError, match="increasing frames"):
        Tube(np.array([2, 1]), np.zeros((2, 4)))
