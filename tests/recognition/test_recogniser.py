"""Recognition: the trained network comes back as it was, input is made to fit or refused, windows and segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Normalise, Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import DataError, LayoutError
from skelact.layouts import LAYOUTS, conversion
from skelact.models import STGCNSettings
from skelact.recipes import default_recipe
from skelact.recognition import Recogniser, fit_input, join_windows, load_model
from skelact.recognition.checkpoint import Card, save_checkpoint
from skelact.recognition.engine import predict_logits
from skelact.settings import to_plain
from skelact.skeleton import Skeleton

SETTINGS = STGCNSettings(channels=(8, 8), stride_blocks=(1,))
PLAIN = Pipeline(Sampling(n_frames=8, crop=(1.0, 1.0)), Normalise(centre="none", scale="none"))
BODY = Pipeline(Sampling(n_frames=8))


def make_card(
    layout: str = "ntu25", dims: int = 3, unit: str = "m", pipeline: Pipeline = BODY, **more
) -> Card:
    return Card(
        LAYOUTS[layout].to_dict(), dims, unit, ["low", "high"], 10.0, to_plain(SETTINGS), to_plain(pipeline),
        clip_seconds=2.0, **more,
    )  # fmt: skip


def recording(
    layout: str = "ntu25", dims: int = 3, people: int = 1, frames: int = 20, fps: float = 10.0, **more
) -> Skeleton:
    xyz = np.random.default_rng(0).normal(size=(people, frames, len(LAYOUTS[layout]), dims))
    return Skeleton(xyz, None, layout, fps, **{"unit": "m", "id": "clip", **more})


def steps(values: Sequence[float], fps: float = 10.0, people: int = 1, **more) -> Skeleton:
    """A recording in which every joint's x is ``values``, one a second."""
    x = np.repeat(np.array(values, float), round(fps))
    xyz = np.tile(x[None, :, None, None], (people, 1, 25, 3))
    return Skeleton(xyz, None, "ntu25", fps, "m", id="steps", **more)


def make_recogniser(folder: Path, card: Card | None = None) -> Recogniser:
    torch.manual_seed(0)
    card = card or make_card(pipeline=PLAIN)
    pipeline = PLAIN if card.pipeline == to_plain(PLAIN) else BODY
    model = SETTINGS.build(card.skeleton_layout, 2, pipeline.channels(card.dims))
    save_checkpoint(folder / "best.safetensors", model.state_dict(), card)
    return Recogniser(folder)


@pytest.fixture
def by_height(tmp_path: Path) -> Recogniser:
    """A recogniser whose network says ``high`` where x is above 0, the surer the higher."""
    recogniser = make_recogniser(tmp_path)

    def network(x: torch.Tensor, owner: torch.Tensor, score: torch.Tensor, n_clips: int) -> torch.Tensor:
        mean = torch.zeros(n_clips).index_add(0, owner, x[..., 0].mean((1, 2)) * (score > 0).any((1, 2)))
        return torch.stack([-5 * mean, 5 * mean], 1)

    recogniser.ensemble.members[0].network = network  # type: ignore[assignment]
    return recogniser


def test_the_trained_network_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = SETTINGS.build("ntu25", 2, 3)
    data = SkeletonSet.from_skeletons([recording(people=1 + i % 2, id=str(i)) for i in range(6)])
    batch = BODY(data, torch.arange(6))
    torch.nn.init.normal_(model.head.weight)
    for _ in range(40):  # running statistics that are not those of a new network
        model(batch.x, batch.owner, batch.score)
    save_checkpoint(tmp_path / "best.safetensors", model.state_dict(), make_card())
    loaded, card, pipeline = load_model(tmp_path)
    expected = predict_logits(model, data, torch.arange(6), BODY)
    assert expected.std(0).min() > 0.01  # else any two networks would agree
    assert torch.equal(predict_logits(loaded, data, torch.arange(6), pipeline), expected)
    assert not loaded.training and card == make_card() and pipeline == BODY
    recogniser = Recogniser(tmp_path)
    folded = predict_logits(recogniser.ensemble.members[0].network, data, torch.arange(6), pipeline)
    assert torch.allclose(folded, expected, atol=1e-5)
    found = recogniser.recognise(recording(), mode="group")
    one = SkeletonSet.from_skeletons([recording()])
    probability = predict_logits(model, one, torch.arange(1), BODY)[0, 0].softmax(0)
    assert found.probabilities[0][0] == pytest.approx(probability.numpy(), abs=1e-5)


