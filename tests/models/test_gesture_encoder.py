"""The gesture encoder: what must not change its vectors, and what it must survive."""

from __future__ import annotations

import pytest
import torch
from gesture_recordings import joints_of, plain_classes

from skelact.datasets.synthetic.gestures import make_classes, make_gestures
from skelact.models.gesture_encoder import GestureEncoder, discriminants
from skelact.models.gesture_features import (
    N_FEATURES,
    N_SHAPE,
    N_SLOW,
    N_TIPS,
    gesture_features,
    held_shapes,
    pointed_hands,
    slow_movement,
)
from skelact.recognition.gesture_weights import SHIPPED_ENCODER, encoder_id, load_encoder
from skelact.transforms.gesture_form import LEFT_HAND, N_JOINTS, N_STEPS, RIGHT_HAND, J


def gestures(profile: str = "holistic", n: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return make_gestures(make_classes(n, profile, rng), profile, rng, exact=True)


@pytest.mark.parametrize("profile", ["holistic", "hand", "points", "body"])
def test_place_and_size_do_not_matter(profile: str) -> None:
    xyz, present = gestures(profile)
    model = load_encoder()
    moved = (xyz * 250.0 + torch.tensor([3.0, -700.0, 40.0])) * present[..., None]
    assert torch.allclose(model(moved, present), model(xyz, present), atol=2e-3)


def test_vectors_have_length_one_and_every_weight_learns() -> None:
    torch.manual_seed(0)
    model = GestureEncoder(dropout=0.0)
    vectors = model(*gestures())
    assert vectors.shape == (6, model.dims) == (6, 128 + 2 * (N_SHAPE + N_TIPS) + 48) and torch.allclose(
        vectors.norm(dim=1), torch.ones(6), atol=1e-5
    )
    (vectors @ torch.randn(model.dims)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())


def test_missing_parts_are_no_accident() -> None:
    xyz, present = gestures()
    model = load_encoder()
    for lost in (slice(None), slice(0, LEFT_HAND), slice(LEFT_HAND, RIGHT_HAND), slice(LEFT_HAND, None)):
        there = present.clone()
        there[:, :, lost] = 0
        vectors = model(xyz * there[..., None], there)
        assert vectors.isfinite().all()


def test_what_is_missing_is_not_looked_at() -> None:
    xyz, present = gestures()
    there = present.clone()
    there[:, :, LEFT_HAND:RIGHT_HAND] = 0
    rubbish = xyz.clone()
    rubbish[:, :, LEFT_HAND:RIGHT_HAND] = 99.0
    features = gesture_features(xyz * there[..., None], there)
    assert features.shape == (6, N_STEPS, N_FEATURES)
    body = [v for v in range(LEFT_HAND) if v != J["left_wrist"]]
    assert torch.equal(features[..., body], gesture_features(rubbish, there)[..., body])
    assert torch.allclose(features, gesture_features(rubbish, there), atol=1e-5)


def test_another_hand_shape_or_path_is_another_vector() -> None:
    model = load_encoder()
    plain = plain_classes(2)
    xyz, present = joints_of(plain, [0, 0, 0, 1], seed=4)
    fist = plain_classes(2)
    fist.curl[:] = 1.0
    other, _ = joints_of(fist, [0], seed=4)
    a, again, _, out = model(torch.from_numpy(xyz), torch.from_numpy(present))
    bent = model(torch.from_numpy(other), torch.from_numpy(present[:1]))[0]
    assert a @ again > max(a @ bent, a @ out)


def test_shapes_of_hands_are_those_that_are_held() -> None:
    xyz, present = (torch.from_numpy(a) for a in joints_of(plain_classes(2), [0, 1], seed=4))
    shapes, seen = held_shapes(gesture_features(xyz, present))
    assert shapes.shape == (2, 2, N_SHAPE) and seen.all()
    open_hand, fist = shapes[:, 1]
    assert (open_hand - fist).norm() > 0.5
    half = present.clone()
    half[:, 4:, LEFT_HAND:RIGHT_HAND] = 0  # seen for a moment only
    half[:, 2:4, LEFT_HAND:RIGHT_HAND] = 0
    shapes, seen = held_shapes(gesture_features(xyz * half[..., None], half))
    assert seen[:, 0].sum() == 0 and seen[:, 1].all() and shapes.isfinite().all()


def test_the_weight_of_the_shape_counts() -> None:
    xyz, present = gestures()
    torch.manual_seed(0)
    plain, shaped = GestureEncoder(shape=0.0).eval(), GestureEncoder(shape=1.0).eval()
    shaped.load_state_dict(plain.state_dict())
    shaped.set_shape_middle(xyz, present)
    a, b = plain(xyz, present), shaped(xyz, present)
    assert not a[:, 128:].any() and torch.allclose(a[:, :128].norm(dim=1), torch.ones(6))
    assert torch.allclose(b[:, 128:].norm(dim=1), torch.full((6,), 0.5**0.5), atol=1e-3)
    assert torch.allclose(b[:, :128], a[:, :128] * 0.5**0.5, atol=1e-3)
    assert shaped.shape_middle.any() and plain.settings["shape"] == 0.0


def test_thumb_up_is_not_thumb_down_where_only_tips_are_known() -> None:
    xyz, present = gestures("points", 2)
    thumb, tip = J["right_thumb_tip"], J["right_middle_tip"]
    there = present.clone()
    there[:, :, [RIGHT_HAND, thumb, tip]] = 1
    wrist = xyz[:, :, RIGHT_HAND : RIGHT_HAND + 1]
    hands = []
    for up in (0.2, -0.2):
        hand = xyz.clone()
        hand[:, :, thumb : thumb + 1] = wrist + torch.tensor([0.1, up, 0.3])
        hand[:, :, tip : tip + 1] = wrist + torch.tensor([0.25, 0.0, 0.0])
        hands.append(pointed_hands(gesture_features(hand, there))[0, 1])
    thumb_up, thumb_down = hands
    assert thumb_up[1] > 0.1 and torch.allclose(
        thumb_up * torch.tensor([1.0, -1, 1, 1]), thumb_down, atol=1e-4
    )
    whole, seen = gestures("holistic")
    assert not pointed_hands(gesture_features(whole, seen)).any()  # these have a shape


def test_slow_movement_is_the_mean_and_what_changes_slowly() -> None:
    features = torch.zeros(2, N_STEPS, N_FEATURES)
    features[0, :, 5] = 3.0
    features[1, :, 5] = torch.linspace(-1, 1, N_STEPS)
    slow = slow_movement(features)
    assert slow.shape == (2, N_SLOW)
    constant, rising = slow.unflatten(1, (4, -1))[..., 5]
    assert torch.allclose(constant, torch.tensor([3.0, 0, 0, 0]), atol=1e-6)
    assert rising[1].abs() > 5 * rising[3].abs() > 0 and rising[[0, 2]].abs().max() < 1e-6


def test_discriminants_prefer_what_tells_classes_apart() -> None:
    rng = torch.Generator().manual_seed(0)
    own = torch.randn(20, 30, 6, generator=rng) * torch.tensor([5.0, 1, 1, 1, 1, 1])
    classes = torch.randn(30, 6, generator=rng) * torch.tensor([5.0, 0, 4, 0, 0, 0])
    axes, middle = discriminants(own + classes + 7, 2)
    assert axes.shape == (6, 2) and torch.allclose(middle, torch.full((6,), 7.0), atol=2.5)
    assert axes[:, 0].abs().argmax() == 2  # the first differs as much within classes
    assert torch.allclose((own @ axes)[..., 0].std(), torch.tensor(1.0), atol=0.2)


def test_a_narrowed_network_gives_the_same_cosines() -> None:
    torch.manual_seed(0)
    model = GestureEncoder(dims=32).eval().requires_grad_(False)
    features = gesture_features(*gestures("holistic", 12))
    model.set_slow(torch.stack([features, features + 0.01 * torch.randn_like(features)]))
    narrow = model.narrowed(features, 12).eval()
    assert narrow.settings["dims"] == 12 and torch.equal(narrow.slow_axes, model.slow_axes)
    a, b = model.learned(features), narrow.learned(features)
    assert b.shape == (12, 12) and torch.allclose(a @ a.T, b @ b.T, atol=1e-3)


def test_the_shipped_encoder_is_small() -> None:
    model = load_encoder()
    assert sum(p.numel() for p in model.parameters()) <= 400_000
    assert SHIPPED_ENCODER.stat().st_size <= 510_000 and model.slow_axes.any() and model.shape_middle.any()
    assert len(encoder_id(model)) == 16
    torch.manual_seed(0)
    assert encoder_id(GestureEncoder()) != encoder_id(model)
    assert model(torch.zeros(1, N_STEPS, N_JOINTS, 3), torch.zeros(1, N_STEPS, N_JOINTS)).isfinite().all()
