"""Everything about one training of a segmentation network ⇄ YAML."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from skelact.datasets.frame_input import FrameInput, FrameTarget
from skelact.errors import ConfigError
from skelact.models.segmentation import MSTCNSettings, SegmenterChoice
from skelact.settings import from_plain, read_values, to_plain
from skelact.training.sequence_settings import SequenceTraining


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
class FrameTraining(SequenceTraining):
    """How a segmentation network is trained.

    Args:
        smoothing, limit: of the loss, see `skelact.training.segmentation.loss.segmentation_loss`.
        balance: 0: all frames weigh the same; 1: all classes.
        keep: the weights of the ``best`` look (by the mean of the classes' frame F1), or the ``last``.
    """

    batch_size: int = 4
    smoothing: float = 0.15
    limit: float = 4.0
    balance: float = 0.5
    keep: str = "last"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check(0, "smoothing")
        if not 0 < self.limit < math.inf:
            raise ConfigError(f"train.limit must be above 0, got {self.limit}")
        if not 0 <= self.balance <= 1:
            raise ConfigError(f"train.balance must lie in 0..1, got {self.balance}")


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
