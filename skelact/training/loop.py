"""The training loop: short, readable, exactly resumable; Fabric brings precision and processes."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from skelact.datasets.batch import SkeletonBatch
from skelact.datasets.pipeline import Pipeline
from skelact.datasets.prefetch import Prefetcher
from skelact.datasets.skeleton_set import SkeletonSet
from skelact.errors import CheckpointError, ConfigError, SkelactError
from skelact.nn.fast import for_training
from skelact.nn.measure import chosen_backends, restore_backends
from skelact.nn.norm import synchronise
from skelact.recognition.checkpoint import Card, save_checkpoint
from skelact.recognition.engine import predict_logits
from skelact.training.closed_form import fit_ridge
from skelact.training.codebooks import learn_codebooks
from skelact.training.fabric import make_fabric
from skelact.training.history import HistoryWriter
from skelact.training.interrupt import interrupts_held
from skelact.training.losses import LOSSES, class_weights
from skelact.training.optimise import WeightAverage, learning_rate, make_optimiser
from skelact.training.order import epoch_order
from skelact.training.passes import Passes, may_capture
from skelact.training.pretraining import pretrain
from skelact.training.resume import differences, load_resume, save_resume
from skelact.training.settings import TrainSettings
from skelact.training.transfer import freeze_stages, frozen_stages

log = logging.getLogger(__name__)
SYNC_EVERY = 20  # steps between looks at the loss on a GPU, each of which waits for it
RESIDENT_SHARE = 0.5  # of the accelerator's free memory that a set may take


@dataclass
class FitResult:
    """What a training run gave.

    Args:
        history: one record per epoch (epoch, lr, train_loss, train_top1, val_loss, val_top1, seconds).
        best: path of the checkpoint that is kept (by validation, or the last: ``TrainSettings.keep``).
        best_epoch: its epoch, from 1.
        seconds: of training.
        waited: seconds of these in which no batch was ready; of this call alone.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best: Path | None = None
    best_epoch: int = 0
    seconds: float = 0.0
    waited: float = 0.0


