"""The state of a training over sequences (frames to labels, signs to words), exactly resumable."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from skelact.errors import CheckpointError
from skelact.recognition.checkpoint import Card
from skelact.training.fabric import make_fabric
from skelact.training.loop import FitResult
from skelact.training.optimise import WeightAverage, make_optimiser
from skelact.training.resume import differences, load_resume, save_resume
from skelact.training.settings import TrainSettings


class SequenceTrainSettings(Protocol):
    """What a run asks of the settings of its training."""

    ema: float

    def optimisation(self) -> TrainSettings:
        """The same as settings of the optimiser."""
        ...


class SequenceRun:
    """State of a training run of a network over sequences, and the files it writes.

    Args:
        model: the network.
        settings: of the training.
        folder: gets ``last.pt`` and ``best.safetensors``.
        card: saved in the checkpoint.
    """

    def __init__(self, model: nn.Module, settings: SequenceTrainSettings, folder: Path, card: Card) -> None:
        self.folder, self.card = folder, card
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