def test_layouts_are_converted_by_joint_name() -> None:
    skeleton = recording("pose33")
    fitted, notes = fit_input(skeleton, make_card(), BODY)
    assert fitted.layout.name == "ntu25" and "converted from pose33 to ntu25 by joint name" in notes[0]
    joint = LAYOUTS["ntu25"].joints.index("left_wrist"), LAYOUTS["pose33"].joints.index("left_wrist")
    assert np.array_equal(fitted.xyz[:, :, joint[0]], skeleton.xyz[:, :, joint[1]])
    for name in conversion("pose33", "ntu25").missing:
        assert name in notes[0] and (fitted.score[:, :, LAYOUTS["ntu25"].joints.index(name)] == 0).all()
    same, notes = fit_input(recording(), make_card(), BODY)
    assert same.equals(recording()) and notes == []


def test_layouts_that_are_too_different_are_refused() -> None:
    with pytest.raises(
        LayoutError, match=r"'clip' has layout 'natops8'.*trained on 'ntu25'.*of its 25 joints.*missing: "
    ):
        fit_input(recording("natops8"), make_card(), BODY)


def test_coordinates() -> None:
    with pytest.raises(
        DataError, match=r"2 coordinates per joint, the checkpoint needs 3.*--coordinates camera"
    ):
        fit_input(recording(dims=2), make_card(), BODY)
    fitted, notes = fit_input(recording(), make_card(dims=2), BODY)
    assert fitted.xyz.shape[3] == 2 and np.array_equal(fitted.xyz, recording().xyz[..., :2])
    assert notes == ["only the first 2 coordinates are used"]


def test_picture_fractions_become_pixels() -> None:
    info = {"width": 640, "height": 480}
    skeleton = recording(dims=2, unit="image", info=info)
    fitted, notes = fit_input(skeleton, make_card(dims=2, unit="px"), PLAIN)
    assert fitted.unit == "px" and np.allclose(fitted.xyz, skeleton.xyz * [640, 480]) and "pixels" in notes[0]
    deep = recording(unit="image", info=info)
    fitted, notes = fit_input(deep, make_card(unit="m"), BODY)
    assert np.allclose(fitted.xyz, deep.xyz * [640, 480, 640]) and "made comparable by body size" in notes[-1]
    with pytest.raises(DataError, match=r"fractions of the picture.*width and height are not known"):
        fit_input(recording(unit="image"), make_card(), BODY)
    same = fit_input(recording(unit="image"), make_card(unit="image"), PLAIN)
    assert same[1] == []


def test_units_that_cannot_be_compared() -> None:
    with pytest.raises(DataError, match=r"in 'px', the checkpoint was trained in 'm' without a scale"):
        fit_input(recording(unit="px"), make_card(), PLAIN)
    with pytest.raises(DataError, match=r"in 'm', the checkpoint was trained in 'image'"):
        fit_input(recording(), make_card(unit="image"), BODY)
    assert fit_input(recording(unit="px"), make_card(), BODY)[0].unit == "px"