class _Run:
    """State of one training run: what is saved for exact continuation, and the files it writes."""

    def __init__(
        self, fabric: Any, model: nn.Module, settings: TrainSettings, folder: Path, card: Card
    ) -> None:
        self.fabric, self.settings, self.folder, self.card = fabric, settings, folder, card
        self.frozen = frozen_stages(model, settings.freeze) if settings.freeze else []
        freeze_stages(self.frozen)
        for_training(model)
        synchronise(model, settings.sync_norm and fabric.world_size > 1)
        self.model, self.optimiser = fabric.setup(model, make_optimiser(model, settings))
        self.plain: nn.Module = (
            self.model.module.module if hasattr(self.model.module, "module") else self.model.module
        )
        averaged = settings.ema and settings.optimiser != "ridge"
        self.average = WeightAverage(self.plain, settings.ema) if averaged else None
        self.class_weight: Tensor | None = None
        self.precision: str = fabric.strategy.precision.precision
        graphs = settings.cuda_graphs and may_capture(fabric.device, self.precision, fabric.world_size)
        self.passes = Passes(fabric, self.model, self.plain, self.criterion, graphs)
        self.result = FitResult()
        self.best_score = -math.inf
        self.step = 0

    def criterion(self, logits: Tensor, label: Tensor) -> Tensor:
        """The loss that the settings name."""
        return LOSSES[self.settings.loss](logits, label, self.class_weight, self.settings)

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights that are evaluated and saved."""
        return self.average.state if self.average else self.plain.state_dict()

    def save(self, epoch: int) -> None:
        """Save everything that continuing after ``epoch`` needs."""
        state = {
            "epoch": epoch,
            "step": self.step,
            "model": self.plain.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average.state if self.average else {},
            "average_updates": self.average.updates if self.average else 0,
            "history": self.result.history,
            "best_score": self.best_score,
            "best_epoch": self.result.best_epoch,
            "seconds": self.result.seconds,
            "config": self.card.config,
            "precision": self.fabric.strategy.precision.state_dict(),  # of the gradient scaler in float16
            "ran_in": self.precision,
            "backends": chosen_backends(),
        }
        save_resume(self.folder / "last.pt", state)

    def restore(self, path: Path, read_config: Callable[[dict], dict]) -> int:
        """Continue from a saved state; returns the epochs that are done."""
        state = load_resume(path, self.fabric.device)
        changed = differences(read_config(state["config"]), read_config(self.card.config))
        if changed:
            raise CheckpointError(
                f"{path} was trained with another configuration ({', '.join(changed)}); use the same one to "
                "continue, or another folder (--out), or start again with --restart"
            )
        ran_in = state.get("ran_in", self.precision)
        if ran_in != self.precision:
            log.warning(
                "%s was trained in %s and goes on in %s, which is faster on this device: the result will not be "
                "exactly that of an uninterrupted run",
                path,
                ran_in,
                self.precision,
            )
        self.plain.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.fabric.strategy.precision.load_state_dict(state.get("precision", {}))
        restore_backends(state.get("backends", {}))
        if self.average:
            self.average.state, self.average.updates = state["average"], state["average_updates"]
        self.step, self.best_score = state["step"], state["best_score"]
        self.result = FitResult(
            state["history"], self.folder / "best.safetensors", state["best_epoch"], state["seconds"]
        )
        return state["epoch"]


def fit(
    model: nn.Module,
    data: SkeletonSet,
    train: Tensor,
    val: Tensor | None,
    pipeline: Pipeline,
    settings: TrainSettings,
    folder: str | Path,
    card: Card,
    *,
    restart: bool = False,
    ahead: int = 2,
    on_step: Callable[[int, int, int, float], None] | None = None,
    on_epoch: Callable[[dict[str, float]], None] | None = None,
    on_continue: Callable[[int], None] | None = None,
    read_config: Callable[[dict], dict] = dict,
) -> FitResult:
    """Train a network; stopping at any moment and running again continues exactly.

    Every epoch is a function of seed and epoch number, and the state is saved atomically after each, so a
    run that was killed ends with the same weights as one that was not.

    Args:
        model: a network that takes ``(x, owner, score, n_clips)``.
        data: the set.
        train, val: clip numbers; without ``val`` the last weights are the best.
        pipeline: what the network sees.
        settings: how to train.
        folder: gets ``last.pt``, ``best.safetensors``, ``metrics.csv`` and TensorBoard logs.
        card: saved in the checkpoint.
        restart: begin again even if the folder holds an unfinished run.
        ahead: batches made ahead of their use, in a thread of its own; 0: none. The result is the same.
        on_step: called with (epoch, step, steps, loss).
        on_epoch: called with the epoch's record.
        on_continue: called with the epochs that are done, if an unfinished run is continued.
        read_config: what a configuration means today, for comparing an unfinished run's with the card's.

    Raises:
        ConfigError: if there is nothing to train on.
        CheckpointError: if the folder holds a run with another configuration.
        SkelactError: if the loss becomes NaN or infinite; the last good state stays.
        KeyboardInterrupt: on Ctrl-C, after the step in hand; the state after the last epoch stays.
    """
    labels = data.labels[train].cpu()
    if len(train) == 0:
        raise ConfigError("the training part has no clips; look at the splits with: skelact inspect FILE")
    if bool((labels < 0).any()):
        raise ConfigError(
            f"{int((labels < 0).sum())} clips of the training part have no label; give them one, or leave them out"
        )
    if val is not None:
        known = data.labels[val] >= 0
        if not bool(known.all()):
            log.warning("%d validation clips have no label and are left out", int((~known).sum()))
            val = val[known]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    fabric = make_fabric(settings)
    run = _Run(fabric, model, settings, folder, card)
    device = fabric.device
    if device.type == "cuda" and data.n_bytes < RESIDENT_SHARE * torch.cuda.mem_get_info(device)[0]:
        data = data.to(device)
    done = 0
    if restart:
        (folder / "last.pt").unlink(missing_ok=True)
    elif (folder / "last.pt").exists():
        done = run.restore(folder / "last.pt", read_config)
        log.info("continuing after epoch %d", done)
        if on_continue:
            on_continue(done)
    n_classes = len(card.label_names)
    if settings.class_balance in ("loss", "effective"):
        beta = settings.balance_beta if settings.class_balance == "effective" else None
        run.class_weight = class_weights(labels, n_classes, beta).to(device)
    with HistoryWriter(folder, fabric.is_global_zero) as history, interrupts_held() as check:
        history.write(run.result.history)  # a kill may have come between the state and this
        if not done:
            _prepare(run, data, train, pipeline, check)
        for epoch in range(done, settings.epochs):
            begin = time.perf_counter()
            record = _train_epoch(run, data, train, labels, pipeline, epoch, ahead, on_step, check)
            if (
                val is not None
                and len(val)
                and ((epoch + 1) % settings.eval_every == 0 or epoch + 1 == settings.epochs)
            ):
                record |= _validate(run, data, val, pipeline)
            run.result.seconds += time.perf_counter() - begin
            record["seconds"] = round(run.result.seconds, 3)
            if not all(bool(torch.isfinite(v).all()) for v in run.weights.values() if v.is_floating_point()):
                raise SkelactError(
                    f"the weights are no longer finite after epoch {epoch + 1}; lower train.lr (now {settings.lr}) or "
                    f"set train.clip_norm. The state after epoch {epoch} is kept."
                )
            run.result.history.append(record)
            by_epoch = val is None or not len(val) or settings.keep == "last"
            score = epoch if by_epoch else record.get("val_top1", -math.inf)
            if not math.isfinite(record.get("val_loss", 0.0)):  # what diverged is never the best
                log.warning("the validation loss of epoch %d is %s", epoch + 1, record["val_loss"])
                score = -math.inf
            unknown = score == run.best_score == -math.inf and "val_loss" not in record  # nothing better yet
            if unknown or -math.inf < score >= run.best_score:
                run.best_score, run.result.best_epoch = score, epoch + 1
                if fabric.is_global_zero:
                    card.trained = {
                        **card.trained,
                        "epoch": epoch + 1,
                        "propagate": chosen_backends(),
                        "precision": run.precision,
                        **{k: v for k, v in record.items() if k.startswith("val")},
                    }
                    run.result.best = save_checkpoint(folder / "best.safetensors", run.weights, card)
            if fabric.is_global_zero:
                run.save(epoch + 1)
                history.write(run.result.history)
            fabric.barrier()
            if on_epoch and fabric.is_global_zero:
                on_epoch(record)
    if not run.result.best_epoch:
        raise SkelactError(
            f"the validation loss was never finite, so no weights are worth keeping; lower train.lr (now {settings.lr})"
        )
    run.result.best = folder / "best.safetensors"
    return run.result


def _train_epoch(
    run: _Run,
    data: SkeletonSet,
    train: Tensor,
    labels: Tensor,
    pipeline: Pipeline,
    epoch: int,
    ahead: int,
    on_step: Callable[[int, int, int, float], None] | None,
    check: Callable[[], None],
) -> dict[str, float]:
    fabric, settings = run.fabric, run.settings
    rank, world = fabric.global_rank, fabric.world_size
    order = epoch_order(train.cpu(), labels, settings, epoch, rank, world)
    seed = (settings.seed * 1_000_003 + epoch) * 65_537 + rank
    generator = torch.Generator(device=data.device).manual_seed(seed % 2**63)
    torch.manual_seed(seed % 2**63)  # dropout
    run.model.train()
    freeze_stages(run.frozen)
    set_progress = getattr(run.plain, "set_progress", None)
    if set_progress is not None:
        set_progress(epoch / settings.epochs)
    parts = order.split(settings.batch_size)
    n_steps = len(parts)
    batches = Prefetcher(
        lambda step: pipeline(data, parts[step], training=True, generator=generator).to(fabric.device),
        n_steps,
        # In double precision the whole process's default type changes while the network runs.
        0 if settings.precision == "64-true" else ahead,
        fabric.device,
    )
    if settings.optimiser == "ridge":
        record = _solve(run, data, order, batches, n_steps, on_step, check)
        run.result.waited += batches.waited
        return record
    sums, n_clips, shown = torch.zeros(2, device=fabric.device), 0, 0.0
    every = 1 if fabric.device.type == "cpu" else SYNC_EVERY
    run.passes.start_epoch()
    for step, batch in enumerate(batches):
        rate = learning_rate(settings, epoch + step / n_steps)
        for group in run.optimiser.param_groups:
            group["lr"] = rate * group.get("scale", 1.0)
        loss, logits = run.passes(batch)
        looks = step % every == 0 or step + 1 == n_steps  # reading a number waits for the device
        shown = float(loss) if looks else shown
        if not math.isfinite(shown):
            raise SkelactError(
                f"the loss became {shown} in epoch {epoch + 1}, step {step + 1}; lower train.lr "
                f"(now {settings.lr}) or set train.clip_norm. The state after epoch {epoch} is kept."
            )
        if settings.clip_norm:
            fabric.clip_gradients(
                run.model, run.optimiser, max_norm=settings.clip_norm, error_if_nonfinite=False
            )
        run.optimiser.step()
        run.step += 1
        if run.average:
            run.average.update(run.plain)
        right = (logits.argmax(1) == batch.label).sum()
        sums += torch.stack([loss * batch.n_clips, right])
        n_clips += batch.n_clips
        if on_step and fabric.is_global_zero:
            on_step(epoch + 1, step + 1, n_steps, shown)
        check()  # whether somebody wants to stop
    run.result.waited += batches.waited
    counted = torch.cat([sums.double(), sums.new_tensor([n_clips], dtype=torch.float64)])
    total_loss, total_right, total = fabric.all_reduce(counted, reduce_op="sum").tolist()
    average_statistics(run.plain, fabric)
    return {
        "epoch": epoch + 1,
        "lr": learning_rate(settings, epoch),
        "train_loss": total_loss / total,
        "train_top1": total_right / total,
    }


def _prepare(
    run: _Run, data: SkeletonSet, train: Tensor, pipeline: Pipeline, check: Callable[[], None]
) -> None:
    """What a network learns before its first step: words, and whatever needs no labels."""
    settings = run.settings

    def batches(clips: Tensor) -> Iterable[SkeletonBatch]:
        return (pipeline(data, part).to(run.fabric.device) for part in clips.split(settings.batch_size))

    learned = learn_codebooks(run.plain, batches(train.cpu()), settings.seed, run.fabric, check)
    if settings.pretrain_epochs:
        pretrain(
            run.plain, batches, train.cpu(), settings.pretrain_epochs, settings.pretrain_lr, settings.seed,
            run.fabric, check,
        )  # fmt: skip
        learned = True
    if learned and run.average:
        run.average = WeightAverage(run.plain, settings.ema)


def _solve(
    run: _Run,
    data: SkeletonSet,
    order: Tensor,
    batches: Iterable[SkeletonBatch],
    n_steps: int,
    on_step: Callable[[int, int, int, float], None] | None,
    check: Callable[[], None],
) -> dict[str, float]:
    """The one epoch of a classifier in closed form."""
    if run.fabric.world_size > 1:
        raise ConfigError("train.optimiser ridge runs in one process; start it without torchrun")

    def step(done: int) -> None:
        if on_step:
            on_step(1, done, n_steps, math.nan)
        check()

    subjects = data.column("subject")
    known = all(subjects[i] is not None for i in order.tolist())
    groups = [subjects[i] if known else i for i in order.tolist()]
    loss, right = fit_ridge(run.plain, batches, groups, step)
    return {"epoch": 1, "lr": 0.0, "train_loss": loss, "train_top1": right}


def average_statistics(model: nn.Module, fabric: Any) -> None:
    """Give all processes the mean of their norms' running statistics."""
    if fabric.world_size > 1:
        for name, value in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                value.copy_(fabric.all_reduce(value, reduce_op="mean"))


def _validate(run: _Run, data: SkeletonSet, val: Tensor, pipeline: Pipeline) -> dict[str, float]:
    """Loss and top-1 of the (averaged) weights; every process takes a share of the clips."""
    fabric = run.fabric
    own = {k: v.clone() for k, v in run.plain.state_dict().items()}
    run.plain.load_state_dict(run.weights)
    share = val[fabric.global_rank :: fabric.world_size]
    logits = predict_logits(run.plain, data, share, pipeline, run.settings.batch_size)[:, 0]
    run.plain.load_state_dict(own)
    label = data.labels[share].cpu()
    sums = torch.zeros(3)
    if len(share):
        loss = functional.cross_entropy(logits, label, reduction="sum")
        sums = torch.stack([loss, (logits.argmax(1) == label).sum().float(), torch.tensor(float(len(share)))])
    sums = fabric.all_reduce(sums.to(fabric.device), reduce_op="sum")
    return {"val_loss": float(sums[0] / sums[2]), "val_top1": float(sums[1] / sums[2])}
