"""What a picture shows are the numbers it was given, each at its place and with its name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_hex, to_rgb

from skelact.datasets.synthetic import make_clip
from skelact.evaluate import fusion_plot, paired_plots, plots
from skelact.evaluate.calibration import calibration_metrics
from skelact.evaluate.figures import _DPI
from skelact.evaluate.metrics import classification_metrics
from skelact.evaluate.palette import action_colours

NAMES = ["a", "b", "c"]
Draw = Callable[..., list[Axes]]


@pytest.fixture
def draw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Draw:
    """Calls a plotting function and gives the axes that it drew on."""
    seen: list[Axes] = []
    real = plots.draw_figure

    @contextmanager
    def spy(*values, **named):
        with real(*values, **named) as (figure, axes):
            yield figure, axes
            seen.extend(axes.flat)

    for module in (plots, paired_plots, fusion_plot):
        monkeypatch.setattr(module, "draw_figure", spy)

    def call(function: Callable, *values, **named) -> list[Axes]:
        path = tmp_path / "a.png"
        assert function(*values, path, **named) == path and path.is_file()
        return seen

    return call


def lines(ax: Axes) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(line.get_label()): (np.asarray(line.get_xdata()).tolist(), np.asarray(line.get_ydata()).tolist())
        for line in ax.lines
    }


def scores() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    return rng.normal(size=(100, 3)) + 1.2 * np.eye(3)[labels], labels


def test_curves(draw: Draw) -> None:
    history = [
        {"epoch": 1, "train_loss": 2.0, "lr": 0.1, "val_top1": 0.2, "seconds": 5.0, "note": "x"},
        {"epoch": 2, "train_loss": 1.5, "lr": 0.2, "seconds": 9.0},
        {"epoch": 3, "train_loss": 1.0, "lr": 0.1, "val_top1": 0.6, "val_loss": 3.0, "seconds": 12.0},
    ]
    loss, share, rate = draw(plots.plot_curves, history)
    assert lines(loss) == {"train_loss": ([1, 2, 3], [2.0, 1.5, 1.0]), "val_loss": ([3], [3.0])}
    assert lines(share) == {"val_top1": ([1, 3], [0.2, 0.6])}
    assert lines(rate) == {"lr": ([1, 2, 3], [0.1, 0.2, 0.1])}
    assert [line.get_linestyle() for line in loss.lines] == ["--", "-"]
    assert share.get_ylim() == (-0.02, 1.02) and loss.get_ylim()[1] > 2
    assert [ax.get_xlabel() for ax in (loss, share, rate)] == ["epoch"] * 3


def test_confusion(draw: Draw) -> None:
    ax = draw(plots.plot_confusion, np.array([[6, 2, 0], [0, 5, 0], [0, 0, 0]]), NAMES)[0]
    shown = np.asarray(ax.images[0].get_array())
    assert np.allclose(shown, [[0.75, 0.25, 0], [0, 1, 0], [0, 0, 0]])
    words = {(t.get_position(), t.get_text()) for t in ax.texts}
    assert words == {((0, 0), "75"), ((1, 0), "25"), ((1, 1), "100")}
    assert (
        [t.get_text() for t in ax.get_yticklabels()] == [t.get_text() for t in ax.get_xticklabels()] == NAMES
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")


def test_reliability(draw: Draw) -> None:
    logits, labels = scores()
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    result = calibration_metrics(p, labels)
    ax, risk = draw(plots.plot_reliability, result)
    there = result.bin_count > 0
    middle = (result.bin_edges[1:] + result.bin_edges[:-1]) / 2
    right, often = ax.containers
    for bars, centres, heights in (
        (right, middle[there], result.bin_accuracy[there]),
        (often, middle, -0.13 * result.bin_count / result.bin_count.max()),
    ):
        assert np.allclose([bar.get_x() + bar.get_width() / 2 for bar in bars], centres)
        assert np.allclose([bar.get_height() for bar in bars], heights)
    drawn = lines(ax)
    assert drawn["perfectly calibrated"] == ([0, 1], [0, 1])
    assert drawn["mean confidence"] == (
        result.bin_confidence[there].tolist(),
        result.bin_accuracy[there].tolist(),
    )
    assert next(iter(lines(risk).values())) == (result.coverage.tolist(), result.risk.tolist())
    titles = [axes.get_title(loc="left") for axes in (ax, risk)]
    assert f"{100 * result.ece:.1f} %" in titles[0] and f"{result.aurc:.3f}" in titles[1]


def test_each_class(draw: Draw) -> None:
    result = classification_metrics(*scores(), NAMES)
    ax = draw(plots.plot_per_class, result)[0]
    best_last = sorted(result.per_class, key=lambda c: c.recall)
    assert [bar.get_width() for bar in ax.containers[0]] == [c.recall for c in best_last]
    assert lines(ax) == {"precision": ([c.precision for c in best_last], [0, 1, 2])}
    assert [t.get_text() for t in ax.get_yticklabels()] == [f"{c.name}  ({c.support})" for c in best_last]


def test_timeline(draw: Draw) -> None:
    segments = [
        {"start": 0.0, "end": 2.0, "label": "walk", "person": 7, "score": 0.5},
        {"start": 2.0, "end": 6.0, "label": "fall", "person": 7},
        {"start": 1.0, "end": 4.0, "label": "walk", "person": 2, "score": 1.0},
    ]
    ax = draw(plots.plot_timeline, segments, 8.0)[0]
    bars = [bars[0] for bars in ax.containers]
    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(0, 2), (2, 4), (1, 3)]
    assert [round(bar.get_y() + bar.get_height() / 2) for bar in bars] == [1, 1, 0]
    assert bars[0].get_facecolor()[:3] == bars[2].get_facecolor()[:3] != bars[1].get_facecolor()[:3]
    assert [bar.get_alpha() for bar in bars] == [pytest.approx(0.75), 1.0, 1.0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["person 2", "person 7"]
    assert [t.get_text() for t in ax.texts] == ["walk", "fall", "walk"] and ax.get_xlim() == (0, 8)
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first person above


def test_an_action_has_one_colour_in_all_pictures_of_a_report(draw: Draw) -> None:
    classes = ["b", "z", "a", "q"]
    colours = action_colours(classes, classes)
    segment = {"start": 0.0, "end": 2.0, "label": "a"}
    ax = draw(plots.plot_timeline, [segment], 2.0, names=classes)[0]
    assert ax.containers[0][0].get_facecolor()[:3] == to_rgb(colours["a"])
    p = np.array([[0.1, 0.2, 0.4, 0.3]])
    ax = draw(lambda path: plots.plot_probabilities_over_time(np.array([1.0]), p, classes, path, n_shown=2))[
        -1
    ]
    assert {str(line.get_label()): line.get_color() for line in ax.lines} == {
        n: colours[n] for n in ("a", "q")
    }


def test_probabilities_over_time(draw: Draw) -> None:
    p = np.array([[0.5, 0.1, 0.4], [0.2, 0.1, 0.7], [0.1, 0.15, 0.75]])
    ax = draw(
        lambda path: plots.plot_probabilities_over_time(np.array([1.0, 2, 3]), p, NAMES, path, n_shown=2)
    )[0]
    assert lines(ax) == {"c": ([1, 2, 3], [0.4, 0.7, 0.75]), "a": ([1, 2, 3], [0.5, 0.2, 0.1])}
    rest = ax.collections[0].get_paths()[0].vertices
    assert {round(float(y), 6) for _, y in rest} == {0.0, 0.1, 0.15} and ax.get_xlim() == (1, 3)


@pytest.mark.parametrize(("n", "marker"), [(24, "o"), (25, "None")])
def test_a_few_epochs_are_marked_and_whole(draw: Draw, n: int, marker: str) -> None:
    ax = draw(plots.plot_curves, [{"epoch": i + 1, "loss": 1.0 / (i + 1)} for i in range(n)])[0]
    assert ax.lines[0].get_marker() == marker
    assert all(tick == int(tick) for tick in ax.xaxis.get_major_locator().tick_values(1, 3))


def poses(ax: Axes) -> list[tuple[LineCollection, PathCollection]]:
    """Bones and joints of each pose of a strip, in the order they were drawn."""
    bones, joints = ax.collections[::2], ax.collections[1::2]
    return [(b, j) for b, j in zip(bones, joints, strict=True)]  # type: ignore[misc]


def test_strip(draw: Draw) -> None:
    clip = make_clip("wave", subject=1, noise=None)
    (ax,) = draw(plots.plot_skeleton_strip, clip, n=3)
    last = clip.n_frames - 1
    moments = (0, round(last / 2), last)
    assert [text.get_text() for text in ax.texts] == [f"{t / clip.fps:.1f} s" for t in moments]
    assert not ax.axison and ax.get_aspect() == 1
    for (bones, joints), t, text in zip(poses(ax), moments, ax.texts, strict=True):
        segments = np.array(bones.get_segments())
        assert len(segments) == len(clip.layout.bones)
        lengths = np.linalg.norm(segments[:, 0] - segments[:, 1], axis=-1)
        child, parent = np.array(clip.layout.bones).T
        real = np.linalg.norm(clip.xyz[0, t, child, :2] - clip.xyz[0, t, parent, :2], axis=1)
        assert np.corrcoef(lengths, real)[0, 1] > 0.9
        across = np.asarray(joints.get_offsets())[:, 0]
        assert text.get_position()[0] == pytest.approx((across.min() + across.max()) / 2)


def test_joints_of_a_strip_are_inside_and_in_the_colours_of_their_side(draw: Draw) -> None:
    clip = make_clip("wave", subject=1, noise=None)
    score = clip.score.copy()
    hidden = clip.layout.index["left_knee"]
    score[:, 0, hidden] = 0
    (ax,) = draw(plots.plot_skeleton_strip, clip.with_(score=score), n=2)
    (bones, sure), (all_bones, all_sure) = poses(ax)
    assert [len(np.asarray(c.get_offsets())) for c in (sure, all_sure)] == [24, 25]
    assert len(bones.get_segments()) == len(all_bones.get_segments()) - 2  # the bones that end at the knee
    points = np.asarray(all_sure.get_offsets())
    for axis, limits in enumerate((ax.get_xlim(), ax.get_ylim())):
        assert limits[0] < points[:, axis].min() and points[:, axis].max() < limits[1]
    assert np.asarray(sure.get_offsets())[:, 0].max() < points[:, 0].min()  # side by side
    shown = [tuple(colour[:3]) for colour in np.asarray(all_sure.get_facecolors())]
    for side, colour in (("left_", plots.LEFT), ("right_", plots.RIGHT)):
        of_side = {shown[v] for v, j in enumerate(clip.layout.joints) if j.startswith(side)}
        assert len(of_side) == 1 and of_side.pop() == pytest.approx(to_rgb(colour))
    knees = [i for i, (v, _) in enumerate(clip.layout.bones) if clip.layout.joints[v].endswith("_knee")]
    drawn = [to_hex(c) for c in np.asarray(all_bones.get_colors())[knees]]
    assert sorted(drawn) == sorted([plots.LEFT.lower(), plots.RIGHT.lower()])


def test_a_pose_of_a_strip_is_cut_at_the_edge_of_its_place(draw: Draw) -> None:
    clip = make_clip("wave", subject=1, noise=None)
    far = clip.xyz.copy()
    far[0, 0, 0, 0] += 30  # one wild joint
    (ax,) = draw(plots.plot_skeleton_strip, clip.with_(xyz=far), n=2)
    boxes = [part.get_clip_box().extents for part in ax.collections]  # x0, y0, x1, y1
    assert all(np.allclose(bones, joints) for bones, joints in zip(boxes[::2], boxes[1::2], strict=True))
    assert boxes[0][2] == pytest.approx(boxes[2][0])


def test_a_confusion_matrix_makes_room_for_long_names(draw: Draw) -> None:
    sizes = []
    for names in (NAMES, ["a class with quite a long name", "b", "c"]):
        ax = draw(plots.plot_confusion, np.eye(3), names)[-1]
        assert ax.figure is not None
        sizes.append(ax.figure.get_size_inches()[0])  # type: ignore[union-attr]
    assert sizes[1] > sizes[0] + 1


def test_the_scale_of_a_confusion_matrix_is_in_per_cent(draw: Draw) -> None:
    ax = draw(plots.plot_confusion, np.eye(3), NAMES)[0]
    assert ax.figure is not None
    assert [t.get_text() for t in ax.figure.axes[1].get_yticklabels()] == ["0 %", "50 %", "100 %"]


def lanes(ax: Axes) -> None:
    """Bars lie side by side on white, each whole; lines tell the place along them."""
    assert not any(line.get_visible() for line in ax.get_ygridlines())
    assert all(line.get_visible() for line in ax.get_xgridlines())
    low, high = sorted(ax.get_ylim())
    for bar in (bar for bars in ax.containers for bar in bars):
        assert low < bar.get_y() and bar.get_y() + bar.get_height() < high
        assert bar.get_x() >= 0 and bar.get_x() + bar.get_width() <= ax.get_xlim()[1]


def test_lanes_of_a_timeline(draw: Draw) -> None:
    segments = [{"start": 0.0, "end": 2.0, "label": "walk", "person": k} for k in range(3)]
    lanes(draw(plots.plot_timeline, segments, 2.0)[0])


def test_bars_of_classes(draw: Draw) -> None:
    labels, guesses = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0])  # every share is a half
    ax = draw(plots.plot_per_class, classification_metrics(np.eye(2)[guesses], labels, ["a", "b"]))[0]
    lanes(ax)
    assert ax.get_xlim()[0] == 0 and 1 < ax.get_xlim()[1] < 1.1  # the whole of 0..1, and a dot at 1
    recall, precision = ax.containers[0][0].get_facecolor(), ax.lines[0].get_color()
    assert to_hex(recall) == plots.PALETTE[5].lower() and precision == plots.PALETTE[1]


def test_networks_and_their_fusion(draw: Draw) -> None:
    ax = draw(lambda path: fusion_plot.plot_members(["one", "fused"], [0.5, 0.75], [0.4, 0.625], path))[0]
    lanes(ax)
    right, sure = ax.containers
    assert [bar.get_width() for bar in right] == [50, 75] and [bar.get_width() for bar in sure] == [40, 62.5]
    assert [t.get_text() for t in ax.texts] == ["50.0 %", "75.0 %", "40.0 %", "62.5 %"]
    assert [(t.get_text(), t.get_position()[1]) for t in ax.get_yticklabels()] == [("one", 1), ("fused", 0)]
    assert right[0].get_y() > sure[0].get_y() > right[1].get_y()  # the first network above


@pytest.mark.parametrize(("seconds", "words"), [(6.1, ["sit up"]), (5.9, [])])
def test_a_label_is_written_where_it_fits(draw: Draw, seconds: float, words: list[str]) -> None:
    segment = {"start": 0.0, "end": seconds, "label": "sit up"}  # six letters; 88 fit the whole
    ax = draw(plots.plot_timeline, [segment], 88.0)[0]
    assert [t.get_text() for t in ax.texts] == words


@pytest.mark.parametrize("name", ["sit", "pick up a thing", "a rather long name of an action"])
def test_the_legend_of_a_timeline_fits_below_it(draw: Draw, name: str) -> None:
    segments = [{"start": 0, "end": 1, "label": f"{i} {name}"} for i in range(14)]
    ax = draw(plots.plot_timeline, segments, 1.0)[0]
    assert ax.figure is not None
    (legend,) = ax.figure.legends
    box = legend.get_window_extent()  # in dots of the file
    assert box.x0 >= 0 and box.x1 <= 9.5 * _DPI and box.y1 <= ax.get_window_extent().y0


def test_the_first_person_of_a_strip_is_in_front(draw: Draw) -> None:
    clip = make_clip("push", subject=1, noise=None)
    ax = draw(plots.plot_skeleton_strip, clip, n=1)[0]
    assert [bones.get_alpha() for bones, _ in poses(ax)] == [1.0, 0.6]


def test_histories_of_runs(draw: Draw) -> None:
    record = {"train_loss": 2.0, "val_loss": 3.0}
    loss = draw(paired_plots.plot_histories, {"one": [record] * 3, "other": [record | {"epoch": 5}] * 2})[0]
    assert [np.asarray(line.get_xdata()).tolist() for line in loss.lines] == [[1, 2, 3]] * 2 + [[5, 5]] * 2
    assert [line.get_linestyle() for line in loss.lines] == ["--", "-"] * 2
    assert loss.figure is not None
    (legend,) = loss.figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["one", "other", "training", "validation"]
    assert legend.get_window_extent().y1 <= loss.get_window_extent().y0  # below the curves
