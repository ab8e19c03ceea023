"""Transforms by property: what a rotation keeps, what a mirror undoes, what stays missing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skelact.errors import ConfigError, DataError
from skelact.layouts import LAYOUTS
from skelact.transforms import geometry, normalise
from skelact.transforms.streams import STREAMS, make_streams, stream_channels

NTU = LAYOUTS["ntu25"]
OWNER = torch.tensor([0, 0, 1, 2])


def batch(dims: int = 3, seed: int = 0, missing: float = 0.2):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(4, 10, 25, dims, generator=generator)
    score = (torch.rand(4, 10, 25, generator=generator) >= missing).float()
    return x, score


def lengths(x: torch.Tensor) -> torch.Tensor:
    child, parent = zip(*NTU.bones, strict=True)
    return (x[:, :, list(child)] - x[:, :, list(parent)]).norm(dim=-1)


@settings(max_examples=20, deadline=None)
@given(angle=st.floats(0, 3.1), seed=st.integers(0, 99), dims=st.sampled_from([2, 3]))
def test_rotation_keeps_lengths_and_people_together(angle: float, seed: int, dims: int) -> None:
    x, _ = batch(dims, seed)
    turned = geometry.rotate(x, OWNER, 3, angle, torch.Generator().manual_seed(seed))
    assert torch.allclose(lengths(turned), lengths(x), atol=1e-4)
    between = (x[0] - x[1]).norm(dim=-1)
    assert torch.allclose((turned[0] - turned[1]).norm(dim=-1), between, atol=1e-4)
    again = geometry.rotate(x, OWNER, 3, angle, torch.Generator().manual_seed(seed))
    assert torch.equal(turned, again)


def test_mirror_twice_is_the_identity_and_swaps_sides() -> None:
    x, score = batch()
    once, score_once = geometry.mirror(x, score, OWNER, 3, NTU)
    left, right = NTU.positions("left_hand", "right_hand")
    assert torch.equal(once[:, :, left, 1:], x[:, :, right, 1:])
    assert torch.equal(once[:, :, left, 0], -x[:, :, right, 0])
    twice, score_twice = geometry.mirror(once, score_once, OWNER, 3, NTU)
    assert torch.equal(twice, x) and torch.equal(score_twice, score)
    none, _ = geometry.mirror(x, score, OWNER, 3, NTU, probability=0.0)
    assert torch.equal(none, x)


def test_scale_shear_jitter_change_and_repeat() -> None:
    x, _ = batch()
    for change in (
        lambda g: geometry.scale(x, OWNER, 3, 0.2, g),
        lambda g: geometry.shear(x, OWNER, 3, 0.2, g),
        lambda g: geometry.jitter(x, 0.1, g),
        lambda g: geometry.wander(x, 0.1, g),
        lambda g: geometry.turn(x, OWNER, 3, 0.5, g),
        lambda g: geometry.stretch_bones(x, torch.ones(4, 10, 25), NTU, 0.2, g),
    ):
        a, b = (change(torch.Generator().manual_seed(3)) for _ in range(2))
        assert torch.equal(a, b) and not torch.equal(a, x)
    factor = geometry.scale(torch.ones_like(x), OWNER, 3, 0.2, torch.Generator().manual_seed(0))
    assert factor.min() >= 0.8 and factor.max() <= 1.2 and torch.equal(factor[0], factor[1])


def test_turning_keeps_heights_and_lengths() -> None:
    x, _ = batch()
    turned = geometry.turn(x, OWNER, 3, 3.0, torch.Generator().manual_seed(1))
    assert torch.equal(turned[..., 1], x[..., 1]) and not torch.allclose(turned, x)
    assert torch.allclose(lengths(turned), lengths(x), atol=1e-4)


def test_other_proportions_keep_directions_and_are_symmetric() -> None:
    x, _ = batch()
    seen = torch.ones(4, 10, 25)
    stretched = geometry.stretch_bones(x, seen, NTU, 0.3, torch.Generator().manual_seed(1))
    ratio = lengths(stretched) / lengths(x)
    assert ratio.min() >= 0.7 - 1e-4 and ratio.max() <= 1.3 + 1e-4
    assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), atol=1e-3)  # the same in every frame
    assert (ratio[0, 0] - ratio[1, 0]).abs().max() > 0.05  # another for everybody
    children = [child for child, _ in NTU.bones]
    left, right = (children.index(v) for v in NTU.positions("left_elbow", "right_elbow"))
    assert torch.allclose(ratio[:, :, left], ratio[:, :, right], atol=1e-3)
    assert torch.equal(stretched[:, :, NTU.root], x[:, :, NTU.root])
    seen[:, :, NTU.positions("left_elbow")] = 0  # a bone with a missing end keeps its length
    kept = geometry.stretch_bones(x, seen, NTU, 0.3, torch.Generator().manual_seed(1))
    assert torch.allclose(lengths(kept)[:, :, left], lengths(x)[:, :, left], atol=1e-4)


def test_drift_is_slow() -> None:
    x = torch.zeros(50, 61, 25, 3)
    drift = geometry.wander(x, 0.1, torch.Generator().manual_seed(0))
    assert drift[:, 0].std().item() == pytest.approx(0.1, rel=0.1)
    assert drift.diff(dim=1).abs().max() < 0.05 and drift.diff(n=2, dim=1).abs().median() < 1e-6


def test_dropout_only_removes_and_leaves_something() -> None:
    _, score = batch(missing=0.0)
    for probability in (0.3, 1.0):
        joints = geometry.drop_joints(score, OWNER, 3, probability, torch.Generator().manual_seed(0))
        frames = geometry.drop_frames(score, probability, torch.Generator().manual_seed(0))
        assert (joints <= score).all() and (joints.sum((1, 2)) > 0).all() and joints.sum() < score.sum()
        assert (frames <= score).all() and (frames.sum((1, 2)) > 0).all() and frames.sum() < score.sum()
    # whole joints for a whole clip, the same for its people
    joints = geometry.drop_joints(score, OWNER, 3, 0.3, torch.Generator().manual_seed(0))
    assert torch.equal(joints[0], joints[1]) and (joints == joints[:, :1]).all()


@pytest.mark.parametrize("when", ["mean", "first_frame"])
def test_centre_moves_clips_not_people(when: str) -> None:
    x, score = batch(missing=0.0)
    moved = normalise.centre(x, score, OWNER, 3, NTU, when)
    assert torch.allclose(moved[0] - moved[1], x[0] - x[1], atol=1e-6)
    assert torch.allclose(moved[:, 1:] - moved[:, :-1], x[:, 1:] - x[:, :-1], atol=1e-6)  # speed stays
    hips = moved[:, :, NTU.index["mid_hip"]]
    at = hips.mean(1) if when == "mean" else hips[:, 0]
    assert at[2:].abs().max() < 1e-6 and (at[0] + at[1]).abs().max() < 1e-5
    far = normalise.centre(x + 100, score, OWNER, 3, NTU, when)
    assert torch.allclose(far, moved, atol=1e-4)


def test_centre_without_hips_uses_what_is_there() -> None:
    x, score = batch(missing=0.0)
    score[2, :, NTU.index["mid_hip"]] = 0
    moved = normalise.centre(x, score, OWNER, 3, NTU)
    there = score[2, ..., None].expand_as(x[2]) > 0
    assert abs(float(moved[2][there].mean())) < 1e-5


def test_scale_to_body_makes_sizes_equal_and_keeps_relations() -> None:
    x, score = batch(missing=0.1)
    a = normalise.scale_to_body(x, score, OWNER, 3, NTU)
    b = normalise.scale_to_body(x * 7, score, OWNER, 3, NTU)
    assert torch.allclose(a, b, atol=1e-5)
    assert torch.allclose(normalise.body_size(a, score, NTU)[2:], torch.tensor(0.2), atol=1e-5)
    nobody = normalise.scale_to_body(x, torch.zeros_like(score), OWNER, 3, NTU)
    assert torch.isfinite(nobody).all()


def test_people_of_a_clip_are_scaled_by_their_mean() -> None:
    x, score = batch(missing=0.0)
    size = normalise.body_size(x, score, NTU)
    factor = normalise.scale_to_body(x, score, OWNER, 3, NTU)[:, 0, 0, 0] / x[:, 0, 0, 0]
    for clip in range(3):
        mine = clip == OWNER
        assert torch.allclose(factor[mine], 1 / (5 * size[mine].mean()), rtol=1e-4), clip


def test_align_view_undoes_a_turn() -> None:
    x, score = batch(missing=0.0)
    left, right = NTU.positions("left_shoulder", "right_shoulder")
    x[:3, :, left] += torch.tensor([3.0, 0.0, 2.0])  # faces one way all along; the last clip turns at random
    aligned = normalise.align_view(x, score, OWNER, 3, NTU)
    angle = torch.tensor([[0.0, 1.1, 0.0]]).expand(3, 3)
    turned = geometry.apply_matrices(x, OWNER, geometry.rotation_matrices(angle))
    assert torch.allclose(normalise.align_view(turned, score, OWNER, 3, NTU), aligned, atol=1e-4)
    across = aligned[:, :, left] - aligned[:, :, right]
    assert across[[0, 2], :, 2].mean(1).abs().max() < 1e-4 and (across[[0, 2], :, 0].mean(1) > 0).all()
    assert across[3, 0, 2].abs() < 1e-4 and across[3, 0, 0] > 0


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("name", STREAMS)
def test_missing_joints_do_not_touch_any_stream(name: str, dims: int) -> None:
    x, score = batch(dims)
    other = torch.where(score[..., None] > 0, x, torch.full_like(x, 50.0))
    a, b = (make_streams(v, score, NTU, [name], OWNER, 3) for v in (x, other))
    assert torch.equal(a, b) and torch.isfinite(a).all()
    assert a.shape[-1] == stream_channels([name], dims)


def test_bones_and_motions() -> None:
    x, score = batch(missing=0.0)
    bones = make_streams(x, score, NTU, ["bone"])
    hand, wrist = NTU.positions("left_hand", "left_wrist")
    assert (
        torch.equal(bones[:, :, hand], x[:, :, hand] - x[:, :, wrist]) and (bones[:, :, NTU.root] == 0).all()
    )
    motion = make_streams(x, score, NTU, ["joint_motion"])
    assert torch.equal(motion[:, :-1], x[:, 1:] - x[:, :-1]) and (motion[:, -1] == 0).all()
    both = make_streams(x, score, NTU, ["bone", "bone_motion"])
    assert torch.allclose(both[:, :-1, :, 3:], bones[:, 1:] - bones[:, :-1])


def test_angles_do_not_see_rotation_or_size() -> None:
    x, score = batch(missing=0.0)
    turned = geometry.rotate(x, OWNER, 3, 2.0, torch.Generator().manual_seed(1)) * 3
    a, b = (make_streams(v, score, NTU, ["angles"]) for v in (x, turned))
    assert torch.allclose(a, b, atol=1e-4) and a.abs().max() <= 1 + 1e-5
    elbow = NTU.index["left_elbow"]
    up, down = (x[:, :, NTU.index[j]] - x[:, :, elbow] for j in ("left_shoulder", "left_wrist"))
    expected = -torch.nn.functional.cosine_similarity(up, down, dim=-1)
    assert torch.allclose(a[:, :, elbow, 0], expected, atol=1e-5)


def test_partner_shows_where_the_others_are() -> None:
    x, score = batch(missing=0.0)
    x, score = torch.cat([x, x[:1] + 2]), torch.cat([score, score[:1]])
    owner = torch.tensor([0, 0, 1, 2, 0])
    score[1, 4, 7] = 0
    seen = make_streams(x, score, NTU, ["partner"], owner)
    assert torch.allclose(seen[0, :4], (x[1, :4] + x[4, :4]) / 2 - x[0, :4], atol=1e-5)
    assert torch.allclose(seen[0, 4, 7], x[4, 4, 7] - x[0, 4, 7], atol=1e-5)
    assert (seen[1, 4, 7] == 0).all() and (seen[2:4] == 0).all()
    assert (make_streams(x, score, NTU, ["partner"]) == 0).all()
    moved = make_streams(x + 3, score, NTU, ["partner"], owner, 4)
    assert torch.allclose(moved, seen, atol=1e-5)  # only places to each other count


def test_nearest_is_the_way_to_the_nearest_joint_of_anybody_else() -> None:
    x, score = batch(missing=0.2)
    x, score = torch.cat([x, x[:1] * 0.5 + 0.3]), torch.cat([score, score[:1].flip(1)])
    owner = torch.tensor([0, 0, 1, 2, 0])  # three people, and two who are alone
    score[1:2, 3] = score[4:, 3] = 0  # a frame that shows one person
    ways = make_streams(x, score, NTU, ["nearest"], owner)
    expected = torch.zeros_like(x)
    for p in (0, 1, 4):
        for t in range(x.shape[1]):
            others = [x[q, t, u] for q in (0, 1, 4) if q != p for u in range(25) if score[q, t, u] > 0]
            for v in range(25):
                if others and score[p, t, v] > 0:
                    expected[p, t, v] = min(
                        (o - x[p, t, v] for o in others), key=lambda way: way.norm().item()
                    )
    assert torch.allclose(ways, expected, atol=1e-5) and expected[0].abs().max() > 0
    assert (expected[0, 3] == 0).all()
    assert (make_streams(x, score, NTU, ["nearest"]) == 0).all()


def test_unknown_stream() -> None:
    x, score = batch()
    with pytest.raises(ConfigError, match=r"unknown stream 'bones'.*Did you mean 'bone'"):
        make_streams(x, score, NTU, ["bones"])
    with pytest.raises(ConfigError, match="at least one stream"):
        make_streams(x, score, NTU, [])


def test_streams_between_people_need_to_know_where_they_are() -> None:
    x, score = batch()
    for name in ("partner", "nearest", "joint"):
        make_streams(x, score, NTU, [name], OWNER, 3, "camera")
    make_streams(x, score, NTU, ["joint"], OWNER, 3, "hips")
    with pytest.raises(DataError, match="partner"):
        make_streams(x, score, NTU, ["joint", "partner"], OWNER, 3, "hips")


def test_the_nearest_joint_is_as_exact_far_from_the_origin() -> None:
    generator = torch.Generator().manual_seed(0)
    hands = torch.randint(0, 64, (2, 3, 75, 3), generator=generator) / 64  # exact in float32 at 1000 m
    score, owner, layout = torch.ones(2, 3, 75), torch.tensor([0, 0]), LAYOUTS["pose_hands75"]
    near, far = (make_streams(hands + at, score, layout, ["nearest"], owner) for at in (0, 1000))
    assert torch.allclose(near.norm(dim=-1), far.norm(dim=-1), atol=1e-6)


def test_missing_joints_are_hidden_at_the_centre() -> None:
    x, score = batch()
    hidden = make_streams(x, score * 0.5, NTU, ["joint"])  # any score above 0 is a joint
    assert torch.equal(hidden[score > 0], x[score > 0]) and not hidden[score == 0].any()
