"""Taught vocabularies: examples in, answers out, one file; what cannot be taught is said in words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from gesture_recordings import recording, recordings

from skelact.errors import CheckpointError, ConfigError, DataError, LayoutError
from skelact.models.gesture_encoder import GestureEncoder
from skelact.recognition import taught
from skelact.recognition.taught import SLACK, Vocabulary
from skelact.recognition.taught_background import threshold_of
from skelact.recognition.taught_examples import Example, active_part, by_dominant_hand, make_example
from skelact.recognition.taught_scores import left_out, soft_mean
from skelact.skeleton import Skeleton
from skelact.transforms.gesture_form import LEFT_HAND, RIGHT_HAND, J, mirrored_form, to_gesture_form

CLIPS = recordings(3, 6)


def examples(name: str, rows: slice = slice(0, 3)) -> list[Example]:
    return [make_example(clip) for clip in CLIPS[name][rows]]


@pytest.fixture(scope="module")
def three() -> Vocabulary:
    vocabulary = Vocabulary(false_per_hour=60)
    for name in CLIPS:
        vocabulary.add(name, examples(name))
    return vocabulary


def test_taught_gestures_are_told_apart(three: Vocabulary) -> None:
    for name, clips in CLIPS.items():
        answers = [three.recognise_clip(clip) for clip in clips[3:]]
        assert [a.best for a in answers] == [name] * 3
        for answer in answers:
            assert answer.name in (None, name) and answer.score == max(answer.scores.values())
            assert (answer.name is None) == (answer.score < answer.threshold)


def test_of_few_examples_all_count_and_of_many_the_nearest() -> None:
    few, many = soft_mean(np.array([[1.0, 0.5, 0.5]]))[0], soft_mean(np.array([[1.0] + [0.5] * 29]))[0]
    assert few < 0.9 < many < 1.0
    assert soft_mean(np.full((1, 7), 0.3))[0] == pytest.approx(0.3)


def test_resting_hands_are_no_gesture(three: Vocabulary) -> None:
    still = CLIPS["out"][0]
    hands_down = recording(np.repeat(_form(still)[0][:1], 24, 0), np.ones((24, 55), np.float32))
    assert three.recognise(make_example(hands_down, whole=True)).name is None


def _form(skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    xyz, present, _ = to_gesture_form(skeleton)
    return (xyz - np.array([0, 0, 2.5])) / 0.36, present


def test_a_file_keeps_everything(three: Vocabulary, tmp_path: Path) -> None:
    three.save(tmp_path / "v.safetensors")
    again = Vocabulary.load(tmp_path / "v.safetensors")
    assert (
        again.names == three.names
        and again.false_per_hour == 60
        and not again.either_hand
        and not again.notes
    )
    for name in three.names:
        a, b = three.gestures[name], again.gestures[name]
        assert a.threshold == b.threshold and a.seconds == pytest.approx(b.seconds)
        assert [e.layout for e in b.examples] == ["pose_hands75"] * 3
        assert np.array_equal(a.examples[0].xyz, b.examples[0].xyz)
    clip = CLIPS["wave"][4]
    assert again.recognise_clip(clip).scores == pytest.approx(three.recognise_clip(clip).scores, abs=1e-6)


@pytest.mark.slow
def test_another_encoder_reads_the_examples_anew(three: Vocabulary, tmp_path: Path) -> None:
    three.save(tmp_path / "v.safetensors")
    torch.manual_seed(1)
    other = GestureEncoder().eval().requires_grad_(False)
    again = Vocabulary.load(tmp_path / "v.safetensors", other)
    assert "another version of the encoder" in again.notes[0]
    assert again.gestures["up"].threshold != three.gestures["up"].threshold


@pytest.mark.parametrize("size", [0, 40, 400, -1])
def test_damaged_files_are_refused(three: Vocabulary, tmp_path: Path, size: int) -> None:
    path = three.save(tmp_path / "v.safetensors")
    data = path.read_bytes()
    path.write_bytes(data[:size])
    with pytest.raises(CheckpointError, match="skelact teach"):
        Vocabulary.load(path)
    with pytest.raises(CheckpointError, match="there is no"):
        Vocabulary.load(tmp_path / "none")
    with pytest.raises(CheckpointError, match="holds 'gesture encoder'"):
        Vocabulary.load(Path(taught.__file__).parent / "weights" / "gestures.safetensors")


def test_a_file_that_contradicts_itself_is_refused(three: Vocabulary, tmp_path: Path) -> None:
    from skelact.recognition.array_file import read_arrays, write_arrays

    card, arrays = read_arrays(three.save(tmp_path / "v"), taught.KIND, "")
    for change in (
        {"xyz": arrays["xyz"][:-1]},
        {"seconds": -arrays["seconds"]},
        {"present": arrays["present"] * 3},
        {"xyz": np.full_like(arrays["xyz"], np.inf)},
    ):
        write_arrays(tmp_path / "w", taught.KIND, card, {**arrays, **change})
        with pytest.raises(CheckpointError, match="damaged"):
            Vocabulary.load(tmp_path / "w")
    for name in ("gestures", "encoder", "idle"):
        write_arrays(tmp_path / "w", taught.KIND, {k: v for k, v in card.items() if k != name}, arrays)
        with pytest.raises(CheckpointError, match="damaged"):
            Vocabulary.load(tmp_path / "w")


def test_too_few_examples_and_odd_names_are_refused(three: Vocabulary) -> None:
    vocabulary = Vocabulary()
    with pytest.raises(ConfigError, match="2 examples; give 3 to 10"):
        vocabulary.add("up", examples("up", slice(0, 2)))
    for name in ("", "  ", "a\nb", "x" * 61):
        with pytest.raises(ConfigError, match="1 to 60 characters"):
            vocabulary.add(name, examples("up"))
    with pytest.raises(ConfigError, match="is there already"):
        three.add("up", examples("up"))
    with pytest.raises(ConfigError, match=r"no gesture 'none'.*up, out, wave"):
        three.remove("none")
    with pytest.raises(ConfigError, match="empty"):
        vocabulary.recognise(examples("up")[0])


def test_an_example_of_something_else_is_named() -> None:
    vocabulary = Vocabulary()
    mixed = [*examples("out"), examples("wave")[0]]
    mixed[3] = Example(-mixed[3].xyz[::-1].copy(), mixed[3].present, 0.9, "pose_hands75")  # upside down
    with pytest.raises(DataError, match=r"example 4 \(likeness .*0.9 s\) is unlike the others"):
        vocabulary.add("out", mixed)
    assert not len(vocabulary)
    notes = vocabulary.add("out", mixed, strict=False)
    assert "unlike" in notes[0] and vocabulary.names == ["out"]


def test_a_gesture_too_like_another_is_named() -> None:
    vocabulary = Vocabulary()
    vocabulary.add("out", examples("out"))
    with pytest.raises(DataError, match="'reach' is too like 'out'"):
        vocabulary.add("reach", examples("out", slice(3, 6)))
    assert vocabulary.names == ["out"]
    vocabulary.add("up", examples("up"))
    vocabulary.remove("out")
    vocabulary.add("reach", examples("out", slice(3, 6)))
    assert vocabulary.names == ["up", "reach"]


def test_more_examples_join_those_that_are_there() -> None:
    vocabulary = Vocabulary()
    vocabulary.add("out", examples("out"))
    before = vocabulary.gestures["out"].threshold
    vocabulary.add("out", examples("out", slice(3, 5)), more=True)
    assert len(vocabulary.gestures["out"].examples) == 5 and vocabulary.gestures["out"].threshold != before


def test_fewer_false_triggers_ask_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(taught, "UNLIKE", 50.0)  # idle movement alone counts
    thresholds = []
    for rate in (1.0, 600.0):
        vocabulary = Vocabulary(false_per_hour=rate)
        vocabulary.add("up", examples("up"), strict=False)
        thresholds.append(vocabulary.gestures["up"].threshold)
    assert thresholds[0] > thresholds[1]


def test_what_is_unlike_the_examples_is_another_gesture(monkeypatch: pytest.MonkeyPatch) -> None:
    thresholds = []
    for unlike in (0.05, 3.0):
        monkeypatch.setattr(taught, "UNLIKE", unlike)
        vocabulary = Vocabulary(false_per_hour=3000)  # as good as any
        vocabulary.add("out", examples("out"), strict=False)
        thresholds.append(vocabulary.gestures["out"].threshold)
    assert thresholds[0] > thresholds[1] + 0.1


def test_what_is_as_like_as_another_gestures_examples_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skelact.recognition.taught.threshold_of", lambda scores, per_hour: -1.0)
    made = Vocabulary()
    made.add("out", examples("out"))
    alone = made.gestures["out"].threshold
    made.add("up", examples("up"))
    own = float(left_out(made.vectors("out")).mean())
    nearest = float(made.scorer.likeness(made.vectors("up"))[:, 0].max())
    halfway = (own + nearest) / 2 - SLACK
    assert made.gestures["out"].threshold == pytest.approx(max(alone, halfway))
    monkeypatch.setitem(made._vectors, "up", made.vectors("out"))  # as like as its own
    made._scorer = None
    made.fit()
    assert made.gestures["out"].threshold > alone + 0.02
    made.remove("up")
    assert made.gestures["out"].threshold == alone


def test_ones_own_idle_movement_counts() -> None:
    plain = Vocabulary(false_per_hour=20)
    plain.add("out", examples("out"))
    strict = Vocabulary(false_per_hour=20, idle=examples("out") * 60)  # what looks like the gesture
    notes = strict.add("out", examples("out"))
    assert strict.gestures["out"].threshold > plain.gestures["out"].threshold
    assert any("much like idle movement" in note for note in notes)


def test_the_tail_of_background_scores_is_extrapolated() -> None:
    rng = np.random.default_rng(0)
    scores = rng.exponential(0.1, 4000)
    for per_hour in (3.6, 36.0, 360.0):
        expected = -0.1 * np.log(per_hour / 3600)
        assert threshold_of(scores, per_hour) == pytest.approx(expected, rel=0.12)


def test_either_hand_may_make_a_gesture() -> None:
    for either, same in ((True, True), (False, False)):
        vocabulary = Vocabulary(either_hand=either)
        vocabulary.add("out", examples("out"))
        vocabulary.add("up", examples("up"))
        one = make_example(CLIPS["out"][4])
        other = Example(*mirrored_form(one.xyz, one.present), one.seconds, one.layout)
        a, b = (vocabulary.recognise(e).scores["out"] for e in (one, other))
        assert (a == pytest.approx(b, abs=1e-4)) is same


def test_the_busier_hand_is_dominant() -> None:
    xyz, present = (np.stack([getattr(e, n) for e in examples("up")]) for n in ("xyz", "present"))
    assert np.array_equal(by_dominant_hand(xyz, present)[0], xyz)  # they are made with the right hand
    left = mirrored_form(xyz, present)
    assert by_dominant_hand(*left)[0] == pytest.approx(xyz)


def test_what_is_seen_must_fit_the_vocabulary(three: Vocabulary) -> None:
    clip = CLIPS["up"][3]
    flat = Skeleton(clip.xyz[..., :2], clip.score, clip.layout, clip.fps, "m", id="flat")
    with pytest.raises(LayoutError, match="no depth"):
        three.recognise_clip(flat)
    with pytest.raises(LayoutError, match="no whole hand"):
        three.recognise_clip(clip.converted("pose33"))
    hand = clip.xyz[:, :, 54:75]
    with pytest.raises(LayoutError, match="hands alone"):
        three.recognise_clip(Skeleton(hand, None, "hand21", clip.fps, id="hand"))
    legs = clip.converted("urfd13")
    lost = legs.with_(score=legs.score * 0)
    with pytest.raises(DataError, match="a wrist or hand is seen on 0 of"):
        three.recognise_clip(lost)


def test_recordings_without_a_gesture_are_no_examples() -> None:
    clip = CLIPS["up"][0]
    with pytest.raises(DataError, match="0 people"):
        make_example(Skeleton(clip.xyz[:0], clip.score[:0], clip.layout, 10))
    with pytest.raises(DataError, match="2 frames"):
        make_example(Skeleton(clip.xyz[:, :2], clip.score[:, :2], clip.layout, 10))
    with pytest.raises(DataError, match=r"takes \d+\.\d s, and a gesture at most 8"):
        make_example(Skeleton(clip.xyz, clip.score, clip.layout, 1.0))


def test_of_two_people_the_one_whose_hands_move_is_taken() -> None:
    clip = CLIPS["wave"][0]
    still = np.repeat(clip.xyz[:, :1], clip.n_frames, 1) + np.array([1, 0, 0], np.float32)
    both = Skeleton(
        np.concatenate([still, clip.xyz]), np.concatenate([clip.score, clip.score]), clip.layout, clip.fps
    )
    assert np.allclose(make_example(both).xyz, make_example(clip).xyz, atol=1e-5)
    assert not np.allclose(make_example(both, 0).xyz, make_example(clip).xyz, atol=1e-2)


def test_rests_before_and_after_are_cut_off() -> None:
    xyz, present, _ = to_gesture_form(CLIPS["out"][0])
    before = np.repeat(xyz[:1], 20, 0)
    after = np.repeat(xyz[-1:], 30, 0)
    whole = np.concatenate([before, xyz, after])
    there = np.concatenate([present[:1].repeat(20, 0), present, present[-1:].repeat(30, 0)])
    t = np.arange(len(whole)) / 16
    start, end = active_part(whole, there, t)
    assert (
        20 / 16 - 0.3 < start < 20 / 16 + 0.8
        and (20 + len(xyz)) / 16 - 0.9 < end < (20 + len(xyz)) / 16 + 0.3
    )
    still = np.repeat(xyz[:1], 30, 0)
    assert active_part(still, there[:30], t[:30]) == pytest.approx((0, t[29]))


def test_hands_swapped_by_the_estimator_are_put_right() -> None:
    clip = CLIPS["wave"][0]
    right = make_example(clip)
    xyz, score = clip.xyz.copy(), clip.score.copy()
    index = clip.layout.index
    left = slice(index["left_hand_wrist"], index["left_hand_wrist"] + 21)
    other = slice(index["right_hand_wrist"], index["right_hand_wrist"] + 21)
    xyz[:, :, left], xyz[:, :, other] = clip.xyz[:, :, other], clip.xyz[:, :, left]
    assert not np.array_equal(xyz, clip.xyz)
    swapped = make_example(Skeleton(xyz, score, clip.layout, clip.fps))
    assert np.allclose(swapped.xyz, right.xyz, atol=1e-5)
    score[:, :, left] = 0  # one hand alone, under the wrong name
    lone = make_example(Skeleton(xyz, score, clip.layout, clip.fps))
    assert lone.present[:, LEFT_HAND].mean() > 0.9 and not lone.present[:, RIGHT_HAND].any()
    assert J["left_wrist"] < LEFT_HAND
