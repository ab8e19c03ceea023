"""Stacked weights never see the fold that they are tested on; intervals draw whole groups."""

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.evaluate.cross_validation import fuse_out_of_fold, grouped_interval
from skelact.evaluate.fusion import fit_fusion_weights


def test_a_folds_weights_come_from_the_others() -> None:
    rng = np.random.default_rng(0)
    labels, fold = rng.integers(0, 3, 60), np.repeat([1, 2, 3], 20)
    good = 4 * np.eye(3)[labels] + rng.normal(0, 1, (60, 3))
    bad = rng.normal(0, 1, (60, 3))
    bad[fold == 2] = 9 * np.eye(3)[labels[fold == 2]]  # a stream that is right in one fold alone
    logits = np.stack([good, bad])
    fused, weights = fuse_out_of_fold(logits, labels, fold)
    for k in (1, 2, 3):
        expected = fit_fusion_weights(logits[:, fold != k], labels[fold != k])
        assert np.allclose(weights[k - 1], expected)
        scores = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        assert np.allclose(fused[fold == k], np.tensordot(expected, scores[:, fold == k], 1))
    assert weights[1, 1] / weights[1].sum() < weights[0, 1] / weights[0].sum()
    with pytest.raises(DataError, match="at least 2 folds"):
        fuse_out_of_fold(logits, labels, np.ones(60))


def test_clips_of_a_group_count_together() -> None:
    right = np.repeat([True, False], 50)
    alone = grouped_interval(right, range(100))
    assert alone[0] == pytest.approx(0.4, abs=0.03) and alone[1] == pytest.approx(0.6, abs=0.03)
    assert grouped_interval(right, np.repeat(["a", "b"], 50).tolist()) == (0.0, 1.0)
    assert grouped_interval(right, range(100)) == alone
    narrow = grouped_interval(right, range(100), share=0.5)
    assert alone[0] < narrow[0] < narrow[1] < alone[1]
