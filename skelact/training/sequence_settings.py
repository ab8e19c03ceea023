"""How networks over sequences are trained: what trainings of segmentation and of language share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from skelact.device import check_device
from skelact.errors import ConfigError
from skelact.training.settings import TrainSettings


@dataclass
class SequenceTraining:
    """How a network over sequences is trained.

    Args:
        epochs: in each of which all recordings are seen about once.
        batch_size: windows, or utterances, of a step.
        lr: peak learning rate (AdamW, cosine to 0).
        weight_decay: on weights of two axes and more.
        warmup_epochs: linear rise at the start.
        clip_norm: largest norm of the gradient; 0: no clipping.
        ema: decay of the moving average of the weights that is evaluated and saved; 0: none.
        eval_every: epochs between looks at the validation part.
        keep: the weights of the ``best`` look at the validation part, or the ``last``.
        seed: of weights, order, augmentation and dropout.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    epochs: int = 60
    batch_size: int = 8
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup_epochs: float = 2.0
    clip_norm: float = 1.0
    ema: float = 0.99
    eval_every: int = 5
    keep: str = "best"
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        check_device(self.device)
        self.check(1, "epochs", "batch_size", "eval_every")
        self.check(0, "weight_decay", "warmup_epochs", "clip_norm")
        if not 0 < self.lr < math.inf:
            raise ConfigError(f"train.lr must be above 0, got {self.lr}")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"train.ema must lie in 0..1 (1 excluded), got {self.ema}")
        if self.keep not in ("best", "last"):
            raise ConfigError(f"train.keep must be best or last, got '{self.keep}'")

    def check(self, least: float, *names: str) -> None:
        """Raise `ConfigError` for a setting below ``least`` or infinite."""
        for name in names:
            if not least <= getattr(self, name) < math.inf:
                must = f"be at least {least}" if least else "not be negative"
                raise ConfigError(f"train.{name} must {must}, got {getattr(self, name)}")

    def optimisation(self) -> TrainSettings:
        """The same for the parts that are shared with trainings of clips."""
        return TrainSettings(
            epochs=self.epochs, batch_size=self.batch_size, optimiser="adamw", lr=self.lr,
            weight_decay=self.weight_decay, warmup_epochs=self.warmup_epochs, clip_norm=self.clip_norm, ema=self.ema,
            seed=self.seed, device=self.device,
        )  # fmt: skip
