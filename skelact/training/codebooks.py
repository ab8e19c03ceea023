"""Codebooks of a network's visual words, learned before its first step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from skelact.datasets.batch import SkeletonBatch
from skelact.nn.codebook import Codebook
from skelact.recognition.engine import call_model


@torch.no_grad()
def learn_codebooks(
    model: nn.Module, batches: Iterable[SkeletonBatch], seed: int, fabric: Any, check: Callable[[], None]
) -> bool:
    """Learn the words of all `Codebook` modules of a network from one pass.

    Nothing happens where it has none, or has words already, from the checkpoint that it starts with.

    Args:
        model: the network; it runs in evaluation mode.
        batches: of the training part; they are made only if they are needed.
        seed: of the sample and of k-means.
        fabric: of the training; all processes take the first one's words.
        check: called after each batch; may raise to stop.

    Returns:
        whether there were words to learn.

    Raises:
        ConfigError: if the clips show less than there are words.
    """
    books = [part for part in model.modules() if isinstance(part, Codebook) and not bool(part.learned)]
    if not books:
        return False
    was_training = model.training
    model.eval()
    for book in books:
        book.begin_learning(seed)
    for batch in batches:
        call_model(model, batch)
        check()
    for book in books:
        book.finish_learning(seed)
        book.words.copy_(fabric.broadcast(book.words, src=0))
    model.train(was_training)
    return True
