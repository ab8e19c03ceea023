"""Training at the scale of NTU RGB+D: end to end, on a set of its size that is made for it."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.gather import Sampling
from skelact.datasets.pipeline import Augment, Normalise, Pipeline
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.datasets.synthetic.scale import NTU60_CLIPS, ntu_like_names, write_ntu_like
from skelact.device import find_device
from skelact.errors import ConfigError, DataError, choices
from skelact.models import MODELS
from skelact.recognition.checkpoint import Card
from skelact.training.loop import FitResult, fit
from skelact.training.settings import TrainSettings

Progress = Callable[[int, int, str], None]
N_FRAMES, BATCH_SIZE = 64, 64


def measure_ntu_scale(
    path: str | Path = "",
    clips: int = NTU60_CLIPS,
    model: str = "ctrgcn",
    seconds: float | None = None,
    batch_size: int = BATCH_SIZE,
    device: str = "auto",
    progress: Progress | None = None,
) -> Iterator[dict[str, Any]]:
    """Make a set like NTU RGB+D 60, then train on it with the loop, the loader and the pipeline of training.

    Training is that of `skelact.training.loop.fit`: CTR-GCN's recipe (a cropped window resampled to 64
    frames, rotated), in bfloat16 on a GPU. It runs twice: with batches made ahead and with batches made when
    they are asked for.

    Args:
        path: the set; made there if there is none, and used again if there is one. Empty: made in a temporary
            folder and removed afterwards.
        clips: of the set.
        model: a family of `skelact.models.MODELS`, with its default settings.
        seconds: about how long each run trains; None: an epoch of the cross-subject training part, once, with
            batches made ahead.
        batch_size: clips per step.
        device: see `skelact.device.find_device`.
        progress: called with (done, total, what).

    Yields:
        rows with ``what`` and: ``clips``, ``seconds``, ``clips/s``, ``waiting %`` (share of the time in which
        no batch was ready), ``peak MB`` of this process while training; on a GPU ``device waiting %`` (how much
        longer steps take than with one batch again and again, which waits for nothing) and ``device MB``.

    Raises:
        ConfigError: for an unknown model or sizes that make no set.
        DataError: if the file is another set, or cannot be written.
    """
    check_scale(model, clips)
    with tempfile.TemporaryDirectory(prefix="skelact-scale-") as folder:
        file = Path(path) if str(path) else Path(folder) / "ntu_like.h5"
        yield _make(file, clips, progress)
        begin = time.perf_counter()
        data = SkeletonSet.open(file)
        if len(data) != clips:
            raise DataError(
                f"{file} holds {len(data)} clips, not {clips}; give its number with --clips, or another file"
            )
        yield {"what": "opening it", "clips": clips, "seconds": time.perf_counter() - begin}
        for name, limit, ahead in _runs(seconds):
            yield {"what": f"training {model}, {name}"} | _train(
                data, model, limit, ahead, batch_size, device, Path(folder), progress
            )


def check_scale(model: str, clips: int) -> None:
    """Raise `ConfigError` for an unknown model or a number of clips that makes no set."""
    if model not in MODELS:
        raise ConfigError(choices(model, MODELS, "model"))
    ntu_like_names(clips)


def _runs(seconds: float | None) -> list[tuple[str, float | None, int]]:
    if seconds is None:
        return [("an epoch, batches made ahead", None, 2)]
    return [("batches made ahead", seconds, 2), ("batches made on demand", seconds, 0)]


def _make(file: Path, clips: int, progress: Progress | None) -> dict[str, Any]:
    if file.exists():
        return {"what": f"set: {file.name} was there", "MB": file.stat().st_size / 1e6}
    begin = time.perf_counter()
    write_ntu_like(file, clips, progress=progress)
    seconds = time.perf_counter() - begin
    return {
        "what": "making the set",
        "clips": clips,
        "seconds": seconds,
        "clips/s": clips / seconds,
        "MB": file.stat().st_size / 1e6,
    }


def _train(
    data: SkeletonSet,
    name: str,
    limit: float | None,
    ahead: int,
    batch_size: int,
    device: str,
    folder: Path,
    progress: Progress | None,
) -> dict[str, Any]:
    on_gpu = find_device(device).type == "cuda"
    settings = TrainSettings(
        epochs=1, batch_size=batch_size, lr=0.01, ema=0.0, warmup_epochs=0.0, device=device,
        precision="bf16-mixed" if on_gpu else "32-true",
    )  # fmt: skip
    pipeline = Pipeline(Sampling("resize", N_FRAMES, (0.5, 1.0)), Normalise(), Augment(rotate=0.3), ["joint"])
    part = data.split("xsub/train")

    def run(clips: torch.Tensor, feed: Any = pipeline) -> FitResult:
        torch.manual_seed(0)
        network = MODELS[name]().build(data.layout, len(data.label_names), pipeline.channels(data.dims))
        card = Card(data.layout.to_dict(), data.dims, data.unit, data.label_names, 30.0, {}, {})

        def on_step(epoch: int, step: int, steps: int, loss: float) -> None:
            if progress:
                progress(step, steps, f"training {name}")

        return fit(
            network, data, clips, None, feed, settings, folder / f"run{ahead}", card,
            restart=True, ahead=ahead, on_step=on_step,
        )  # fmt: skip

    generator = torch.Generator().manual_seed(0)
    mixed = part[torch.randperm(len(part), generator=generator)]
    if limit is not None:
        run(mixed[: 2 * batch_size])  # the first steps set things up
        some = mixed[: (30 if on_gpu else 3) * batch_size]
        rate = len(some) / run(some).seconds
        mixed = mixed[: max(batch_size, round(rate * limit / batch_size) * batch_size)]
    _forget_peak()
    result = run(mixed)
    row = {
        "clips": len(mixed),
        "seconds": result.seconds,
        "clips/s": len(mixed) / result.seconds,
        "waiting %": 100 * result.waited / result.seconds,
        "peak MB": peak_megabytes(),
    }
    if on_gpu:
        row["device MB"] = torch.cuda.max_memory_allocated() / 1e6
    if on_gpu and limit is not None:
        alone = run(mixed, SameBatch(pipeline)).seconds
        row["device waiting %"] = 100 * max(0.0, 1 - alone / result.seconds)
    return row


class SameBatch:
    """A pipeline that makes its first batch and gives it again and again."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        self.made: SkeletonBatch | None = None

    def __call__(self, *arguments: Any, **options: Any) -> SkeletonBatch:
        if self.made is None:
            self.made = self.pipeline(*arguments, **options)
        return self.made


def _forget_peak() -> None:
    """Start measuring the peak of memory anew, where the system can."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_megabytes() -> float:
    """Peak resident memory of this process."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
