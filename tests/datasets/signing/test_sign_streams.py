"""Streams made of isolated signs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from skelact.datasets.signing.motion_input import MotionInput, whole_input
from skelact.datasets.signing.streams import (
    StreamSettings,
    make_stream,
    make_streams,
    rest_pose,
    signs_by_signer,
)
from skelact.errors import ConfigError, DataError
from skelact.layouts import get_layout
from skelact.skeleton import Skeleton

LAYOUT = get_layout("pose_hands75")


def sign(label: str, signer: int = 1, n: int = 20, unit: str = "image", hands: bool = True) -> Skeleton:
    """Somebody upright in the picture who moves one wrist."""
    rng = np.random.default_rng([signer, sum(map(ord, label))])
    xyz = np.zeros((1, n, 75, 3), np.float32)
    for j, place in {
        "left_shoulder": (0.6, 0.5),
        "right_shoulder": (0.4, 0.5),
        "left_elbow": (0.65, 0.65),
        "right_elbow": (0.35, 0.65),
        "left_wrist": (0.6, 0.5),
        "right_wrist": (0.4, 0.5),
        "left_hip": (0.57, 1.0),
        "right_hip": (0.43, 1.0),
    }.items():
        xyz[..., LAYOUT.index[j], :2] = place
    xyz[0, :, 33:54, :2] = xyz[0, :, None, LAYOUT.index["left_wrist"], :2] + rng.normal(0, 0.02, (1, 21, 2))
    xyz[0, :, 54:, :2] = xyz[0, :, None, LAYOUT.index["right_wrist"], :2] + rng.normal(0, 0.02, (1, 21, 2))
    xyz[0, :, 54:, 0] += np.linspace(0, 0.1, n)[:, None]
    score = np.ones((1, n, 75), np.float32)
    score[:, :, 33:] = hands
    return Skeleton(
        xyz, score, LAYOUT, 30.0, unit, label=label, id=f"{label}{signer}", info={"subject": signer}
    )


SIGNS = [sign("a"), sign("b"), sign("c")]


def test_words_and_times_are_known() -> None:
    for seed in range(8):
        u = make_stream(SIGNS, StreamSettings(), np.random.default_rng(seed), "s", "1")
        assert 3 <= len(u.glosses) <= 8 and set(u.glosses) <= {"a", "b", "c"}
        assert tuple(s.word for s in u.spans) == u.glosses and u.signer == "1"
        ends = [0.0, *(t for s in u.spans for t in (s.start, s.end)), u.skeleton.duration]
        assert ends == sorted(ends)
        assert all(0.5 <= s.end - s.start <= 0.85 for s in u.spans)  # 20 frames at 30, faster or slower


def test_the_signs_own_frames_are_in_it() -> None:
    still = StreamSettings(speed=(1.0, 1.0), signs=(2, 2))
    u = make_stream(SIGNS, still, np.random.default_rng(0), "s")
    for span in u.spans:
        first = round(span.start * 30)
        own = next(s for s in SIGNS if s.label == span.word)
        assert np.allclose(u.skeleton.xyz[0, first : first + 20], own.xyz[0], atol=1e-5)


def test_movements_are_smooth_and_rests_are_low() -> None:
    u = make_stream(SIGNS, StreamSettings(rest_share=1.0, hands_hidden=1.0), np.random.default_rng(1), "s")
    wrist = u.skeleton.xyz[0, :, LAYOUT.index["right_wrist"], 1]
    assert np.abs(np.diff(wrist)).max() < 0.15
    between = ~u.signing(np.arange(u.skeleton.n_frames) / 30)
    assert wrist[between].max() > 0.7 and wrist[0] > 0.7 and wrist[-1] > 0.7
    hands = u.skeleton.score[0, :, 54:].any(1)
    assert not hands[0] and not hands[-1] and hands[~between].all()


def test_every_setting_matters() -> None:
    def length(**changes) -> float:
        settings = StreamSettings(**changes)
        streams = [make_stream(SIGNS, settings, np.random.default_rng(k), "s") for k in range(20)]
        return float(np.mean([u.skeleton.duration for u in streams]))

    usual = length()
    assert length(signs=(1, 2)) < 0.7 * usual
    assert length(transition=(1.0, 1.0)) > 1.2 * usual
    assert length(rest=(3.0, 3.0)) > 1.2 * usual
    assert length(rest_share=0.0) < 0.95 * usual
    assert length(speed=(0.5, 0.5)) > 1.2 * usual
    seen = [
        make_stream(SIGNS, StreamSettings(hands_hidden=share), np.random.default_rng(3), "s").skeleton.score[
            0, 0, 54
        ]
        for share in (0.0, 1.0)
    ]
    assert seen == [1, 0]


def test_streams_repeat_by_seed_and_are_of_one_signer() -> None:
    both = signs_by_signer([*SIGNS, sign("a", 2), sign("b", 2)])
    one, two = make_streams(both, 3, StreamSettings(), [5]), make_streams(both, 3, StreamSettings(), [5])
    assert [u.signer for u in one] == ["1"] * 3 + ["2"] * 3
    assert all(a.skeleton.equals(b.skeleton) for a, b in zip(one, two, strict=True))
    other = make_streams(both, 3, StreamSettings(), [6])
    assert not one[0].skeleton.equals(other[0].skeleton)
    assert all("c" not in u.glosses for u in one[3:])


def test_signs_without_hands_or_arms_make_streams_too() -> None:
    for signs in (
        [sign("a", hands=False)],
        [
            Skeleton(
                np.random.default_rng(0).normal(size=(1, 9, 21, 3)),
                None,
                "hand21",
                30.0,
                label="a",
                info={"subject": 1},
            )
        ],
    ):
        u = make_stream(signs, StreamSettings(), np.random.default_rng(0), "s")
        assert (
            np.isfinite(u.skeleton.xyz).all() and whole_input(u.skeleton, MotionInput())[0].isfinite().all()
        )


def test_arms_hang_along_the_trunk() -> None:
    turned = SIGNS[0].with_(xyz=SIGNS[0].xyz[..., [1, 0, 2]])  # somebody who lies
    pose, _ = rest_pose(turned)
    assert pose[LAYOUT.index["right_wrist"], 0] > 0.7
    metres = SIGNS[0].with_(xyz=SIGNS[0].xyz * [1, -1, 1], unit="m")
    assert rest_pose(metres)[0][LAYOUT.index["right_wrist"], 1] < -0.7


def test_other_recordings_are_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        make_stream([], StreamSettings(), np.random.default_rng(0), "s")
    with pytest.raises(DataError, match="differ in layout"):
        make_stream([SIGNS[0], sign("b", unit="m")], StreamSettings(), np.random.default_rng(0), "s")
    with pytest.raises(DataError, match="of x, y"):
        signs_by_signer(SIGNS, ("x", "y"))
    with pytest.raises(DataError, match="none"):
        signs_by_signer([SIGNS[0].with_(label=None)])


@pytest.mark.parametrize(
    "changes", [{"signs": (0, 2)}, {"rest": (2.0, 1.0)}, {"speed": (0.0, 1.0)}, {"rest_share": 1.5}]
)
def test_impossible_settings_are_refused(changes: dict) -> None:
    with pytest.raises(ConfigError, match="streams"):
        StreamSettings(**changes)


def test_real_signs_make_streams(shared_data: Path) -> None:
    from skelact.io.mp_signs import iter_mp_signs

    signs = signs_by_signer(list(iter_mp_signs(shared_data / "mp-signs" / "signer03.npz")))
    (u,) = make_streams(signs, 1, StreamSettings(), [0])
    x, _, _ = whole_input(u.skeleton, MotionInput())
    assert x.isfinite().all() and x.abs().max() < 100