def test_windows_and_borders(by_height: Recogniser) -> None:
    found = by_height.recognise(steps([-1] * 4 + [1] * 6), window=2.0, stride=0.5)
    times = found.times[0]
    assert (
        times[0] == pytest.approx(1.0)
        and np.allclose(np.diff(times), 0.5)
        and times[-1] == pytest.approx(9.0)
    )
    assert found.people == [-1] and found.probabilities[0].shape == (17, 2)
    assert np.allclose(found.probabilities[0].sum(1), 1)
    low, high = found.segments
    assert (low.label, high.label, low.start, high.end) == ("low", "high", 0.0, pytest.approx(10.0))
    assert low.end == high.start == pytest.approx(4.0, abs=0.26)  # half a stride
    assert 0.5 < low.score <= 1 and 0.9 < high.score <= 1


@pytest.mark.parametrize(("stride", "step"), [(None, 0.6), (0.3, 0.3), (0.8, 0.8), (2.4, 2.4)])
def test_windows_lie_a_stride_apart(by_height: Recogniser, stride: float | None, step: float) -> None:
    found = by_height.recognise(steps([1] * 12), window=2.4, stride=stride)
    times = found.times[0]
    assert times[0] == pytest.approx(1.2) and np.allclose(np.diff(times), step)
    assert len(times) == round((12 - 2.4) / step) + 1
    assert found.window == 2.4


def test_a_window_is_as_long_as_a_training_clip_unless_told(by_height: Recogniser) -> None:
    by_height.card.clip_seconds = 3.0
    skeleton = steps([1] * 12)
    assert by_height.recognise(skeleton).window == 3.0
    assert by_height.recognise(skeleton).times[0][0] == pytest.approx(1.5)
    assert np.allclose(np.diff(by_height.recognise(skeleton).times[0]), 0.75)
    assert by_height.recognise(skeleton, window=1.0).times[0][0] == pytest.approx(0.5)


@pytest.mark.parametrize("seconds", [3.1, 7.3, 9.9, 10.0])
def test_windows_cover_the_whole_recording(by_height: Recogniser, seconds: float) -> None:
    skeleton = steps([-1] * 11)
    n = round(seconds * 10)
    skeleton = skeleton.with_(xyz=skeleton.xyz[:, :n], score=skeleton.score[:, :n])
    found = by_height.recognise(skeleton, window=2.0, stride=0.75)
    assert found.segments[0].start == 0 and found.segments[-1].end == pytest.approx(seconds)
    assert (np.diff(found.times[0]) > 0).all() and (np.diff(found.times[0]) <= 0.7501).all()


def test_the_end_of_a_recording_counts(by_height: Recogniser) -> None:
    """What happens after the last whole stride is still seen."""
    found = by_height.recognise(steps([-1] * 5 + [9]), window=2.0, stride=1.5)
    assert found.segments[-1].label == "high" and found.segments[-1].end == pytest.approx(6.0)


def test_short_recordings_are_one_window(by_height: Recogniser) -> None:
    for values in ([1], [1] * 3):  # up to one and a half windows of 2 s
        found = by_height.recognise(steps(values))
        assert len(found.times[0]) == 1 and len(found.segments) == 1
        assert (found.segments[0].start, found.segments[0].end) == (0.0, pytest.approx(len(values)))
    assert len(by_height.recognise(steps([1] * 4)).times[0]) > 1
    one = recording(frames=1)
    assert by_height.recognise(one).segments[0].end == pytest.approx(0.1)


def test_frames_without_people_at_the_ends_are_left_out(by_height: Recogniser) -> None:
    skeleton = steps([1] * 6)
    score = skeleton.score.copy()
    score[:, :10] = score[:, 50:] = 0
    found = by_height.recognise(skeleton.with_(score=score), window=1.0)
    assert found.segments[0].start == pytest.approx(1.0) and found.segments[-1].end == pytest.approx(5.0)


def two_people() -> Skeleton:
    one, two = steps([1] * 6), steps([-1] * 6)
    return one.with_(
        xyz=np.concatenate([one.xyz, two.xyz]), score=np.concatenate([one.score, two.score]), track_ids=(7, 3)
    )


