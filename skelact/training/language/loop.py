"""The training loop of language networks, exactly resumable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from skelact.datasets.signing.utterance import Utterance
from skelact.errors import SkelactError
from skelact.recognition.checkpoint import Card, save_checkpoint
from skelact.training.history import HistoryWriter
from skelact.training.interrupt import interrupts_held
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
    run, done = SequenceRun(model, settings, folder, card), 0
    if restart:
        (folder / "last.pt").unlink(missing_ok=True)
    elif (folder / "last.pt").exists():
        done = run.restore(folder / "last.pt")
        if on_continue:
            on_continue(done)
    with HistoryWriter(folder) as history, interrupts_held() as check:
        history.write(run.result.history)
        for epoch in range(done, settings.epochs):
            begin = time.perf_counter()
            record = _train_epoch(run, task, epoch_utterances(epoch), experiment, epoch, on_step, check)
            if len(val) and ((epoch + 1) % settings.eval_every == 0 or epoch + 1 == settings.epochs):
                record |= _validate(run, task, val)
            run.result.seconds += time.perf_counter() - begin
            record["seconds"] = round(run.result.seconds, 3)
            run.result.history.append(record)
            score = epoch if settings.keep == "last" or not len(val) else record.get("val_score", -math.inf)
            if score >= run.best_score and score > -math.inf:
                run.best_score, run.result.best_epoch = score, epoch + 1
                kept = {k: v for k, v in record.items() if k.startswith("val")}
                card.trained = {**card.trained, "epoch": epoch + 1, **kept}
                run.result.best = save_checkpoint(folder / "best.safetensors", run.weights, card)
            run.save(epoch + 1)
            history.write(run.result.history)
            if on_epoch:
                on_epoch(record)
    run.result.best = folder / "best.safetensors"
    return run.result


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
        rate = learning_rate(run.shared, epoch + step / len(parts))
        for group in run.optimiser.param_groups:
            group["lr"] = rate
        run.optimiser.zero_grad()
        loss = task.loss(run.model, [utterances[int(i)] for i in part], rng)
        shown = float(loss.detach())
        if not math.isfinite(shown):
            raise SkelactError(
                f"the loss became {shown} in epoch {epoch + 1}, step {step + 1}; lower train.lr (now {settings.lr}) "
                f"or set train.clip_norm. The state after epoch {epoch} is kept."
            )
        run.fabric.backward(loss)
        if settings.clip_norm:
            run.fabric.clip_gradients(
                run.model, run.optimiser, max_norm=settings.clip_norm, error_if_nonfinite=False
            )
        run.optimiser.step()
        run.step += 1
        if run.average:
            run.average.update(run.plain)
        total += shown
        if on_step:
            on_step(epoch + 1, step + 1, len(parts), shown)
        check()
    return {"epoch": epoch + 1, "lr": learning_rate(run.shared, epoch), "train_loss": total / len(parts)}


def _validate(run: SequenceRun, task: LanguageTask, val: Sequence[Utterance]) -> dict[str, float]:
    """Scores of the (averaged) weights."""
    own = {k: v.clone() for k, v in run.plain.state_dict().items()}
    run.plain.load_state_dict(run.weights)
    run.plain.eval()
    try:
        return task.validate(run.plain, val)
    finally:
        run.plain.load_state_dict(own)
