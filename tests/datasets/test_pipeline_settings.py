"""Every setting of sampling, normalisation and augmentation does what it says."""

from __future__ import annotations

import pytest
import torch
from small_sets import hide_missing
from torch import Tensor

from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.gather import Sampling, sample_positions
from skelact.datasets.pipeline import Augment, Normalise, Pipeline
from skelact.errors import ConfigError
from skelact.layouts import LAYOUTS, SkeletonLayout
from skelact.transforms import geometry, hands, normalise

NTU, HANDS = LAYOUTS["ntu25"], LAYOUTS["pose_hands75"]
OWNER = torch.tensor([0, 0, 1, 2])
RAW = Normalise(centre="none", scale="none")
OFF = Augment(rotate=0, scale=0)
N = 500
LENGTH, FPS = torch.full((N,), 101), torch.full((N,), 30.0)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def drawn(sampling: Sampling) -> Tensor:
    return sample_positions(sampling, LENGTH, FPS, True, seeded())


def fixed(sampling: Sampling, view: tuple[int, int] = (0, 1)) -> Tensor:
    return sample_positions(sampling, LENGTH[:1], FPS[:1], False, view=view)[0]


def batch(dims: int = 3, layout: SkeletonLayout = NTU) -> SkeletonBatch:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 8, len(layout), dims, generator=generator) + 2
    score = (torch.rand(4, 8, len(layout), generator=generator) > 0.2).float()
    return SkeletonBatch(x, score, OWNER, torch.zeros(3, dtype=torch.int64), layout)


def test_the_share_of_the_window_is_drawn_from_its_range() -> None:
    positions = drawn(Sampling("resize", 50, crop=(0.3, 0.7)))
    share = (positions[:, 1:-1].diff(dim=1).mean(1) * 50) / 101
    assert share.min() >= 0.3 - 1e-3 and share.max() <= 0.7 + 1e-3
    assert share.min() < 0.32 and share.max() > 0.68 and abs(float(share.mean()) - 0.5) < 0.03


def test_the_place_of_the_window_is_drawn_from_the_whole_clip() -> None:
    positions = drawn(Sampling("resize", 50, crop=(0.5, 0.5)))
    assert torch.allclose(positions[:, 2:-2].diff(dim=1), torch.tensor(1.01), atol=1e-3)
    begin = positions[:, 2] - 2.5 * 1.01 + 0.5
    slack = 101 - 50.5
    assert begin.min() >= -1e-3 and begin.max() <= slack + 1e-3
    assert begin.min() < 1 and begin.max() > slack - 1 and abs(float(begin.mean()) - slack / 2) < 4


def test_evaluation_takes_the_upper_end_of_the_range_centred() -> None:
    positions = fixed(Sampling("resize", 50, crop=(0.2, 0.6)))
    window = 101 * 0.6
    expected = (101 - window) / 2 + (torch.arange(50) + 0.5) * window / 50 - 0.5
    assert torch.allclose(positions, expected, atol=1e-4)


def test_one_frame_of_every_segment() -> None:
    sampling = Sampling("segments", 10)
    positions = drawn(sampling)
    segment = torch.arange(10) * 10.1
    assert (positions >= segment.floor()).all() and (positions < segment + 10.1).all()
    assert (positions == positions.floor()).all()
    inside = positions - segment.floor()
    assert inside.min() == 0 and (inside.amax(0) >= 9).all()  # everywhere in the segment
    assert abs(torch.corrcoef(positions[:, [3, 4]].T)[0, 1]) < 0.15  # each on its own
    for i in range(4):
        assert torch.equal(fixed(sampling, (i, 4)), ((torch.arange(10) + (i + 0.5) / 4) * 10.1).floor())


def test_seconds_are_read_at_their_rate_anywhere_in_the_clip() -> None:
    sampling = Sampling("seconds", 6, fps=10.0)
    slack = 100 - 5 * 3
    positions = drawn(sampling)
    assert torch.allclose(positions.diff(dim=1), torch.tensor(3.0), atol=1e-4)
    assert positions[:, 0].min() >= 0 and positions[:, 0].max() <= slack
    assert positions[:, 0].min() < 2 and positions[:, 0].max() > slack - 2
    for i in range(4):
        expected = slack * (i + 0.5) / 4 + torch.arange(6) * 3.0
        assert torch.allclose(fixed(sampling, (i, 4)), expected)


def see(pipeline: Pipeline, training: bool = False, made: SkeletonBatch | None = None) -> SkeletonBatch:
    return pipeline.prepare(made or batch(), training=training, generator=seeded())


@pytest.mark.parametrize(
    ("setting", "function"),
    [
        (Normalise("mean", "none"), lambda x, s: normalise.centre(x, s, OWNER, 3, NTU, "mean")),
        (Normalise("none", "body"), lambda x, s: normalise.scale_to_body(x, s, OWNER, 3, NTU)),
        (Normalise("none", "none", level=True), lambda x, s: normalise.level(x, s, OWNER, 3, NTU)),
        (Normalise("none", "none", align_view=True), lambda x, s: normalise.align_view(x, s, OWNER, 3, NTU)),
    ],
    ids=["centre", "scale", "level", "align_view"],
)
def test_a_normalisation_is_its_function(setting: Normalise, function) -> None:
    made = batch()
    expected = hide_missing(function(made.x, made.score), made.score)
    for training in (False, True):
        assert torch.equal(see(Pipeline(normalise=setting, augment=OFF), training).x, expected)
    assert not torch.allclose(expected, see(Pipeline(normalise=RAW, augment=OFF)).x, atol=1e-2)


