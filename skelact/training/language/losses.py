"""Losses of language networks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def ctc_loss(logits: Tensor, real: Tensor, targets: list[list[int]]) -> Tensor:
    """Mean over sentences of CTC's loss per label (Graves et al., ICML 2006); the blank is 0.

    Sentences with more labels than frames, which no path can give, cost nothing.

    Args:
        logits: ``[N, T, K]``.
        real: ``[N, T]`` booleans, False beyond a recording's end.
        targets: labels of each sentence.
    """
    lengths = torch.tensor([len(t) for t in targets])
    flat = torch.tensor([k for t in targets for k in t], dtype=torch.int64)
    log_p = logits.float().log_softmax(-1).transpose(0, 1)
    return functional.ctc_loss(log_p, flat, real.sum(1).cpu(), lengths, blank=0, zero_infinity=True)


def gloss_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Mean cross-entropy of the gloss in frames that show one, given that the answer is no blank; 0 without any.

    It says which sign is shown and leaves to CTC when to answer: with the blank among the choices the two would
    contradict each other, because CTC answers in few frames.

    Args:
        logits: ``[N, T, K]``, the blank first.
        label: ``[N, T]``, 0 or below where no gloss is known.
    """
    shown = label > 0
    if not bool(shown.any()):
        return logits.sum() * 0
    return functional.cross_entropy(logits[..., 1:][shown].float(), label[shown] - 1)


def word_loss(logits: Tensor, words: Tensor, padding: int, smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy of the next word.

    Args:
        logits: ``[N, L, K]``.
        words: ``[N, L]``, ``padding`` beyond a sentence's end.
        padding: index that costs nothing.
        smoothing: share of the target that goes to all words evenly.
    """
    return functional.cross_entropy(
        logits.flatten(0, 1).float(), words.flatten(), ignore_index=padding, label_smoothing=smoothing
    )


def dice_loss(logits: Tensor, label: Tensor) -> Tensor:
    """One minus the soft Dice coefficient of class 1 against class 0 (Milletari et al., 3DV 2016).

    Args:
        logits: ``[N, T, 2]``.
        label: ``[N, T]``, -1: not labelled.
    """
    known = label >= 0
    p = logits.float().softmax(-1)[..., 1][known]
    y = (label[known] == 1).to(p.dtype)
    return 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
