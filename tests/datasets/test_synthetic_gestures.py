"""Random gesture classes: repeatable, told apart, seen through estimators that lose things."""

from __future__ import annotations

import pytest
import torch
from gesture_recordings import plain_classes

from skelact.datasets.synthetic.gestures import PROFILES, make_classes, make_gestures
from skelact.datasets.synthetic.gestures.hand import hand_joints
from skelact.datasets.synthetic.gestures.idle import make_idle
from skelact.datasets.synthetic.gestures.seen import visible_joints
from skelact.models.gesture_features import gesture_features
from skelact.transforms.gesture_form import N_JOINTS, N_STEPS, J


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_same_seed_makes_the_same_gestures(profile: str) -> None:
    made = [
        make_gestures(make_classes(8, profile, rng), profile, rng) for rng in (seeded(), seeded(), seeded(1))
    ]
    (a, p), (b, q), (c, _) = made
    assert a.shape == (8, N_STEPS, N_JOINTS, 3) and p.shape == (8, N_STEPS, N_JOINTS)
    assert torch.equal(a, b) and torch.equal(p, q) and not torch.equal(a, c)
    assert a.isfinite().all() and not a[p == 0].any() and p.amax((1, 2)).all()
    assert not p[..., visible_joints(profile) == 0].any()


def test_without_depth() -> None:
    rng = seeded()
    xyz, _ = make_gestures(make_classes(4, "holistic", rng), "holistic", rng, flat=True)
    assert not xyz[..., 2].any() and xyz[..., :2].any()


def test_examples_of_a_class_are_nearer_to_each_other_than_to_others() -> None:
    rng = seeded(3)
    classes = make_classes(24, "holistic", rng)
    a, b = (
        gesture_features(*make_gestures(classes, "holistic", rng, exact=True)).flatten(1) for _ in range(2)
    )
    nearest = torch.cdist(a, b).argmin(1)
    assert (nearest == torch.arange(24)).float().mean() > 0.3  # chance is 0.04


def test_arms_keep_their_lengths() -> None:
    rng = seeded()
    xyz, _ = make_gestures(make_classes(16, "body", rng).take(torch.arange(16)), "body", rng, exact=True)
    for side in ("left", "right"):
        for a, b in (("shoulder", "elbow"), ("elbow", "wrist")):
            length = (xyz[:, :, J[f"{side}_{a}"]] - xyz[:, :, J[f"{side}_{b}"]]).norm(dim=-1)
            assert (length.std(1) < 0.06).all()  # resampled between frames


def test_a_hand_opens_and_closes() -> None:
    sizes, thumb, spread = torch.ones(2, 5), torch.full((2, 2), 0.3), torch.zeros(2)
    curl = torch.stack([torch.zeros(5, 2), torch.ones(5, 2)])
    hand = hand_joints(curl, spread, thumb, sizes)
    assert hand.shape == (2, 21, 3)
    tips = hand[:, [8, 12, 16, 20]].norm(dim=-1)
    assert (tips[0] > 1.6).all() and (tips[1] < 1.1).all()
    bones = [(5, 6), (6, 7), (7, 8), (17, 18)]
    for a, b in bones:
        assert (hand[0, a] - hand[0, b]).norm() == pytest.approx(
            float((hand[1, a] - hand[1, b]).norm()), rel=1e-4
        )


def test_idle_hands_stay_low_and_slow() -> None:
    xyz, present = make_idle(64, "body", seeded())
    assert xyz.shape == (64, N_STEPS, N_JOINTS, 3)
    made, there = make_gestures(plain_classes(3).take(torch.arange(48) % 3), "body", seeded(2))

    def right_wrist(joints: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        kept = joints[(seen[:, :, : J["right_wrist"] + 1] > 0).all(2).all(1)]
        features = gesture_features(kept, torch.ones(*kept.shape[:3]))
        return features[..., 3 * J["right_wrist"] : 3 * J["right_wrist"] + 2]

    idle, busy = right_wrist(xyz, present), right_wrist(made, there)
    assert len(idle) > 20 and len(busy) > 10
    assert idle[..., 1].mean(1).median() < -0.6  # below the shoulders
    assert (idle.amax(1) - idle.amin(1)).amax(1).median() < 0.6 * (busy.amax(1) - busy.amin(1)).amax(
        1
    ).median()
    again, _ = make_idle(64, "body", seeded())
    assert torch.equal(xyz, again)
