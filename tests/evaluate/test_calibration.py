"""Calibration: hand-computed values and properties."""

import json

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.evaluate.calibration import (
    calibration_metrics,
    reliability_table,
    risk_at_coverage,
    risk_coverage,
)
from skelact.evaluate.metrics import softmax


def test_golden_values_computed_by_hand():
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.3, 0.7], [0.4, 0.6]])
    y = np.array([0, 1, 1, 1])
    r = calibration_metrics(p, y, n_bins=10)
    # bins: (.8, .9] holds two at accuracy .5; (.6, .7] and (.5, .6] one right each
    assert r.ece == pytest.approx((2 * 0.4 + 0.3 + 0.4) / 4)
    assert r.brier == pytest.approx((0.02 + 1.62 + 0.18 + 0.32) / 4)
    assert r.nll == pytest.approx(-np.log([0.9, 0.1, 0.7, 0.6]).mean())
    assert r.bin_count.sum() == 4
    # by confidence: .9 (two, half wrong), .7, .6
    assert r.risk == pytest.approx([0.5, 0.5, 1 / 3, 1 / 4])
    assert r.aurc == pytest.approx(np.mean([0.5, 0.5, 1 / 3, 1 / 4]))
    assert risk_at_coverage(r.coverage, r.risk, 0.75) == pytest.approx(1 / 3)
    assert json.loads(json.dumps(r.to_dict()))["bin_accuracy"][0] is None


def test_ece_agrees_with_torchmetrics():
    torch = pytest.importorskip("torch")
    from torchmetrics.functional.classification import multiclass_calibration_error

    rng = np.random.default_rng(0)
    p = softmax(2 * rng.normal(size=(500, 6)))
    y = rng.integers(6, size=500)
    expected = float(multiclass_calibration_error(torch.tensor(p), torch.tensor(y), 6, n_bins=15))
    assert calibration_metrics(p, y).ece == pytest.approx(expected, abs=1e-5)


def test_true_probabilities_are_calibrated_and_sharper_ones_are_not():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1.5, size=(20000, 4))
    p = softmax(logits)
    y = (rng.random((20000, 1)) > np.cumsum(p, 1)).sum(1)
    assert calibration_metrics(p, y).ece < 0.015
    sharp = softmax(3 * logits)
    assert (
        calibration_metrics(sharp, y).ece > 0.1
        and calibration_metrics(p, y).nll < calibration_metrics(sharp, y).nll
    )


def test_a_good_ranking_lowers_the_area_under_risk_coverage():
    correct = np.array([True] * 6 + [False] * 4)
    good = risk_coverage(np.linspace(1, 0.5, 10), correct)[2]
    bad = risk_coverage(np.linspace(0.5, 1, 10), correct)[2]
    flat = risk_coverage(np.full(10, 0.7), correct)[2]
    assert good < flat < bad and flat == pytest.approx(0.4)


def test_bins_take_both_ends():
    edges, count, _, _ = reliability_table(np.array([0.0, 0.5, 1.0]), np.array([True, True, True]), 2)
    assert count.tolist() == [2, 1] and edges.tolist() == [0, 0.5, 1]


def test_bad_input_is_refused():
    with pytest.raises(DataError, match="sum to 1"):
        calibration_metrics(np.array([[3.0, 1.0]]), np.array([0]))
    with pytest.raises(DataError, match="not finite"):
        calibration_metrics(np.array([[np.nan, 1.0]]), np.array([0]))


def test_bins_above_all_confidences_are_empty():
    edges, count, mean, accuracy = reliability_table(
        np.array([0.15, 0.15, 0.25]), np.array([True, False, True]), 10
    )
    assert len(edges) == 11 and count.tolist() == [0, 2, 1, 0, 0, 0, 0, 0, 0, 0]
    assert accuracy[1:3].tolist() == [0.5, 1.0] and mean[1:3] == pytest.approx([0.15, 0.25])
    assert np.isnan(np.delete(mean, [1, 2])).all() and np.isnan(np.delete(accuracy, [1, 2])).all()
