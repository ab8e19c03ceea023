"""Which moments of a clip a network sees, and which part of the picture."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.datasets.clip_sampling import ClipSampling, follow_boxes, middle_box
from skelact.errors import ConfigError


@pytest.mark.parametrize("wrong", [{"kind": "sparse"}, {"n_frames": 0}, {"stride": 0.0}, {"segments": 0}])
def test_sampling_that_cannot_be(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        ClipSampling(**wrong)


def test_squares_follow_a_person_smoothly() -> None:
    t = np.arange(0, 2, 0.1)
    jitter = np.random.default_rng(0).normal(0, 3, len(t))
    boxes = np.stack([t, 100 + 50 * t + jitter, 40 + 0 * t, 120 + 50 * t + jitter, 100 + 0 * t], 1)
    squares = follow_boxes(boxes, np.linspace(0.5, 1.5, 40), margin=0.25, smooth=0.2)
    np.testing.assert_allclose(squares[:, 2] - squares[:, 0], squares[:, 3] - squares[:, 1])
    np.testing.assert_allclose(squares[:, 2] - squares[:, 0], 60 * 1.5)
    centre = squares[:, [0, 2]].mean(1)
    assert np.abs(centre - (110 + 50 * np.linspace(0.5, 1.5, 40))).max() < 3
    assert np.diff(centre, 2).std() < 0.2 * np.diff(jitter, 2).std() / 16
    np.testing.assert_allclose(squares[:, [1, 3]].mean(1), 70)
    far = follow_boxes(boxes, np.array([-5.0, 9.0]), 0.0, 0.1)
    np.testing.assert_allclose(far[0, [0, 2]].mean(), boxes[0, [1, 3]].mean())


def test_the_middle_has_the_shape_that_is_asked_for() -> None:
    assert middle_box(48, 64, (10, 10)) == (8, 0, 56, 48)
    assert middle_box(48, 64, (10, 40)) == (0, 16, 64, 32)
