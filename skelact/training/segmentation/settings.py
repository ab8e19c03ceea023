"""Everything about one training of a segmentation network ⇄ YAML."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from skelact.datasets.frame_input import FrameInput, FrameTarget
from skelact.device import check_device
from skelact.errors import ConfigError
from skelact.models.segmentation import MSTCNSettings, SegmenterChoice
from skelact.settings import from_plain, read_values, to_plain
from skelact.training.settings import TrainSettings


@dataclass
class FrameParts:
    """Which recordings train, validate and test.

    Args:
        path: the skelact file.
        train: split to train on, ``all``, or ``auto``: the file's only training part, else all.
        val: recordings that are held out of the training part: their ids separated by commas, or a split, or a share
            such as 0.2 (one recording at least); ``0``: none.
        test: split that ``skelact segment evaluate`` uses; ``auto``: the part ``test`` beside the training part.
        seed: of the choice of a share.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    path: str = ""
    train: str = "auto"
    val: str = "0"
    test: str = "auto"
    seed: int = 0


@dataclass
class FrameTraining:
    """How a segmentation network is trained.

    Args:
        epochs: in each of which all recordings are seen about once, in windows.
        batch_size: windows of a step.
        lr: peak learning rate (AdamW, cosine to 0).
        weight_decay: on weights of two axes and more.
        warmup_epochs: linear rise at the start.
        clip_norm: largest norm of the gradient; 0: no clipping.
        ema: decay of the moving average of the weights that is evaluated and saved; 0: none.
        smoothing, limit: of the loss, see `skelact.training.segmentation.loss.segmentation_loss`.
        balance: 0: all frames weigh the same; 1: all classes.
        eval_every: epochs between looks at the validation part.
        keep: the weights of the ``best`` look (by the mean of the classes' frame F1), or the ``last``.
        seed: of weights, windows, augmentation and dropout.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    epochs: int = 60
    batch_size: int = 4
    lr: float = 1e-3
    weight_decay: float = 0.01
    warmup_epochs: float = 2.0
    clip_norm: float = 1.0
    ema: float = 0.99
    smoothing: float = 0.15
    limit: float = 4.0
    balance: float = 0.5
    eval_every: int = 5
    keep: str = "last"
    seed: int = 0
    device: str = "auto"

    def __post_init__(self) -> None:
        check_device(self.device)
        for name in ("epochs", "batch_size", "eval_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"train.{name} must be at least 1, got {getattr(self, name)}")
        for name in ("lr", "limit"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"train.{name} must be above 0, got {getattr(self, name)}")
        for name in ("weight_decay", "warmup_epochs", "clip_norm", "smoothing"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"train.{name} must not be negative, got {getattr(self, name)}")
        if not 0 <= self.ema < 1:
            raise ConfigError(f"train.ema must lie in 0..1 (1 excluded), got {self.ema}")
        if not 0 <= self.balance <= 1:
            raise ConfigError(f"train.balance must lie in 0..1, got {self.balance}")
        if self.keep not in ("best", "last"):
            raise ConfigError(f"train.keep must be best or last, got '{self.keep}'")

    def optimisation(self) -> TrainSettings:
        """The same for the parts that are shared with trainings of clips."""
        return TrainSettings(
            epochs=self.epochs, batch_size=self.batch_size, optimiser="adamw", lr=self.lr,
            weight_decay=self.weight_decay, warmup_epochs=self.warmup_epochs, clip_norm=self.clip_norm, ema=self.ema,
            seed=self.seed, device=self.device,
        )  # fmt: skip


@dataclass
class SegmentExperiment:
    """A whole training of a segmentation network.

    Args:
        name: of the run's folder.
        data: which file and recordings.
        target: what is asked for in every frame.
        input: what the network sees.
        model: the network.
        train: how it is trained.
        out: folder of runs.
    """

    __pydantic_config__ = {"extra": "forbid", "arbitrary_types_allowed": True}  # noqa: RUF012

    name: str = "segment"
    data: FrameParts = field(default_factory=FrameParts)
    target: FrameTarget = field(default_factory=FrameTarget)
    input: FrameInput = field(default_factory=FrameInput)
    model: SegmenterChoice = field(default_factory=MSTCNSettings)
    train: FrameTraining = field(default_factory=FrameTraining)
    out: str = "runs"


def load_segment_config(path: str | Path) -> SegmentExperiment:
    """Read an experiment from YAML.

    Raises:
        ConfigError: if the file cannot be read or holds anything that is not allowed.
    """
    return from_plain(SegmentExperiment, read_values(path) or {}, str(path))


def dump_segment_config(experiment: SegmentExperiment) -> str:
    """The experiment as flat, complete YAML."""
    return yaml.safe_dump(to_plain(experiment), sort_keys=False, allow_unicode=True)
