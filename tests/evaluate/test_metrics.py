"""Metrics against hand-computed values and torchmetrics."""

import json

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.evaluate.metrics import (
    average_precision,
    classification_metrics,
    combine_clips,
    hit_metrics,
    top_k_accuracy,
    wilson_interval,
)


def test_golden_values_computed_by_hand():
    scores = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.6, 0.3, 0.1]])
    labels = np.array([0, 0, 1, 2, 2])
    r = classification_metrics(scores, labels, ["a", "b", "c"])
    assert r.n == 5 and r.k == 3
    assert r.confusion.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    assert r.top1 == pytest.approx(3 / 5)
    assert r.top5 == 1.0
    assert r.mean_class_accuracy == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
    assert r.macro_precision == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    assert r.macro_f1 == pytest.approx((1 / 2 + 2 / 3 + 2 / 3) / 3)
    assert r.weighted_precision == pytest.approx((2 * 0.5 + 1 * 0.5 + 2 * 1) / 5)
    assert r.weighted_f1 == pytest.approx((2 * 0.5 + 2 / 3 + 2 * 2 / 3) / 5)
    # a: ranks .7+ .6- .4+ -> (1 + 2/3)/2; b: .8+ first -> 1; c: .4+, then a tie of four with one positive
    assert [c.average_precision for c in r.per_class] == pytest.approx([5 / 6, 1.0, (1 + 2 / 5) / 2])
    assert [c.support for c in r.per_class] == [2, 1, 2] and [c.predicted for c in r.per_class] == [2, 2, 1]
    assert json.loads(json.dumps(r.to_dict()))["top1"] == pytest.approx(0.6)


def test_average_precision_ignores_the_order_of_ties():
    score = np.array([0.5, 0.5, 0.5, 0.1])
    for positive in ([1, 0, 0, 1], [0, 0, 1, 1]):
        assert average_precision(score, np.array(positive)) == pytest.approx(0.5 * 1 / 3 + 0.5 * 2 / 4)
    assert np.isnan(average_precision(score, np.zeros(4, int)))


@pytest.mark.parametrize("n_classes", [2, 4, 10])
def test_agrees_with_torchmetrics(n_classes):
    torch = pytest.importorskip("torch")
    import torchmetrics.functional.classification as tm

    rng = np.random.default_rng(n_classes)
    labels = rng.integers(n_classes, size=200)
    labels[:n_classes] = np.arange(n_classes)
    logits = rng.normal(size=(200, n_classes)) + 1.5 * np.eye(n_classes)[labels]
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    r = classification_metrics(p, labels)
    tp, tl = torch.tensor(p), torch.tensor(labels)
    for average in ("macro", "weighted"):
        for name, function in (
            ("precision", tm.multiclass_precision),
            ("recall", tm.multiclass_recall),
            ("f1", tm.multiclass_f1_score),
        ):
            expected = float(function(tp, tl, n_classes, average=average))
            assert getattr(r, f"{average}_{name}") == pytest.approx(expected, abs=1e-6), name
    assert r.top1 == pytest.approx(float(tm.multiclass_accuracy(tp, tl, n_classes, average="micro")))
    assert r.mean_class_accuracy == pytest.approx(float(tm.multiclass_accuracy(tp, tl, n_classes)), abs=1e-6)
    k = min(5, n_classes)
    assert r.top5 == pytest.approx(float(tm.multiclass_accuracy(tp, tl, n_classes, average="micro", top_k=k)))
    assert r.mean_average_precision == pytest.approx(
        float(tm.multiclass_average_precision(tp, tl, n_classes)), abs=1e-5
    )
    assert np.array_equal(r.confusion, tm.multiclass_confusion_matrix(tp, tl, n_classes).numpy())


def test_classes_without_samples_do_not_count_in_the_means():
    scores = np.eye(4)[[0, 1, 1]] + 0.01
    r = classification_metrics(scores, np.array([0, 1, 0]))
    assert r.mean_class_accuracy == pytest.approx((0.5 + 1) / 2)
    assert r.macro_precision == pytest.approx((1 + 0.5) / 2)
    assert np.isnan(r.per_class[3].recall) and r.to_dict()["per_class"][3]["recall"] is None


