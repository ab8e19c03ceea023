"""k-means: the centres of clusters, from a spread start."""

from __future__ import annotations

import numpy as np
import pytest

from skelact.errors import DataError
from skelact.nn.kmeans import fit_codebook


def test_the_centres_of_clusters_are_found() -> None:
    rng = np.random.default_rng(0)
    centres = rng.uniform(-9, 9, (6, 3))
    made = np.repeat(centres, 30, 0) + 0.01 * rng.normal(size=(180, 3))
    found = fit_codebook(made, 6)
    gaps = np.linalg.norm(found[:, None] - centres, axis=-1)
    assert sorted(gaps.argmin(1).tolist()) == list(range(6)) and gaps.min(1).max() < 0.01
    assert np.array_equal(found, fit_codebook(made, 6)) and not np.array_equal(
        found, fit_codebook(made, 6, 1)
    )
    start = fit_codebook(made, 5, rounds=1)
    assert (
        np.square(made[:, None] - start).sum(-1).min(1).sum()
        >= np.square(made[:, None] - fit_codebook(made, 5)).sum(-1).min(1).sum()
    )


def test_more_words_than_descriptors_are_refused() -> None:
    with pytest.raises(DataError, match="codebook of 9 words needs as many descriptors, got 3"):
        fit_codebook(np.zeros((3, 2)), 9)
