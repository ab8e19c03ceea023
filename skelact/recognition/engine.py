"""The inference engine: a network's logits for batches, for clips of a set and for windows of a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.gather import gather, sample_positions
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import ConfigError

Progress = Callable[[int, int, str], None]
MakeBatch = Callable[[slice, tuple[int, int]], SkeletonBatch]  # of some samples, (view, views)


def call_model(model: Callable[..., Tensor], batch: SkeletonBatch) -> Tensor:
    """Logits ``[N, classes]`` of a batch.

    Raises:
        ConfigError: if the network gives anything but one row for each clip.
    """
    more: tuple[Mapping, ...] = (batch.pictures, batch.there) if batch.pictures else ()
    more = (*more, batch.places) if batch.places else more
    logits = model(batch.x, batch.owner, batch.score, batch.n_clips, *more)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != batch.n_clips:
        got = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ConfigError(
            f"a network must give logits [clips, classes], here of {batch.n_clips} clips, got {got}; people are "
            "joined into clips with skelact.nn.pooling.pool_clips(features, owner, n_clips)"
        )
    return logits


@torch.no_grad()
def compute_logits(
    model: Callable[..., Tensor],
    make_batch: MakeBatch,
    n: int,
    batch_size: int = 64,
    views: int = 1,
    progress: Progress | None = None,
    what: str = "evaluating",
) -> Tensor:
    """Logits ``[n, views, classes]`` of n samples, in evaluation mode, on the CPU.

    Args:
        model: a network, or its inference form; its device is where the batches go.
        make_batch: makes the batch of a slice of the samples, for view i of n.
        n: samples.
        batch_size: samples at once.
        views: looks at each sample.
        progress: called with (samples done, samples, what).
        what: the word for ``progress``.
    """
    was_training = isinstance(model, nn.Module) and model.training
    device, dtype = torch.device("cpu"), torch.float32
    if isinstance(model, nn.Module):
        model.eval()
        weight = next(model.parameters(), torch.zeros(0))
        device, dtype = weight.device, torch.promote_types(weight.dtype, torch.float32)
    results = []
    for start in range(0, n, batch_size):
        seen = []
        for view in range(views):
            batch = make_batch(slice(start, start + batch_size), (view, views)).to(device)
            seen.append(call_model(model, batch.replace(x=batch.x.to(dtype))).float())
        results.append(torch.stack(seen, 1).cpu())
        if progress:
            progress(min(start + batch_size, n), n, what)
    if isinstance(model, nn.Module):
        model.train(was_training)
    return torch.cat(results) if results else torch.zeros(0, views, 0)


def predict_logits(
    model: Callable[..., Tensor],
    data: SkeletonSet,
    clips: Tensor,
    pipeline: Pipeline,
    batch_size: int = 64,
    views: int = 1,
    progress: Progress | None = None,
    *,
    crops: bool = False,
) -> Tensor:
    """Logits ``[N, views, classes]`` of clips ``[N]`` of a set; other arguments as for `compute_logits`.

    Args:
        pipeline: what the network sees.
        views: samples per clip, spread over it.
        crops: look at every test crop of each sample (`PictureInput.test_crops`), not at the middle alone; there are
            ``views × crops`` answers then, a sample's crops side by side.
    """
    n_crops = pipeline.n_crops if crops else 1

    def make_batch(some: slice, view: tuple[int, int]) -> SkeletonBatch:
        sample, crop = divmod(view[0], n_crops)
        return pipeline(data, clips[some], view=(sample, views), crop=crop if n_crops > 1 else None)

    return compute_logits(model, make_batch, len(clips), batch_size, views * n_crops, progress)


def window_logits(
    model: Callable[..., Tensor],
    data: SkeletonSet,
    begins: Tensor,
    length: float,
    fps: float,
    pipeline: Pipeline,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Tensor:
    """Logits ``[windows, classes]`` of windows over the first recording of a set; other arguments as above.

    Args:
        begins: first frame of each window (a fraction).
        length: of a window, in frames.
        fps: of these frames.
    """
    n, sampling = len(begins), pipeline.sampling
    positions = sample_positions(sampling, torch.full((n,), length), torch.full((n,), fps), training=False)
    positions = positions + begins[:, None]

    def make_batch(some: slice, _: tuple[int, int]) -> SkeletonBatch:
        part = positions[some]
        clips = torch.zeros(len(part), dtype=torch.int64)
        batch = pipeline.prepare(gather(data, clips, sampling, positions=part))
        if not pipeline.pictures:
            return batch
        return pipeline.see_pictures(batch, data, clips, part)

    return compute_logits(model, make_batch, n, batch_size, 1, progress, "recognising")[:, 0]
