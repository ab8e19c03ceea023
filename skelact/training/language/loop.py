"""The training loop of language networks, exactly resumable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from skelact.datasets.signing.utterance import Utterance
from skelact.recognition.checkpoint import Card
from skelact.training.language.settings import LanguageExperiment
from skelact.training.language.tasks import LanguageTask
from skelact.training.loop import FitResult
from skelact.training.optimise import learning_rate
from skelact.training.sequence_run import SequenceRun

Epoch = Callable[[int], Sequence[Utterance]]


def fit_language(
    model: nn.Module,
    task: LanguageTask,
    epoch_utterances: Epoch,
    val: Sequence[Utterance],
    experiment: LanguageExperiment,
    folder: str | Path,
    card: Card,
    *,
    restart: bool = False,
    on_step: Callable[[int, int, int, float], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    on_continue: Callable[[int], None] | None = None,
) -> FitResult:
    """Train a language network; stopping at any moment and running again continues exactly.

    Args:
        model: the network.
        task: what it learns.
        epoch_utterances: the utterances of an epoch, by its number from 0 on; the same number gives the same ones.
        val: utterances to validate on; without any the last weights are kept.
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
    run = SequenceRun(model, settings, folder, card)

    def train_epoch(epoch: int, check: Callable[[], None]) -> dict[str, float]:
        return _train_epoch(run, task, epoch_utterances(epoch), experiment, epoch, on_step, check)

    def validate() -> dict[str, float]:
        with run.averaged() as averaged:
            return task.validate(averaged, val)

    return run.train(
        train_epoch, validate if len(val) else None, "val_score",
        restart=restart, on_epoch=on_epoch, on_continue=on_continue,
    )  # fmt: skip


def _train_epoch(
    run: SequenceRun, task: LanguageTask, utterances: Sequence[Utterance], experiment: LanguageExperiment, epoch: int,
    on_step: Callable[[int, int, int, float], None] | None, check: Callable[[], None],
) -> dict[str, float]:  # fmt: skip
    settings = experiment.train
    task.check(utterances)
    rng = np.random.default_rng([settings.seed, 43, epoch])
    torch.manual_seed((settings.seed * 1_000_003 + epoch) % 2**63)  # dropout
    order = rng.permutation(len(utterances))
    parts = [order[k : k + settings.batch_size] for k in range(0, len(order), settings.batch_size)]
    run.model.train()
    total = 0.0
    for step, part in enumerate(parts):
        loss = task.loss(run.model, [utterances[int(i)] for i in part], rng)
        shown = run.descend(loss, epoch, step, len(parts))
        total += shown
        if on_step:
            on_step(epoch + 1, step + 1, len(parts), shown)
        check()
    return {"epoch": epoch + 1, "lr": learning_rate(run.shared, epoch), "train_loss": total / len(parts)}