def test_people_alone_and_together(by_height: Recogniser) -> None:
    each = by_height.recognise(two_people(), mode="each")
    assert each.people == [7, 3] and [(s.person, s.label) for s in each.segments] == [(7, "high"), (3, "low")]
    assert each.at(7, 3.0) == ("high", pytest.approx(1.0, abs=1e-3)) and each.at(3, 3.0)[0] == "low"  # type: ignore[index]
    assert each.at(5, 3.0) is None
    group = by_height.recognise(two_people(), mode="group")
    assert group.people == [-1] and all(s.person == -1 for s in group.segments)
    assert group.at(7, 3.0) == group.at(3, 3.0)
    assert by_height.recognise(two_people()).mode == "each"  # trained on single people
    assert by_height.recognise(steps([1] * 3)).mode == "group"
    by_height.card.trained["people"] = 2
    assert by_height.recognise(two_people()).mode == "group"


def test_a_person_who_is_never_there_is_not_recognised(by_height: Recogniser) -> None:
    skeleton = two_people()
    score = skeleton.score.copy()
    score[0] = 0
    assert by_height.recognise(skeleton.with_(score=score), mode="each").people == [3]


def test_real_timestamps(by_height: Recogniser) -> None:
    times = 100 + np.arange(100) / 10
    found = by_height.recognise(steps([-1] * 5 + [1] * 5, time=times), window=1.0, stride=0.25)
    low, high = found.segments
    assert low.start == pytest.approx(100.0) and high.end == pytest.approx(110.0, abs=0.02)
    assert low.end == pytest.approx(105.0, abs=0.2)
    assert found.at(0, 101.0) and found.at(0, 99.9) is None and found.at(0, 111.0) is None


def test_uneven_timestamps(by_height: Recogniser) -> None:
    """A frame rate that halves in the middle: borders lie where they were in time, not in frames."""
    times = np.concatenate([np.arange(60) / 20, 3 + np.arange(60) / 10])  # 3 s, then 6 s
    x = np.where(times < 5, -1.0, 1.0)
    xyz = np.tile(x[None, :, None, None], (1, 1, 25, 3))
    found = by_height.recognise(Skeleton(xyz, None, "ntu25", 20.0, "m", time=times), window=1.0, stride=0.25)
    low, high = found.segments
    assert low.start == pytest.approx(0.0) and high.end == pytest.approx(9.0, abs=0.1)
    assert low.end == pytest.approx(5.0, abs=0.25)


def test_at_is_half_open(by_height: Recogniser) -> None:
    found = by_height.recognise(steps([-1] * 4 + [1] * 4), window=1.0, stride=0.25)
    border = found.segments[0].end
    assert found.at(0, border) == ("high", found.segments[1].score)
    assert found.at(0, border - 1e-6) == ("low", found.segments[0].score)
    assert found.at(0, 8.1) is None


@pytest.mark.parametrize("mode", ["auto", "each", "group"])
@pytest.mark.parametrize("people", [0, 1, 2])
def test_empty_recordings_are_refused(by_height: Recogniser, mode: str, people: int) -> None:
    skeleton = recording(people=people)
    skeleton = skeleton.with_(score=np.zeros_like(skeleton.score))
    with pytest.raises(DataError, match="'clip' shows nobody"):
        by_height.recognise(skeleton, mode=mode)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"mode": "all"}, "mode 'all' is not one of auto, each, group"),
        ({"window": 0.0}, "above 0 seconds"),
        ({"stride": -1.0}, "above 0 seconds"),
        ({"window": float("nan")}, "above 0 seconds"),
    ],
)
def test_options_out_of_range(by_height: Recogniser, options: dict, text: str) -> None:
    with pytest.raises(DataError, match=text):
        by_height.recognise(steps([1] * 3), **options)


