"""Batches made ahead: the same ones, in order, with errors passed on and nothing left running."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from skelact.datasets.pipeline import Pipeline
from skelact.datasets.prefetch import Prefetcher
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.skeleton import Skeleton


def running() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "skelact-prefetch"]


def make_set() -> SkeletonSet:
    rng = np.random.default_rng(0)
    return SkeletonSet.from_skeletons(
        [Skeleton(rng.normal(size=(1, 20, 25, 3)), None, "ntu25", 30, label="a") for _ in range(6)]
    )


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_batches_are_the_same_however_early(ahead: int) -> None:
    data, pipeline = make_set(), Pipeline()
    parts = torch.arange(6).split(4) * 4

    def batches(ahead: int) -> list:
        generator = torch.Generator().manual_seed(3)
        make = lambda i: pipeline(data, parts[i], training=True, generator=generator)  # noqa: E731
        return list(Prefetcher(make, len(parts), ahead))

    ours, plain = batches(ahead), batches(0)
    assert len(ours) == 8 and all(torch.equal(a.x, b.x) for a, b in zip(ours, plain, strict=True))
    assert not torch.equal(ours[0].x, ours[2].x) and not running()


def test_they_are_made_while_others_are_used() -> None:
    def make(i: int):
        time.sleep(0.02)
        return i

    waited = {}
    for ahead in (0, 2):
        batches = Prefetcher(make, 8, ahead)  # type: ignore[arg-type]
        for _ in batches:
            time.sleep(0.03)
        waited[ahead] = batches.waited
    assert waited[0] > 0.15 and waited[2] < waited[0] / 2


def test_errors_come_in_their_turn() -> None:
    def make(i: int):
        if i == 2:
            raise ValueError("no such clip")
        return i

    seen = []
    with pytest.raises(ValueError, match="no such clip"):
        for batch in Prefetcher(make, 5):  # type: ignore[arg-type]
            seen.append(batch)
    assert seen == [0, 1] and not running()


def test_whoever_leaves_early_stops_it() -> None:
    batches = iter(Prefetcher(lambda i: i, 1000))  # type: ignore[arg-type, return-value]
    assert next(batches) == 0 and running()
    batches.close()  # type: ignore[attr-defined]
    assert not running()


@pytest.mark.parametrize("ahead", [1, 3])
def test_no_more_are_made_ahead_than_told(ahead: int) -> None:
    made: list[int] = []
    batches = iter(Prefetcher(lambda i: made.append(i) or i, 100, ahead))  # type: ignore[arg-type, return-value]
    assert next(batches) == 0
    time.sleep(0.3)
    assert len(made) <= ahead + 2  # one is used, one waits for a place
    batches.close()  # type: ignore[attr-defined]
    assert not running() and len(made) <= ahead + 3