def test_left_handed_clips_are_mirrored_in_training_and_in_use() -> None:
    made = batch()
    setting = Pipeline(normalise=Normalise("none", "none", canonical="dominant_hand"), augment=OFF)
    x, score = hands.canonical_dominance(made.x, made.score, OWNER, 3, NTU)
    assert not torch.equal(x, made.x)  # some clip is left-handed
    for training in (False, True):
        found = see(setting, training)
        assert torch.equal(found.x, hide_missing(x, score)) and torch.equal(found.score, score)


def test_centring_at_the_first_frame_is_not_centring_at_the_mean() -> None:
    first, mean = (see(Pipeline(normalise=Normalise(when, "none"))) for when in ("first_frame", "mean"))
    seen = batch().score > 0
    for found, other in ((first, mean), (mean, first)):
        assert not torch.allclose(found.x[seen], other.x[seen], atol=1e-2)
    hip = NTU.index["mid_hip"]
    alone = first.x[2:, :, hip][first.score[2:, :, hip] > 0]
    at = [int((first.score[p, :, hip] > 0).nonzero()[0, 0]) for p in (2, 3)]
    assert torch.allclose(
        torch.stack([first.x[p, t, hip] for p, t in zip((2, 3), at, strict=True)]),
        torch.zeros(2, 3),
        atol=1e-5,
    )
    assert alone.abs().max() > 0.1


AUGMENTS = {
    "rotate": (0.4, lambda x, s, a, g: (geometry.rotate(x, OWNER, 3, a, g), s)),
    "turn": (0.4, lambda x, s, a, g: (geometry.turn(x, OWNER, 3, a, g), s)),
    "tilt": (0.4, lambda x, s, a, g: (geometry.tilt(x, OWNER, 3, a, g), s)),
    "scale": (0.4, lambda x, s, a, g: (geometry.scale(x, OWNER, 3, a, g), s)),
    "bones": (0.4, lambda x, s, a, g: (geometry.stretch_bones(x, s, NTU, a, g), s)),
    "shear": (0.4, lambda x, s, a, g: (geometry.shear(x, OWNER, 3, a, g), s)),
    "jitter": (0.4, lambda x, s, a, g: (geometry.jitter(x, a, g), s)),
    "wander": (0.4, lambda x, s, a, g: (geometry.wander(x, a, g), s)),
    "mirror": (1.0, lambda x, s, a, g: geometry.mirror(x, s, OWNER, 3, NTU, a, g)),
    "drop_joints": (0.4, lambda x, s, a, g: (x, geometry.drop_joints(s, OWNER, 3, a, g))),
    "drop_frames": (0.4, lambda x, s, a, g: (x, geometry.drop_frames(s, a, g))),
    "drop_hands": (0.4, lambda x, s, a, g: (x, geometry.drop_hands(s, HANDS, a, g))),
}


def test_every_augmentation_is_tested() -> None:
    assert set(AUGMENTS) == set(vars(Augment()))


@pytest.mark.parametrize("name", AUGMENTS)
def test_an_augmentation_is_its_function_once_and_only_in_training(name: str) -> None:
    amount, function = AUGMENTS[name]
    made = batch(layout=HANDS if name == "drop_hands" else NTU)
    pipeline = Pipeline(normalise=RAW, augment=Augment(**{"rotate": 0, "scale": 0, name: amount}))
    x, score = function(made.x, made.score, amount, seeded())
    expected = hide_missing(x, score)
    found, plain = see(pipeline, training=True, made=made), see(pipeline, made=made)
    assert torch.equal(found.x, expected) and torch.equal(found.score, score)
    assert torch.equal(plain.x, hide_missing(made.x, made.score)) and torch.equal(plain.score, made.score)
    assert not torch.allclose(found.x, plain.x, atol=1e-3)


def test_people_are_normalised_before_they_are_changed() -> None:
    """Amounts are in normalised units, and a mirror's plane goes through the centre."""
    made = batch()
    pipeline = Pipeline(augment=Augment(rotate=0, scale=0, jitter=0.1, mirror=1.0))
    found = see(pipeline, training=True)
    x = normalise.centre(made.x, made.score, OWNER, 3, NTU, "mean")
    x = normalise.scale_to_body(x, made.score, OWNER, 3, NTU)
    generator = seeded()
    x, score = geometry.mirror(x, made.score, OWNER, 3, NTU, 1.0, generator)
    x = geometry.jitter(x, 0.1, generator)
    assert torch.allclose(found.x, hide_missing(x, score), atol=1e-6)


@pytest.mark.parametrize(
    "pipeline",
    [
        Pipeline(normalise=Normalise(level=True)),
        Pipeline(normalise=Normalise(align_view=True)),
        Pipeline(augment=Augment(turn=0.1)),
    ],
)
def test_what_needs_depth_is_refused_without(pipeline: Pipeline) -> None:
    with pytest.raises(ConfigError, match=r"needs 3D joints; these are 2D"):
        see(pipeline, training=True, made=batch(2))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Augment, {"shear": -0.1}), (Augment, {"mirror": 1.1}), (Augment, {"drop_joints": 2}),
        (Augment, {"drop_frames": 1.01}), (Augment, {"drop_hands": 1.01}),
        (Normalise, {"centre": "hip"}), (Normalise, {"scale": "height"}),
        (Normalise, {"canonical": "left"}),
        (Sampling, {"crop": (0.0, 1.0)}), (Sampling, {"crop": (0.8, 0.5)}),
    ],
)  # fmt: skip
def test_impossible_values_are_refused(kind: type, values: dict) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        kind(**values)


def test_possible_ends_are_allowed() -> None:
    Augment(mirror=1.0, drop_joints=1.0, drop_frames=1.0, rotate=7.0)
    Sampling(crop=(1.0, 1.0), n_frames=1)
    Sampling(crop=(0.5, 0.5))
