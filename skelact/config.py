"""`Experiment`: everything about one training ⇄ YAML. Unknown keys are refused with the allowed ones listed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from skelact.datasets.parts import DataSettings
from skelact.datasets.pipeline import Pipeline
from skelact.errors import ConfigError
from skelact.models import ModelSettings, STGCNSettings, use_model
from skelact.settings import from_plain, read_values, to_plain
from skelact.training.settings import TrainSettings


@dataclass
class Experiment:
    """A whole experiment: data, what the network sees, the network, and how it is trained.

    Args:
        name: used for the run's folder.
        data: which file and parts.
        pipeline: sampling, normalisation, augmentation, streams.
        model: the network.
        train: how it is trained.
        views: samples per clip in evaluation.
        out: folder of runs.
    """

    __pydantic_config__ = {"extra": "forbid", "arbitrary_types_allowed": True}  # noqa: RUF012

    name: str = "experiment"
    data: DataSettings = field(default_factory=DataSettings)
    pipeline: Pipeline = field(default_factory=Pipeline)
    model: ModelSettings = field(default_factory=STGCNSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    views: int = 1
    out: str = "runs"

    def __post_init__(self) -> None:
        if self.views < 1:
            raise ConfigError(f"views must be at least 1, got {self.views}")


def load_config(path: str | Path) -> Experiment:
    """Read an experiment from YAML. A network ``module:Class`` that it names is imported: its code is run.

    Raises:
        ConfigError: if the file cannot be read or holds anything that is not allowed.
    """
    values = read_values(path)
    model = values.get("model") if isinstance(values, dict) else None
    if isinstance(model, dict) and ":" in str(model.get("name")):
        use_model(str(model["name"]))
    return from_plain(Experiment, values or {}, str(path))


def dump_config(experiment: Experiment) -> str:
    """The experiment as flat, complete YAML."""
    return yaml.safe_dump(to_plain(experiment), sort_keys=False, allow_unicode=True)


def with_defaults(config: dict) -> dict:
    """A configuration with today's defaults for the settings that it does not know, so that it can be compared."""
    try:
        return to_plain(from_plain(Experiment, config, "config"))
    except ConfigError:  # of a setting that is gone, or not an experiment's
        return config
