"""Words: the nearest, counted, learned."""

from __future__ import annotations

import pytest
import torch

from skelact.errors import ConfigError
from skelact.nn.codebook import Codebook


def rows(*angles: float) -> torch.Tensor:
    """Vectors of length 1."""
    at = torch.tensor(angles)
    return torch.stack([at.cos(), at.sin()], -1)


def test_the_nearest_words_are_counted_among_what_counts() -> None:
    book = Codebook(3, 2)
    book.words.copy_(rows(0.0, 1.0, 2.0) * torch.tensor([[1.0], [0.9], [1.1]]))  # centres are not of length 1
    x = torch.stack([rows(0.1, 0.9, 1.2, 2.5, 0.0), rows(2.0, 2.0, 2.0, 2.0, 2.0)])
    nearest = torch.cdist(x, book.words).argmin(-1)
    counts = torch.tensor([[1.0, 1, 1, 1, 0], [0, 0, 0, 0, 0]])
    found = book(x, counts)
    assert torch.equal(nearest[0], torch.tensor([0, 1, 1, 2, 0]))
    assert torch.allclose(found, torch.tensor([[0.25, 0.5, 0.25], [0, 0, 0]]))


def test_words_are_the_centres_of_what_counted() -> None:
    made = torch.Generator().manual_seed(0)
    around = torch.tensor([0.0, 1.5, 3.0]).repeat_interleave(40)
    x = rows(*(around + 0.05 * torch.randn(120, generator=made)).tolist())
    x = torch.cat([x, rows(*[4.5] * 30)])[None]
    counts = torch.tensor([[1.0] * 120 + [0.0] * 30])
    book = Codebook(3, 2)
    before = book.words.clone()
    book.begin_learning()
    book(x, counts)
    assert torch.equal(book.words, before)
    book.finish_learning()
    angles = torch.atan2(book.words[:, 1], book.words[:, 0]).sort().values
    assert torch.allclose(angles, torch.tensor([0.0, 1.5, 3.0]), atol=0.05)
    book.begin_learning(seed=1)
    book(x, counts)
    assert book.finish_learning(seed=1) is None and torch.isfinite(book.words).all()


def test_the_sample_is_a_function_of_the_seed_and_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skelact.nn.codebook.OF_A_CLIP", 20)
    x = torch.nn.functional.normalize(
        torch.rand(2, 90, 4, generator=torch.Generator().manual_seed(1)), dim=-1
    )
    found = []
    for seed in (0, 0, 3):
        book = Codebook(5, 4)
        book.begin_learning(seed)
        book(x, torch.ones(2, 90))
        assert book._seen is not None and [len(part) for part in book._seen] == [20, 20]
        book.finish_learning(seed)
        found.append(book.words.clone())
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_too_little_to_learn_from() -> None:
    book = Codebook(4, 2)
    book.begin_learning()
    book(rows(0.0, 1.0, 2.0)[None], torch.tensor([[1.0, 1, 0]]))
    with pytest.raises(
        ConfigError, match="4 words cannot be learned from 2 blocks that move; take fewer words"
    ):
        book.finish_learning()
    with pytest.raises(ConfigError, match="at least 1 word"):
        Codebook(0, 2)
