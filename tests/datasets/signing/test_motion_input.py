"""What language networks see of a recording."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skelact.datasets.signing.batches import motion_batch, pad_words
from skelact.datasets.signing.motion_input import UPPER_BODY, MotionInput, sample, whole_input
from skelact.datasets.signing.utterance import Looks, Span, Utterance, cut, main_person, runs, seconds_of
from skelact.errors import ConfigError, DataError, LayoutError
from skelact.layouts import SkeletonLayout, get_layout
from skelact.skeleton import Skeleton

LAYOUT = get_layout("pose_hands75")


def shown_at_30(**changes) -> MotionInput:
    return MotionInput(**{"fps": 30.0, **changes})


def signer(seed: int = 0, n: int = 12, **changes) -> Skeleton:
    rng = np.random.default_rng(seed)
    xyz = rng.normal(0, 0.05, (1, n, 75, 3)) + rng.normal(0, 0.3, (1, 1, 75, 3))
    values = {"xyz": xyz, "score": None, "layout": LAYOUT, "fps": 30.0, "unit": "image", **changes}
    return Skeleton(**values)


def test_the_input_has_arms_and_hands() -> None:
    shown = shown_at_30()
    layout = shown.layout(LAYOUT)
    assert len(layout) == len(UPPER_BODY) + 42 and set(UPPER_BODY) <= set(layout.joints)
    assert shown_at_30(joints="all").layout(LAYOUT) is LAYOUT
    x, score, at = whole_input(signer(), shown)
    assert x.shape == (12, 49, 5) and score.shape == (12, 49) and len(at) == 12


@pytest.mark.parametrize(
    ("changes", "channels"),
    [({}, 5), ({"depth": True}, 7), ({"velocity": False}, 3), ({"seen": False}, 4), ({"size": True}, 6)],
)
@pytest.mark.parametrize("normalise", ["signs", "body"])
def test_every_stream_has_its_channels(changes: dict, channels: int, normalise: str) -> None:
    shown = shown_at_30(normalise=normalise, **changes)
    assert shown.channels(3) == channels == whole_input(signer(), shown)[0].shape[2]


def test_place_and_size_of_the_signer_do_not_matter() -> None:
    one = signer()
    other = one.with_(xyz=0.5 * one.xyz + np.array([0.3, -0.2, 0]))
    for shown in (shown_at_30(), shown_at_30(normalise="body", joints="all", velocity=False)):
        torch.testing.assert_close(
            whole_input(one, shown)[0], whole_input(other, shown)[0], rtol=1e-3, atol=1e-3
        )


def test_a_hands_shape_is_told_from_its_place() -> None:
    one = signer()
    hand = [v for v, j in enumerate(LAYOUT.joints) if j.startswith("left_") and v >= 33]
    xyz = one.xyz.copy()
    xyz[:, :, hand] += np.array([0.2, 0.1, 0], np.float32)
    a, b = (whole_input(s, shown_at_30(velocity=False, seen=False))[0] for s in (one, one.with_(xyz=xyz)))
    index = shown_at_30().layout(LAYOUT).index
    fingers = [index[LAYOUT.joints[v]] for v in hand if LAYOUT.joints[v] != "left_hand_wrist"]
    torch.testing.assert_close(a[:, fingers], b[:, fingers], rtol=1e-3, atol=1e-4)
    wrist = index["left_hand_wrist"]
    assert (a[:, wrist] - b[:, wrist]).abs().min() > 0.01


def test_nothing_depends_on_later_frames() -> None:
    whole, first = signer(n=12), signer(n=12)
    first = first.with_(xyz=first.xyz[:, :7], score=first.score[:, :7])
    for shown in (shown_at_30(size=True), shown_at_30(normalise="body", joints="all", depth=True)):
        torch.testing.assert_close(whole_input(whole, shown)[0][:7], whole_input(first, shown)[0])


def test_missing_joints_are_zero_and_marked() -> None:
    score = np.ones((1, 12, 75), np.float32)
    score[0, 3:6, 33:54] = 0
    x, seen, _ = whole_input(signer(score=score), shown_at_30())
    index = shown_at_30().layout(LAYOUT).index
    tip = index["left_index_tip"]
    assert (x[3:6, tip] == 0).all() and (seen[3:6, tip] == 0).all()
    assert (x[:3, tip, -1] == 1).all() and (x[3:6, index["right_index_tip"], -1] == 1).all()


def test_size_is_in_metres() -> None:
    one = signer(unit="m")
    shown = shown_at_30(size=True, joints="all")
    a, b = (whole_input(s, shown)[0][-1, 0, -1] for s in (one, one.with_(xyz=2 * one.xyz)))
    assert float(b) == pytest.approx(2 * float(a), rel=1e-4)


def test_the_pictures_shape_matters() -> None:
    wide = whole_input(signer(info={"width": 1920, "height": 1080}), shown_at_30())[0]
    usual = whole_input(signer(info={"width": 640, "height": 480}), shown_at_30())[0]
    unknown = whole_input(signer(), shown_at_30())[0]
    torch.testing.assert_close(usual, unknown)
    assert (wide - usual).abs().max() > 0.05


def test_sampling_is_by_time() -> None:
    xyz = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    score = np.ones((4, 2), np.float32)
    times = np.array([0.0, 0.1, 0.2, 0.4])
    out, found = sample(xyz, score, times, np.array([0.05, 0.1, 0.3, 0.4]))
    assert out[:, 0, 0].tolist() == pytest.approx([0.5, 1, 2.5, 3]) and (found == 1).all()
    single, _ = sample(xyz[:1], score[:1], times[:1], np.array([0.0]))
    assert single.shape == (1, 2, 2)


def test_gaps_are_bridged_only_if_asked_and_short() -> None:
    xyz = np.arange(6, dtype=np.float32)[:, None, None] * np.ones((1, 1, 2), np.float32)
    score = np.array([[1.0], [0], [0], [1], [0], [0]], np.float32)
    times = np.arange(6) / 10
    assert sample(xyz, score, times, times)[1][:, 0].tolist() == [1, 0, 0, 1, 0, 0]
    out, found = sample(xyz, score, times, times, gap=0.3)
    assert found[:, 0].tolist() == [1, 1, 1, 1, 0, 0] and out[1, 0, 0] == pytest.approx(1)
    assert sample(xyz, score, times, times, gap=0.2)[1][:, 0].tolist() == [1, 0, 0, 1, 0, 0]


def test_the_frame_rate_is_the_networks() -> None:
    for fps, n in ((30.0, 12), (15.0, 6), (60.0, 23)):
        x, _, at = whole_input(signer(), shown_at_30(fps=fps))
        assert len(x) == n and at[1] - at[0] == pytest.approx(1 / fps)


def test_timestamps_are_used() -> None:
    time = np.cumsum(np.r_[0.0, np.full(11, 0.1)]) + 5
    assert len(whole_input(signer(time=time), shown_at_30(fps=10))[0]) == 12


def test_a_layout_without_arms_or_hands_is_refused() -> None:
    legs = SkeletonLayout("legs", ("left_knee", "left_ankle"), (-1, 0))
    with pytest.raises(LayoutError, match="neither arms nor hands"):
        shown_at_30().layout(legs)
    assert len(shown_at_30().layout("coco17")) == len(UPPER_BODY)


@pytest.mark.parametrize("changes", [{"fps": 0}, {"gap": -1}, {"joints": "some"}, {"normalise": "none"}])
def test_impossible_inputs_are_refused(changes: dict) -> None:
    with pytest.raises(ConfigError, match="input"):
        shown_at_30(**changes)


def test_batches_are_padded_and_marked() -> None:
    batch = motion_batch([Utterance("a", signer(n=5)), Utterance("b", signer(n=9))], shown_at_30())
    assert batch.x.shape[:2] == (2, 9) and batch.real.sum(1).tolist() == [5, 9]
    assert (batch.score[0, 5:] == 0).all()
    assert pad_words([[1, 2], [3]], 0).tolist() == [[1, 2], [3, 0]] and pad_words([[]], 0).shape == (1, 1)


def test_utterances_are_of_one_person_with_spans_that_are_some() -> None:
    with pytest.raises(DataError, match="2 people"):
        Utterance("x", Skeleton(np.zeros((2, 3, 75, 3)), None, LAYOUT, 30.0))
    with pytest.raises(DataError, match="lasts from"):
        Utterance("x", signer(), spans=(Span("a", 1.0, 0.5),))
    u = Utterance("x", signer(), spans=(Span("a", 0.1, 0.2),))
    assert u.signing(np.array([0.05, 0.1, 0.19, 0.2])).tolist() == [False, True, True, False]


def test_the_person_who_is_seen_most_is_chosen() -> None:
    score = np.ones((2, 3, 75), np.float32)
    score[0, :, :40] = 0
    two = Skeleton(np.random.default_rng(0).normal(size=(2, 3, 75, 3)), score, LAYOUT, 30.0, track_ids=(4, 9))
    assert main_person(two).track_ids == (9,)
    with pytest.raises(DataError, match="nobody is seen"):
        main_person(two.with_(score=np.zeros_like(score)))


def test_recordings_are_cut_by_time() -> None:
    part = cut(signer(n=12), 0.1, 0.2)
    assert part.n_frames == 3 and np.array_equal(part.xyz, signer(n=12).xyz[:, 3:6])
    with pytest.raises(DataError, match="no frame"):
        cut(signer(n=12), 5.0, 6.0)
    assert seconds_of(part).tolist() == pytest.approx([0, 1 / 30, 2 / 30])
    assert runs([True, False, True, True]) == [(0, 1), (2, 4)] and runs([]) == []


def test_looks_are_the_nearest_and_can_be_cut() -> None:
    looks = Looks(np.arange(5) / 4, np.arange(10, dtype=np.float32).reshape(5, 2))
    assert looks.at(np.array([0, 0.1, 0.13, 0.9, 7]))[:, 0].tolist() == [0, 0, 2, 8, 8]
    part = looks.cut(0.5, 1.0)
    assert part.seconds.tolist() == [0, 0.25] and part.features[:, 0].tolist() == [4, 6]
    assert (
        looks.cut(0.6, 0.7).features[:, 0].tolist()
        == [6]
        == looks.cut(0.6, 0.7).at(np.zeros(1))[:, 0].tolist()
    )
    batch = motion_batch(
        [Utterance("a", signer(n=5), looks=looks), Utterance("b", signer(n=9), looks=looks)], shown_at_30()
    )
    assert batch.looks is not None and batch.looks.shape[:2] == batch.x.shape[:2]
    half = [Utterance("a", signer(n=5), looks=looks), Utterance("b", signer(n=9))]
    assert motion_batch(half, shown_at_30()).looks is None
