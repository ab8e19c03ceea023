"""CTR-GCN's own loader of NW-UCLA, written out, against the recipe's pipeline."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skelact.datasets.gather import Sampling, sample_positions
from skelact.datasets.pipeline import Augment, Normalise, Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError
from skelact.skeleton import Skeleton

BONES = [  # child, parent, counted from 1, as the authors list them
    (1, 2), (2, 3), (3, 3), (4, 3), (5, 3), (6, 5), (7, 6), (8, 7), (9, 3), (10, 9), (11, 10), (12, 11),
    (13, 1), (14, 13), (15, 14), (16, 15), (17, 1), (18, 17), (19, 18), (20, 19),
]  # fmt: skip


def authors_loader(value: np.ndarray, frames: np.ndarray, tilt: float = 0.0, turn: float = 0.0) -> np.ndarray:
    """One clip ``[T, 20, 3]`` as the network sees it: centred, turned, each axis to -1..1, then sampled."""
    value = value - value[0, 1]
    about_x = [[1, 0, 0], [0, np.cos(tilt), np.sin(tilt)], [0, -np.sin(tilt), np.cos(tilt)]]
    about_y = [[np.cos(turn), 0, -np.sin(turn)], [0, 1, 0], [np.sin(turn), 0, np.cos(turn)]]
    flat = value.reshape(-1, 3) @ np.array(about_y) @ np.array(about_x)
    flat = (flat - flat.min(0)) / (flat.max(0) - flat.min(0)) * 2 - 1
    return flat.reshape(-1, 20, 3)[frames]


def clips() -> tuple[SkeletonSet, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    raw = [rng.normal(size=(t, 20, 3)).cumsum(0) * 0.1 + [0.3, 0.1, 2.5] for t in (1 + 30, 7, 52, 90)]
    made = [Skeleton(v[None].astype("f4"), np.ones((1, len(v), 20)), "kinect20", 30.0, "m") for v in raw]
    return SkeletonSet.from_skeletons(made), raw


def recipe(**more) -> Pipeline:
    return Pipeline(
        Sampling("choice", 52), Normalise("none", "range"), Augment(**{"rotate": 0, "scale": 0, **more})
    )


def test_the_test_input_is_the_authors() -> None:
    data, raw = clips()
    batch = recipe()(data, torch.arange(4))
    for x, value in zip(batch.x, raw, strict=True):
        expected = authors_loader(value, np.linspace(0, len(value) - 1, 52).astype(int))
        np.testing.assert_allclose(x.numpy(), expected, atol=2e-5)


def test_the_streams_are_taken_after_the_normalisation() -> None:
    data, raw = clips()
    pipeline = recipe()
    pipeline.streams = ["bone", "joint_motion"]
    x = pipeline(data, torch.arange(4)).x.numpy()
    for got, value in zip(x, raw, strict=True):
        joints = authors_loader(value, np.linspace(0, len(value) - 1, 52).astype(int))
        bones = np.stack([joints[:, a - 1] - joints[:, b - 1] for a, b in BONES], 1)
        np.testing.assert_allclose(got[:, :, :3], bones, atol=4e-5)
        np.testing.assert_allclose(got[:-1, :, 3:], joints[1:] - joints[:-1], atol=4e-5)


def test_the_training_input_is_a_turned_clip_stretched_again() -> None:
    data, raw = clips()
    generator = torch.Generator().manual_seed(3)
    batch = recipe(turn=1.0472, tilt=1.0472)(data, torch.arange(4), training=True, generator=generator)
    again = torch.Generator().manual_seed(3)
    frames = sample_positions(Sampling("choice", 52), data.n_frames, data.fps, True, again).long().numpy()
    turn, tilt = (torch.empty(4, 1).uniform_(-1.0472, 1.0472, generator=again)[:, 0].numpy() for _ in "yx")
    for i, value in enumerate(raw):
        expected = authors_loader(value, frames[i], float(tilt[i]), float(turn[i]))
        np.testing.assert_allclose(batch.x[i].numpy(), expected, atol=5e-5)
    assert np.abs(tilt - turn).min() > 0.01


def test_frames_are_drawn_with_replacement_in_their_order() -> None:
    length, fps = torch.full((400,), 52), torch.full((400,), 30.0)
    drawn = sample_positions(Sampling("choice", 52), length, fps, True, torch.Generator().manual_seed(0))
    assert (drawn.diff(dim=1) >= 0).all() and drawn.min() == 0 and drawn.max() == 51
    different = torch.tensor([len(row.unique()) for row in drawn]).float().mean()
    assert abs(different - 52 * (1 - (1 - 1 / 52) ** 52)) < 0.5
    assert abs(drawn.mean() - 25.5) < 0.3


@pytest.mark.parametrize("seed", range(3))
def test_the_range_is_that_of_what_is_seen(seed: int) -> None:
    _, raw = clips()
    score = np.ones((1, 31, 20))
    score[0, 5:9, 3] = 0
    xyz = raw[0][None].astype("f4").copy()
    xyz[0, 5:9, 3] = 1e3 * (seed + 1)  # not looked at
    hidden = SkeletonSet.from_skeletons([Skeleton(xyz, score, "kinect20", 30.0, "m")])
    x = recipe()(hidden, torch.arange(1))
    seen = x.x[x.score > 0]
    assert seen.amin() >= -1 - 1e-5 and seen.amax() <= 1 + 1e-5
    flat = Skeleton(np.ones((1, 4, 20, 3), "f4"), np.ones((1, 4, 20)), "kinect20", 30.0, "m")
    assert (recipe()(SkeletonSet.from_skeletons([flat]), torch.arange(1)).x == 0).all()


def test_tilt_needs_3d() -> None:
    flat = Skeleton(np.ones((1, 4, 20, 2), "f4"), np.ones((1, 4, 20)), "kinect20", 30.0, "px")
    with pytest.raises(ConfigError, match="tilt needs 3D"):
        recipe(tilt=0.1)(SkeletonSet.from_skeletons([flat]), torch.arange(1), training=True)