def test_top_k_breaks_ties_like_argmax():
    scores = np.zeros((3, 6))
    labels = np.array([0, 4, 5])
    assert top_k_accuracy(scores, labels, 1) == pytest.approx(1 / 3)
    assert top_k_accuracy(scores, labels, 5) == pytest.approx(2 / 3)


def test_combine_clips_is_the_mean_of_softmax():
    logits = np.log(np.array([[[0.9, 0.1], [0.2, 0.8]]]))
    assert combine_clips(logits) == pytest.approx(np.array([[0.55, 0.45]]))
    assert combine_clips(logits + 1000) == pytest.approx(np.array([[0.55, 0.45]]))
    assert combine_clips(logits[:, :, :1]).tolist() == [[1.0]]  # one class


def test_intervals():
    low, high = wilson_interval(8, 10)
    assert (low, high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson_interval(0, 10)[0] == 0 and wilson_interval(10, 10)[1] == pytest.approx(1)


@pytest.mark.parametrize(
    ("scores", "labels", "word"),
    [
        (np.zeros((0, 3)), np.zeros(0, int), "no samples"),
        (np.array([[np.nan, 1.0]]), np.array([0]), "not finite"),
        (np.array([[np.inf, 1.0]]), np.array([0]), "not finite"),
        (np.zeros((2, 3)), np.array([0, 3]), "outside 0..2"),
        (np.zeros((2, 3)), np.array([0, -1]), "outside 0..2"),
        (np.zeros((2, 3)), np.array([0.5, 1]), "whole numbers"),
        (np.zeros((2, 3)), np.array([0]), "2 labels"),
        (np.zeros(3), np.array([0]), "samples, classes"),
    ],
)
def test_bad_input_is_refused(scores, labels, word):
    with pytest.raises(DataError, match=word):
        classification_metrics(scores, labels)


def test_wrong_number_of_names_and_clips():
    with pytest.raises(DataError, match="3 classes but 2"):
        classification_metrics(np.zeros((1, 3)), np.array([0]), ["a", "b"])
    with pytest.raises(DataError, match="samples, clips, classes"):
        combine_clips(np.zeros((2, 3)))
    with pytest.raises(DataError, match="not finite"):
        combine_clips(np.full((1, 1, 2), np.nan))


def test_hits_of_clips_and_of_videos() -> None:
    """Two videos of two samples with two crops each, by hand."""
    sure, wrong = (
        np.log([0.7, 0.1, 0.1, 0.1 / 3, 0.1 / 3, 0.1 / 3]),
        np.log([0.06, 0.06, 0.06, 0.06, 0.06, 0.7]),
    )
    weak = np.log([0.02, 0.25, 0.25, 0.2, 0.14, 0.14])  # of class 0 the sixth best
    logits = np.stack([np.stack([sure, sure, weak, weak]), np.stack([wrong, sure, wrong, wrong])])
    labels = np.array([0, 0])
    hits = hit_metrics(logits, labels, n_crops=2)
    # samples: sure, weak; (wrong + sure) / 2, where class 0 has 0.38 and class 5 has 0.37; wrong
    assert hits["clip_hit1"] == pytest.approx(2 / 4) and hits["video_hit1"] == pytest.approx(1 / 2)
    assert hits["clip_hit5"] == pytest.approx(3 / 4) and hits["video_hit5"] == 1.0
    alone = hit_metrics(logits, labels)
    assert alone["clip_hit1"] == pytest.approx(3 / 8) and alone["video_hit1"] == hits["video_hit1"]
    one = hit_metrics(logits[:, :1], labels)
    assert one["clip_hit1"] == one["video_hit1"] and one["clip_hit5"] == one["video_hit5"]
    assert set(hit_metrics(logits[..., :5], labels)) == {"clip_hit1", "video_hit1"}
    with pytest.raises(DataError, match="3 crops"):
        hit_metrics(logits, labels, n_crops=3)


def test_a_class_that_is_predicted_and_never_there_lowers_macro_figures() -> None:
    scores = np.eye(3)[
        [0, 0, 1, 2]
    ]  # class 2 is predicted once, and no sample is of it; class 1 is never predicted wrong
    result = classification_metrics(scores, np.array([0, 0, 1, 1]))
    assert result.figures["macro_precision"] == pytest.approx((1 + 1 + 0) / 3)
    assert result.figures["mean_class_accuracy"] == pytest.approx((1 + 0.5) / 2)
