"""Everything about one training of a language network ⇄ YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from skelact.datasets.signing.augment import SignAugment
from skelact.datasets.signing.motion_input import PICTURES, MotionInput
from skelact.datasets.signing.streams import StreamSettings
from skelact.errors import ConfigError, choices
from skelact.models.language import CTCSettings, GlossToTextSettings, LanguageChoice, MotionToTextSettings
from skelact.models.segmentation import SEGMENTERS, GRUSegmenterSettings
from skelact.settings import from_plain, read_values, to_plain
from skelact.training.sequence_settings import SequenceTraining

# What is learned, with its usual network and the networks that can learn it.
TASKS: dict[str, tuple[type, tuple[str, ...]]] = {
    "glosses": (CTCSettings, ("ctc",)),
    "text": (MotionToTextSettings, ("motion2text",)),
    "gloss2text": (GlossToTextSettings, ("gloss2text",)),
    "signs": (GRUSegmenterSettings, tuple(SEGMENTERS)),
}


@dataclass
class LanguageData:
    """Which recordings train and validate.

    Args:
        path: skelact files, separated by commas; none for the task ``gloss2text``.
        annotations: annotation files of a public set, separated by commas; the recordings' ids are those of the clips.
        format: of the annotations, a name of `skelact.datasets.signing.annotations.FORMATS`.
        streams: recordings are isolated signs, of which streams are made (`skelact.datasets.signing.streams`).
        videos: folder of the recordings' videos, for ``input.pictures``; by default the files that the recordings name.
        glosses: labels that the streams are made of, separated by commas; all if empty.
        train: part of the annotations to train on (signers, separated by commas, with ``streams``; ``all``: all that
            neither validate nor test).
        val: the same to validate on; empty: none, and the last weights are kept.
        test: what must not be looked at in training.
        each: streams of every signer in an epoch, and to validate on.
        least: how often a word occurs at least to get into the vocabulary.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    path: str = ""
    annotations: str = ""
    format: str = ""
    streams: bool = False
    videos: str = ""
    glosses: str = ""
    train: str = "all"
    val: str = ""
    test: str = ""
    each: int = 16
    least: int = 1

    def __post_init__(self) -> None:
        for name in ("each", "least"):
            if getattr(self, name) < 1:
                raise ConfigError(f"data.{name} must be at least 1, got {getattr(self, name)}")


@dataclass
class LanguageTraining(SequenceTraining):
    """How a language network is trained.

    Args:
        label_smoothing: of the words, for tasks that write text.
        frames: weight of a cross-entropy of frames beside CTC, for glosses whose times are known; see
            `skelact.training.language.losses.gloss_loss`.
        dice: weight of a Dice loss beside the cross-entropy, for the task ``signs``.
        beam, penalty: of the search in validation; see `skelact.language`.
        blank_penalty: of finding glosses, in validation and afterwards; see `find_glosses`.
    """

    lr: float = 4e-3
    warmup_epochs: float = 1.0
    ema: float = 0.98
    label_smoothing: float = 0.1
    frames: float = 1.0
    dice: float = 0.0
    beam: int = 8
    penalty: float = 1.0
    blank_penalty: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check(1, "beam")
        self.check(0, "frames", "dice", "penalty", "blank_penalty")
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(
                f"train.label_smoothing must lie in 0..1 (1 excluded), got {self.label_smoothing}"
            )


@dataclass
class LanguageExperiment:
    """A whole training of a language network.

    Args:
        name: of the run's folder.
        task: a name of `TASKS`.
        data: which recordings.
        streams: how streams are made, with ``data.streams``.
        input: what the network sees.
        augment: random changes in training.
        model: the network.
        train: how it is trained.
        out: folder of runs; the checkpoint is ``OUT/NAME/TASK/best.safetensors``.
    """

    __pydantic_config__ = {"extra": "forbid", "arbitrary_types_allowed": True}  # noqa: RUF012

    name: str = "signing"
    task: str = "glosses"
    data: LanguageData = field(default_factory=LanguageData)
    streams: StreamSettings = field(default_factory=StreamSettings)
    input: MotionInput = field(default_factory=MotionInput)
    augment: SignAugment = field(default_factory=SignAugment)
    model: LanguageChoice = field(default_factory=CTCSettings)
    train: LanguageTraining = field(default_factory=LanguageTraining)
    out: str = "runs"

    def __post_init__(self) -> None:
        if self.task not in TASKS:
            raise ConfigError(choices(self.task, TASKS, "task"))

    def check(self) -> None:
        """Raise `ConfigError` if the network cannot learn the task, or the data's options do not go together."""
        fitting = TASKS[self.task][1]
        if self.model.name not in fitting:
            raise ConfigError(
                f"the task {self.task} is learned by {' or '.join(fitting)}, got model.name '{self.model.name}'"
            )
        if self.input.pictures and self.task != "text":
            raise ConfigError(f"pictures are seen by the task text alone, got input.pictures for {self.task}")
        if self.task == "text":
            self.model.pictures = PICTURES[self.input.pictures]  # pyright: ignore[reportAttributeAccessIssue]
        if bool(self.data.annotations) != bool(self.data.format):
            raise ConfigError("annotations need data.annotations and data.format, both of them")
        if self.data.streams and (self.data.annotations or self.task in ("text", "gloss2text")):
            raise ConfigError(
                "streams are made of labelled isolated signs, without annotations, for the tasks glosses and signs"
            )

    @property
    def folder(self) -> Path:
        """Where the checkpoint lies."""
        return Path(self.out) / self.name / self.task


def usual_experiment(task: str) -> LanguageExperiment:
    """The usual settings for a task; raises `ConfigError` for an unknown one."""
    if task not in TASKS:
        raise ConfigError(choices(task, TASKS, "task"))
    model: Any = TASKS[task][0]()
    train = LanguageTraining() if task in ("glosses", "signs") else LanguageTraining(lr=2e-3, ema=0.99)
    return LanguageExperiment(task=task, model=model, train=train)


def load_language_config(path: str | Path) -> LanguageExperiment:
    """Read an experiment from YAML; raises `ConfigError` if it cannot be read or holds anything not allowed."""
    return from_plain(LanguageExperiment, read_values(path) or {}, str(path))


def dump_language_config(experiment: LanguageExperiment) -> str:
    """The experiment as flat, complete YAML."""
    return yaml.safe_dump(to_plain(experiment), sort_keys=False, allow_unicode=True)
