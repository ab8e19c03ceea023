"""`TrainSettings`: everything about how a network is trained, in one typed place."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from skelact.device import check_device
from skelact.errors import ConfigError, choices


@dataclass
class TrainSettings:
    """How a network is trained.

    Args:
        epochs: passes over the training part.
        repeat: how often the training part is seen within one epoch.
        batch_size: clips per step and process.
        optimiser: ``sgd`` (Nesterov) or ``adamw``; or ``ridge``: one pass (``epochs: 1``) that solves the classifier
            in closed form and leaves all else as it is (see `skelact.training.closed_form`), where rates, decay,
            smoothing, averages and the rest of what steers steps play no part.
        lr: peak learning rate, for this batch size.
        momentum: of SGD.
        weight_decay: on weights of two axes and more; biases and norms have none.
        schedule: ``cosine`` to 0, or ``step``: times ``gamma`` after each of ``milestones``.
        milestones: epochs.
        gamma: factor of ``step``.
        warmup_epochs: linear rise at the start; may be a fraction.
        loss: one of `skelact.training.losses.LOSSES`: ``cross_entropy`` or ``focal``.
        focal_gamma: of the focal loss.
        label_smoothing: share of the target spread over all classes, in cross-entropy.
        class_balance: ``none``; ``loss`` weighs classes by inverse frequency, ``effective`` by the inverse
            effective number of clips; ``sampler`` draws them equally often.
        balance_beta: of the effective number.
        clip_norm: largest norm of the gradient; 0: no clipping.
        ema: decay of the moving average of the weights that is evaluated and saved; 0: none.
        precision: ``32-true``, ``bf16-mixed``, ``16-mixed`` or ``64-true``; ``auto`` is ``bf16-mixed`` on a device with
            instructions for it, else ``32-true`` (a processor that emulates them takes several times as long).
        eval_every: epochs between looks at the validation part.
        keep: the weights of the ``best`` look at the validation part, or the ``last``; a few dozen clips say
            less about which epoch is best than the schedule does.
        seed: of weights, order, augmentation and dropout.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``; under torchrun every process takes one of its own.
        cuda_graphs: on a GPU, replay the passes of batches whose shape comes again as CUDA graphs: the same work with
            one launch. For a network of one's own that keeps count in Python attributes, say false.
        sync_norm: in a training of several processes, take batch statistics over all of them.
        init_from: checkpoint to start from; layout, classes and input channels may differ.
        init_streams: checkpoints of networks that were trained alone, by the stream of the fusion network that begins
            with their weights; or published weights: mobilenet_v2 (which a package holds), NAME:FILE.pth with
            NAME vgg16, googlenet, mobilenet_v2 or torchvision (see `skelact.models.video.start_from_published`).
        pretrain_epochs: passes without labels before the first epoch, of networks that have a loss for it: convgrbm,
            by contrastive divergence; see `skelact.training.pretraining`.
        pretrain_lr: learning rate of these passes.
        freeze: stages from the input on that keep their weights; -1: all but the classifier.
        layer_decay: learning rate of a stage relative to the next one; 1: the same everywhere.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    epochs: int = 60
    repeat: int = 1
    batch_size: int = 32
    optimiser: Literal["sgd", "adamw", "ridge"] = "sgd"
    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Literal["cosine", "step"] = "cosine"
    milestones: tuple[int, ...] = (35, 55)
    gamma: float = 0.1
    warmup_epochs: float = 3.0
    loss: str = "cross_entropy"
    focal_gamma: float = 2.0
    label_smoothing: float = 0.1
    class_balance: Literal["none", "loss", "effective", "sampler"] = "none"
    balance_beta: float = 0.999
    clip_norm: float = 1.0
    ema: float = 0.99
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed", "64-true"] = "32-true"
    eval_every: int = 1
    keep: Literal["best", "last"] = "best"
    seed: int = 0
    device: str = "auto"
    cuda_graphs: bool = True
    sync_norm: bool = False
    init_from: str = ""
    init_streams: dict[str, str] = field(default_factory=dict)
    pretrain_epochs: int = 0
    pretrain_lr: float = 1e-3
    freeze: int = 0
    layer_decay: float = 1.0

    def __post_init__(self) -> None:
        check_device(self.device)
        for name in ("epochs", "repeat", "batch_size", "eval_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"train.{name} must be at least 1, got {getattr(self, name)}")
        from skelact.training.losses import LOSSES

        if self.loss not in LOSSES:
            raise ConfigError(choices(self.loss, LOSSES, "loss"))
        for name in ("lr", "pretrain_lr"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"train.{name} must be above 0, got {getattr(self, name)}")
        if self.pretrain_epochs < 0:
            raise ConfigError(f"train.pretrain_epochs must not be negative, got {self.pretrain_epochs}")
        for name in ("label_smoothing", "ema", "balance_beta"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"train.{name} must lie in 0..1 (1 excluded), got {getattr(self, name)}")
        if not 0 < self.layer_decay <= 1:
            raise ConfigError(f"train.layer_decay must lie in 0..1 (0 excluded), got {self.layer_decay}")
        if self.optimiser == "ridge" and self.epochs != 1:
            raise ConfigError(
                f"train.optimiser ridge solves the classifier in one pass: set train.epochs to 1 (now {self.epochs}), "
                "and train.repeat to the views of each clip"
            )
        unweighted = self.loss == "cross_entropy" and self.class_balance in ("none", "sampler")
        if self.optimiser == "ridge" and not (unweighted and self.precision != "64-true"):
            raise ConfigError(
                "train.optimiser ridge minimises squared errors: it takes train.loss cross_entropy, "
                "train.class_balance none or sampler, and no precision of 64-true; got "
                f"{self.loss}, {self.class_balance} and {self.precision}"
            )
        if self.freeze < -1:
            raise ConfigError(f"train.freeze must be -1 or a number of stages, got {self.freeze}")
        for name in ("momentum", "weight_decay", "warmup_epochs", "clip_norm", "focal_gamma"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"train.{name} must not be negative, got {getattr(self, name)}")
