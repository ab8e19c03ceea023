"""Followers share landmarkers: no more are made than people are seen at once."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.layouts import get_layout
from skelact.pose.estimator import Detection
from skelact.pose.follower import Follower, Landmarkers

IMAGE = np.zeros((120, 160, 3), np.uint8)
BOX = np.array([40.0, 20.0, 80.0, 100.0])


class Eyes:
    """A landmarker that sees somebody in every window, or nobody."""

    layout, unit, background = get_layout("pose33"), "m", False

    def __init__(self) -> None:
        self.sees, self.n_forgotten, self.closed = True, 0, False

    def estimate(self, image: np.ndarray, time: float) -> list[Detection]:
        xy = np.random.default_rng(0).uniform(0.3, 0.7, (33, 2)).astype(np.float32)
        one = Detection(np.ones((33, 3), np.float32), np.ones(33, np.float32), xy)
        return [one] if self.sees else []

    def forget(self) -> None:
        self.n_forgotten += 1

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def made() -> list[Eyes]:
    return []


@pytest.fixture
def landmarkers(made: list[Eyes]) -> Landmarkers:
    def make() -> Eyes:
        made.append(Eyes())
        return made[-1]

    return Landmarkers(make)  # pyright: ignore[reportArgumentType]


def test_people_seen_at_once_have_one_each_and_who_comes_later_takes_a_free_one(
    landmarkers: Landmarkers, made: list[Eyes]
) -> None:
    first, second = Follower(landmarkers), Follower(landmarkers)
    assert first.look(IMAGE, BOX, 0.0) is not None and second.look(IMAGE, BOX, 0.0) is not None
    assert len(made) == 2 and not first.fresh and not second.fresh
    first.forget()
    assert first.fresh and sum(one.n_forgotten for one in made) == 1
    for k in range(5):  # a coming and going of people
        third = Follower(landmarkers)
        assert third.look(IMAGE, BOX, 0.1 * k) is not None
        third.forget()
    assert len(made) == 2


def test_who_is_not_seen_holds_none(landmarkers: Landmarkers, made: list[Eyes]) -> None:
    lost = [Follower(landmarkers) for _ in range(4)]
    for one in made:
        one.sees = False
    for follower in lost:
        assert follower.look(IMAGE, BOX, 0.0) is None and follower.fresh
        follower.forget()  # harmless: nobody is followed
    assert len(made) == 1 and made[0].n_forgotten == 0


def test_all_are_released_also_those_in_use(landmarkers: Landmarkers, made: list[Eyes]) -> None:
    followers = [Follower(landmarkers) for _ in range(3)]
    for follower in followers:
        follower.look(IMAGE, BOX, 0.0)
    landmarkers.close()
    assert [one.closed for one in made] == [True] * 3
