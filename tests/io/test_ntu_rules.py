"""The rules by which bodies of an NTU recording are people: their limits, exactly."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.io.ntu_bodies import BodyReport, select_people, wide_frames

LONG = 30


def bodies(*made: np.ndarray, ids: tuple[int, ...] = (5, 3, 9), begin: tuple[int, ...] = (0, 0, 0)):
    """Frame, id, positions and scores of bodies ``[T, V, 3]`` as the file lists them."""
    frame = np.concatenate([b + np.arange(len(m)) for m, b in zip(made, begin, strict=False)])
    number = np.concatenate([np.full(len(m), i) for m, i in zip(made, ids, strict=False)])
    xyz = np.concatenate(made)
    return frame, number, xyz, np.ones(xyz.shape[:2], np.float32)


def person(
    width: float = 0.3, height: float = 1.0, frames: int = LONG, moves: float = 0.1, x: float = 0.0
) -> np.ndarray:
    """A body whose joints span so much, going to and fro."""
    joints = np.zeros((frames, 3, 3))
    joints[:, 1] = [width, height, 0]
    joints[:, 2] = [width / 2, height / 2, 0]
    joints[..., 2] += 3 + moves * np.sin(np.arange(frames))[:, None]
    joints[..., 0] += x
    return joints


def kept(*made: np.ndarray, begin: tuple[int, ...] = (0, 0, 0), **options) -> tuple[list[int], BodyReport]:
    people, report = select_people(*bodies(*made, begin=begin), **options)
    assert report.kept == tuple(i for i, _ in people)
    return [i for i, _ in people], report


@pytest.mark.parametrize(("width", "wide"), [(0.79, False), (0.81, True)])
def test_a_body_is_too_wide_from_four_fifths_of_its_height(width: float, wide: bool) -> None:
    for height in (0.5, 2.0):
        assert wide_frames(person(width * height, height)).tolist() == [wide] * LONG
    people, report = kept(person(), person(width, x=2))
    assert people == ([5] if wide else [5, 3])
    assert report.dropped == (((3, "too wide for a person in 100% of its frames"),) if wide else ())
    assert kept(person(), person(width, x=2), denoise=False)[0] == [5, 3]


@pytest.mark.parametrize(("share", "noise"), [(20, False), (21, True)])
def test_a_body_is_noise_if_it_is_wide_so_often(share: int, noise: bool) -> None:
    body = person(x=2)
    body[: share * LONG // 30] = person(1.5, x=2)[: share * LONG // 30]
    assert kept(person(), body)[0] == ([5] if noise else [5, 3])


@pytest.mark.parametrize(("frames", "noise"), [(11, True), (12, False)])
def test_a_body_is_noise_if_it_is_short(frames: int, noise: bool) -> None:
    people, report = kept(person(), person(frames=frames, x=5))
    assert people == ([5] if noise else [5, 3])
    assert report.dropped == (((3, "seen in 11 frames only (fewer than 12)"),) if noise else ())


def test_the_least_moving_goes_first_and_one_is_always_left() -> None:
    assert kept(person(2.0, moves=0.1), person(2.0, moves=0.5, x=9))[0] == [3]
    assert kept(person(frames=5, moves=0.6), person(frames=5, moves=0.1, x=9))[0] == [5]
    assert kept(person(moves=0.1), person(moves=0.3, x=4), person(moves=0.2, x=8), max_people=2)[0] == [3, 9]
    assert kept(person(moves=0.1), person(moves=0.3, x=4), person(moves=0.2, x=8), max_people=None)[0] == [
        5,
        3,
        9,
    ]


def test_wide_frames_do_not_count_as_motion() -> None:
    flicker = person(moves=0.1, x=4)
    flicker[:8] = person(3.0, moves=5.0, x=4)[:8]  # a jump while it is no person
    assert kept(person(moves=0.2), flicker, max_people=1)[0] == [5]
    assert kept(person(moves=0.2), flicker, max_people=1, denoise=False)[0] == [3]


def test_who_comes_after_somebody_nearby_is_that_person() -> None:
    people, report = kept(person(), person(x=0.2), begin=(0, LONG + 3, 0))
    assert people == [5] and report.stitched == ((3, 5),)
    people, report = kept(person(), person(x=6.0), begin=(0, LONG + 3, 0))
    assert people == [5, 3] and report.stitched == ()
    assert kept(person(), person(x=0.2), begin=(0, LONG - 5, 0))[1].stitched == ()  # both at once
    assert kept(person(), person(x=0.2), begin=(0, LONG + 3, 0), stitch=False)[0] == [5, 3]


def test_the_nearest_is_continued() -> None:
    _, report = kept(person(x=0.5), person(x=0.0), person(x=0.1), begin=(0, 0, LONG + 1))
    assert report.stitched == ((9, 3),)
