"""SVM fusion of streams' scores: better than each stream, and whole when one is missing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from skelact.errors import ConfigError, DataError
from skelact.evaluate.score_svm import fit_score_svm
from skelact.models.classical.linear_svm import fit_linear_svm
from skelact.nn.score_svm import ScoreSVM, score_features


def streams(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits of two streams over 4 classes: one tells classes 0, 1 from 2, 3, the other even from odd."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=n)
    first = np.where((labels // 2)[:, None] == np.arange(4) // 2, 2.0, 0.0)
    second = np.where((labels % 2)[:, None] == np.arange(4) % 2, 2.0, 0.0)
    return np.stack([first, second]) + rng.normal(size=(2, n, 4)), labels


def test_machines_of_all_subsets() -> None:
    logits, labels = streams(200, 0)
    fusion = fit_score_svm(logits, labels)
    assert fusion.subsets == [(0,), (1,), (0, 1)]
    other, truth = streams(400, 1)
    values = torch.from_numpy(other).float()
    zeros = torch.zeros_like(values[0])
    right = {}
    for name, given in {
        "both": values,
        "first": torch.stack([values[0], zeros]),
        "second": torch.stack([zeros, values[1]]),
    }.items():
        right[name] = float((fusion(given).argmax(-1).numpy() == truth).mean())
    assert right["both"] > right["first"] + 0.2 and right["both"] > right["second"] + 0.2
    alone = fit_score_svm(logits[:1], labels)
    assert torch.allclose(fusion(torch.stack([values[0], zeros])), alone(values[:1]), atol=1e-4)


def test_clips_may_lack_different_streams() -> None:
    logits, labels = streams(100, 2)
    fusion = fit_score_svm(logits, labels)
    values = torch.from_numpy(logits[:, :4]).float()
    values[0, 1] = 0
    values[1, 2] = float("nan")
    values[:, 3] = 0
    found = fusion(values)
    one = torch.zeros_like(values)
    one[1, 1], one[0, 2] = values[1, 1], values[0, 2]
    assert torch.allclose(found[:1], fusion(values[:, :1])) and found.isfinite().all()
    assert torch.allclose(found[1:3], fusion(one)[1:3]) and bool((found[3] == 0).all())
    views = fusion(values.view(2, 2, 2, 4))
    assert torch.equal(views.view(4, 4), found)


def test_the_features_and_the_answer_are_the_equations() -> None:
    logits, labels = streams(60, 3)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    plain = np.concatenate([q / np.sqrt((q**2).sum(-1, keepdims=True)) for q in p], 1)
    assert np.allclose(score_features(torch.from_numpy(logits)), plain)
    weight, bias = fit_linear_svm(plain, labels, 4)
    answer = (plain @ weight.T + bias).argmax(1)
    assert np.array_equal(fit_score_svm(logits, labels)(torch.from_numpy(logits).float()).argmax(1), answer)


def test_wrong_streams() -> None:
    with pytest.raises(ConfigError, match="7 streams"):
        ScoreSVM(7, 3)
    with pytest.raises(DataError, match="0 clips"):
        fit_score_svm(np.zeros((2, 5, 3)), np.zeros(5, np.int64))
