"""Keypoints followed through a video."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skelact.errors import DataError
from skelact.models.classical.keypoint_tracks import Track, track_descriptors, track_keypoints
from skelact.nn.cells import hog_maps


def moving(step: tuple[float, float], n: int = 24, size: int = 96) -> np.ndarray:
    """A textured square that moves over a textured ground."""
    rng = np.random.default_rng(0)
    ground = np.kron(rng.integers(40, 90, (size // 8, size // 8)), np.ones((8, 8))).astype(np.uint8)
    patch = np.kron(rng.integers(100, 255, (5, 5)), np.ones((6, 6))).astype(np.uint8)
    frames = np.repeat(ground[None], n, 0)
    for t in range(n):
        x, y = round(10 + step[0] * t), round(10 + step[1] * t)
        frames[t, y : y + 30, x : x + 30] = patch
    return frames


def test_what_moves_is_followed_and_what_stands_still_is_not() -> None:
    tracks = track_keypoints(moving((2, 1)), length=10)
    assert len(tracks) > 10
    steps = np.array([np.diff(t.points, axis=0).mean(0) for t in tracks])
    assert np.median(np.abs(steps - [2, 1])) < 0.1 and all(t.points.shape == (11, 2) for t in tracks)
    assert max(t.start for t in tracks) >= 10  # new ones begin where others ended
    assert track_keypoints(moving((0, 0)), length=10) == []
    assert len(track_keypoints(moving((2, 1)), length=10, most=5)) <= 5 * 2


def test_the_shape_of_a_track_knows_no_size() -> None:
    points = np.array([[0.0, 0], [3, 4], [3, 9]])
    assert np.allclose(Track(0, points).shape(), [0.3, 0.4, 0, 0.5])
    assert np.allclose(Track(0, 7 * points + 2).shape(), Track(5, points).shape())


def test_descriptors_are_sums_in_cells_that_move_along() -> None:
    maps = np.random.default_rng(1).uniform(size=(8, 9, 40, 50))
    track = Track(2, np.stack([20 + 2.0 * np.arange(7), 15 + np.arange(7)], 1))
    found = track_descriptors(maps, [track], patch=8, cells=(3, 2, 2))[0].reshape(8, 3, 2, 2).swapaxes(0, 1)
    expected = np.zeros((3, 8, 2, 2))
    for i in range(6):
        x, y = round(track.points[i, 0]), round(track.points[i, 1])
        for a in range(2):
            for b in range(2):
                part = maps[:, 2 + i, y - 4 + 4 * a : y + 4 * a, x - 4 + 4 * b : x + 4 * b]
                expected[i // 2, :, a, b] += part.sum((1, 2))
    assert np.allclose(found, expected / np.linalg.norm(expected))
    at_border = track_descriptors(maps, [Track(0, np.zeros((7, 2)))], patch=8)
    assert np.isfinite(at_border).all() and np.isclose(np.linalg.norm(at_border), 1)


def test_along_what_moves_the_picture_stays_the_same() -> None:
    frames = moving((2, 1))
    tracks = track_keypoints(frames, length=10)
    maps = hog_maps(torch.from_numpy(frames).double()).numpy()
    along = track_descriptors(maps, tracks, patch=12, cells=(5, 1, 1)).reshape(len(tracks), 8, 5)
    still = [Track(t.start, np.repeat(t.points[:1], 11, 0)) for t in tracks]
    stays = track_descriptors(maps, still, patch=12, cells=(5, 1, 1)).reshape(len(tracks), 8, 5)
    assert along.std(2).mean() < 0.7 * stays.std(2).mean()


def test_what_cannot_be_followed_is_said() -> None:
    with pytest.raises(DataError, match="uint8"):
        track_keypoints(np.zeros((3, 8, 8)))
    with pytest.raises(DataError, match="does not fit"):
        track_descriptors(np.zeros((8, 4, 9, 9)), [Track(0, np.zeros((7, 2)))])
