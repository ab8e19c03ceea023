"""Losses of language networks, by hand."""

from __future__ import annotations

import itertools

import pytest
import torch

from skelact.training.language.losses import ctc_loss, dice_loss, gloss_loss, word_loss


def test_ctc_is_the_probability_of_all_paths() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 4, 3)
    p = logits[0].softmax(-1)
    total = sum(
        float(torch.stack([p[t, k] for t, k in enumerate(path)]).prod())
        for path in itertools.product(range(3), repeat=4)
        if [k for t, k in enumerate(path) if k and (t == 0 or path[t - 1] != k)] == [1, 2]
    )
    loss = ctc_loss(logits, torch.ones(1, 4, dtype=torch.bool), [[1, 2]])
    assert float(loss) == pytest.approx(-float(torch.tensor(total).log()) / 2, rel=1e-5)  # per label


def test_ctc_leaves_padding_and_impossible_sentences_out() -> None:
    torch.manual_seed(0)
    logits, real = torch.randn(2, 5, 3), torch.tensor([[True] * 3 + [False] * 2, [True] * 5])
    other = logits.clone()
    other[0, 3:] += 5
    assert torch.equal(ctc_loss(logits, real, [[1], [2]]), ctc_loss(other, real, [[1], [2]]))
    loss = ctc_loss(logits, real, [[1, 1, 1], [2]])  # three equal labels need five frames
    assert loss.isfinite() and float(loss) == pytest.approx(float(ctc_loss(logits[1:], real[1:], [[2]])) / 2)


def test_the_gloss_of_frames_is_asked_for_without_the_blank() -> None:
    logits = torch.tensor([[[9.0, 1.0, 3.0], [0.0, 2.0, 2.0]]])
    loss = gloss_loss(logits, torch.tensor([[2, 0]]))
    assert float(loss) == pytest.approx(float(torch.tensor([1.0, 3.0]).log_softmax(0)[1].neg()))
    raised = logits.clone()
    raised[..., 0] += 7
    assert torch.equal(gloss_loss(raised, torch.tensor([[2, 0]])), loss)
    assert float(gloss_loss(logits, torch.tensor([[0, -1]]))) == 0


def test_words_beyond_the_end_cost_nothing() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 3, 5)
    words = torch.tensor([[2, 4, 0]])
    assert torch.equal(word_loss(logits, words, 0), word_loss(logits[:, :2], words[:, :2], 0))
    assert float(word_loss(logits, words, 0, 0.2)) != pytest.approx(float(word_loss(logits, words, 0)))


def test_dice_by_hand() -> None:
    logits = torch.zeros(1, 4, 2)  # probability 1/2 everywhere
    assert float(dice_loss(logits, torch.tensor([[1, 1, 0, -1]]))) == pytest.approx(
        1 - (2 * 1 + 1) / (1.5 + 2 + 1)
    )
    sure = torch.tensor([[[-9.0, 9], [9, -9]]])
    assert float(dice_loss(sure, torch.tensor([[1, 0]]))) == pytest.approx(0, abs=1e-4)