def test_progress_and_batches_change_nothing(by_height: Recogniser) -> None:
    skeleton = steps([-1] * 4 + [1] * 6)
    seen: list[tuple[int, int]] = []
    count: Callable[[int, int, str], None] = lambda done, total, _: seen.append((done, total))  # noqa: E731
    one = by_height.recognise(skeleton, window=1.0, batch_size=3, progress=count)
    other = by_height.recognise(skeleton, window=1.0, batch_size=100)
    assert (
        one.segments == other.segments and seen[-1][0] == seen[-1][1] == len(one.times[0]) and len(seen) > 1
    )


def test_join_windows() -> None:
    p = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.6, 0.4]])
    found = join_windows(4, np.array([1.0, 2.0, 3.0, 4.0]), p, ["a", "b"], 2.0)
    assert [(s.label, s.start, s.end) for s in found] == [("a", 0.0, 2.5), ("b", 2.5, 3.5), ("a", 3.5, 5.0)]
    assert [s.score for s in found] == pytest.approx([0.8, 0.8, 0.6]) and {s.person for s in found} == {4}


# --- origin ---


def test_the_trajectory_is_asked_for_or_taken_out() -> None:
    about = recording(origin="hips")
    with pytest.raises(DataError, match=r"'clip' has origin 'hips'.*--coordinates camera.*--fov"):
        fit_input(about, make_card(), BODY)
    fitted, notes = fit_input(recording(), make_card(origin="hips"), BODY)
    hips = LAYOUTS["ntu25"].joints.index("mid_hip")
    assert fitted.origin == "hips" and not fitted.xyz[:, :, hips].any() and "own hips" in notes[0]
    assert np.allclose(fitted.xyz[0, 3, 5], recording().xyz[0, 3, 5] - recording().xyz[0, 3, hips])
    score = np.ones((1, 20, 25))
    score[0, 4, hips] = 0
    unseen, _ = fit_input(recording().with_(score=score), make_card(origin="hips"), BODY)
    assert not unseen.score[0, 4].any() and unseen.score[0, 5].all()


def test_older_cards_get_the_origin_that_they_had() -> None:
    assert make_card().origin == "camera" and make_card("pose33").origin == "hips"
    assert make_card("pose33", unit="image").origin == "camera"
    assert make_card("pose33", origin="camera").origin == "camera"


def test_distances_between_people_need_the_trajectory() -> None:
    data = SkeletonSet.from_skeletons(
        [recording(people=2, origin="hips"), recording(people=2, origin="hips")]
    )
    with pytest.raises(DataError, match=r"stream 'partner'.*origin 'hips'.*--coordinates camera"):
        Pipeline(streams=["joint", "partner"])(data, torch.arange(2))
    Pipeline(streams=["joint"])(data, torch.arange(2))
    assert "partner" not in default_recipe(data, torch.arange(2)).pipeline.streams
    data.origin = "camera"
    assert "partner" in default_recipe(data, torch.arange(2)).pipeline.streams
    Pipeline(streams=["joint", "partner"])(data, torch.arange(2))


def test_recordings_are_named_in_errors_where_they_have_a_name() -> None:
    for name, words in (
        ("walk 3", "recording 'walk 3' has 2 coordinates"),
        ("", "the recording has 2 coordinates"),
    ):
        with pytest.raises(DataError, match=words):
            fit_input(recording(dims=2, id=name), make_card(), BODY)


def test_units_are_made_comparable_with_a_word_for_3d_networks() -> None:
    _, notes = fit_input(recording(unit="px"), make_card(), BODY)
    assert len(notes) == 1 and "made comparable by body size" in notes[0]
    flat = recording(unit="px", dims=2)
    assert fit_input(flat, make_card(dims=2), BODY)[1] == []


def test_only_missing_joints_are_listed() -> None:
    layout = LAYOUTS["ntu25"]
    part = layout.subset(list(layout.joints[:20]), "part20")
    card = make_card()
    card.layout = part.to_dict()
    _, notes = fit_input(recording(), card, BODY)
    assert notes == ["converted from ntu25 to part20 by joint name"]
