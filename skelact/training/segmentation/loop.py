"""The training loop of segmentation networks: windows of untrimmed recordings, exactly resumable."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from skelact.datasets.frame_input import FrameLabels, draw_windows, training_windows
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.evaluate.frames import score_frames
from skelact.models.segmentation import SegmentationModel
from skelact.recognition.checkpoint import Card
from skelact.recognition.segmentation import Segmenter
from skelact.training.loop import FitResult
from skelact.training.optimise import learning_rate
from skelact.training.segmentation.loss import label_weights, segmentation_loss
from skelact.training.segmentation.settings import SegmentExperiment
from skelact.training.sequence_run import SequenceRun

log = logging.getLogger(__name__)


def fit_segmentation(
    model: SegmentationModel,
    data: SkeletonSet,
    train: Tensor,
    val: Tensor,
    labels: FrameLabels,
    experiment: SegmentExperiment,
    folder: str | Path,
    card: Card,
    *,
    restart: bool = False,
    on_step: Callable[[int, int, int, float], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    on_continue: Callable[[int], None] | None = None,
) -> FitResult:
    """Train a segmentation network; stopping at any moment and running again continues exactly.

    Args:
        model: the network.
        data: the set.
        train, val: recordings; without ``val`` the last weights are kept.
        labels: what is asked for.
        experiment: what the network sees and how it is trained.
        folder: gets ``last.pt``, ``best.safetensors`` and ``metrics.csv``.
        card: saved in the checkpoint.
        restart: begin again even if the folder holds an unfinished run.
        on_step: called with (epoch, step, steps, loss).
        on_epoch: called with the epoch's record.
        on_continue: called with the epochs that are done, if an unfinished run is continued.

    Raises:
        CheckpointError: if the folder holds a run with another configuration.
        SkelactError: if the loss becomes NaN or infinite; the last good state stays.
        KeyboardInterrupt: on Ctrl-C, after the step in hand; the state after the last epoch stays.
    """
    settings, folder = experiment.train, Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    run = SequenceRun(model, experiment.train, folder, card)
    counts = torch.zeros(len(labels.names), dtype=torch.int64)
    for clip in train.tolist():
        codes = labels.wide(clip)
        counts += torch.bincount(codes[codes >= 0], minlength=len(counts))
    weight = label_weights(counts, settings.balance)
    weight = None if weight is None else weight.to(run.fabric.device)

    def train_epoch(epoch: int, check: Callable[[], None]) -> dict[str, float]:
        return _train_epoch(run, data, train, labels, experiment, weight, epoch, on_step, check)

    def validate() -> dict[str, float]:
        return _validate(run, data, val, labels, experiment)

    return run.train(
        train_epoch, validate if len(val) else None, "val_f1",
        restart=restart, on_epoch=on_epoch, on_continue=on_continue,
    )  # fmt: skip


def _train_epoch(
    run: SequenceRun, data: SkeletonSet, train: Tensor, labels: FrameLabels, experiment: SegmentExperiment,
    weight: Tensor | None, epoch: int, on_step: Callable[[int, int, int, float], None] | None,
    check: Callable[[], None],
) -> dict[str, float]:  # fmt: skip
    settings = experiment.train
    seed = (settings.seed * 1_000_003 + epoch) % 2**63
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # dropout
    parts = draw_windows(data, train, experiment.input, generator).split(settings.batch_size)
    run.model.train()
    total = right = n_frames = 0.0
    for step, clips in enumerate(parts):
        batch = training_windows(data, clips, labels, experiment.input, generator).to(run.fabric.device)
        people = batch.skeletons
        logits = run.model(people.x, people.owner, people.score, len(clips), batch.real)
        loss = segmentation_loss(logits, batch.label, weight, settings.smoothing, settings.limit, batch.real)
        shown = run.descend(loss, epoch, step, len(parts))
        known = batch.label >= 0
        right += float(((logits[-1].argmax(-1) == batch.label) & known).sum())
        n_frames += float(known.sum())
        total += shown
        if on_step:
            on_step(epoch + 1, step + 1, len(parts), shown)
        check()
    return {
        "epoch": epoch + 1,
        "lr": learning_rate(run.shared, epoch),
        "train_loss": total / len(parts),
        "train_accuracy": right / max(n_frames, 1),
    }


def _validate(
    run: SequenceRun, data: SkeletonSet, val: Tensor, labels: FrameLabels, experiment: SegmentExperiment
) -> dict[str, float]:
    """Frame accuracy and F1 of the (averaged) weights over whole recordings."""
    names = [*labels.names, ""]  # the last one for frames without a label
    truth, found, times = [], [], []
    with run.averaged() as model:
        assert isinstance(model, SegmentationModel)
        segmenter = Segmenter(model, run.card, experiment.input, experiment.target)
        for clip in val.tolist():
            scores = segmenter.scores(data, clip)
            truth.append([names[c] for c in labels.wide(clip).tolist()])
            found.append([names[c] for c in scores.probability.argmax(1).tolist()])
            times.append(np.asarray(scores.times))
    background = {experiment.target.background} - {""}
    score = score_frames(truth, found, times, background)
    return {
        "val_accuracy": score.accuracy, "val_f1": score.macro_f1, "val_edit": score.edit,
        **{f"val_f1_{round(100 * k)}": v for k, v in score.segment_f1.items()},
    }  # fmt: skip
