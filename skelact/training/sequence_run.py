"""The state of a training over sequences (frames to labels, signs to words), exactly resumable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from skelact.errors import CheckpointError, SkelactError
from skelact.recognition.checkpoint import Card, save_checkpoint
from skelact.training.fabric import make_fabric
from skelact.training.history import HistoryWriter
from skelact.training.interrupt import interrupts_held
from skelact.training.loop import FitResult
from skelact.training.optimise import WeightAverage, learning_rate, make_optimiser
from skelact.training.resume import differences, load_resume, save_resume
from skelact.training.sequence_settings import SequenceTraining


class SequenceRun:
    """State of a training run of a network over sequences, and the files it writes.

    Args:
        model: the network.
        settings: of the training.
        folder: gets ``last.pt`` and ``best.safetensors``.
        card: saved in the checkpoint.
    """

    def __init__(self, model: nn.Module, settings: SequenceTraining, folder: Path, card: Card) -> None:
        self.settings, self.folder, self.card = settings, folder, card
        self.shared = settings.optimisation()
        self.fabric = make_fabric(self.shared)
        self.model: Any
        self.model, self.optimiser = self.fabric.setup(model, make_optimiser(model, self.shared))
        self.plain: nn.Module = self.model.module
        self.average = WeightAverage(self.plain, settings.ema) if settings.ema else None
        self.result, self.best_score, self.step = FitResult(), -math.inf, 0

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights that are evaluated and saved."""
        return self.average.state if self.average else self.plain.state_dict()

    def save(self, epoch: int) -> None:
        """Save everything that continuing after ``epoch`` needs."""
        save_resume(
            self.folder / "last.pt",
            {
                "epoch": epoch, "step": self.step, "model": self.plain.state_dict(),
                "optimiser": self.optimiser.state_dict(), "average": self.average.state if self.average else {},
                "average_updates": self.average.updates if self.average else 0, "history": self.result.history,
                "best_score": self.best_score, "best_epoch": self.result.best_epoch,
                "seconds": self.result.seconds, "config": self.card.config,
            },
        )  # fmt: skip

    def restore(self, path: Path) -> int:
        """Continue from a saved state; returns the epochs that are done."""
        state = load_resume(path, self.fabric.device)
        changed = differences(state["config"], self.card.config)
        if changed:
            raise CheckpointError(
                f"{path} was trained with another configuration ({', '.join(changed)}); use the same one to "
                "continue, or another folder (--name), or start again with --restart"
            )
        self.plain.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        if self.average:
            self.average.state, self.average.updates = state["average"], state["average_updates"]
        self.step, self.best_score = state["step"], state["best_score"]
        self.result = FitResult(
            state["history"], self.folder / "best.safetensors", state["best_epoch"], state["seconds"]
        )
        return state["epoch"]

    def descend(self, loss: Tensor, epoch: int, step: int, n_steps: int) -> float:
        """A step of the optimiser down the gradient of a loss; returns the loss.

        Args:
            loss: of a batch.
            epoch, step: from 0 on.
            n_steps: of the epoch.

        Raises:
            SkelactError: if the loss is NaN or infinite; weights and state stay.
        """
        rate = learning_rate(self.shared, epoch + step / n_steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad()
        shown = float(loss.detach())
        if not math.isfinite(shown):
            raise SkelactError(
                f"the loss became {shown} in epoch {epoch + 1}, step {step + 1}; lower train.lr (now "
                f"{self.settings.lr}) or set train.clip_norm. The state after epoch {epoch} is kept."
            )
        self.fabric.backward(loss)
        if self.settings.clip_norm:
            self.fabric.clip_gradients(
                self.model, self.optimiser, max_norm=self.settings.clip_norm, error_if_nonfinite=False
            )
        self.optimiser.step()
        self.step += 1
        if self.average:
            self.average.update(self.plain)
        return shown

    @contextmanager
    def averaged(self) -> Iterator[nn.Module]:
        """The network with the weights that are evaluated."""
        own = {k: v.clone() for k, v in self.plain.state_dict().items()}
        self.plain.load_state_dict(self.weights)
        try:
            yield self.plain.eval()
        finally:
            self.plain.load_state_dict(own)

    def train(
        self,
        train_epoch: Callable[[int, Callable[[], None]], dict[str, float]],
        validate: Callable[[], dict[str, float]] | None,
        score: str,
        *,
        restart: bool = False,
        on_epoch: Callable[[dict[str, float]], None] | None = None,
        on_continue: Callable[[int], None] | None = None,
    ) -> FitResult:
        """All epochs that are not done yet; stopped at any moment, the same call continues exactly.

        Args:
            train_epoch: trains an epoch (its number from 0 on, and what is called after every step, which raises
                `KeyboardInterrupt` where somebody wants to stop) and returns its record.
            validate: adds to the record; None: the last weights are kept.
            score: of the record, larger is better, which decides what is kept.
            restart: begin again even if the folder holds an unfinished run.
            on_epoch: called with the epoch's record.
            on_continue: called with the epochs that are done, if an unfinished run is continued.
        """
        settings, path, done = self.settings, self.folder / "last.pt", 0
        if restart:
            path.unlink(missing_ok=True)
        elif path.exists():
            done = self.restore(path)
            if on_continue:
                on_continue(done)
        with HistoryWriter(self.folder) as history, interrupts_held() as check:
            history.write(self.result.history)
            for epoch in range(done, settings.epochs):
                begin = time.perf_counter()
                record = train_epoch(epoch, check)
                last = epoch + 1 == settings.epochs
                if validate is not None and ((epoch + 1) % settings.eval_every == 0 or last):
                    record |= validate()
                self.result.seconds += time.perf_counter() - begin
                record["seconds"] = round(self.result.seconds, 3)
                self.result.history.append(record)
                always = settings.keep == "last" or validate is None
                self._keep(epoch, epoch if always else record.get(score, -math.inf), record)
                self.save(epoch + 1)
                history.write(self.result.history)
                if on_epoch:
                    on_epoch(record)
        self.result.best = self.folder / "best.safetensors"
        return self.result

    def _keep(self, epoch: int, score: float, record: dict[str, float]) -> None:
        if not (score >= self.best_score and score > -math.inf):
            return
        self.best_score, self.result.best_epoch = score, epoch + 1
        kept = {k: v for k, v in record.items() if k.startswith("val")}
        self.card.trained = {**self.card.trained, "epoch": epoch + 1, **kept}
        self.result.best = save_checkpoint(self.folder / "best.safetensors", self.weights, self.card)
