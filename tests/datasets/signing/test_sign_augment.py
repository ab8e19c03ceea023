"""Random changes of signing, each of which must do what it says."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.datasets.signing.augment import SignAugment
from skelact.datasets.signing.batches import motion_batch
from skelact.datasets.signing.motion_input import MotionInput
from skelact.datasets.signing.utterance import Utterance
from skelact.errors import ConfigError
from skelact.layouts import get_layout
from skelact.skeleton import Skeleton

LAYOUT = get_layout("pose_hands75")
NONE = SignAugment((1.0, 1.0), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
LEFT, RIGHT = slice(33, 54), slice(54, 75)


def changed(seed: int = 0, n: int = 60, **changes: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    xyz = rng.normal(size=(n, 75, 2)).astype(np.float32)
    augment = SignAugment(**{**vars(NONE), **changes})  # type: ignore[arg-type]
    return xyz, *augment.change(xyz, np.ones((n, 75), np.float32), LAYOUT, np.random.default_rng(seed))


def test_without_changes_everything_stays() -> None:
    xyz, out, score = changed()
    assert np.allclose(xyz, out, atol=1e-6) and (score == 1).all()


def test_frames_are_lost_as_wholes() -> None:
    shares = []
    for seed in range(20):
        _, out, score = changed(seed, drop_frames=1.0)
        lost = (score == 0).all(1)
        assert ((score == 0).any(1) == lost).all() and (out[lost] == 0).all()
        shares.append(lost.mean())
    assert 0.05 < np.mean(shares) < 0.15 and max(shares) <= 0.35
    assert all((changed(seed)[2] == 1).all() for seed in range(5))


def test_one_hand_is_lost_for_some_time() -> None:
    hands = set()
    for seed in range(20):
        _, _, score = changed(seed, drop_hand=1.0)
        left, right = (score[:, part] == 0 for part in (LEFT, RIGHT))
        assert left.any() != right.any() and (score[:, :33] == 1).all()
        own = left if left.any() else right
        assert (own.all(1) == own.any(1)).all()
        frames = np.flatnonzero(own.any(1))
        assert len(frames) == frames[-1] - frames[0] + 1
        hands.add("left" if left.any() else "right")
    assert hands == {"left", "right"}


def test_the_share_of_recordings_is_kept() -> None:
    lost = [(changed(seed, drop_hand=0.3)[2] == 0).any() for seed in range(300)]
    assert 0.2 < np.mean(lost) < 0.4


def test_turning_keeps_lengths_and_scaling_does_not() -> None:
    xyz, turned, _ = changed(3, rotate=30.0)
    assert np.allclose(np.linalg.norm(xyz, axis=2), np.linalg.norm(turned, axis=2), rtol=1e-4)
    assert not np.allclose(xyz, turned, atol=0.05)
    _, scaled, _ = changed(3, scale=0.3)
    factor = scaled / xyz
    assert np.allclose(factor, factor[0, 0], rtol=1e-3) and not np.allclose(factor, 1, atol=0.02)


def test_noise_is_in_shoulder_widths() -> None:
    xyz, noisy, _ = changed(0, jitter=0.1)
    shoulders = np.linalg.norm(xyz[:, 11] - xyz[:, 12], axis=1).mean()
    assert (noisy - xyz).std() == pytest.approx(0.1 * shoulders, rel=0.05)


def test_mirroring_swaps_sides() -> None:
    xyz, out, _ = changed(0, mirror=1.0)
    left, right = LAYOUT.index["left_wrist"], LAYOUT.index["right_wrist"]
    assert np.allclose(out[:, left], xyz[:, right] * [-1, 1], atol=1e-6)


def test_missing_joints_stay_missing() -> None:
    score = (np.random.default_rng(0).random((60, 75)) > 0.5).astype(np.float32)
    augment = SignAugment((0.9, 1.1), 0.5, 0.5, 8.0, 0.2, 0.05, 0.0)
    out, found = augment.change(np.ones((60, 75, 2), np.float32), score, LAYOUT, np.random.default_rng(2))
    assert (found[score == 0] == 0).all() and (out[found == 0] == 0).all()


def test_the_frame_rate_is_drawn_from_the_range() -> None:
    usual = SignAugment()
    assert [round(30 * r) for r in usual.rate] == [25, 50]
    rates = []
    for seed in range(100):
        at = usual.moments(2.0, 30.0, np.random.default_rng(seed))
        assert at[0] >= 0 and at[-1] <= 2.0 + 1e-9
        rates.append(1 / np.diff(at).mean())
    assert min(rates) < 28 and max(rates) > 46 and min(rates) >= 25 and max(rates) <= 50.001
    assert len(NONE.moments(2.0, 30.0, np.random.default_rng(0))) in (60, 61)
    assert len(usual.moments(0.0, 30.0, np.random.default_rng(0))) == 1


def test_training_batches_are_changed_and_others_are_not() -> None:
    rng = np.random.default_rng(0)
    skeleton = Skeleton(rng.normal(size=(1, 60, 75, 3)), None, LAYOUT, 30.0, "image")
    u = [Utterance("a", skeleton)]
    plain = motion_batch(u, MotionInput())
    same = motion_batch(u, MotionInput(), SignAugment(), np.random.default_rng(1))
    again = motion_batch(u, MotionInput(), SignAugment(), np.random.default_rng(1))
    assert np.array_equal(same.x, again.x)
    assert plain.x.shape[1] == 30 != same.x.shape[1]


@pytest.mark.parametrize(
    "changes", [{"rate": (2, 1)}, {"rate": (0, 1)}, {"drop_hand": 2}, {"scale": 1}, {"jitter": -1}]
)
def test_impossible_changes_are_refused(changes: dict) -> None:
    with pytest.raises(ConfigError, match="augment"):
        SignAugment(**changes)
