"""A network's logits for a batch, and for clips."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet


def call_model(model: Callable[..., Tensor], batch: SkeletonBatch) -> Tensor:
    """Logits ``[N, classes]`` of a batch."""
    return model(batch.x, batch.owner, batch.score, batch.n_clips)


@torch.no_grad()
def predict_logits(
    model: Callable[..., Tensor],
    data: SkeletonSet,
    clips: Tensor,
    pipeline: Pipeline,
    batch_size: int = 64,
    views: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
) -> Tensor:
    """Logits ``[N, views, classes]`` of clips, in evaluation mode, on the CPU.

    Args:
        model: a network, or its inference form.
        data: the set.
        clips: clip numbers ``[N]``.
        pipeline: as in training.
        batch_size: clips at once.
        views: samples per clip, spread over it.
        progress: called with (clips done, clips, what).
    """
    was_training = isinstance(model, nn.Module) and model.training
    device: torch.device | str = "cpu"
    dtype = torch.float32
    if isinstance(model, nn.Module):
        model.eval()
        weight = next(model.parameters())
        device, dtype = weight.device, torch.promote_types(weight.dtype, torch.float32)
    results = []
    for start in range(0, len(clips), batch_size):
        part = clips[start : start + batch_size]
        seen = []
        for v in range(views):
            batch = pipeline(data, part, view=(v, views)).to(device)
            seen.append(call_model(model, batch.replace(x=batch.x.to(dtype))).float())
        results.append(torch.stack(seen, 1).cpu())
        if progress:
            progress(min(start + batch_size, len(clips)), len(clips), "evaluating")
    if isinstance(model, nn.Module):
        model.train(was_training)
    return torch.cat(results) if results else torch.zeros(0, views, 0)
